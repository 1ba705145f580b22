//! Where each status file lies: `status/<environment>/<kind>/[<namespace>/]<name>.yaml` and its neighbours.

use crate::domain::commit::RepoPath;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::name::DocumentName;
use crate::domain::name::EnvironmentName;
use crate::plan::document::PlanId;

/// The folder of an environment.
pub fn folder(environment: &EnvironmentName) -> RepoPath {
    parse(format!("status/{environment}"))
}

/// The status of a Service.
pub fn service(environment: &EnvironmentName, key: &ObjectKey) -> RepoPath {
    parse(format!("status/{environment}/service/{}/{}.yaml", key.namespace, key.name))
}

/// The status of a document of one of our kinds, `kind` in lower case.
pub fn own(environment: &EnvironmentName, kind: &str, name: &DocumentName) -> RepoPath {
    parse(format!("status/{environment}/{kind}/{name}.yaml"))
}

/// The status of the environment.
pub fn environment(environment: &EnvironmentName) -> RepoPath {
    parse(format!("status/{environment}/environment.yaml"))
}

/// The table for people.
pub fn overview(environment: &EnvironmentName) -> RepoPath {
    parse(format!("status/{environment}/README.md"))
}

/// A pending plan as it is saved.
pub fn plan(environment: &EnvironmentName, id: &PlanId) -> RepoPath {
    parse(format!("status/{environment}/plans/{id}.json"))
}

/// A pending plan for people.
pub fn plan_text(environment: &EnvironmentName, id: &PlanId) -> RepoPath {
    parse(format!("status/{environment}/plans/{id}.md"))
}

/// The record of an apply.
pub fn applied(environment: &EnvironmentName, id: &PlanId) -> RepoPath {
    parse(format!("status/{environment}/applied/{id}.yaml"))
}

fn parse(path: String) -> RepoPath {
    path.parse().expect("environments, kinds, names and plan ids have no slash, no `..` and are not empty")
}
