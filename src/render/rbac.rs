//! The rights of an environment's identities, as roles that can be made and as a page that can be read.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use crate::desired::policy::Policy;
use crate::domain::azure::ResourceId;
use crate::domain::operation;
use crate::domain::operation::ClusterRight;
use crate::domain::operation::ClusterUse;
use crate::domain::operation::Operation;
use crate::domain::operation::Party;
use crate::domain::operation::Use;
use crate::render::Label;
use crate::render::Text;
use crate::render::yaml;

/// The name of a party's role, in Azure and in the cluster.
fn role_name(party: Party, policy: &Policy) -> String {
    format!("privlink-{}-{}", word(party), policy.mark.environment)
}

fn word(party: Party) -> &'static str {
    match party {
        Party::Plan => "plan",
        Party::Apply => "apply",
        Party::Cluster => "cluster",
    }
}

/// Where the role of a party can be given.
fn scopes(party: Party, policy: &Policy) -> BTreeSet<String> {
    let cluster = policy.cluster.iter().map(|cluster| cluster.aks.subscription());
    let all: BTreeSet<String> = match party {
        Party::Cluster => cluster.map(|id| id.to_string()).collect(),
        Party::Plan | Party::Apply => {
            policy.scope.subscriptions.iter().cloned().chain(cluster).map(|id| id.to_string()).collect()
        }
    };
    all.into_iter().map(|id| format!("/subscriptions/{id}")).collect()
}

/// A custom role of Azure, as `az role definition create --role-definition` reads it.
pub fn azure_role(party: Party, policy: &Policy, uses: &BTreeSet<Use>) -> String {
    let actions: Vec<&str> = operation::of(party, uses).into_iter().map(|own| own.action).collect();
    let role = json!({
        "Name": role_name(party, policy),
        "IsCustom": true,
        "Description": description(party, policy),
        "Actions": actions,
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": scopes(party, policy),
    });
    let text = serde_json::to_string_pretty(&role).expect("a role has text keys");
    text + "\n"
}

fn description(party: Party, policy: &Policy) -> String {
    let environment = &policy.mark.environment;
    match party {
        Party::Plan => format!("What privlink reads to plan the environment {environment}"),
        Party::Apply => format!("What privlink reads and writes to apply plans of the environment {environment}"),
        Party::Cluster => format!(
            "What the cluster of the environment {environment} needs on the network of its nodes and in the groups of its \
             Private Link Services, where these lie outside the resource group of the nodes"
        ),
    }
}

/// The cluster roles of who plans and of who applies.
pub fn cluster_roles(policy: &Policy) -> String {
    let roles: Vec<Json> = [Party::Plan, Party::Apply].into_iter().map(|party| cluster_role(party, policy)).collect();
    yaml::documents(&roles)
}

fn cluster_role(party: Party, policy: &Policy) -> Json {
    let mut verbs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for right in in_cluster(party, policy) {
        verbs.entry(right.resource).or_default().insert(right.verb);
    }
    let rule = |(resource, verbs)| json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs });
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": { "name": role_name(party, policy) },
        "rules": verbs.into_iter().map(rule).collect::<Vec<Json>>(),
    })
}

fn in_cluster(party: Party, policy: &Policy) -> impl Iterator<Item = &'static ClusterRight> {
    let how = ClusterUse { has_one_user: policy.has_one_cluster_user(), creates_namespaces: policy.create_namespace };
    operation::in_cluster(party, how)
}

/// All of it for a person: what each right is for, and how each role is given.
pub fn overview(policy: &Policy, uses: &BTreeSet<Use>) -> Text {
    let mut text = Text::new();
    for party in parties(policy) {
        text.line(Label::Heading, format!("{}: {}", role_name(party, policy), description(party, policy)));
        azure(&mut text, &operation::of(party, uses));
        if policy.cluster.is_some() && party != Party::Cluster {
            for right in in_cluster(party, policy) {
                text.plain(format!("  in the cluster: {} {}", right.verb, right.resource));
                text.push(Label::Dim, format!("  {}", right.why)).end();
            }
        }
        for line in assignments(party, policy, uses) {
            text.line(Label::Hint, format!("  {line}"));
        }
        text.end();
    }
    text.line(
        Label::Dim,
        "print a role with --for plan, apply, cluster or kubernetes, and make it with `az role definition create \
         --role-definition FILE` or `kubectl apply -f FILE`",
    );
    text
}

fn parties(policy: &Policy) -> Vec<Party> {
    let cluster = policy.cluster.is_some().then_some(Party::Cluster);
    [Party::Plan, Party::Apply].into_iter().chain(cluster).collect()
}

fn azure(text: &mut Text, operations: &[&Operation]) {
    for own in operations {
        text.plain(format!("  {}", own.action));
        text.push(Label::Dim, format!("  {}", own.why)).end();
    }
}

/// The commands that give a role, once for each place.
fn assignments(party: Party, policy: &Policy, uses: &BTreeSet<Use>) -> Vec<String> {
    let client = match party {
        Party::Plan => policy.identity.plan.as_ref().map(ToString::to_string),
        Party::Apply => policy.identity.apply.as_ref().map(ToString::to_string),
        Party::Cluster => None,
    };
    let (default, places) = match party {
        Party::Plan => ("PLAN_CLIENT_ID", scopes(party, policy)),
        Party::Apply => ("APPLY_CLIENT_ID", scopes(party, policy)),
        Party::Cluster => {
            let group = uses.contains(&Use::ClusterLinkElsewhere).then_some("LINK_GROUP_ID");
            ("CLUSTER_PRINCIPAL_ID", ["NETWORK_ID"].into_iter().chain(group).map(ToOwned::to_owned).collect())
        }
    };
    let who = client.unwrap_or_else(|| default.to_owned());
    let role = role_name(party, policy);
    let assign = |scope: String| format!("az role assignment create --assignee {who} --role {role} --scope {scope}");
    let cluster = policy.cluster.as_ref().filter(|_| party == Party::Cluster).map(|cluster| principal_of(&cluster.aks));
    cluster.into_iter().chain(places.into_iter().map(assign)).collect()
}

fn principal_of(cluster: &ResourceId) -> String {
    format!("az aks show --ids {cluster} --query identity.principalId")
}
