//! `v1/Service`.

use super::Schema::{AtomicMap, Flag, List, Struct, Text, Whole, WholeOrText};
use super::metadata::{CONDITIONS, METADATA};
use super::{API_VERSION, KIND, Keyed, Schema, Shape, exact, field};

static SERVICE_PORT: Shape = Shape {
    name: "io.k8s.api.core.v1.ServicePort",
    about: "A port of the Service.",
    fields: &[
        field(6, "appProtocol", Text, "The protocol above the transport, as a hint."),
        field(1, "name", Text, "Its name; needed when there are several."),
        field(5, "nodePort", Whole, "The port on every node, 30000 to 32767 unless configured otherwise."),
        field(3, "port", Whole, "The port that clients use."),
        field(2, "protocol", Text, "TCP (default), UDP or SCTP."),
        field(4, "targetPort", WholeOrText, "The port of the Pods, by number or name; the same as port if left out."),
    ],
};

static PORTS: Keyed =
    Keyed { keys: &[("port", None), ("protocol", Some("TCP"))], merge_key: "port", item: Struct(&SERVICE_PORT) };

static CLIENT_IP: Shape = Shape {
    name: "io.k8s.api.core.v1.ClientIPConfig",
    about: "How long a client stays with its Pod.",
    fields: &[exact(1, "timeoutSeconds", Whole, "Seconds, 1 to 86400; three hours unless set.")],
};

static AFFINITY: Shape = Shape {
    name: "io.k8s.api.core.v1.SessionAffinityConfig",
    about: "Settings of the session affinity.",
    fields: &[field(1, "clientIP", Struct(&CLIENT_IP), "Settings of affinity by client address.")],
};

static SERVICE_SPEC: Shape = Shape {
    name: "io.k8s.api.core.v1.ServiceSpec",
    about: "What a Service should do.",
    fields: &[
        exact(20, "allocateLoadBalancerNodePorts", Flag, "Whether a load balancer gets node ports; true unless set."),
        field(3, "clusterIP", Text, "The address in the cluster; None for a headless Service."),
        field(18, "clusterIPs", List(&Text), "The addresses in the cluster, one per family."),
        field(5, "externalIPs", List(&Text), "Addresses from elsewhere that lead to the nodes."),
        field(10, "externalName", Text, "The DNS name that an ExternalName Service stands for."),
        field(
            11,
            "externalTrafficPolicy",
            Text,
            "Cluster to spread traffic over all nodes, Local to keep it on the node it came to.",
        ),
        field(12, "healthCheckNodePort", Whole, "The node port of the health check when traffic stays local."),
        exact(22, "internalTrafficPolicy", Text, "Cluster or Local, for traffic from inside."),
        field(19, "ipFamilies", List(&Text), "IPv4 and IPv6, in order of preference."),
        exact(17, "ipFamilyPolicy", Text, "SingleStack, PreferDualStack or RequireDualStack."),
        exact(
            21,
            "loadBalancerClass",
            Text,
            "Which implementation builds the load balancer; the cloud provider if unset.",
        ),
        field(
            8,
            "loadBalancerIP",
            Text,
            "The wanted address of the load balancer. Deprecated: use an annotation of the provider.",
        ),
        field(9, "loadBalancerSourceRanges", List(&Text), "Who may reach the load balancer, as CIDR ranges."),
        field(1, "ports", Schema::Keyed(&PORTS), "The ports."),
        field(13, "publishNotReadyAddresses", Flag, "Whether Pods that are not ready count as endpoints."),
        field(2, "selector", AtomicMap, "The labels of the Pods behind it."),
        field(7, "sessionAffinity", Text, "ClientIP or None (default)."),
        field(14, "sessionAffinityConfig", Struct(&AFFINITY), "Settings of the session affinity."),
        exact(23, "trafficDistribution", Text, "A wish for where traffic should go, such as PreferClose."),
        field(4, "type", Text, "ClusterIP (default), NodePort, LoadBalancer or ExternalName."),
    ],
};

static PORT_STATUS: Shape = Shape {
    name: "io.k8s.api.core.v1.PortStatus",
    about: "The state of one port.",
    fields: &[
        exact(3, "error", Text, "Why the port does not work."),
        field(1, "port", Whole, "The port."),
        field(2, "protocol", Text, "Its protocol."),
    ],
};

static INGRESS: Shape = Shape {
    name: "io.k8s.api.core.v1.LoadBalancerIngress",
    about: "One way in.",
    fields: &[
        field(2, "hostname", Text, "A name that leads in."),
        field(1, "ip", Text, "An address that leads in."),
        exact(3, "ipMode", Text, "VIP or Proxy."),
        field(4, "ports", List(&Struct(&PORT_STATUS)), "The state of its ports."),
    ],
};

static LOAD_BALANCER: Shape = Shape {
    name: "io.k8s.api.core.v1.LoadBalancerStatus",
    about: "The state of the load balancer.",
    fields: &[field(1, "ingress", List(&Struct(&INGRESS)), "The ways in.")],
};

static SERVICE_STATUS: Shape = Shape {
    name: "io.k8s.api.core.v1.ServiceStatus",
    about: "What became of a Service.",
    fields: &[
        field(2, "conditions", Schema::Keyed(&CONDITIONS), "Aspects of the state."),
        field(1, "loadBalancer", Struct(&LOAD_BALANCER), "The state of the load balancer."),
    ],
};

static SERVICE_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.Service",
    about: "A name and an address for a set of Pods, inside the cluster or through a load balancer.",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&SERVICE_SPEC), "What the Service should do."),
        field(3, "status", Struct(&SERVICE_STATUS), "What became of it."),
    ],
};

/// `v1/Service`.
pub(crate) static SERVICE: Schema = Struct(&SERVICE_SHAPE);
