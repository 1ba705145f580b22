//! From files to a plan: resolve, observe, decide what has to happen.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Config;
use crate::desired::Desired;
use crate::desired::authority;
use crate::desired::check::across;
use crate::desired::check::allow;
use crate::desired::policy::Policy;
use crate::desired::resolve;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::domain::cluster::ManagedCluster;
use crate::domain::name::EnvironmentName;
use crate::git::Limits;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::reconcile::ask;
use crate::reconcile::observe;
use crate::reconcile::pass::PassError;
use crate::reconcile::rules;
use crate::reconcile::source::Loaded;
use crate::reconcile::status_branch::StatusBranch;
use crate::reconcile::status_branch::StatusFiles;
use crate::reconcile::waiting;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;
use crate::repo;
use crate::status::contested;

/// A plan, and everything it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is asked for.
    pub desired: Desired,
    /// What was seen.
    pub observed: Observed,
    /// The decisions.
    pub plan: Plan,
    /// The status branch as it was.
    pub status: Arc<StatusFiles>,
    /// What there is to say about the files, warnings included.
    pub diagnostics: Diagnostics,
    pub(super) cluster: Option<ManagedCluster>,
}

impl Planned {
    /// When the first suspension ends by itself.
    pub fn next_resumption(&self) -> Option<Timestamp> {
        self.desired.suspended.values().filter_map(|suspension| suspension.until).min()
    }
}

/// The rules of an environment.
///
/// # Errors
/// If there is none of this name.
pub fn policy(loaded: &Loaded, environment: &EnvironmentName) -> Result<Policy, PassError> {
    authority::policy(&loaded.settings, environment).ok_or_else(|| PassError::NoEnvironment {
        name: environment.clone(),
        known: loaded.settings.environments.keys().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    })
}

/// Resolves the documents as far as files go; `cluster` where it was read.
pub fn resolve_files(loaded: &Loaded, policy: &Policy, cluster: Option<&ManagedCluster>) -> (Desired, Diagnostics) {
    let unseen = unseen(policy);
    let (desired, diagnostics) = resolve::resolve(files(loaded, policy, cluster.or(unseen.as_ref())));
    (desired, beside_others(loaded, policy, diagnostics))
}

/// Says what resolving would say about the files, and makes nothing of them.
pub fn diagnose_files(loaded: &Loaded, policy: &Policy) -> Diagnostics {
    let unseen = unseen(policy);
    beside_others(loaded, policy, resolve::diagnose(files(loaded, policy, unseen.as_ref())))
}

fn unseen(policy: &Policy) -> Option<ManagedCluster> {
    policy.cluster.as_ref().map(|reference| resolve::unseen_cluster(&reference.aks))
}

fn files<'a>(loaded: &'a Loaded, policy: &'a Policy, cluster: Option<&'a ManagedCluster>) -> resolve::Source<'a> {
    let path_exists = loaded.source.snapshot.files.keys().any(|path| path.is_under(&policy.path));
    let documents = &loaded.reading.documents;
    resolve::Source { documents, policy, cluster, path_exists, now: Timestamp::now() }
}

/// With what is said across environments, and without what is allowed.
fn beside_others(loaded: &Loaded, policy: &Policy, mut diagnostics: Diagnostics) -> Diagnostics {
    let others = (&policy.mark.environment, &policy.levels);
    diagnostics.extend(across::check(&loaded.reading.documents, &loaded.settings, others));
    let terms = allow::Terms { folder: &policy.path, today: loaded.today, base: loaded.source.base.as_deref() };
    allow::apply(diagnostics, &loaded.reading.sources, terms)
}

/// Observes the world and decides what has to happen.
///
/// # Errors
/// Errors in the files, no way to the world, or nothing of it readable.
#[tracing::instrument(target = "otel", skip_all, fields(%environment))]
pub async fn plan(loaded: &Loaded, environment: &EnvironmentName, config: &Config) -> Result<Planned, PassError> {
    let policy = policy(loaded, environment)?;
    let (_, offline) = resolve_files(loaded, &policy, None);
    let diagnostics = merged(&loaded.reading.diagnostics, offline);
    if diagnostics.has_errors() {
        return Err(PassError::Files(Box::new(diagnostics)));
    }
    let world = World::connect(config, &policy, Purpose::Plan).await?;
    let status = match &loaded.source.upstream {
        Some(upstream) => StatusBranch::new(upstream.remote.clone(), &policy).read().await?,
        None => Arc::default(),
    };
    let policy = rules::in_force(loaded, policy, (&status, config)).await?;
    replan(loaded, (&policy, config), &world, Memory { status, diagnostics }).await
}

/// What other files would be planned to in the world that a plan was made from: nothing is read again, however many there are.
///
/// # Errors
/// The files have errors.
pub fn plan_beside(loaded: &Loaded, planned: &Planned) -> Result<Plan, PassError> {
    let (desired, diagnostics) = resolve_files(loaded, &planned.plan.policy, planned.cluster.as_ref());
    if diagnostics.has_errors() {
        return Err(PassError::Files(Box::new(diagnostics)));
    }
    Ok(crate::plan::plan(&desired, &planned.observed, None))
}

/// What a plan takes from before: it does not change within a pass.
struct Memory {
    status: Arc<StatusFiles>,
    diagnostics: Diagnostics,
}

async fn replan(
    loaded: &Loaded,
    (policy, config): (&Policy, &Config),
    world: &World,
    memory: Memory,
) -> Result<Planned, PassError> {
    let Memory { status, mut diagnostics } = memory;
    let (cluster, gap) = observe::managed_cluster(world, policy).await?;
    let (mut desired, online) = resolve_files(loaded, policy, cluster.as_ref());
    if let Some(status) = status.environment() {
        desired.policy.contested = contested(status, &desired, Timestamp::now());
    }
    diagnostics = merged(&diagnostics, online);
    if diagnostics.has_errors() {
        return Err(PassError::Files(Box::new(diagnostics)));
    }
    let mut observed = observe::observe(world, policy, (cluster.as_ref(), gap), &desired.subscriptions()).await?;
    waiting::look(world, &desired, &mut observed).await;
    let baseline = baseline(loaded, policy, (&status, cluster.as_ref())).await;
    let baseline = baseline.as_ref();
    let mut plan = crate::plan::plan(&desired, &observed, baseline);
    // What a plan would be refused for can be asked only once it is clear what it writes.
    if ask::ask(world, config, (&desired, &plan), &mut observed).await {
        plan = crate::plan::plan(&desired, &observed, baseline);
    }
    Ok(Planned { desired, observed, plan, status, diagnostics, cluster })
}

fn merged(first: &Diagnostics, second: Diagnostics) -> Diagnostics {
    let mut all = first.clone();
    all.extend(second);
    all.sorted()
}

/// What the last applied commit asked for. The status branch only says which commit that was: a hint, and a wrong one
/// makes drift out of a change at worst.
///
/// It is resolved for the cluster that the wishes of today are resolved for: what follows from the cluster is no change.
async fn baseline(
    loaded: &Loaded,
    policy: &Policy,
    (status, cluster): (&StatusFiles, Option<&ManagedCluster>),
) -> Option<Desired> {
    let upstream = loaded.source.upstream.as_ref()?;
    let commit = status.environment()?.applied_commit.clone()?;
    let before;
    let reading = if loaded.source.commit.as_ref() == Some(&commit) {
        &loaded.reading
    } else {
        if !upstream.remote.is_ancestor(&commit, &upstream.tip).await.ok()? {
            return None;
        }
        let snapshot = upstream.remote.snapshot(&commit, Limits::default()).await.ok()?;
        before = repo::read(&snapshot, &loaded.settings);
        &before
    };
    let unseen = unseen(policy);
    let cluster = cluster.or(unseen.as_ref());
    let now = Timestamp::now();
    let source = resolve::Source { documents: &reading.documents, policy, cluster, path_exists: true, now };
    let (desired, diagnostics) = resolve::resolve(source);
    let terms = allow::Terms { folder: &policy.path, today: loaded.today, base: None };
    let diagnostics = allow::apply(diagnostics, &reading.sources, terms);
    (!diagnostics.has_errors()).then_some(desired)
}

/// Observes once more after an apply, and plans what is left; `loosening` is what nobody agreed to yet about the rules.
///
/// # Errors
/// As [`plan`].
pub async fn look_again(
    loaded: &Loaded,
    planned: &Planned,
    (config, loosening): (&Config, Vec<String>),
) -> Result<Planned, PassError> {
    let policy = Policy { loosening, ..planned.plan.policy.clone() };
    let world = World::connect(config, &policy, Purpose::Plan).await?;
    let memory = Memory { status: Arc::clone(&planned.status), diagnostics: planned.diagnostics.clone() };
    replan(loaded, (&policy, config), &world, memory).await
}

/// A place as `file:line`.
pub fn locate(loaded: &Loaded, place: &Place) -> Option<String> {
    let (line, _) = loaded.reading.sources.line_column(place)?;
    Some(format!("{}:{line}", place.file))
}
