//! `v1/ConfigMap`.

use super::Schema::{Bytes, Flag, Map, MapOf, Struct};
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Schema, Shape, exact, field};

static CONFIG_MAP_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.ConfigMap",
    about: "Settings, by key.",
    fields: &[
        API_VERSION,
        field(3, "binaryData", MapOf(&Bytes), "Values that are not text, in base64."),
        field(2, "data", Map, "Values that are text."),
        exact(4, "immutable", Flag, "Whether the data can change no more."),
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
    ],
};

/// `v1/ConfigMap`.
pub(crate) static CONFIG_MAP: Schema = Struct(&CONFIG_MAP_SHAPE);
