//! `coordination.k8s.io/v1/Lease`.

use super::Schema::{Struct, Text, Time, Whole};
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Schema, Shape, exact, field};

static LEASE_SPEC: Shape = Shape {
    name: "io.k8s.api.coordination.v1.LeaseSpec",
    about: "Who holds a lease and until when.",
    fields: &[
        exact(3, "acquireTime", Time(true), "When the holder got it."),
        exact(1, "holderIdentity", Text, "Who holds it."),
        exact(2, "leaseDurationSeconds", Whole, "How long others wait after the last renewal."),
        exact(5, "leaseTransitions", Whole, "How often it changed hands."),
        exact(7, "preferredHolder", Text, "Who should rather hold it."),
        exact(4, "renewTime", Time(true), "When it was last renewed."),
        exact(6, "strategy", Text, "How its holder is chosen."),
    ],
};

static LEASE_SHAPE: Shape = Shape {
    name: "io.k8s.api.coordination.v1.Lease",
    about: "A lock with an end, for electing leaders.",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&LEASE_SPEC), "Who holds it."),
    ],
};

/// `coordination.k8s.io/v1/Lease`.
pub(crate) static LEASE: Schema = Struct(&LEASE_SHAPE);
