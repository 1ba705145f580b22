//! `v1/Namespace`.

use super::Schema::{List, Struct, Text};
use super::metadata::{CONDITIONS, METADATA};
use super::{API_VERSION, KIND, Schema, Shape, field};

static NAMESPACE_SPEC: Shape = Shape {
    name: "io.k8s.api.core.v1.NamespaceSpec",
    about: "How a namespace ends.",
    fields: &[field(1, "finalizers", List(&Text), "What must be done before it is gone.")],
};

static NAMESPACE_STATUS: Shape = Shape {
    name: "io.k8s.api.core.v1.NamespaceStatus",
    about: "The state of a namespace.",
    fields: &[
        field(2, "conditions", Schema::Keyed(&CONDITIONS), "Aspects of the state."),
        field(1, "phase", Text, "Active or Terminating."),
    ],
};

static NAMESPACE_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.Namespace",
    about: "A scope for names.",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&NAMESPACE_SPEC), "How it ends."),
        field(3, "status", Struct(&NAMESPACE_STATUS), "Its state."),
    ],
};

/// `v1/Namespace`.
pub(crate) static NAMESPACE: Schema = Struct(&NAMESPACE_SHAPE);
