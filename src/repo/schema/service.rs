//! The wire form of `v1/Service`: every field that the API server of Kubernetes 1.36 takes from people, and no other.
//!
//! The typed crates ignore unknown keys (`prots`) and read `x: true` as text; the API server does neither. This struct only
//! judges the manifest: what is applied is the manifest itself. Absent and null are the same, as for the server.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::kubernetes::{Namespace, ServiceName};
use crate::repo::schema::annotations;
use crate::repo::schema::word;
use crate::repo::schema::word::Port;

/// A Kubernetes Service as people write it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Service")]
pub struct Service {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// The kind.
    pub kind: Kind,
    /// Names the Service.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ServiceSpec,
}

/// The API version of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ApiVersion {
    /// The only one.
    #[serde(rename = "v1")]
    V1,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Kind {
    /// The only one.
    Service,
}

/// The fields of `metadata` that people write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObjectMeta {
    /// The name.
    #[schemars(with = "word::ServiceLabel")]
    pub name: ServiceName,
    /// The namespace. Default: `default`.
    #[schemars(with = "Option<word::DnsLabel>")]
    pub namespace: Option<Namespace>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations; every value is text, so `true` and numbers need quotes.
    #[schemars(schema_with = "annotations::schema")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// What must be removed before the object goes away.
    pub finalizers: Option<Vec<String>>,
    /// The objects this one belongs to.
    pub owner_references: Option<Vec<OwnerReference>>,
}

/// An object that this one belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Its API version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// True if it manages this one.
    pub controller: Option<bool>,
    /// True if it cannot be deleted before this one.
    pub block_owner_deletion: Option<bool>,
}

/// What a Service is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// How it is reached. Default: `ClusterIP`.
    #[serde(rename = "type")]
    pub service_type: Option<ServiceType>,
    /// Its ports.
    pub ports: Option<Vec<ServicePort>>,
    /// The labels of its pods.
    pub selector: Option<BTreeMap<String, String>>,
    /// Its address inside the cluster; `None` for a headless one.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// Its addresses inside the cluster, by family.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Option<Vec<String>>,
    /// Addresses of nodes that also take its traffic.
    #[serde(rename = "externalIPs")]
    pub external_ips: Option<Vec<String>>,
    /// The name that a Service of type `ExternalName` stands for.
    pub external_name: Option<String>,
    /// Which pods take traffic from outside.
    pub external_traffic_policy: Option<TrafficPolicy>,
    /// The node port of the health check, with `externalTrafficPolicy: Local`.
    pub health_check_node_port: Option<Port>,
    /// Which pods take traffic from inside.
    pub internal_traffic_policy: Option<TrafficPolicy>,
    /// Its address families.
    pub ip_families: Option<Vec<IpFamily>>,
    /// How many address families it has.
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// Which load balancer implementation takes care of it.
    pub load_balancer_class: Option<String>,
    /// The address of its load balancer.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: Option<String>,
    /// The clients that its load balancer lets in.
    pub load_balancer_source_ranges: Option<Vec<String>>,
    /// Whether its load balancer needs node ports.
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Whether its DNS names pods that are not ready.
    pub publish_not_ready_addresses: Option<bool>,
    /// Whether a client sticks to a pod.
    pub session_affinity: Option<SessionAffinity>,
    /// How long a client sticks to a pod.
    pub session_affinity_config: Option<SessionAffinityConfig>,
    /// Which pods are preferred.
    pub traffic_distribution: Option<TrafficDistribution>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name; needed if there are several.
    #[schemars(with = "Option<word::DnsLabel>")]
    pub name: Option<PortLabel>,
    /// The port.
    pub port: Port,
    /// The port of the pods, by number or name. Default: the same.
    pub target_port: Option<TargetPort>,
    /// The protocol. Default: `TCP`.
    pub protocol: Option<Protocol>,
    /// The port on each node. Default: the cluster's choice.
    pub node_port: Option<Port>,
    /// What is spoken on it, as a hint.
    pub app_protocol: Option<String>,
}

/// The name of a port: a DNS label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortLabel(String);

impl PortLabel {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PortLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if crate::domain::name::is_dns_label(&text, 63) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(
                "a port name has at most 63 lower-case letters, digits and '-', and starts and ends with a letter or digit",
            ))
        }
    }
}

/// A port of the pods.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged, inline)]
pub enum TargetPort {
    /// By number.
    Number(Port),
    /// By name.
    Name(String),
}

impl<'de> Deserialize<'de> for TargetPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetPortVisitor)
    }
}

struct TargetPortVisitor;

impl Visitor<'_> for TargetPortVisitor {
    type Value = TargetPort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number from 1 to 65535, or the name of a port of the pods")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<TargetPort, E> {
        let deserializer = serde::de::value::U64Deserializer::<E>::new(number);
        Port::deserialize(deserializer)
            .map(TargetPort::Number)
            .map_err(|_: E| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TargetPort, E> {
        // IANA_SVC_NAME of the API server (RFC 6335, in lower case).
        let bytes = text.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        let ok = bytes.len() <= 15
            && bytes.iter().all(allowed)
            && bytes.iter().any(u8::is_ascii_lowercase)
            && edge(bytes.first())
            && edge(bytes.last())
            && !text.contains("--");
        if ok { Ok(TargetPort::Name(text.to_owned())) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }
}

/// Declares an enum whose words are spelled in YAML as in Rust.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[$meta:meta])+ $word:ident,)+ })+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
            #[schemars(inline)]
            pub enum $name { $($(#[$meta])+ $word,)+ }
        )+
    };
}

words! {
    /// How a Service is reached.
    ServiceType {
        /// Inside the cluster.
        ClusterIP,
        /// On a port of every node.
        NodePort,
        /// Through a load balancer.
        LoadBalancer,
        /// It only stands for another name.
        ExternalName,
    }
    /// A transport protocol.
    Protocol {
        /// TCP.
        #[serde(rename = "TCP")]
        Tcp,
        /// UDP.
        #[serde(rename = "UDP")]
        Udp,
        /// SCTP.
        #[serde(rename = "SCTP")]
        Sctp,
    }
    /// Which pods take traffic.
    TrafficPolicy {
        /// All of them.
        Cluster,
        /// Those on the same node.
        Local,
    }
    /// An address family.
    IpFamily {
        /// IPv4.
        IPv4,
        /// IPv6.
        IPv6,
    }
    /// How many address families a Service has.
    IpFamilyPolicy {
        /// One.
        SingleStack,
        /// Two if the cluster has two.
        PreferDualStack,
        /// Two.
        RequireDualStack,
    }
    /// Whether a client sticks to a pod.
    SessionAffinity {
        /// By its address.
        ClientIP,
        /// It does not.
        None,
    }
    /// Which pods are preferred.
    TrafficDistribution {
        /// Near ones.
        PreferClose,
        /// Those in the same zone.
        PreferSameZone,
        /// Those on the same node.
        PreferSameNode,
    }
}

/// How long a client sticks to a pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionAffinityConfig {
    /// By the client's address.
    #[serde(rename = "clientIP")]
    pub client_ip: Option<ClientIpConfig>,
}

/// How long a client address sticks to a pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientIpConfig {
    /// Seconds. Default: 10800.
    pub timeout_seconds: Option<word::StickySeconds>,
}
