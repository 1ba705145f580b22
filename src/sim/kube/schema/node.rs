//! `v1/Node`.

use super::Schema::{Flag, Free, List, MapOf, Quantity, Set, Struct, Text, Time, Whole};
use super::metadata::METADATA;
use super::{API_VERSION, KIND, Keyed, Schema, Shape, field};

static TAINT: Shape = Shape {
    name: "io.k8s.api.core.v1.Taint",
    about: "Keeps Pods away that do not tolerate it.",
    fields: &[
        field(3, "effect", Text, "NoSchedule, PreferNoSchedule or NoExecute."),
        field(1, "key", Text, "Its key."),
        field(4, "timeAdded", Time(false), "When it was added."),
        field(2, "value", Text, "Its value."),
    ],
};

static NODE_SPEC: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeSpec",
    about: "What a node is given.",
    fields: &[
        field(6, "configSource", Free, "No longer used."),
        field(2, "externalID", Text, "No longer used."),
        field(1, "podCIDR", Text, "The range of its Pods."),
        field(7, "podCIDRs", Set, "The ranges of its Pods, one per family."),
        field(3, "providerID", Text, "What the cloud provider calls it."),
        field(5, "taints", List(&Struct(&TAINT)), "What keeps Pods away."),
        field(4, "unschedulable", Flag, "Whether new Pods stay away."),
    ],
};

static NODE_ADDRESS: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeAddress",
    about: "An address of a node.",
    fields: &[
        field(2, "address", Text, "The address."),
        field(1, "type", Text, "InternalIP, ExternalIP, Hostname and the like."),
    ],
};

static ADDRESSES: Keyed = Keyed { keys: &[("type", None)], merge_key: "type", item: Struct(&NODE_ADDRESS) };

static NODE_CONDITION: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeCondition",
    about: "One aspect of the state of a node.",
    fields: &[
        field(3, "lastHeartbeatTime", Time(false), "When it was last reported."),
        field(4, "lastTransitionTime", Time(false), "When the status last changed."),
        field(6, "message", Text, "Details, for people."),
        field(5, "reason", Text, "Why, in one word."),
        field(2, "status", Text, "True, False or Unknown."),
        field(1, "type", Text, "Which aspect, such as Ready."),
    ],
};

static NODE_CONDITIONS: Keyed = Keyed { keys: &[("type", None)], merge_key: "type", item: Struct(&NODE_CONDITION) };

static SYSTEM_INFO: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeSystemInfo",
    about: "What the machine says of itself.",
    fields: &[
        field(10, "architecture", Text, "The architecture."),
        field(3, "bootID", Text, "Changes with every boot."),
        field(6, "containerRuntimeVersion", Text, "The container runtime."),
        field(4, "kernelVersion", Text, "The kernel."),
        field(8, "kubeProxyVersion", Text, "No longer used."),
        field(7, "kubeletVersion", Text, "The kubelet."),
        field(1, "machineID", Text, "The id of the machine."),
        field(9, "operatingSystem", Text, "The operating system."),
        field(5, "osImage", Text, "The distribution."),
        field(0, "swap", Free, "How much swap it has."),
        field(2, "systemUUID", Text, "The id of the hardware."),
    ],
};

static IMAGE: Shape = Shape {
    name: "io.k8s.api.core.v1.ContainerImage",
    about: "An image on a node.",
    fields: &[field(1, "names", List(&Text), "Its names."), field(2, "sizeBytes", Whole, "Its size.")],
};

static VOLUME: Shape = Shape {
    name: "io.k8s.api.core.v1.AttachedVolume",
    about: "A volume on a node.",
    fields: &[field(2, "devicePath", Text, "Where it is."), field(1, "name", Text, "Its name.")],
};

static DAEMON: Shape = Shape {
    name: "io.k8s.api.core.v1.DaemonEndpoint",
    about: "Where a daemon listens.",
    fields: &[field(1, "Port", Whole, "The port.")],
};

static DAEMONS: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeDaemonEndpoints",
    about: "Where the daemons listen.",
    fields: &[field(1, "kubeletEndpoint", Struct(&DAEMON), "Where the kubelet listens.")],
};

static NODE_STATUS: Shape = Shape {
    name: "io.k8s.api.core.v1.NodeStatus",
    about: "The state of a node.",
    fields: &[
        field(5, "addresses", Schema::Keyed(&ADDRESSES), "How to reach it."),
        field(2, "allocatable", MapOf(&Quantity), "What Pods can have."),
        field(1, "capacity", MapOf(&Quantity), "What there is."),
        field(4, "conditions", Schema::Keyed(&NODE_CONDITIONS), "Aspects of the state."),
        field(11, "config", Free, "No longer used."),
        field(6, "daemonEndpoints", Struct(&DAEMONS), "Where its daemons listen."),
        field(0, "declaredFeatures", List(&Text), "Features that it says it has."),
        field(0, "features", Free, "Features of its runtime."),
        field(8, "images", List(&Struct(&IMAGE)), "Images that it holds."),
        field(7, "nodeInfo", Struct(&SYSTEM_INFO), "What the machine says of itself."),
        field(3, "phase", Text, "No longer used."),
        field(0, "runtimeHandlers", Free, "The runtimes it has."),
        field(10, "volumesAttached", List(&Struct(&VOLUME)), "Volumes that are attached."),
        field(9, "volumesInUse", List(&Text), "Volumes that are in use."),
    ],
};

static NODE_SHAPE: Shape = Shape {
    name: "io.k8s.api.core.v1.Node",
    about: "A machine that Pods run on.",
    fields: &[
        API_VERSION,
        KIND,
        field(1, "metadata", METADATA, "Name, labels, annotations and the like."),
        field(2, "spec", Struct(&NODE_SPEC), "What it is given."),
        field(3, "status", Struct(&NODE_STATUS), "Its state."),
    ],
};

/// `v1/Node`.
pub(crate) static NODE: Schema = Struct(&NODE_SHAPE);
