//! `privlink init`: a starter repository that passes `check`.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::domain::azure::SubscriptionId;
use crate::domain::name::EnvironmentName;
use crate::reconcile::source::SETTINGS_FILE;
use crate::render::Label;

/// Write a starter config repository
#[derive(Debug, Args)]
pub struct InitArguments {
    /// Where; nothing that exists is overwritten
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The name of the first environment
    #[arg(long, short = 'e', value_name = "NAME", default_value = "prod")]
    environment: EnvironmentName,
    /// Its subscription
    #[arg(long, value_name = "ID", default_value = "00000000-0000-0000-0000-000000000000")]
    subscription: SubscriptionId,
}

pub(super) fn run(arguments: InitArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let InitArguments { folder, environment, subscription } = arguments;
    let files = [
        (SETTINGS_FILE.to_owned(), settings(&environment, &subscription)),
        (format!("environments/{environment}/example.yaml"), example()),
        ("README.md".to_owned(), readme(&environment)),
    ];
    let there = files.iter().map(|(name, _)| folder.join(name)).find(|path| path.exists());
    if let Some(path) = there {
        bail!("{} exists already: init writes into an empty repository", path.display());
    }
    for (name, text) in &files {
        write(&folder.join(name), text)?;
        printer.line(Label::Added, format!("wrote {}", folder.join(name).display()));
    }
    printer.line(Label::Hint, "next: fill in the subscription and cluster, then `privlink check` and `privlink plan`");
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn settings(environment: &EnvironmentName, subscription: &SubscriptionId) -> String {
    let owner = uuid::Uuid::new_v4();
    format!(
        r#"# Which environments there are, what they may touch, and who must say yes.
version = 1
# Marks what belongs to this repository. Never change it.
owner = "{owner}"

[status]
branch = "privlink/status/{{environment}}"
author = "privlink <privlink@example.com>"

# Who may approve:
# [approvers.alice]
# emails = ["alice@acme.example"]
# github-id = 583231        # gh api users/alice --jq .id: her reviews count, where an agent looks at pull requests

# Who is behind a subscription, for plans to name:
# [consumers."00000000-0000-0000-0000-000000000000"]
# name = "ACME trading"
# contact = "net@acme.example"

[environments.{environment}]
path = "environments/{environment}"
cloud = "public"
subscription = "{subscription}"
# Delete what no document asks for any more: off until you trust it.
prune = false

[environments.{environment}.cluster]
aks = "/subscriptions/{subscription}/resourceGroups/my-group/providers/Microsoft.ContainerService/managedClusters/my-cluster"

# What each risk needs: "automatic", "merge" (it follows from a merged commit), or a number of people.
[environments.{environment}.approval]
safe = "automatic"
notable = "merge"
disruptive = 1
severing = 1
"#
    )
}

fn example() -> String {
    r#"# An internal load balancer, published to one consumer subscription.
apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata:
  name: internal-app
spec:
  service: { namespace: default, name: internal-app }
  visibility:
    mode: role-based
"#
    .to_owned()
}

fn readme(environment: &EnvironmentName) -> String {
    format!(
        "# Private exposure\n\n`privlink check` finds mistakes, `privlink plan` shows what would happen and to whom, \
`privlink apply` makes it so.\n\n- `privlink.toml`: environments, scopes, approvers\n- `environments/{environment}/`: Services, \
PrivateLinkServices, PrivateEndpoints\n- branch `privlink/status/{environment}`: what there is, written by privlink\n"
    )
}
