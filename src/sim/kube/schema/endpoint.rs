//! `v1/Endpoints` and `discovery.k8s.io/v1/EndpointSlice`.

use super::Schema::{Flag, List, Map, Set, Struct, Text, Whole};
use super::event::OBJECT_REFERENCE;
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Schema, Shape, exact, field};

static ADDRESS: Shape = Shape {
    name: "io.k8s.api.core.v1.EndpointAddress",
    about: "One address.",
    fields: &[
        field(3, "hostname", Text, "Its host name."),
        field(1, "ip", Text, "The address."),
        exact(4, "nodeName", Text, "The node it is on."),
        field(2, "targetRef", Struct(&OBJECT_REFERENCE), "The object behind it."),
    ],
};

static OLD_PORT: Shape = Shape {
    name: "io.k8s.api.core.v1.EndpointPort",
    about: "One port.",
    fields: &[
        exact(4, "appProtocol", Text, "The protocol above the transport."),
        field(1, "name", Text, "Its name."),
        field(2, "port", Whole, "The number."),
        field(3, "protocol", Text, "TCP, UDP or SCTP."),
    ],
};

static SUBSET: Shape = Shape {
    name: "io.k8s.api.core.v1.EndpointSubset",
    about: "Addresses that share their ports.",
    fields: &[
        field(1, "addresses", List(&Struct(&ADDRESS)), "Those that are ready."),
        field(2, "notReadyAddresses", List(&Struct(&ADDRESS)), "Those that are not."),
        field(3, "ports", List(&Struct(&OLD_PORT)), "The ports."),
    ],
};

static ENDPOINTS_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.Endpoints",
    about: "What is behind a Service. Deprecated: use EndpointSlice.",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "subsets", List(&Struct(&SUBSET)), "The addresses with their ports."),
    ],
};

/// `v1/Endpoints`.
pub(crate) static ENDPOINTS: Schema = Struct(&ENDPOINTS_SHAPE);

static ENDPOINT_CONDITIONS: Shape = Shape {
    name: "io.k8s.api.discovery.v1.EndpointConditions",
    about: "The state of an endpoint.",
    fields: &[
        exact(1, "ready", Flag, "Whether it takes traffic."),
        exact(2, "serving", Flag, "The same, also while it ends."),
        exact(3, "terminating", Flag, "Whether it ends."),
    ],
};

static FOR_ZONE: Shape =
    Shape { name: "io.k8s.api.discovery.v1.ForZone", about: "A zone.", fields: &[field(1, "name", Text, "Its name.")] };

static FOR_NODE: Shape =
    Shape { name: "io.k8s.api.discovery.v1.ForNode", about: "A node.", fields: &[field(1, "name", Text, "Its name.")] };

static HINTS: Shape = Shape {
    name: "io.k8s.api.discovery.v1.EndpointHints",
    about: "Who should use an endpoint.",
    fields: &[
        field(2, "forNodes", List(&Struct(&FOR_NODE)), "Clients on these nodes."),
        field(1, "forZones", List(&Struct(&FOR_ZONE)), "Clients in these zones."),
    ],
};

static ENDPOINT: Shape = Shape {
    name: "io.k8s.api.discovery.v1.Endpoint",
    about: "One endpoint.",
    fields: &[
        field(1, "addresses", Set, "Its addresses."),
        field(2, "conditions", Struct(&ENDPOINT_CONDITIONS), "Its state."),
        field(5, "deprecatedTopology", Map, "No longer used."),
        field(8, "hints", Struct(&HINTS), "Who should use it."),
        exact(3, "hostname", Text, "Its host name."),
        exact(6, "nodeName", Text, "The node it is on."),
        field(4, "targetRef", Struct(&OBJECT_REFERENCE), "The object behind it."),
        exact(7, "zone", Text, "The zone it is in."),
    ],
};

static PORT: Shape = Shape {
    name: "io.k8s.api.discovery.v1.EndpointPort",
    about: "One port.",
    fields: &[
        exact(4, "appProtocol", Text, "The protocol above the transport."),
        exact(1, "name", Text, "Its name."),
        exact(3, "port", Whole, "The number."),
        exact(2, "protocol", Text, "TCP, UDP or SCTP."),
    ],
};

static ENDPOINT_SLICE_SHAPE: Shape = Shape {
    name: "io.k8s.api.discovery.v1.EndpointSlice",
    about: "Part of what is behind a Service.",
    fields: &[
        field(4, "addressType", Text, "IPv4, IPv6 or FQDN."),
        API_VERSION,
        field(2, "endpoints", List(&Struct(&ENDPOINT)), "The endpoints."),
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(3, "ports", List(&Struct(&PORT)), "The ports."),
    ],
};

/// `discovery.k8s.io/v1/EndpointSlice`.
pub(crate) static ENDPOINT_SLICE: Schema = Struct(&ENDPOINT_SLICE_SHAPE);
