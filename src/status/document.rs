//! The status files, version 1: frozen structs with the names that people and programs see.
//!
//! Text fields hold what Azure and Kubernetes say, as they say it. Times occur only where something changed, so that a world
//! that stands still gives the same bytes.

mod approval;
mod record;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::plan::document::PlanId;

pub use approval::SeenApproval;
pub use approval::remember;
pub use record::AppliedRecord;
pub use record::AppliedStep;
pub use record::ApplyOutcome;
pub use record::BreakGlassRecord;
pub use record::StepOutcome;

/// What every status of a document has in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// `privlink.dev/v1alpha1`.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// Whose status this is.
    pub metadata: Metadata,
    /// The file of the document; absent once no document asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The commit whose apply last changed it, or from which on it was seen as asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub applied_commit: Option<CommitId>,
    /// The plan that last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub plan: Option<PlanId>,
    /// How it is.
    pub conditions: Vec<Condition>,
    /// What the pending plan would do to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// How it differs from Git without a commit that asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
}

/// The name of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, for Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// One thing that is so, is not so, or is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether.
    pub status: ConditionStatus,
    /// Why, as one word of `status::reason`.
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when it has this status.
    #[schemars(with = "String")]
    pub since: jiff::Timestamp,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The Service has its address.
    FrontendReady,
    /// The Private Link Service serves and has its alias.
    LinkServiceReady,
    /// The endpoint has its address.
    EndpointReady,
    /// The provider approved the connection (for a provider: no request waits).
    ConnectionApproved,
    /// Records answer with the address, and each link is complete.
    DnsReady,
    /// Consumers can reach the Service by Private Link.
    Published,
    /// What the document asks for is carried out; it is there only while that is not so, because the document is suspended.
    Reconciled,
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FrontendReady => "FrontendReady",
            Self::LinkServiceReady => "LinkServiceReady",
            Self::EndpointReady => "EndpointReady",
            Self::ConnectionApproved => "ConnectionApproved",
            Self::DnsReady => "DnsReady",
            Self::Published => "Published",
            Self::Reconciled => "Reconciled",
        })
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody could see.
    Unknown,
}

impl std::fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        })
    }
}

/// The status of a Kubernetes Service that the repository deploys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// What all have.
    #[serde(flatten)]
    pub head: Head,
    /// What it yields.
    #[serde(default)]
    pub outputs: ServiceOutputs,
    /// The Private Link Service that its own annotations ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_service: Option<LinkService>,
}

/// What a Service yields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceOutputs {
    /// `spec.type`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `spec.clusterIP`.
    #[serde(default, rename = "clusterIP", skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<String>,
    /// `status.loadBalancer.ingress[].ip`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Ports as `kubectl get service` prints them: `443:30443/TCP`.
    #[serde(default)]
    pub ports: Vec<String>,
    /// `metadata.creationTimestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub created_at: Option<jiff::Timestamp>,
    /// The id of the load balancer frontend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontend: Option<String>,
}

/// A Private Link Service and who is connected to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkService {
    /// The Azure id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The alias that consumers connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The aliases it had before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alias_history: Vec<PastAlias>,
    /// Every connection, by endpoint.
    #[serde(default)]
    pub connections: Vec<ConnectionRecord>,
}

/// An alias that is gone. Azure never gives one back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastAlias {
    /// The alias.
    pub alias: String,
    /// When it was seen to be gone.
    #[schemars(with = "String")]
    pub until: jiff::Timestamp,
}

/// One consumer's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRecord {
    /// The name of the endpoint, or of the connection where Azure does not tell the endpoint.
    pub name: String,
    /// Who is behind the subscription, from `[consumers]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The id of the endpoint; of the connection, where Azure does not tell the endpoint.
    pub endpoint: String,
    /// The subscription it comes from.
    pub subscription: String,
    /// Its state: `Pending`, `Approved`, `Rejected`, `Disconnected`, or another word of Azure's.
    pub status: String,
    /// The number that PROXY protocol v2 carries for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_id: Option<String>,
    /// When privlink first saw it.
    #[schemars(with = "String")]
    pub first_seen: jiff::Timestamp,
}

/// The status of a `PrivateLinkService` document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateLinkServiceStatus {
    /// What all have.
    #[serde(flatten)]
    pub head: Head,
    /// The Service it publishes, as `namespace/name`; absent where the document names a frontend only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// What it yields.
    #[serde(default)]
    pub outputs: LinkService,
    /// The one it replaces, as long as that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaces>,
}

/// How far the consumers of an old Private Link Service have moved to the one that replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replaces {
    /// The document of the old one.
    pub name: String,
    /// How many consumers are on the new one.
    pub moved: usize,
    /// How many consumers the two have together.
    pub consumers: usize,
    /// Who is cut if the old one goes, by endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// The status of a `PrivateEndpoint` document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateEndpointStatus {
    /// What all have.
    #[serde(flatten)]
    pub head: Head,
    /// What it yields.
    #[serde(default)]
    pub outputs: EndpointOutputs,
}

/// What a private endpoint yields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOutputs {
    /// The Azure id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its private address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<String>,
    /// What the provider answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_state: Option<String>,
    /// What it connects to: an id or an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The A records of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<RecordOutput>,
}

/// An A record as it answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordOutput {
    /// The full name: `api.orders.internal`.
    pub name: String,
    /// What it answers; empty if the record is not there.
    pub addresses: Vec<String>,
}

/// The status of an environment as a whole: `environment.yaml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// `privlink.dev/v1alpha1`.
    pub api_version: String,
    /// `EnvironmentStatus`.
    pub kind: String,
    /// The environment.
    pub environment: String,
    /// The commit that was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub applied_commit: Option<CommitId>,
    /// The commit whose rules were accepted last, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub rules_commit: Option<CommitId>,
    /// The plan that was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub plan: Option<PlanId>,
    /// How often the glass was broken, and the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BrokenGlass>,
    /// The plan that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingPlan>,
    /// What was put back without asking, within the hour before the last time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<HealRecord>,
    /// What somebody else changes back every time: it is not put back any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contested: Vec<ContestRecord>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapRecord>,
    /// What keeps the plan from being applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<BlockerRecord>,
    /// The steps that failed in the last apply and are still to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<FailingStep>,
    /// The signed approvals that were seen and have not expired: one that was taken back counts no more, wherever it comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<SeenApproval>,
}

/// How often the glass was broken, and the last time. The records of the applies have all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokenGlass {
    /// How often, ever.
    pub uses: u32,
    /// The plan of the last time.
    #[schemars(with = "String")]
    pub plan: PlanId,
    /// When that was.
    #[schemars(with = "String")]
    pub at: jiff::Timestamp,
    /// Who it was, as their machine said.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A plan that waits for a yes or for an apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingPlan {
    /// Its id.
    #[schemars(with = "String")]
    pub id: PlanId,
    /// Its worst risk.
    pub risk: String,
    /// How many changes it has.
    pub changes: usize,
    /// Since when it waits.
    #[schemars(with = "String")]
    pub since: jiff::Timestamp,
    /// What is new since people approved another plan of the same changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub since_approved: Vec<SinceApproved>,
}

/// A field that was put back without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealRecord {
    /// The full identity of the resource.
    pub resource: String,
    /// The field.
    pub field: String,
    /// When, the latest last.
    #[schemars(with = "Vec<String>")]
    pub times: Vec<jiff::Timestamp>,
}

/// A resource that somebody else changes back every time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContestRecord {
    /// The full identity of the resource.
    pub resource: String,
    /// What is known, as half a sentence.
    pub told: String,
    /// The SHA-256 of what the repository asks for of it: once it asks for something else, healing begins again.
    pub wish: String,
}

/// What is new since somebody approved another plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SinceApproved {
    /// Who approved.
    pub approver: String,
    /// What they approved.
    #[schemars(with = "String")]
    pub plan: PlanId,
    /// What is different now, each as a line.
    pub differences: Vec<String>,
}

/// An area that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GapRecord {
    /// Which.
    pub area: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schemars(with = "String")]
    pub since: jiff::Timestamp,
}

/// Something in the way of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockerRecord {
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailingStep {
    /// The full identity of the resource.
    pub key: String,
    /// What went wrong.
    pub error: String,
}

/// A table for people: `README.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The environment as a whole.
    pub environment: EnvironmentStatus,
    /// One row per document.
    pub rows: Vec<OverviewRow>,
}

/// One document in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverviewRow {
    /// The kind of the document.
    pub kind: &'static str,
    /// Its name, with its namespace.
    pub name: String,
    /// The conditions that are not true; empty means ready.
    pub troubles: Vec<Condition>,
    /// Address and alias, as far as it has them.
    pub outputs: Vec<String>,
    /// How many connections it has, for what is published.
    pub connections: Option<usize>,
    /// The path of its status file, below that of the table.
    pub file: String,
}
