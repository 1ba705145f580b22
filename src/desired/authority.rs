//! From `privlink.toml` to the rules of one environment.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::check::Levels;
use crate::desired::policy::ApprovalRules;
use crate::desired::policy::Approver;
use crate::desired::policy::CloudName;
use crate::desired::policy::ClusterAccess;
use crate::desired::policy::ClusterReference;
use crate::desired::policy::Consent;
use crate::desired::policy::Consumer;
use crate::desired::policy::DriftRules;
use crate::desired::policy::Floor;
use crate::desired::policy::Freeze;
use crate::desired::policy::IdentityReference;
use crate::desired::policy::Keys;
use crate::desired::policy::OnDrift;
use crate::desired::policy::Policy;
use crate::desired::policy::StatusTarget;
use crate::diagnostic::Severity;
use crate::domain::clock::Days;
use crate::domain::mark::Mark;
use crate::domain::name::EnvironmentName;
use crate::domain::scope::Scope;
use crate::domain::window::Calendar;
use crate::domain::window::Grade;
use crate::domain::window::Window;
use crate::repo::settings;
use crate::repo::settings::Cloud;
use crate::repo::settings::Cluster;
use crate::repo::settings::Environment;
use crate::repo::settings::Inventory;
use crate::repo::settings::Level;
use crate::repo::settings::OpenPgp;
use crate::repo::settings::RiskWord;
use crate::repo::settings::RuleLevel;
use crate::repo::settings::Settings;
use crate::repo::settings::Signatures;
use crate::repo::settings::Ssh;
use crate::repo::settings::floor;

/// The rules of an environment; `None` if there is none of this name.
pub fn policy(settings: &Settings, name: &EnvironmentName) -> Option<Policy> {
    let environment = settings.environments.get(name)?;
    let Environment {
        path,
        cloud,
        subscription,
        identity,
        cluster,
        cloud_provider_version,
        scope: _,
        inventory,
        prune,
        create_namespace,
        max_deletes,
        signatures,
        approval: _,
        drift,
        freeze,
        windows,
        break_glass,
    } = environment;
    let identity = identity.as_ref().map(|identity| IdentityReference {
        tenant: Some(identity.tenant.clone()),
        plan: identity.plan_client_id.clone(),
        apply: identity.apply_client_id.clone(),
    });
    let consumers = settings.consumers.iter();
    let approval = approval(environment, *signatures);
    Some(Policy {
        mark: Mark { owner: settings.owner, environment: name.clone() },
        path: path.clone(),
        subscription: subscription.clone(),
        cloud: cloud_name(cloud),
        identity: identity.unwrap_or_default(),
        cluster: cluster.as_ref().map(cluster_reference),
        cloud_provider_version: cloud_provider_version.clone(),
        scope: scope(environment),
        asks_graph: *inventory == Inventory::ResourceGraph,
        prune: *prune,
        create_namespace: *create_namespace,
        max_deletes: *max_deletes,
        agreed_deletes: *max_deletes,
        drift: self::drift(drift, &approval),
        approval,
        freeze: freeze.clone().map(|settings::Freeze { reason, until }| Freeze { reason, until }),
        windows: windows.iter().map(calendar).collect(),
        break_glass: *break_glass,
        levels: levels(settings),
        approvers: settings.approvers.iter().map(|(name, approver)| (name.clone(), self::approver(approver))).collect(),
        committers: settings.committers.iter().map(|(name, it)| (name.clone(), keys(&it.ssh, &it.openpgp))).collect(),
        newcomers: BTreeSet::new(),
        contested: BTreeMap::new(),
        loosening: Vec::new(),
        consumers: consumers
            .map(|(id, consumer)| {
                let settings::Consumer { name, contact, tenant } = consumer.clone();
                (id.clone(), Consumer { name, contact, tenant })
            })
            .collect(),
        status: StatusTarget { branch: settings.status.branch_of(name), author: settings.status.author.clone() },
    })
}

fn approver(approver: &settings::Approver) -> Approver {
    let settings::Approver { ssh, openpgp, emails, github_id } = approver;
    let emails = emails.iter().map(|email| email.to_ascii_lowercase()).collect();
    Approver { keys: keys(ssh, openpgp), emails, github_id: *github_id }
}

fn keys(ssh: &Option<Ssh>, openpgp: &Option<OpenPgp>) -> Keys {
    Keys {
        ssh: ssh.as_ref().map(|key| key.as_str().to_owned()),
        openpgp: openpgp.as_ref().map(|key| key.as_str().to_owned()),
    }
}

fn calendar(windows: &settings::Windows) -> Calendar {
    let settings::Windows { time_zone, allow, deny } = windows;
    let all = |windows: &[settings::Window]| windows.iter().map(window).collect();
    Calendar { zone: time_zone.clone(), allow: all(allow), deny: all(deny) }
}

fn window(window: &settings::Window) -> Window {
    let settings::Window { days, from, to, first, last, risks, reason } = window.clone();
    let days = days.and_then(|days| days.into_iter().map(|item| item.0).reduce(Days::and)).unwrap_or(Days::ALL);
    let named = risks.map(|risks| risks.into_iter().map(RiskWord::grade).collect());
    let grades = named.unwrap_or_else(|| Grade::ALL.into());
    Window { days, from, to, first, last, grades, reason }
}

fn levels(settings: &Settings) -> Levels {
    let severity = |level: &RuleLevel| match level {
        RuleLevel::Off => None,
        RuleLevel::Remark => Some(Severity::Info),
        RuleLevel::Warning => Some(Severity::Warning),
        RuleLevel::Error => Some(Severity::Error),
    };
    let by_rule = settings.check.levels.iter().map(|(rule, level)| (rule.clone(), severity(level))).collect();
    Levels { by_rule, remarks: false }
}

fn cloud_name(cloud: &Cloud) -> CloudName {
    match cloud {
        Cloud::Public => CloudName::Public,
        Cloud::UsGovernment => CloudName::UsGovernment,
        Cloud::China => CloudName::China,
        Cloud::Custom(name) => CloudName::Custom(name.clone()),
    }
}

fn cluster_reference(cluster: &Cluster) -> ClusterReference {
    let access = if cluster.in_cluster {
        ClusterAccess::InCluster
    } else if cluster.get_credentials {
        ClusterAccess::Azure
    } else {
        let (context, apply_context) = (cluster.context.clone(), cluster.apply_context.clone());
        ClusterAccess::Kubeconfig { context, apply_context }
    };
    ClusterReference { aks: cluster.id().clone(), access }
}

fn scope(environment: &Environment) -> Scope {
    let scope = &environment.scope;
    let patterns = |list: &Option<Vec<crate::domain::scope::Pattern>>| list.clone().unwrap_or_default();
    Scope {
        subscriptions: environment.subscriptions().into_iter().collect(),
        resource_groups: patterns(&scope.resource_groups),
        namespaces: patterns(&scope.namespaces),
        dns_zones: patterns(&scope.dns_zones),
    }
}

/// What a runner demands, by environment.
pub fn floors(floors: &floor::Floors) -> BTreeMap<EnvironmentName, Floor> {
    floors.environments.iter().map(|(name, floor)| (name.clone(), self::floor(floor))).collect()
}

fn floor(floor: &floor::Floor) -> Floor {
    let floor::Floor { signatures, approval, windows, break_glass } = floor;
    let at_least = |level: Option<Level>| level.map_or(Consent::Automatic, consent);
    let approval = ApprovalRules {
        safe: at_least(approval.safe),
        notable: at_least(approval.notable),
        disruptive: at_least(approval.disruptive),
        severing: at_least(approval.severing),
        signatures_required: *signatures == Signatures::Required,
    };
    Floor { approval, windows: windows.as_ref().map(calendar), keeps_glass: *break_glass == Some(false) }
}

fn consent(level: Level) -> Consent {
    match level {
        Level::Automatic => Consent::Automatic,
        Level::Merge => Consent::Merge,
        Level::People(people) => Consent::People(people),
    }
}

fn approval(environment: &Environment, signatures: Signatures) -> ApprovalRules {
    ApprovalRules {
        safe: consent(environment.approval.safe),
        notable: consent(environment.approval.notable),
        disruptive: consent(environment.approval.disruptive),
        severing: consent(environment.approval.severing),
        signatures_required: signatures == Signatures::Required,
    }
}

fn drift(written: &settings::Drift, approval: &ApprovalRules) -> DriftRules {
    let settings::Drift { safe, notable, disruptive, severing } = written;
    let on = |word: &settings::OnDrift| match word {
        settings::OnDrift::Heal => OnDrift::Heal,
        settings::OnDrift::Propose => OnDrift::Propose,
        settings::OnDrift::Report => OnDrift::Report,
    };
    let usual = DriftRules::of(approval);
    DriftRules {
        safe: safe.as_ref().map_or(usual.safe, on),
        notable: notable.as_ref().map_or(usual.notable, on),
        disruptive: disruptive.as_ref().map_or(usual.disruptive, on),
        severing: severing.as_ref().map_or(usual.severing, on),
    }
}
