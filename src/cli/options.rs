//! Flags that several commands share.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::azure::traffic::Traffic;
use crate::cli::printer::Colour;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::desired::authority;
use crate::diagnostic::FileName;
use crate::domain::calls::CallLog;
use crate::domain::name::EnvironmentName;
use crate::repo::settings::floor;

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalOptions {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Colour,
    /// The kubeconfig whose contexts environments name; also KUBECONFIG
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Where mirrors of config repositories are kept
    #[arg(long, global = true, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Where locks and first sights are kept
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The shortest time between two looks at an operation, such as 500ms or 2s
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub poll_interval: Duration,
    /// How long one request to Azure, a cluster or a Git remote may take
    #[arg(long, global = true, value_name = "TIME", value_parser = duration, default_value = "1m")]
    pub request_timeout: Duration,
    /// What to log on stderr, such as info or privlink=debug
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// How to log: lines for people, or JSON with all that the agent says
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line. The agent then says everything in the log, and nothing beside it.
    Json,
}

/// Which config repository is meant.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SourceOptions {
    /// A remote config repository (file, https or ssh URL), instead of a folder
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// The branch of it; default: its main branch
    #[arg(long = "ref", value_name = "BRANCH", requires = "repo")]
    pub reference: Option<String>,
    /// The reviewed branch: believe its privlink.toml, and plan the change merged into it
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Believe this privlink.toml, from outside the folder
    #[arg(long, value_name = "FILE", conflicts_with_all = ["base", "repo"])]
    pub authority: Option<PathBuf>,
    /// Believe the folder's own privlink.toml (implied at a terminal outside CI)
    #[arg(long, conflicts_with = "repo")]
    pub trust_working_tree: bool,
}

/// Which environments are meant.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct EnvironmentOptions {
    /// An environment; may be repeated; default: all
    #[arg(long = "environment", short = 'e', value_name = "NAME")]
    pub environments: Vec<EnvironmentName>,
}

/// What the runner demands, whatever a repository says.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FloorOptions {
    /// What this runner demands of approvals at least, whatever the repository says: a TOML file from outside it
    #[arg(long, value_name = "FILE")]
    pub approval_floor: Option<PathBuf>,
}

impl FloorOptions {
    /// The configuration with the floor, or nothing if the file is wrong, which was said. `folder` is what is under review.
    ///
    /// # Errors
    /// A file that cannot be read, or that is in that folder.
    pub(super) fn on(
        &self,
        config: &Config,
        folder: Option<&Path>,
        printer: &mut Printer<'_>,
    ) -> anyhow::Result<Option<Config>> {
        let Some(file) = &self.approval_floor else { return Ok(Some(config.clone())) };
        let named = || format!("cannot read the approval floor {}", file.display());
        let real = file.canonicalize().with_context(named)?;
        if folder.and_then(|folder| folder.canonicalize().ok()).is_some_and(|folder| real.starts_with(folder)) {
            anyhow::bail!(
                "the approval floor {} is in the folder that it is to judge: keep it elsewhere",
                file.display()
            );
        }
        let bytes = std::fs::read(&real).with_context(named)?;
        let (floors, diagnostics, sources) = floor::read(&FileName::outside(file.display().to_string()), &bytes);
        runner::show(&diagnostics, &sources, printer);
        Ok(floors.map(|floors| Config { approval_floor: Some(authority::floors(&floors)), ..config.clone() }))
    }
}

impl GlobalOptions {
    /// Reads everything the runner brings along.
    ///
    /// # Errors
    /// A file that is named and cannot be read.
    pub(super) fn config(&self, environment: BTreeMap<String, String>) -> anyhow::Result<Config> {
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        let folder = |flag: &Option<PathBuf>, xdg: &str, below_home: &str| match (flag, variable(xdg), variable("HOME"))
        {
            (Some(folder), _, _) => folder.clone(),
            (None, Some(base), _) => Path::new(base).join("privlink"),
            (None, None, Some(home)) => Path::new(home).join(below_home).join("privlink"),
            (None, None, None) => std::env::temp_dir().join("privlink"),
        };
        let cache_dir = folder(&self.cache_dir, "XDG_CACHE_HOME", ".cache");
        let state_dir = folder(&self.state_dir, "XDG_STATE_HOME", ".local/state");
        let mut ca_certificates = Vec::new();
        if let Some(file) = variable("SSL_CERT_FILE") {
            ca_certificates.push(std::fs::read(file).with_context(|| format!("cannot read SSL_CERT_FILE {file}"))?);
        }
        let kubeconfig = kubeconfig(self.kubeconfig.as_deref(), variable("KUBECONFIG"), variable("HOME"));
        let host = variable("HOSTNAME").cloned().or_else(hostname).unwrap_or_else(|| "this-machine".to_owned());
        let writer = format!("{host} pid {}", std::process::id());
        Ok(Config {
            environment,
            cache_dir,
            state_dir,
            ca_certificates,
            kubeconfig,
            poll_interval: self.poll_interval,
            request_timeout: self.request_timeout,
            traffic: Traffic::default(),
            approval_floor: None,
            calls: CallLog::default(),
            host,
            writer,
        })
    }
}

fn hostname() -> Option<String> {
    let text = std::fs::read_to_string("/etc/hostname").ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The kubeconfig that is named, or the usual one if it is there.
fn kubeconfig(flag: Option<&Path>, variable: Option<&String>, home: Option<&String>) -> Option<PathBuf> {
    let named = flag.map(Path::to_owned).or_else(|| variable.and_then(|list| std::env::split_paths(list).next()));
    named.or_else(|| home.map(|home| Path::new(home).join(".kube/config")).filter(|file| file.exists()))
}

/// Reads `250ms`, `30s`, `15m`, `24h`, `7d`; a bare number is refused, because nobody knows its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: write a number and a unit, such as 500ms, 30s, 15m, 24h or 7d");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let (unit, milliseconds) = (&text[at..], |factor: u64| number.checked_mul(factor).map(Duration::from_millis));
    let value = match unit {
        "ms" => milliseconds(1),
        "s" => milliseconds(1_000),
        "m" => milliseconds(60_000),
        "h" => milliseconds(3_600_000),
        "d" => milliseconds(86_400_000),
        _ => None,
    };
    value.ok_or_else(wrong)
}

/// Reads the time between two looks at something, as [`duration`] does; none would be looks without an end.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time.is_zero() {
        return Err("there has to be some time between two looks: write one above 0, such as 30s or 1m".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "30", "s", "1.5s", "-1s", "1w", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn between_two_looks_there_is_some_time() {
        assert_eq!(interval("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(interval("30"), duration("30"));
        insta::assert_snapshot!(interval("0s").unwrap_err(), @"there has to be some time between two looks: write one above 0, such as 30s or 1m");
    }
}
