//! Whether an environment can be planned and applied from here: every way is tried once, and nothing is written.
//!
//! Rights are asked about as a plan asks about them, but for everything that the documents ask for, done or not: what is
//! fine today may have to be written again tomorrow.

use futures_util::future::join_all;

use crate::azure::Azure;
use crate::azure::error::AzureError;
use crate::azure::identity::Holder;
use crate::config::Config;
use crate::desired::Desired;
use crate::desired::policy::Policy;
use crate::domain::azure::SubscriptionId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::name::EnvironmentName;
use crate::domain::resource::Resource;
use crate::domain::resource::connection::Connection;
use crate::domain::resource::connection::Verdict;
use crate::domain::right::Access;
use crate::observed::Area;
use crate::observed::Observed;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::change::MissingAccess;
use crate::plan::change::MissingRight;
use crate::plan::preflight;
use crate::plan::preflight::lack;
use crate::reconcile::access;
use crate::reconcile::ask;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::source::Loaded;
use crate::reconcile::world;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Fine,
    /// Not known from here.
    Open,
    /// A plan would be incomplete, or leave something out.
    Lacking,
    /// There would be no plan.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// The same in words.
    pub text: String,
    /// What to do, a line each.
    pub help: Vec<String>,
}

impl Finding {
    fn new(subject: impl Into<String>, state: State, text: impl Into<String>) -> Self {
        Self { subject: subject.into(), state, text: text.into(), help: Vec::new() }
    }

    fn helped(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Looks at everything that a plan and an apply of an environment need.
///
/// # Errors
/// If there is no such environment.
pub async fn examine(
    loaded: &Loaded,
    environment: &EnvironmentName,
    config: &Config,
) -> Result<Vec<Finding>, PassError> {
    let policy = planning::policy(loaded, environment)?;
    let mut findings = vec![repository(loaded)];
    match world::azure(config, &policy, Purpose::Plan) {
        Ok(planner) => {
            findings.extend(azure(&planner, config, &policy).await);
            findings.extend(cluster((&planner, Purpose::Plan), config, &policy).await);
        }
        Err(error) => findings.push(Finding::new("cloud", State::Failed, error_chain(&error))),
    }
    if !policy.has_one_cluster_user()
        && let Ok(applier) = world::azure(config, &policy, Purpose::Apply)
    {
        findings.extend(cluster((&applier, Purpose::Apply), config, &policy).await);
    }
    findings.extend(everything(loaded, environment, config, &findings).await);
    Ok(findings)
}

fn repository(loaded: &Loaded) -> Finding {
    let documents = loaded.reading.documents.len();
    let commit = loaded.source.commit.as_ref().map(|commit| format!(" at commit {}", commit.short()));
    let text = format!("{documents} documents{}", commit.unwrap_or_else(|| " in a folder".to_owned()));
    if loaded.reading.diagnostics.has_errors() {
        return Finding::new("repository", State::Failed, "the files have errors").helped("privlink check says which");
    }
    Finding::new("repository", State::Fine, text)
}

async fn azure(planner: &Azure, config: &Config, policy: &Policy) -> Vec<Finding> {
    let cloud = match planner.reach().await {
        Ok(()) => Finding::new("cloud", State::Fine, format!("{} answers", policy.cloud)),
        Err(error) => Finding::new("cloud", State::Failed, error_chain(&error)),
    };
    let signed_in = planner.holder().await;
    let mut findings = vec![cloud, signed_in_to("identity that plans", &signed_in), to_apply(config, policy).await];
    if let Ok(holder) = signed_in {
        let scope = &policy.scope.subscriptions;
        findings.extend(join_all(scope.iter().map(|id| subscription(planner, id, &holder))).await);
    }
    findings
}

fn signed_in_to(subject: &str, holder: &Result<Holder, AzureError>) -> Finding {
    match holder {
        Ok(holder) => {
            let until = holder.expires.map(|until| format!(", until {until}")).unwrap_or_default();
            Finding::new(subject, State::Fine, format!("signed in as {}{until}", whom(holder)))
        }
        Err(error) => {
            Finding::new(subject, State::Failed, error_chain(error)).helped("privlink doctor auth tells every way")
        }
    }
}

/// Somebody in words.
fn whom(holder: &Holder) -> String {
    let Holder { application, object, name, is_person, .. } = holder;
    match (is_person, name, application, object) {
        (true, Some(name), ..) => name.clone(),
        (false, _, Some(application), _) => format!("application {application}"),
        (_, _, _, Some(object)) => format!("object {object}"),
        _ => "somebody whom the token does not tell".to_owned(),
    }
}

/// Whoever only plans need not be able to apply.
async fn to_apply(config: &Config, policy: &Policy) -> Finding {
    let applier = match world::azure(config, policy, Purpose::Apply) {
        Ok(applier) => applier,
        Err(error) => return Finding::new("identity that applies", State::Failed, error_chain(&error)),
    };
    match applier.holder().await {
        Err(error @ AzureError::Nobody { .. }) => {
            let text = format!("not available to this runner: {}", error_chain(&error));
            Finding::new("identity that applies", State::Open, text)
        }
        other => signed_in_to("identity that applies", &other),
    }
}

async fn subscription(planner: &Azure, id: &SubscriptionId, holder: &Holder) -> Finding {
    let subject = format!("subscription {id}");
    match planner.subscription(id).await {
        Ok(seen) if seen.state == "Enabled" => Finding::new(subject, State::Fine, format!("{} can be read", seen.name)),
        Ok(seen) => {
            let text = format!("{} is {}: it can be read and not written", seen.name, seen.state);
            Finding::new(subject, State::Lacking, text).helped("it has to be enabled in the portal first")
        }
        Err(error) => {
            let finding = Finding::new(subject, State::Lacking, error_chain(&error));
            match assignee(holder) {
                Some(assignee) => finding.helped(grant_reader(&assignee, id)),
                None => finding,
            }
        }
    }
}

/// The id by which a holder is given roles.
fn assignee(holder: &Holder) -> Option<String> {
    let application = holder.application.as_ref().filter(|_| !holder.is_person).map(ToString::to_string);
    application.or_else(|| holder.object.as_ref().map(ToString::to_string))
}

fn grant_reader(assignee: &str, subscription: &SubscriptionId) -> String {
    format!("az role assignment create --assignee {assignee} --role \"Reader\" --scope /subscriptions/{subscription}")
}

/// The way to the cluster. Whoever only plans need not have the one that applies.
async fn cluster((azure, purpose): (&Azure, Purpose), config: &Config, policy: &Policy) -> Option<Finding> {
    let reference = policy.cluster.as_ref()?;
    let (subject, lack) = match purpose {
        Purpose::Plan => ("cluster", State::Failed),
        Purpose::Apply => ("cluster, to apply", State::Open),
    };
    let finding = match world::cluster(config, policy, (azure, reference, purpose)).await {
        Err(error) => Finding::new(subject, lack, error_chain(&error)),
        Ok(cluster) => match cluster.version().await {
            Ok(version) => {
                let text = format!("Kubernetes {} at {}", version.trim_start_matches('v'), cluster.place());
                Finding::new(subject, State::Fine, text)
            }
            Err(error) => Finding::new(subject, State::Failed, error_chain(&error)),
        },
    };
    Some(finding)
}

/// What can be said only with everything read: what could not be, and which rights are missing.
async fn everything(
    loaded: &Loaded,
    environment: &EnvironmentName,
    config: &Config,
    before: &[Finding],
) -> Vec<Finding> {
    if before.iter().any(|finding| finding.state == State::Failed) {
        return vec![Finding::new("rights", State::Open, "not looked at, because of what fails above")];
    }
    let planned = match planning::plan(loaded, environment, config).await {
        Ok(planned) => planned,
        Err(PassError::Files(_)) => {
            let text = "the files have errors";
            return vec![Finding::new("documents", State::Failed, text).helped("privlink check says which")];
        }
        Err(error) => return vec![Finding::new("reading", State::Failed, error_chain(&error))],
    };
    let world = match World::connect(config, &planned.desired.policy, Purpose::Plan).await {
        Ok(world) => world,
        Err(error) => return vec![Finding::new("reading", State::Failed, error_chain(&error))],
    };
    let mut findings = reading(&world, &planned).await;
    findings.extend(writing(&world, config, &planned).await);
    findings
}

async fn reading(world: &World, planned: &Planned) -> Vec<Finding> {
    let Observed { gaps, services, private_link_services, private_endpoints, .. } = &planned.observed;
    if gaps.is_empty() {
        let text = format!(
            "all in scope: {} Services, {} Private Link Services, {} private endpoints",
            services.len(),
            private_link_services.len(),
            private_endpoints.len()
        );
        return vec![Finding::new("reading", State::Fine, text)];
    }
    let assignee = world.azure.holder().await.ok().and_then(|holder| assignee(&holder));
    let to_list = lists_no_services(world).await;
    let finding = |gap: &crate::observed::Gap| {
        let finding = Finding::new(format!("reading {}", gap.area), State::Lacking, gap.reason.clone());
        let subscription = match &gap.area {
            Area::Networks(id)
            | Area::Frontends(id)
            | Area::PrivateLinkServices(id)
            | Area::PrivateEndpoints(id)
            | Area::Dns(id)
            | Area::Sight(id)
            | Area::ResourceGroups(id) => Some(id.clone()),
            Area::ManagedCluster => planned.desired.policy.cluster.as_ref().map(|own| own.aks.subscription()),
            Area::Services
            | Area::Namespaces
            | Area::Events
            | Area::Trials
            | Area::Rights(_)
            | Area::ClusterRights(_)
            | Area::UserRights
            | Area::Addresses(_) => None,
        };
        let finding = match &to_list {
            Some(access) if gap.area == Area::Services => finding.helped(access.command()),
            _ => finding,
        };
        match (subscription, &assignee) {
            (Some(id), Some(assignee)) => finding.helped(grant_reader(assignee, &id)),
            _ => finding,
        }
    };
    gaps.iter().map(finding).collect()
}

/// The right to list Services, if the user that plans lacks it.
async fn lists_no_services(world: &World) -> Option<MissingAccess> {
    let cluster = world.cluster.as_ref()?;
    let (resource, verb) = ("services", "list");
    if cluster.may(&Access { resource, verb, namespace: None }).await.ok()? {
        return None;
    }
    Some(MissingAccess { user: access::user(cluster).await, verbs: vec![verb], resource, namespace: None })
}

/// The rights for every write that the documents can ask for.
async fn writing(world: &World, config: &Config, planned: &Planned) -> Vec<Finding> {
    let Planned { desired, observed, .. } = planned;
    let changes = possible(desired, observed);
    let needed = ask::needed(changes.iter(), (desired, observed));
    let answers = ask::rights_of_both((world, config), (desired, observed), &needed).await;
    let mut findings = Vec::new();
    let subjects = ["rights to apply", "rights of the cluster's identity"];
    let asked = subjects.into_iter().zip(&needed).zip(answers).filter(|((_, needed), _)| !needed.is_empty());
    for ((subject, needed), (rights, gaps)) in asked {
        let open =
            gaps.into_iter().map(|gap| Finding::new(subject, State::Open, format!("{}: {}", gap.area, gap.reason)));
        let open: Vec<Finding> = open.collect();
        let missing = rights.map(|rights| lack::lacks(&rights, needed)).unwrap_or_default();
        if missing.is_empty() && open.is_empty() {
            let text = format!("all {} that the documents can need are held", needed.len());
            findings.push(Finding::new(subject, State::Fine, text));
        }
        findings.extend(open.into_iter().chain(missing.iter().map(|right| lacking(subject, right))));
    }
    findings.extend(in_cluster((world, config), planned, &changes).await);
    findings
}

fn lacking(subject: &str, right: &MissingRight) -> Finding {
    Finding::new(subject, State::Lacking, right.to_string()).helped(right.command())
}

/// The same in the cluster.
async fn in_cluster((world, config): (&World, &Config), planned: &Planned, changes: &[Change]) -> Vec<Finding> {
    let subject = "rights to apply in the cluster";
    let needed = changes.iter().flat_map(|change| preflight::access::needed(change, &planned.observed)).collect();
    let (rights, gaps) = access::rights((world, config), &planned.desired.policy, &needed).await;
    let open = gaps.into_iter().map(|gap| Finding::new(subject, State::Open, format!("{}: {}", gap.area, gap.reason)));
    let mut findings: Vec<Finding> = open.collect();
    let Some(rights) = rights else { return findings };
    let lack = |lack: MissingAccess| Finding::new(subject, State::Lacking, lack.to_string()).helped(lack.command());
    findings.extend(preflight::access::lacks(&rights, &needed).into_iter().map(lack));
    if findings.is_empty() {
        let text = format!("all {} that the documents can need are held", needed.len());
        findings.push(Finding::new(subject, State::Fine, text));
    }
    findings
}

/// Every change that documents can come to ask for: each resource is written, and with prune deleted.
fn possible(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, intent) in &desired.intents {
        let action = match (observed.get(key).is_some(), desired.policy.prune) {
            (false, _) => Action::Create,
            // It takes the rights of both.
            (true, true) => Action::Replace,
            (true, false) => Action::Update,
        };
        let mut change = Change::new(key.clone(), action);
        change.resource = Some(intent.resource.clone());
        if matches!(key, ResourceKey::PrivateLinkService(PublisherKey::Cluster(_))) {
            change.actor = Actor::CloudProvider;
        }
        changes.push(change);
    }
    for publisher in desired.connections.keys() {
        let seen = observed.publisher(publisher).into_iter().flat_map(|live| &live.connections);
        changes.extend(seen.map(|connection| {
            let endpoint = connection.endpoint.clone().unwrap_or_else(|| connection.id.clone());
            let (publisher, verdict) = (publisher.clone(), Verdict::Approved);
            let key = ResourceKey::Connection { publisher: publisher.clone(), endpoint: endpoint.clone() };
            let mut change = Change::new(key, Action::Update);
            change.resource = Some(Resource::Connection(Connection { publisher, endpoint, verdict }));
            change
        }));
    }
    changes
}
