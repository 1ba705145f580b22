//! The rules of one environment: what it may touch, whether it prunes, who must say yes to what.
//!
//! They come from the authority, never from the change under review.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use crate::desired::check::Levels;
use crate::domain::azure::ClientId;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::azure::TenantId;
use crate::domain::commit::Identity;
use crate::domain::commit::RepoPath;
use crate::domain::mark::Mark;
use crate::domain::name::ApproverName;
use crate::domain::name::CommitterName;
use crate::domain::scope::Scope;
use crate::domain::window::Calendar;

/// The rules of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whose resources these are.
    pub mark: Mark,
    /// The folder of its documents.
    pub path: RepoPath,
    /// The subscription of what names none.
    pub subscription: SubscriptionId,
    /// Which Azure cloud.
    pub cloud: CloudName,
    /// How to get tokens.
    pub identity: IdentityReference,
    /// The cluster it exposes, if any.
    pub cluster: Option<ClusterReference>,
    /// The version of the cluster's cloud provider, where somebody told it.
    pub cloud_provider_version: Option<String>,
    /// What it may touch.
    pub scope: Scope,
    /// True to list only those subscriptions in scope of which Azure Resource Graph knows anything, beside those that are
    /// asked for something.
    pub asks_graph: bool,
    /// Whether what is not asked for any more is deleted.
    pub prune: bool,
    /// Whether a namespace that is missing is created for the Services in it.
    pub create_namespace: bool,
    /// How many deletes one plan may hold.
    pub max_deletes: u32,
    /// How many of them people have agreed to: fewer, while it is not approved that there may be more.
    pub agreed_deletes: u32,
    /// Who must say yes, by risk.
    pub approval: ApprovalRules,
    /// What happens to drift, by risk.
    pub drift: DriftRules,
    /// A time in which nothing is applied.
    pub freeze: Option<Freeze>,
    /// When changes may be applied: whenever all of these say so.
    pub windows: Vec<Calendar>,
    /// Whether one person may apply in spite of approvals, windows and a freeze, and be named for it.
    pub break_glass: bool,
    /// The resources that somebody else changes back whenever they are healed, by their full identity as text; what is known
    /// of that, as half a sentence. They are not healed.
    pub contested: BTreeMap<String, String>,
    /// How its files are judged.
    pub levels: Levels,
    /// Who may say yes.
    pub approvers: BTreeMap<ApproverName, Approver>,
    /// Who else may sign changes.
    pub committers: BTreeMap<CommitterName, Keys>,
    /// Who may say yes only once what is loosened is approved: the change itself puts them, or their keys, here.
    pub newcomers: BTreeSet<ApproverName>,
    /// The rules that the change loosens, each as half a sentence; each of them is a severing change.
    pub loosening: Vec<String>,
    /// Who is behind a subscription.
    pub consumers: BTreeMap<SubscriptionId, Consumer>,
    /// Where status goes.
    pub status: StatusTarget,
}

/// Which Azure cloud an environment lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudName {
    /// Azure's public cloud.
    Public,
    /// Azure US Government.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
    /// A cloud whose endpoints only the runner defines (`PRIVLINK_CLOUD_<NAME>`).
    Custom(String),
}

impl fmt::Display for CloudName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::UsGovernment => "us-government",
            Self::China => "china",
            Self::Custom(name) => name,
        })
    }
}

/// Which Entra identities plan and apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityReference {
    /// The tenant; the runner's if absent.
    pub tenant: Option<TenantId>,
    /// Reads.
    pub plan: Option<ClientId>,
    /// Writes.
    pub apply: Option<ClientId>,
}

/// Which cluster an environment exposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterReference {
    /// The managed cluster: says virtual network, node resource group and location.
    pub aks: ResourceId,
    /// How its API server is reached.
    pub access: ClusterAccess,
}

/// How an API server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterAccess {
    /// By a context of the runner's kubeconfig; its current one if unnamed.
    Kubeconfig {
        /// The context; the one that plans, if another applies.
        context: Option<String>,
        /// The context that applies; the same if unnamed.
        apply_context: Option<String>,
    },
    /// By the service account of the pod privlink runs in.
    InCluster,
    /// By what Azure gives the identity of the environment: the kubeconfig, and tokens of Entra.
    Azure,
}

impl Policy {
    /// True if whoever plans is the same user in the cluster as whoever applies, as far as the settings say.
    pub fn has_one_cluster_user(&self) -> bool {
        match self.cluster.as_ref().map(|cluster| &cluster.access) {
            Some(ClusterAccess::Kubeconfig { apply_context, .. }) => apply_context.is_none(),
            Some(ClusterAccess::Azure) => self.identity.plan == self.identity.apply,
            Some(ClusterAccess::InCluster) | None => true,
        }
    }
}

/// Who must say yes, by risk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRules {
    /// For safe changes.
    pub safe: Consent,
    /// For notable ones.
    pub notable: Consent,
    /// For disruptive ones.
    pub disruptive: Consent,
    /// For severing and exposing ones.
    pub severing: Consent,
    /// True if only signed approvals count, and only for changes whose commits are signed. Without signatures one approval counts at most.
    pub signatures_required: bool,
}

/// What a change of some risk needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// Nothing.
    Automatic,
    /// That it follows from a merged commit.
    Merge,
    /// So many people who are neither author nor committer.
    People(u32),
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automatic => f.write_str("automatic"),
            Self::Merge => f.write_str("merge"),
            Self::People(1) => f.write_str("1 person"),
            Self::People(n) => write!(f, "{n} people"),
        }
    }
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            safe: Consent::Automatic,
            notable: Consent::Merge,
            disruptive: Consent::People(1),
            severing: Consent::People(2),
            signatures_required: false,
        }
    }
}

/// What a runner demands of an environment, whatever its repository says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Who must say yes at least.
    pub approval: ApprovalRules,
    /// When changes may be applied at most.
    pub windows: Option<Calendar>,
    /// True if the glass may not be broken.
    pub keeps_glass: bool,
}

/// What happens to what changed outside Git, by the risk of putting it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftRules {
    /// For safe changes.
    pub safe: OnDrift,
    /// For notable ones.
    pub notable: OnDrift,
    /// For disruptive ones.
    pub disruptive: OnDrift,
    /// For severing and exposing ones.
    pub severing: OnDrift,
}

impl DriftRules {
    /// What happens where the settings say nothing: what needs nobody's consent anyway is put back, the rest is proposed.
    pub fn of(approval: &ApprovalRules) -> Self {
        let on = |consent: Consent| if consent == Consent::Automatic { OnDrift::Heal } else { OnDrift::Propose };
        Self {
            safe: on(approval.safe),
            notable: on(approval.notable),
            disruptive: on(approval.disruptive),
            severing: OnDrift::Propose,
        }
    }
}

/// What happens to drift of some risk. Later is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnDrift {
    /// It is put back without asking.
    Heal,
    /// It is put back once a person has approved it.
    Propose,
    /// It is told, and left as it is.
    Report,
}

impl OnDrift {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Heal, Self::Propose, Self::Report];

    /// Its word in the settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Heal => "heal",
            Self::Propose => "propose",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for OnDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Heal => "healed without asking",
            Self::Propose => "proposed",
            Self::Report => "only reported",
        })
    }
}

/// A time in which nothing is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: jiff::Timestamp,
}

/// A person who may say yes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approver {
    /// What they sign with.
    pub keys: Keys,
    /// Addresses under which they commit, in lower case: a change by one of them is their own.
    pub emails: BTreeSet<String>,
    /// The number of their account at GitHub, whose reviews count as approvals.
    pub github_id: Option<u64>,
}

/// The public keys of a person, or of a forge that commits for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// An SSH key, as in a `.pub` file.
    pub ssh: Option<String>,
    /// An OpenPGP key in its armor, with its subkeys.
    pub openpgp: Option<String>,
}

/// The people behind a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumer {
    /// Their name.
    pub name: String,
    /// How to reach them.
    pub contact: Option<String>,
    /// Their Microsoft Entra tenant.
    pub tenant: Option<String>,
}

/// Where status is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusTarget {
    /// The branch.
    pub branch: String,
    /// The author of its commits.
    pub author: Identity,
}
