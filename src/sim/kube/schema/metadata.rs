//! What all objects have: `metadata`, owners, conditions, and the options of a delete.

use super::Schema::{Embedded, Flag, List, Map, Set, Struct, Text, Time, Whole};
use super::{Keyed, Schema, Shape, exact, field};

static OWNER_REFERENCE_SHAPE: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    about: "An object that this one belongs to.",
    fields: &[
        field(5, "apiVersion", Text, "Group and version of the owner."),
        exact(7, "blockOwnerDeletion", Flag, "Whether a foreground deletion of the owner waits for this object."),
        exact(6, "controller", Flag, "Whether the owner is the one that manages this object."),
        field(1, "kind", Text, "The kind of the owner."),
        field(3, "name", Text, "The name of the owner."),
        field(4, "uid", Text, "The uid of the owner."),
    ],
};

static OWNER_REFERENCES: Keyed =
    Keyed { keys: &[("uid", None)], merge_key: "uid", item: Struct(&OWNER_REFERENCE_SHAPE) };

static MANAGED_FIELDS_ENTRY: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
    about: "The fields that one manager owns.",
    fields: &[
        field(3, "apiVersion", Text, "The version that the fields are named in."),
        field(6, "fieldsType", Text, "How the fields are written: FieldsV1."),
        field(7, "fieldsV1", Embedded, "The fields, as a tree."),
        field(1, "manager", Text, "Who wrote them."),
        field(2, "operation", Text, "How: Apply or Update."),
        field(8, "subresource", Text, "Through which subresource, if through one."),
        field(4, "time", Time(false), "When the set last changed."),
    ],
};

static OBJECT_META: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    about: "What every object has, whatever its kind.",
    fields: &[
        field(12, "annotations", Map, "Notes of tools, by key; nothing is selected by them."),
        field(8, "creationTimestamp", Time(false), "When the object was created."),
        exact(10, "deletionGracePeriodSeconds", Whole, "How long it may take to end, once it is being deleted."),
        field(9, "deletionTimestamp", Time(false), "When it was asked to go; set while finalizers are left."),
        field(14, "finalizers", Set, "What must be removed from here before the object goes."),
        field(2, "generateName", Text, "A prefix that the server completes to a name."),
        field(7, "generation", Whole, "Counts the changes of the spec."),
        field(11, "labels", Map, "Words to select objects by."),
        field(17, "managedFields", List(&Struct(&MANAGED_FIELDS_ENTRY)), "Who owns which field."),
        field(1, "name", Text, "The name, unique in its namespace."),
        field(3, "namespace", Text, "The namespace."),
        field(13, "ownerReferences", Schema::Keyed(&OWNER_REFERENCES), "The objects that this one belongs to."),
        field(6, "resourceVersion", Text, "Changes with every write; sent back, it guards against lost updates."),
        field(4, "selfLink", Text, "No longer filled in."),
        field(5, "uid", Text, "Tells this object from later ones of the same name."),
    ],
};

/// `metadata`.
pub(super) const METADATA: Schema = Struct(&OBJECT_META);

static CONDITION: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.Condition",
    about: "One aspect of the state.",
    fields: &[
        field(4, "lastTransitionTime", Time(false), "When the status last changed."),
        field(6, "message", Text, "Details, for people."),
        field(3, "observedGeneration", Whole, "The generation that it was seen at."),
        field(5, "reason", Text, "Why, in one word."),
        field(2, "status", Text, "True, False or Unknown."),
        field(1, "type", Text, "Which aspect."),
    ],
};

/// A list of conditions.
pub(super) static CONDITIONS: Keyed = Keyed { keys: &[("type", None)], merge_key: "type", item: Struct(&CONDITION) };

static PRECONDITIONS: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions",
    about: "What must hold for a delete to happen.",
    fields: &[
        exact(2, "resourceVersion", Text, "The version it must have."),
        exact(1, "uid", Text, "The uid it must have."),
    ],
};

/// The body of a delete.
pub(crate) static DELETE_OPTIONS: Shape = Shape {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    about: "How to delete.",
    fields: &[
        field(0, "apiVersion", Text, "Group and version of the kind of object."),
        field(5, "dryRun", List(&Text), "All to change nothing."),
        exact(1, "gracePeriodSeconds", Whole, "How long the object may take to end."),
        field(0, "kind", Text, "The kind of object."),
        exact(3, "orphanDependents", Flag, "Replaced by propagationPolicy."),
        field(2, "preconditions", Struct(&PRECONDITIONS), "What must hold."),
        field(4, "propagationPolicy", Text, "What becomes of dependents: Orphan, Background or Foreground."),
    ],
};
