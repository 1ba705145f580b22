//! `v1/Event` and `events.k8s.io/v1/Event`: two spellings of one object.

use super::Schema::{Struct, Text, Time, Whole};
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Schema, Shape, field};

pub(super) static OBJECT_REFERENCE: Shape = Shape {
    name: "io.k8s.api.core.v1.ObjectReference",
    about: "Names another object.",
    fields: &[
        field(5, "apiVersion", Text, "Its group and version."),
        field(7, "fieldPath", Text, "The part of it that is meant."),
        field(1, "kind", Text, "Its kind."),
        field(3, "name", Text, "Its name."),
        field(2, "namespace", Text, "Its namespace."),
        field(6, "resourceVersion", Text, "Its version."),
        field(4, "uid", Text, "Its uid."),
    ],
};

static SOURCE: Shape = Shape {
    name: "io.k8s.api.core.v1.EventSource",
    about: "Where an event came from.",
    fields: &[field(1, "component", Text, "The component."), field(2, "host", Text, "The node.")],
};

static SERIES: Shape = Shape {
    name: "io.k8s.api.core.v1.EventSeries",
    about: "Repeated occurrences.",
    fields: &[field(1, "count", Whole, "How many so far."), field(2, "lastObservedTime", Time(true), "The last one.")],
};

static EVENT_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.Event",
    about: "Something that happened to an object.",
    fields: &[
        field(12, "action", Text, "What was done."),
        API_VERSION,
        field(8, "count", Whole, "How often it happened."),
        field(10, "eventTime", Time(true), "When it first happened."),
        field(6, "firstTimestamp", Time(false), "When it was first recorded."),
        field(2, "involvedObject", Struct(&OBJECT_REFERENCE), "What it happened to."),
        KIND,
        field(7, "lastTimestamp", Time(false), "When it was last recorded."),
        field(4, "message", Text, "What happened, for people."),
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(3, "reason", Text, "What happened, in one word."),
        field(13, "related", Struct(&OBJECT_REFERENCE), "Another object that has to do with it."),
        field(14, "reportingComponent", Text, "The controller that reports it."),
        field(15, "reportingInstance", Text, "Which instance of it."),
        field(11, "series", Struct(&SERIES), "Its repetitions."),
        field(5, "source", Struct(&SOURCE), "Where it came from."),
        field(9, "type", Text, "Normal or Warning."),
    ],
};

/// `v1/Event`.
pub(crate) static EVENT: Schema = Struct(&EVENT_SHAPE);

static NEW_SERIES: Shape = Shape {
    name: "io.k8s.api.events.v1.EventSeries",
    about: "Repeated occurrences.",
    fields: &[field(1, "count", Whole, "How many so far."), field(2, "lastObservedTime", Time(true), "The last one.")],
};

static NEW_EVENT_SHAPE: Shape = Shape {
    name: "io.k8s.api.events.v1.Event",
    about: "Something that happened to an object.",
    fields: &[
        field(6, "action", Text, "What was done."),
        API_VERSION,
        field(15, "deprecatedCount", Whole, "As count of v1."),
        field(13, "deprecatedFirstTimestamp", Time(false), "As firstTimestamp of v1."),
        field(14, "deprecatedLastTimestamp", Time(false), "As lastTimestamp of v1."),
        field(12, "deprecatedSource", Struct(&SOURCE), "As source of v1."),
        field(2, "eventTime", Time(true), "When it first happened."),
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(10, "note", Text, "What happened, for people."),
        field(7, "reason", Text, "What happened, in one word."),
        field(8, "regarding", Struct(&OBJECT_REFERENCE), "What it happened to."),
        field(9, "related", Struct(&OBJECT_REFERENCE), "Another object that has to do with it."),
        field(4, "reportingController", Text, "The controller that reports it."),
        field(5, "reportingInstance", Text, "Which instance of it."),
        field(3, "series", Struct(&NEW_SERIES), "Its repetitions."),
        field(11, "type", Text, "Normal or Warning."),
    ],
};

/// `events.k8s.io/v1/Event`.
pub(crate) static NEW_EVENT: Schema = Struct(&NEW_EVENT_SHAPE);
