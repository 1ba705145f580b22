//! `privlink simulate ctl fault`: make requests fail, by rule.

use std::time::Duration;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::Subcommand;
use clap::ValueEnum;
use serde_json::Value;

use super::client::Client;
use crate::cli::options::duration;
use crate::sim::fault::Fault;
use crate::sim::fault::Probability;

/// What is done about faults.
#[derive(Debug, Subcommand)]
pub(super) enum FaultCommand {
    /// Add a fault behind the others
    Add(Box<FaultArguments>),
    /// List the faults in force, with how often each hit
    List,
    /// End one fault, or all of them
    Clear {
        /// The number of a fault; default: all
        #[arg(value_name = "NUMBER")]
        id: Option<u64>,
    },
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Drop {
    /// Before the request has any effect.
    Before,
    /// After it had its effect.
    After,
}

#[derive(Debug, Args)]
pub(super) struct FaultArguments {
    /// Only paths that contain this, or that it matches as a glob if it has a *
    #[arg(long, value_name = "PATTERN")]
    path: Option<String>,
    /// Only this method
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only clients whose user agent contains this
    #[arg(long, value_name = "TEXT")]
    client: Option<String>,
    /// Let so many requests through first
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u32,
    /// Hit so many requests; default: all
    #[arg(long, value_name = "NUMBER")]
    times: Option<u32>,
    /// Hit this share of the requests, from 0 to 1
    #[arg(long, value_name = "SHARE")]
    probability: Option<Probability>,
    /// End after this time on the simulator's clock
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    lasting: Option<Duration>,
    /// Answer with this status
    #[arg(long, value_name = "STATUS")]
    status: Option<u16>,
    /// The error code of the answer or of the operation
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// The error message of the answer or of the operation
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// A header of the answer; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// What Retry-After of the answer says, in seconds
    #[arg(long, value_name = "SECONDS")]
    retry_after: Option<u32>,
    /// The body of the answer as raw text, such as a proxy's page
    #[arg(long, value_name = "TEXT", requires = "status")]
    body: Option<String>,
    /// Wait before answering, on the simulator's clock
    #[arg(long, value_name = "TIME", value_parser = duration)]
    delay: Option<Duration>,
    /// Never answer
    #[arg(long)]
    hang: bool,
    /// Serve and never answer
    #[arg(long)]
    withhold: bool,
    /// Cut the connection before or after the effect of the request
    #[arg(long, value_enum, value_name = "WHEN")]
    drop: Option<Drop>,
    /// Accept the request and let its operation fail
    #[arg(long)]
    in_operation: bool,
    /// Let the operation end as canceled instead
    #[arg(long, requires = "in_operation")]
    canceled: bool,
    /// Let the operation end after so many polls
    #[arg(long, value_name = "NUMBER", requires = "in_operation")]
    polls: Option<u32>,
    /// Answer reads with what is there now
    #[arg(long)]
    stale: bool,
}

impl FaultArguments {
    fn fault(self) -> anyhow::Result<Fault> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let does_something = self.status.is_some()
            || self.delay.is_some()
            || self.drop.is_some()
            || [self.hang, self.withhold, self.in_operation, self.stale].contains(&true);
        if !does_something {
            bail!("say what goes wrong: --status, --delay, --hang, --withhold, --drop, --in-operation or --stale");
        }
        let header = |text: &String| {
            let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        Ok(Fault {
            headers: self.headers.iter().map(header).collect::<anyhow::Result<_>>()?,
            method: self.method,
            path: self.path.unwrap_or_default(),
            client: self.client,
            status: self.status.unwrap_or(0),
            code: self.code.unwrap_or_default(),
            message: self.message.unwrap_or_default(),
            retry_after_seconds: self.retry_after,
            body: self.body,
            times: self.times,
            after: self.after,
            probability: self.probability,
            for_milliseconds: self.lasting.map(milliseconds),
            delay_milliseconds: self.delay.map_or(0, milliseconds),
            hang: self.hang,
            withhold: self.withhold,
            in_operation: self.in_operation,
            canceled: self.canceled,
            polls: self.polls,
            drop_request: self.drop == Some(Drop::Before),
            drop_connection: self.drop == Some(Drop::After),
            stale: self.stale,
        })
    }
}

impl FaultCommand {
    pub(super) async fn send(self, client: &Client) -> anyhow::Result<Value> {
        match self {
            Self::Add(arguments) => {
                let fault = serde_json::to_value(arguments.fault()?).context("a fault is plain data")?;
                client.send("POST", "faults", &[], Some(fault)).await
            }
            Self::List => client.get("faults").await,
            Self::Clear { id: Some(id) } => client.send("DELETE", &format!("faults/{id}"), &[], None).await,
            Self::Clear { id: None } => client.send("DELETE", "faults", &[], None).await,
        }
    }
}
