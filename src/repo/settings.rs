//! `privlink.toml`: which environments there are, who may approve, what is in scope.
//!
//! The structs are the format: kebab-case, unknown keys refused, defaults written here. Nothing below reads a clock, a file
//! or the environment of the process.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{Diagnostics, FileName, Place};
use crate::domain::azure::{ClientId, ResourceId, SubscriptionId, TenantId};
use crate::domain::commit::{Identity, RepoPath};
use crate::domain::name::{ApproverName, CommitterName, EnvironmentName, OwnerId};
use crate::domain::scope::Pattern;
use crate::repo::decode::{Nulls, decode};
use crate::repo::layout;
use crate::repo::schema::own::ClusterId;
use crate::repo::schema::word;
use crate::repo::source::Sources;

mod check;
mod drift;
pub mod floor;
mod key;
mod level;
mod toml;
mod window;
mod wire;

pub use self::toml::source;
pub use drift::{Drift, OnDrift};
pub use key::{OpenPgp, Ssh};
pub use level::{Approval, Level};
pub use window::{RiskWord, Window, Windows};
pub use wire::{Cloud, Version};

/// The whole of `privlink.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "privlink.toml")]
pub struct Settings {
    /// The version of this format: 1.
    pub version: Version,
    /// Marks what belongs to this repository; written by `privlink init`, never changed.
    #[serde(deserialize_with = "wire::owner")]
    #[schemars(with = "word::Guid")]
    pub owner: OwnerId,
    /// Where the status is written.
    #[serde(default)]
    pub status: Status,
    /// Who may approve.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Approver>")]
    pub approvers: BTreeMap<ApproverName, Approver>,
    /// Who else may sign changes: people who write documents and approve none, and the forge that merges for people.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Committer>")]
    pub committers: BTreeMap<CommitterName, Committer>,
    /// Who is behind a subscription: plans name them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Consumer>")]
    pub consumers: BTreeMap<SubscriptionId, Consumer>,
    /// How files are judged.
    #[serde(default)]
    pub check: Check,
    /// The environments.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Environment>")]
    pub environments: BTreeMap<EnvironmentName, Environment>,
}

/// Where the status is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Status {
    /// The branch; `{environment}` stands for the name of the environment.
    #[schemars(extend("default" = "privlink/status/{environment}"))]
    pub branch: String,
    /// The author of status commits.
    #[serde(deserialize_with = "wire::author")]
    #[schemars(with = "word::Author", extend("default" = "privlink <privlink@example.com>"))]
    pub author: Identity,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            branch: "privlink/status/{environment}".to_owned(),
            author: Identity { name: "privlink".to_owned(), email: "privlink@example.com".to_owned() },
        }
    }
}

impl Status {
    /// The status branch of an environment.
    pub fn branch_of(&self, environment: &EnvironmentName) -> String {
        self.branch.replace("{environment}", environment.as_str())
    }
}

/// Someone who may approve.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Approver {
    /// The public SSH key that signs the person's commits, as in a `.pub` file.
    pub ssh: Option<Ssh>,
    /// The public OpenPGP key that signs the person's commits, as `gpg --armor --export` prints it.
    pub openpgp: Option<OpenPgp>,
    /// Addresses under which the person commits: a change by one of them is the person's own.
    #[serde(default)]
    pub emails: Vec<String>,
    /// The number of the person's account at GitHub, as `gh api users/NAME --jq .id` prints it: a review by it counts as an
    /// approval, where signatures are not required and an agent looks at pull requests.
    pub github_id: Option<u64>,
}

/// Someone who may sign changes, and approves none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Committer {
    /// The public SSH key, as in a `.pub` file.
    pub ssh: Option<Ssh>,
    /// The public OpenPGP key, as `gpg --armor --export` prints it.
    pub openpgp: Option<OpenPgp>,
}

/// Who is behind a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Consumer {
    /// What plans call them.
    pub name: String,
    /// How they are reached.
    pub contact: Option<String>,
    /// The Microsoft Entra tenant that they are, as a domain or a UUID. Azure does not tell a provider.
    pub tenant: Option<String>,
}

/// How files are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Check {
    /// What happens to documents of kinds that are not known.
    #[schemars(extend("default" = "error"))]
    pub other_kinds: OtherKinds,
    /// How bad the findings of single rules are, by the rule's id. Default: as `privlink explain` says.
    pub levels: BTreeMap<String, RuleLevel>,
}

/// How bad the findings of a rule are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RuleLevel {
    /// They are not told.
    Off,
    /// They are worth knowing.
    Remark,
    /// They are probably not what was meant.
    Warning,
    /// Nothing is planned until they are repaired.
    Error,
}

/// What happens to documents of kinds that are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum OtherKinds {
    /// They are errors.
    #[default]
    Error,
    /// They are passed over.
    Ignore,
}

/// A cluster (or none) and the subscriptions it exposes to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// The folder of its documents.
    #[serde(deserialize_with = "wire::folder")]
    #[schemars(with = "word::Folder")]
    pub path: RepoPath,
    /// The cloud.
    #[serde(default)]
    pub cloud: Cloud,
    /// The subscription of everything that names none.
    #[schemars(with = "word::Guid")]
    pub subscription: SubscriptionId,
    /// Who privlink is when it plans and applies. Default: whoever runs it.
    pub identity: Option<EnvironmentIdentity>,
    /// The cluster. Default: none, the environment only consumes.
    pub cluster: Option<Cluster>,
    /// The version of the cluster's cloud provider, such as 1.36.2. Default: what the cluster's Kubernetes version tells.
    #[serde(default, deserialize_with = "wire::version")]
    #[schemars(with = "Option<String>", extend("pattern" = "^[0-9]+\\.[0-9]+\\.[0-9]+$"))]
    pub cloud_provider_version: Option<String>,
    /// What may be touched.
    #[serde(default)]
    pub scope: Scope,
    /// How the subscriptions in scope are looked through.
    #[serde(default)]
    #[schemars(extend("default" = "lists"))]
    pub inventory: Inventory,
    /// True to delete what no document wants any more.
    #[serde(default)]
    pub prune: bool,
    /// Whether a namespace that is missing is created for the Services in it. It is never deleted.
    #[serde(default)]
    pub create_namespace: bool,
    /// How many deletes one plan may have.
    #[serde(default = "three")]
    pub max_deletes: u32,
    /// Whether approvals, and the commits of what is approved, must be signed.
    #[serde(default)]
    #[schemars(extend("default" = "optional"))]
    pub signatures: Signatures,
    /// Who must say yes, by risk.
    #[serde(default)]
    pub approval: Approval,
    /// What happens to what changed outside Git, by risk.
    #[serde(default)]
    pub drift: Drift,
    /// A time in which nothing is applied, whoever approves. Default: none.
    pub freeze: Option<Freeze>,
    /// When changes may be applied, by risk. Default: at any time.
    pub windows: Option<Windows>,
    /// Whether `apply --break-glass` may apply what lacks approvals, or is outside the change windows or in a freeze.
    #[serde(default)]
    pub break_glass: bool,
}

/// A time in which nothing is applied.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Freeze {
    /// Why, for whoever has to wait.
    pub reason: String,
    /// When it ends, with the offset from UTC, such as 2026-12-28T08:00:00+01:00.
    #[serde(deserialize_with = "wire::time")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: jiff::Timestamp,
}

fn three() -> u32 {
    3
}

/// Who privlink is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnvironmentIdentity {
    /// The Entra tenant.
    #[schemars(with = "word::Guid")]
    pub tenant: TenantId,
    /// The identity that plans: it only reads.
    #[schemars(with = "Option<word::Guid>")]
    pub plan_client_id: Option<ClientId>,
    /// The identity that applies.
    #[schemars(with = "Option<word::Guid>")]
    pub apply_client_id: Option<ClientId>,
}

/// A cluster and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cluster {
    /// The full id of the AKS cluster: says its virtual network, node resource group and region.
    #[schemars(with = "word::Id")]
    pub aks: ClusterId,
    /// One of the contexts of the runner's kubeconfig. Default: the current one.
    pub context: Option<String>,
    /// The context that applies, where another user than the one that plans does. Default: the same.
    pub apply_context: Option<String>,
    /// True to use the service account of the pod privlink runs in.
    #[serde(default)]
    pub in_cluster: bool,
    /// True to ask Azure for the way in, as `az aks get-credentials` does: no kubeconfig and no kubelogin is needed.
    #[serde(default)]
    pub get_credentials: bool,
}

/// What may be touched. Patterns may contain `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scope {
    /// Subscriptions. Default: the environment's.
    #[schemars(with = "Option<Vec<word::Guid>>")]
    pub subscriptions: Option<Vec<SubscriptionId>>,
    /// Resource groups. Default: all of these subscriptions.
    #[schemars(with = "Option<Vec<word::NamePattern>>")]
    pub resource_groups: Option<Vec<Pattern>>,
    /// Namespaces of the cluster. Default: all but `kube-*` and `gatekeeper-*`.
    #[schemars(with = "Option<Vec<word::NamePattern>>")]
    pub namespaces: Option<Vec<Pattern>>,
    /// Private DNS zones. Default: all of these subscriptions.
    #[schemars(with = "Option<Vec<word::NamePattern>>")]
    pub dns_zones: Option<Vec<Pattern>>,
}

/// How the subscriptions in scope are looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Inventory {
    /// Every one of them is listed.
    #[default]
    Lists,
    /// Azure Resource Graph is asked which of them hold anything; only those, and those that documents name, are listed.
    ResourceGraph,
}

/// Namespaces that nobody means by "all".
const SYSTEM_NAMESPACES: [&str; 2] = ["kube-", "gatekeeper-"];

impl Environment {
    /// The subscriptions in scope.
    pub fn subscriptions(&self) -> Vec<SubscriptionId> {
        self.scope.subscriptions.clone().unwrap_or_else(|| vec![self.subscription.clone()])
    }
}

/// Whether approvals, and the commits of what is approved, must be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Signatures {
    /// They need not be; then one approval counts at most.
    #[default]
    Optional,
    /// They must be.
    Required,
}

impl Cluster {
    /// The id of the AKS cluster.
    pub fn id(&self) -> &ResourceId {
        self.aks.id()
    }
}

/// Reads the bytes of `privlink.toml`: as [`parse`], and says so if they are too many or not text.
///
/// The sources that come back render the diagnostics.
pub fn read(file: impl Into<FileName>, bytes: &[u8]) -> (Option<Settings>, Diagnostics, Sources) {
    let file = file.into();
    let mut diagnostics = Diagnostics::new();
    let Some(text) = layout::decode(&file, bytes, &mut diagnostics) else {
        return (None, diagnostics, Sources::new());
    };
    let (settings, parsed) = parse(file.clone(), &text);
    diagnostics.extend(parsed);
    (settings, diagnostics, toml::sources(&file, &text))
}

/// Reads `privlink.toml`, or says everything that is wrong with it.
///
/// Settings with errors are not returned. Give [`source`] of the same text to `Sources` to render the diagnostics.
pub fn parse(file: impl Into<FileName>, text: &str) -> (Option<Settings>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let root = Place::document(file, 0);
    let settings = toml::read(&root, text, &mut diagnostics).and_then(|(value, index)| {
        if let Some(diagnostic) = toml::other_version(&value, &root) {
            diagnostics.push(diagnostic);
            return None;
        }
        let settings: Settings = decode(&value, Nulls::Refused, &root, &mut diagnostics)?;
        check::check(&settings, &check::Written { root: &root, index: &index }, &mut diagnostics);
        Some(settings)
    });
    let sources = toml::sources(&root.file, text);
    let diagnostics = diagnostics.sorted_by_offset(|place| sources.offset(place));
    let settings = settings.filter(|_| !diagnostics.has_errors());
    (settings, diagnostics)
}
