//! `privlink simulate ctl`: look behind a running simulator, change things behind everybody's back, make things fail.

mod client;
mod fault;
mod show;

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::options::duration;
use crate::cli::printer::Printer;
use crate::config::Config;
use crate::sim::world::parse_yaml;
use client::Client;
use fault::FaultCommand;

/// Look into a running simulator, change it, make it fail
#[derive(Debug, Args)]
pub struct CtlArguments {
    /// The folder of the simulator; default: PRIVLINK_SIMULATOR_DIR, or a folder in the state folder
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The cluster that is meant, if there are several
    #[arg(long, global = true, value_name = "NAME")]
    cluster: Option<String>,
    /// How to print what is found
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(subcommand)]
    command: CtlCommand,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum CtlCommand {
    /// Show the requests that clients sent
    Requests(RequestsArguments),
    /// Show a resource of Azure or an object of a cluster
    Get(Target),
    /// List resources of Azure and objects of the clusters
    List {
        /// A type or kind, such as privateEndpoints or services; default: all resources and the Services
        #[arg(value_name = "TYPE")]
        kind: Option<String>,
    },
    /// Create or replace a resource or object behind everybody's back
    Put {
        #[command(flatten)]
        target: Target,
        /// A file with its body in JSON or YAML; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Merge a patch into a resource or object behind everybody's back; null removes
    Patch {
        #[command(flatten)]
        target: Target,
        /// The patch, in JSON
        #[arg(value_name = "JSON")]
        patch: String,
    },
    /// Set or remove annotations of an object
    Annotate {
        #[command(flatten)]
        target: Target,
        /// KEY=VALUE sets, KEY- removes
        #[arg(value_name = "EDIT", required = true)]
        edits: Vec<String>,
    },
    /// Delete a resource or object behind everybody's back
    Delete(Target),
    /// Make requests fail
    #[command(subcommand)]
    Fault(FaultCommand),
    /// Move the clock forward
    Advance {
        /// By how much, such as 90s or 24h
        #[arg(value_name = "TIME", value_parser = duration)]
        time: Duration,
    },
    /// Show the clock
    Clock,
    /// Make the cloud providers try everything that failed again, now
    Resync,
    /// Show everything there is
    State,
}

#[derive(Debug, Args)]
struct RequestsArguments {
    /// Only writes of clients
    #[arg(long)]
    writes: bool,
    /// Only clients whose user agent contains this
    #[arg(long, value_name = "TEXT")]
    client: Option<String>,
    /// Only requests after this number
    #[arg(long, value_name = "NUMBER")]
    since: Option<u64>,
}

/// What is meant: a resource id of Azure, or an object of a cluster.
#[derive(Debug, Args)]
struct Target {
    /// A resource id, or <kind>/<namespace>/<name> of a cluster, such as service/default/web
    #[arg(value_name = "ID")]
    id: String,
}

impl Target {
    /// Where the admin API has it.
    fn path(&self) -> anyhow::Result<String> {
        if self.id.starts_with('/') {
            return Ok(format!("resources{}", self.id));
        }
        match self.id.split('/').collect::<Vec<_>>()[..] {
            [kind, namespace, name] => Ok(format!("objects/{kind}/{namespace}/{name}")),
            [kind, name] => Ok(format!("objects/{kind}/-/{name}")),
            _ => bail!("{:?} is neither a resource id nor <kind>/<namespace>/<name>", self.id),
        }
    }

    fn object_path(&self) -> anyhow::Result<String> {
        if self.id.starts_with('/') {
            bail!("only objects of a cluster have annotations: use patch to set tags of {}", self.id);
        }
        self.path()
    }
}

pub(super) async fn run(arguments: CtlArguments, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let CtlArguments { dir, cluster, format, command } = arguments;
    let client = Client::find(&super::folder(dir, config), cluster)?;
    let text: fn(&Value) -> String = match &command {
        CtlCommand::Requests(_) => show::requests,
        CtlCommand::List { .. } => show::list,
        CtlCommand::Fault(_) => show::faults,
        CtlCommand::Advance { .. } | CtlCommand::Clock => show::clock,
        CtlCommand::Resync => |_| String::new(),
        CtlCommand::State => show::state,
        CtlCommand::Get(_)
        | CtlCommand::Put { .. }
        | CtlCommand::Patch { .. }
        | CtlCommand::Annotate { .. }
        | CtlCommand::Delete(_) => show::json,
    };
    let found = ask(&client, command).await?;
    printer.raw_result(&match format {
        Format::Text => text(&found),
        Format::Json => show::json(&found),
    });
    Ok(Exit::Done)
}

async fn ask(client: &Client, command: CtlCommand) -> anyhow::Result<Value> {
    match command {
        CtlCommand::Requests(RequestsArguments { writes, client: agent, since }) => {
            let (writes, since) = (writes.to_string(), since.unwrap_or(0).to_string());
            let query = [("writes", writes), ("client", agent.unwrap_or_default()), ("since", since)];
            client.send("GET", "requests", &query, None).await
        }
        CtlCommand::Get(target) => client.get(&target.path()?).await,
        CtlCommand::List { kind } => list(client, kind).await,
        CtlCommand::Put { target, file } => client.send("PUT", &target.path()?, &[], Some(read(&file)?)).await,
        CtlCommand::Patch { target, patch } => {
            let patch = serde_json::from_str(&patch).with_context(|| format!("{patch:?} is not JSON"))?;
            client.send("PATCH", &target.path()?, &[], Some(patch)).await
        }
        CtlCommand::Annotate { target, edits } => {
            let patch = json!({ "metadata": { "annotations": annotations(&edits)? } });
            client.send("PATCH", &target.object_path()?, &[], Some(patch)).await
        }
        CtlCommand::Delete(target) => client.send("DELETE", &target.path()?, &[], None).await,
        CtlCommand::Fault(command) => command.send(client).await,
        CtlCommand::Advance { time } => {
            let query = [("advance-milliseconds", time.as_millis().to_string())];
            client.send("POST", "clock", &query, None).await
        }
        CtlCommand::Clock => client.get("clock").await,
        CtlCommand::Resync => client.send("POST", "resync", &[], None).await,
        CtlCommand::State => client.get("state").await,
    }
}

async fn list(client: &Client, kind: Option<String>) -> anyhow::Result<Value> {
    let name = kind.clone().unwrap_or_default();
    let resources = client.send("GET", "resources", &[("type", name)], None).await?;
    let name = kind.unwrap_or_else(|| "services".to_owned());
    let objects = client.send("GET", "objects", &[("kind", name)], None).await?;
    Ok(json!({ "resources": resources["value"], "objects": objects["value"] }))
}

fn read(file: &std::path::Path) -> anyhow::Result<Value> {
    let failed = || format!("cannot read {}", file.display());
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).with_context(failed)?;
    } else {
        text = std::fs::read_to_string(file).with_context(failed)?;
    }
    parse_yaml(&text).with_context(|| format!("{} is neither JSON nor YAML", file.display()))
}

/// `KEY=VALUE` sets, `KEY-` removes.
fn annotations(edits: &[String]) -> anyhow::Result<Map<String, Value>> {
    let edit = |edit: &String| match (edit.split_once('='), edit.strip_suffix('-')) {
        (Some((key, value)), _) => Ok((key.to_owned(), value.into())),
        (None, Some(key)) => Ok((key.to_owned(), Value::Null)),
        (None, None) => bail!("{edit:?} is neither KEY=VALUE nor KEY-"),
    };
    edits.iter().map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_azure_id_or_an_object() {
        let path = |id: &str| Target { id: id.to_owned() }.path().ok();
        assert_eq!(path("/subscriptions/s").as_deref(), Some("resources/subscriptions/s"));
        assert_eq!(path("service/shop/web").as_deref(), Some("objects/service/shop/web"));
        assert_eq!(path("node/a").as_deref(), Some("objects/node/-/a"));
        assert_eq!(path("web"), None);
    }

    #[test]
    fn annotations_are_set_and_removed() {
        let edits = ["a=b=c".to_owned(), "d-".to_owned()];
        assert_eq!(Value::Object(annotations(&edits).unwrap()), json!({ "a": "b=c", "d": null }));
        assert!(annotations(&["a".to_owned()]).is_err());
    }
}
