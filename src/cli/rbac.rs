//! `privlink rbac`: the smallest roles that an environment's identities need, from the table of what privlink does.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::desired::uses;
use crate::domain::name::EnvironmentName;
use crate::domain::operation::Party;
use crate::reconcile::planning;
use crate::render::rbac;

/// Print the smallest roles that an environment's identities need
#[derive(Debug, Args)]
pub struct RbacArguments {
    /// The config repository; its files alone are looked at
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The environment
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: EnvironmentName,
    /// One role, in a form that az or kubectl reads; default: all rights, with what each is for
    #[arg(long = "for", value_enum, value_name = "WHO")]
    party: Option<Who>,
    /// Whatever documents may ask for, and not only what they do
    #[arg(long)]
    all: bool,
}

/// Whose role is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// The identity that plans: an Azure role as JSON.
    Plan,
    /// The identity that applies: an Azure role as JSON.
    Apply,
    /// The cluster's own identity, for a network of its own: an Azure role as JSON.
    Cluster,
    /// Both in the cluster: ClusterRoles as YAML.
    Kubernetes,
}

pub(super) fn run(arguments: &RbacArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let RbacArguments { folder, environment, party, all } = arguments;
    let loaded = match runner::load(runner::offline(folder)?, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let policy = planning::policy(&loaded, environment)?;
    let (desired, _) = planning::resolve_files(&loaded, &policy, None);
    let uses = if *all { uses::possible(&desired) } else { uses::uses(&desired) };
    if matches!(party, Some(Who::Cluster | Who::Kubernetes)) && policy.cluster.is_none() {
        bail!("environment {environment} has no cluster");
    }
    match party {
        None => printer.result(&rbac::overview(&policy, &uses)),
        Some(Who::Plan) => printer.raw_result(&rbac::azure_role(Party::Plan, &policy, &uses)),
        Some(Who::Apply) => printer.raw_result(&rbac::azure_role(Party::Apply, &policy, &uses)),
        Some(Who::Cluster) => printer.raw_result(&rbac::azure_role(Party::Cluster, &policy, &uses)),
        Some(Who::Kubernetes) => printer.raw_result(&rbac::cluster_roles(&policy)),
    }
    Ok(Exit::Done)
}
