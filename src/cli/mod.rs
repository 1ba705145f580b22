//! The command line: one file a command, each with its arguments, whose documentation is the help text.

pub mod agent;
pub mod apply;
pub mod approve;
pub mod check;
#[cfg(feature = "sim")]
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod import;
pub mod init;
mod interrupt;
pub mod migrate;
mod options;
pub mod plan;
pub mod printer;
pub mod rbac;
pub mod review;
mod runner;
pub mod schema;
mod signals;
#[cfg(feature = "sim")]
pub mod simulate;
pub mod status;

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::FromArgMatches as _;
use clap::Parser;
use clap::Subcommand;

use crate::apply::report::Report;
use crate::plan::Plan;
use crate::reconcile::error_chain;
use crate::render::Label;
use options::GlobalOptions;
use options::LogFormat;
use printer::Io;
use printer::Printer;

/// Declarative private exposure of AKS services: internal load balancers, Private Link Services, private endpoints.
///
/// A Git repository says what there should be. privlink compares it with Azure and the cluster, says what will happen and
/// to whom, and applies it on approval.
#[derive(Debug, Parser)]
#[command(name = "privlink", version, arg_required_else_help = true, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "sim")]
    Demo(demo::DemoArguments),
    Init(init::InitArguments),
    Check(check::CheckArguments),
    Plan(plan::PlanArguments),
    Apply(apply::ApplyArguments),
    Approve(approve::ApproveArguments),
    Status(status::StatusArguments),
    Import(import::ImportArguments),
    Migrate(migrate::MigrateArguments),
    Agent(agent::AgentArguments),
    Doctor(doctor::DoctorArguments),
    Explain(explain::ExplainArguments),
    Review(review::ReviewArguments),
    Rbac(rbac::RbacArguments),
    Schema(schema::SchemaArguments),
    #[cfg(feature = "sim")]
    Simulate(simulate::SimulateArguments),
}

/// The width of help that goes to a file or a pipe.
const PAGE_WIDTH: usize = 100;

/// How a run ended; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed; wrong usage, too.
    Failed = 1,
    /// Changes are pending (only with `--detailed-exitcode`).
    Changes = 2,
    /// The files have errors.
    Files = 3,
    /// Approval is missing, stale or refused.
    Approval = 4,
    /// Applied in part.
    Partial = 5,
    /// The plan is incomplete or not applicable, or was applied without what it leaves out.
    Incomplete = 6,
}

impl Exit {
    /// Of two environments' ends the worse: failure before everything else, then the higher number.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::Failed || other == Self::Failed { Self::Failed } else { self.max(other) }
    }

    /// The end of an apply. What the plan leaves out counts: not all that is asked for is there.
    pub(crate) fn of_apply(report: &Report, plan: &Plan) -> Self {
        let whole = if plan.is_whole() { Self::Done } else { Self::Incomplete };
        whole.or(match (report.is_success(), report.did_something()) {
            (true, _) => Self::Done,
            (false, true) => Self::Partial,
            (false, false) => Self::Failed,
        })
    }

    /// The process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Runs the program: arguments and environment in, exit code out.
pub fn run(arguments: Vec<OsString>, environment: BTreeMap<String, String>, io: &mut Io) -> Exit {
    let mut command = with_variables(Arguments::command(), &environment);
    if !io.out_is_terminal {
        command = command.term_width(PAGE_WIDTH); // What nobody reads on a terminal does not depend on one.
    }
    let parsed = command.try_get_matches_from(arguments).and_then(|matches| Arguments::from_arg_matches(&matches));
    let Arguments { global, command } = match parsed {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, io),
    };
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut printer = Printer::new(io, global.color, no_color);
    crate::agent::memory::share_one_arena();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.line(Label::Error, format!("error: no threads can be started: {error}"));
            return Exit::Failed;
        }
    };
    let style = (global.log_format == LogFormat::Json, printer.colours_err());
    let telemetry = crate::telemetry::start(global.log.as_deref(), style, &environment);
    let result = runtime.block_on(dispatch(command, &global, environment, &mut printer));
    printer.end_live();
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    telemetry.finish();
    result.unwrap_or_else(|error| {
        report(&error, &mut printer);
        Exit::Failed
    })
}

async fn dispatch(
    command: Command,
    global: &GlobalOptions,
    environment: BTreeMap<String, String>,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let config = global.config(environment)?;
    match command {
        #[cfg(feature = "sim")]
        Command::Demo(arguments) => demo::run(arguments, config, printer).await,
        Command::Init(arguments) => init::run(arguments, printer),
        Command::Check(arguments) => check::run(&arguments, printer).await,
        Command::Plan(arguments) => plan::run(arguments, &config, printer).await,
        Command::Apply(arguments) => apply::run(arguments, &config, printer).await,
        Command::Approve(arguments) => approve::run(arguments, &config, printer).await,
        Command::Status(arguments) => status::run(arguments, &config, printer).await,
        Command::Import(arguments) => import::run(arguments, &config, printer).await,
        Command::Migrate(arguments) => migrate::run(arguments, printer),
        Command::Agent(arguments) => agent::run(arguments, global.log_format, &config, printer).await,
        Command::Doctor(arguments) => doctor::run(arguments, &config, printer).await,
        Command::Explain(arguments) => explain::run(&arguments, printer),
        Command::Review(arguments) => review::run(arguments, &config, printer).await,
        Command::Rbac(arguments) => rbac::run(&arguments, printer),
        Command::Schema(arguments) => schema::run(&arguments, printer),
        #[cfg(feature = "sim")]
        Command::Simulate(arguments) => simulate::run(arguments, &config, printer).await,
    }
}

/// Gives every flag a variable: `--allow-uncommitted` reads `PRIVLINK_ALLOW_UNCOMMITTED`.
fn with_variables(command: clap::Command, environment: &BTreeMap<String, String>) -> clap::Command {
    let command = command.mut_args(|argument| {
        let Some(long) = argument.get_long() else { return argument };
        if matches!(long, "help" | "version") {
            return argument;
        }
        let variable = format!("PRIVLINK_{}", long.to_ascii_uppercase().replace('-', "_"));
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let argument = argument.help(format!("{help} [env: {variable}]"));
        match environment.get(&variable).filter(|value| !value.is_empty()) {
            // Said by a variable, it need not be said again.
            Some(value) => argument.required(false).default_value(value.clone()),
            None => argument,
        }
    });
    command.mut_subcommands(|subcommand| with_variables(subcommand, environment))
}

/// Help and version are results; everything else is wrong usage, and that is a failure like others.
fn usage(error: &clap::Error, io: &mut Io) -> Exit {
    let coloured =
        |is_terminal: bool| if is_terminal { error.render().ansi().to_string() } else { error.render().to_string() };
    if error.use_stderr() {
        let text = coloured(io.err_is_terminal);
        Printer::new(io, printer::Colour::Auto, false).raw_message(&text);
        return Exit::Failed;
    }
    let text = coloured(io.out_is_terminal);
    Printer::new(io, printer::Colour::Auto, false).raw_result(&text);
    Exit::Done
}

fn report(error: &anyhow::Error, printer: &mut Printer<'_>) {
    printer.end_live();
    printer.line(Label::Error, format!("error: {}", error_chain(error.as_ref())));
}
