//! `privlink apply`: plan, show, ask, apply.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::apply::engine::Settings;
use crate::approval;
use crate::approval::Decision;
use crate::approval::LocalConsent;
use crate::approval::Missing;
use crate::approval::emergency;
use crate::approval::emergency::Unbreakable;
use crate::cli::Exit;
use crate::cli::interrupt::Interrupt;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::FloorOptions;
use crate::cli::options::SourceOptions;
use crate::cli::options::duration;
use crate::cli::plan;
use crate::cli::plan::Format;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::desired::policy::Consent;
use crate::domain::name::EnvironmentName;
use crate::plan::change::Note;
use crate::plan::compare;
use crate::plan::document::PlanId;
use crate::plan::risk::Risk;
use crate::reconcile::applying;
use crate::reconcile::applying::Applying;
use crate::reconcile::applying::Event;
use crate::reconcile::deciding;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning;
use crate::reconcile::planning::Planned;
use crate::reconcile::publishing;
use crate::reconcile::publishing::Done;
use crate::reconcile::source::Loaded;
use crate::render;
use crate::render::Label;
use crate::render::saved_plan::SavedPlan;
use crate::render::saved_plan::read_saved_plan;

/// Plan, show, ask, and apply
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// The config repository, or a plan saved by `privlink plan --out`
    #[arg(default_value = ".", value_name = "FOLDER or PLAN")]
    target: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    environments: EnvironmentOptions,
    #[command(flatten)]
    floor: FloorOptions,
    /// Ask nothing: apply what the rules let be automatic or merged, up to the risk notable
    #[arg(long, short = 'y')]
    yes: bool,
    /// Approve this plan, by its full id; counts as one person
    #[arg(long, value_name = "ID")]
    approve_plan: Option<PlanId>,
    /// In an emergency, and where the rules allow it: wait for no approvals, no change window and no freeze, for this
    /// reason, which is published with your name; asks, or takes --yes
    #[arg(long, value_name = "REASON", value_parser = reason, conflicts_with = "approve_plan")]
    break_glass: Option<String>,
    /// Apply the folder as it is, though it is not the committed tip of the config branch; never prunes
    #[arg(long)]
    allow_uncommitted: bool,
    /// Hold on for what others have to do, such as approving a connection
    #[arg(long)]
    wait: bool,
    /// How long a step may take to become ready
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
    deadline: Duration,
    /// How many steps may run at the same time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallelism: u8,
    /// Say at the end how many calls it took, by method and type
    #[arg(long)]
    stats: bool,
}

/// Reads a reason: words, on one line.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() < 4 || text.chars().any(char::is_control) {
        return Err("say in some words, on one line, why this cannot wait".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) async fn run(arguments: ApplyArguments, config: &Config, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let saved = saved(&arguments.target)?;
    let (folder, source) = match &saved {
        Some(saved) => origin(saved, &arguments.source),
        None => (arguments.target.clone(), arguments.source.clone()),
    };
    let reviewed = source.repo.is_none().then_some(folder.as_path());
    let Some(config) = &arguments.floor.on(config, reviewed, printer)? else { return Ok(Exit::Files) };
    let need = if arguments.allow_uncommitted { runner::Need::Remote } else { runner::Need::Commit };
    let found = runner::find(&folder, &source, need, (config, printer)).await?;
    let mut loaded = match runner::load(found, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    if arguments.allow_uncommitted {
        forbid_prune(&mut loaded, printer);
    }
    plan::say_whom_we_believe(&loaded, printer);
    if loaded.source.upstream.is_none() {
        printer.line(Label::Warning, "no remote: the lock holds on this machine only, and no status is committed");
    }
    let environments = match &saved {
        Some(saved) => vec![saved.environment.parse::<EnvironmentName>()?],
        None => runner::environments(&arguments.environments.environments, &loaded),
    };
    if arguments.break_glass.is_some() && environments.len() > 1 {
        anyhow::bail!("the glass is broken for one environment: name it with --environment");
    }
    let interrupt = Interrupt::listen();
    let mut exit = Exit::Done;
    for environment in &environments {
        if interrupt.was_asked() {
            printer.line(Label::Warning, format!("{environment}: not looked at, because you asked to stop"));
            exit = exit.or(Exit::Partial);
            continue;
        }
        let one = One { arguments: &arguments, saved: saved.as_ref(), loaded: &loaded, environment, config };
        exit = exit.or(match one.apply(&interrupt, printer).await {
            Ok(exit) => exit,
            Err(error) => runner::failed(environment, &error, &loaded, printer),
        });
    }
    if arguments.stats {
        printer.message(&render::stats::stats(&config.calls.counts()));
    }
    Ok(exit)
}

/// A plan file, if the target is a file.
fn saved(target: &Path) -> anyhow::Result<Option<SavedPlan>> {
    if !target.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(target).with_context(|| format!("cannot read {}", target.display()))?;
    Ok(Some(read_saved_plan(&text).with_context(|| format!("cannot apply {}", target.display()))?))
}

/// Where a saved plan's files are: the command line wins over what the plan remembers.
fn origin(saved: &SavedPlan, source: &SourceOptions) -> (PathBuf, SourceOptions) {
    let mut source = source.clone();
    let is_url = saved.source.contains("://") || (saved.source.contains('@') && saved.source.contains(':'));
    if source.repo.is_none() && is_url {
        let mut words = saved.source.split(' ');
        source.repo = words.next().map(ToOwned::to_owned);
        source.reference = words.next().map(ToOwned::to_owned);
    }
    (PathBuf::from(&saved.source), source)
}

/// What is not in a commit cannot say that something is not wanted any more.
fn forbid_prune(loaded: &mut Loaded, printer: &mut Printer<'_>) {
    for environment in loaded.settings.environments.values_mut() {
        if environment.prune {
            environment.prune = false;
            printer.line(Label::Warning, "prune is off for this run: the folder is not a commit");
        }
    }
}

/// The apply of one environment.
struct One<'a> {
    arguments: &'a ApplyArguments,
    saved: Option<&'a SavedPlan>,
    loaded: &'a Loaded,
    environment: &'a EnvironmentName,
    config: &'a Config,
}

impl One<'_> {
    async fn apply(&self, interrupt: &Interrupt, printer: &mut Printer<'_>) -> Result<Exit, PassError> {
        let (loaded, config) = (self.loaded, self.config);
        printer.live(format!("reading the world of {}", self.environment));
        let planned = self.settled(interrupt, printer).await?;
        printer.end_live();
        runner::show(&planned.diagnostics, &loaded.reading.sources, printer);
        if let Some(exit) = self.stale(&planned, printer) {
            return Ok(exit);
        }
        plan::print(loaded, &planned, Format::Text, printer);
        if !planned.plan.may_run() {
            printer.line(Label::Error, "error: this plan is not applied: see above");
            return Ok(Exit::Incomplete);
        }
        if !planned.plan.has_changes() {
            let converged = planned.plan.is_carried_out();
            publishing::publish(loaded, &planned, Done { converged, ..Done::default() }).await?;
            return Ok(if planned.plan.is_settled() { Exit::Done } else { Exit::Partial });
        }
        if let Some(refused) = self.beyond_yes(&planned).filter(|_| self.arguments.break_glass.is_none()) {
            printer.message(&refused);
            return Ok(Exit::Approval);
        }
        let approvals = deciding::approvals(loaded, &planned).await?;
        runner::show(&approvals.diagnostics, &approvals.sources, printer);
        let approval = match self.consent(&planned, &approvals, printer) {
            Decision::Approved(approval) => approval,
            Decision::Missing(missing) => {
                printer.message(&refusal(&missing));
                return Ok(Exit::Approval);
            }
        };
        let settings = Settings {
            parallel: usize::from(self.arguments.parallelism),
            deadline: self.arguments.deadline,
            check_interval: config.poll_interval,
            wait_for_others: self.arguments.wait,
        };
        let applying = Applying { config, settings, cancel: interrupt.asked() };
        let ended = {
            let _applying = interrupt.applying();
            let mut show = |event| match event {
                Event::Begins => {}
                Event::Progress(progress) => printer.progress(&progress),
            };
            applying::apply((loaded, &planned), &approval, applying, &mut show).await?
        };
        printer.end_live();
        printer.result(&render::apply::summary(&ended.report.steps));
        printer.result(&render::apply::left_out(&planned.plan));
        let concluded = publishing::conclude((loaded, &planned), &ended, &approvals, config).await?;
        if let Some(commit) = concluded.status {
            let branch = &planned.plan.policy.status.branch;
            printer.line(Label::Dim, format!("status: commit {} on {branch}", commit.short()));
        }
        if let Err(error) = concluded.after {
            let error = error_chain(&error);
            let message =
                format!("the world could not be read after the apply, so the status shows it as it was: {error}");
            printer.line(Label::Warning, message);
        }
        Ok(Exit::of_apply(&ended.report, &planned.plan))
    }

    /// Plans once Azure and the cloud provider have ended what they are at: after an interrupted run, they may be at work on
    /// what the rest of it needs. A plan that somebody looked at already is not waited for: it would be another.
    async fn settled(&self, interrupt: &Interrupt, printer: &mut Printer<'_>) -> Result<Planned, PassError> {
        let began = Instant::now();
        let mut told = BTreeSet::new();
        loop {
            let planned = planning::plan(self.loaded, self.environment, self.config).await?;
            let is_looked_at = self.saved.is_some() || self.arguments.approve_plan.is_some();
            let is_late = began.elapsed() >= self.arguments.deadline || interrupt.was_asked();
            if planned.plan.is_settled() || is_looked_at || is_late {
                return Ok(planned);
            }
            let waits = |note: &&Note| planned.plan.postponed.iter().any(|key| key.to_string() == note.subject);
            for note in planned.plan.notes.iter().filter(waits).filter(|note| told.insert((*note).clone())) {
                printer.line(Label::Dim, format!("waits    {}: {}", note.subject, note.text));
            }
            tokio::time::sleep(self.config.poll_interval).await;
        }
    }

    /// A saved plan, or an approved id, that is not today's plan any more is refused with what changed.
    fn stale(&self, planned: &Planned, printer: &mut Printer<'_>) -> Option<Exit> {
        if let Some(saved) = self.saved.filter(|saved| saved.id != planned.plan.id) {
            printer.line(Label::Error, "error: the saved plan is stale. Since it was made:");
            for difference in compare::differences(&saved.body, &planned.plan.body) {
                printer.line(Label::Plain, format!("  {difference}"));
            }
            printer.line(Label::Hint, "plan again, and look again");
            return Some(Exit::Approval);
        }
        let approved = self.arguments.approve_plan.as_ref().filter(|id| **id != planned.plan.id)?;
        if !planned.plan.has_changes() {
            return None; // Nothing to do is nothing to approve.
        }
        printer.line(
            Label::Error,
            format!("error: you approved plan {approved}, and the plan now is {}", planned.plan.id),
        );
        printer.line(Label::Hint, "look at the plan again: `privlink plan`");
        Some(Exit::Approval)
    }

    /// What `--yes` is not a look at: a change above notable that nobody else has to approve.
    fn beyond_yes(&self, planned: &Planned) -> Option<render::Text> {
        let plan = &planned.plan;
        let unasked = |consent| !matches!(consent, Consent::People(_));
        let steps = plan.steps.iter().map(|step| &step.change);
        let rules =
            plan.loosening().iter().filter(|_| self.arguments.yes && unasked(approval::of_risk(plan, Risk::Severing)));
        let rules = rules.map(|rule| format!("the rules ({rule})"));
        let beyond: Vec<String> = steps
            .filter(|change| {
                self.arguments.yes && change.risk > Risk::Notable && unasked(approval::required(plan, change))
            })
            .map(|change| format!("{} ({})", change.key, change.risk))
            .chain(rules)
            .collect();
        if beyond.is_empty() {
            return None;
        }
        let mut text = render::Text::new();
        text.line(Label::Error, "error: --yes does not answer for changes above notable");
        text.line(Label::Plain, format!("  nobody has looked at {}", render::missing::few(&beyond)));
        text.line(Label::Hint, "  help: answer at the prompt, or use --approve-plan with the full id");
        Some(text)
    }

    fn consent(
        &self,
        planned: &Planned,
        approvals: &crate::reconcile::approvals::Approvals,
        printer: &mut Printer<'_>,
    ) -> Decision {
        let decide = |consent| deciding::decide(planned, approvals, consent, None);
        if let Some(reason) = &self.arguments.break_glass {
            return self.in_emergency(planned, (decide(LocalConsent::None), reason), printer);
        }
        if self.arguments.approve_plan.is_some() {
            return decide(LocalConsent::Person);
        }
        if self.arguments.yes {
            return decide(LocalConsent::Unattended);
        }
        // Asking makes sense only where a yes would be enough.
        if !printer.is_interactive() || matches!(decide(LocalConsent::Person), Decision::Missing(_)) {
            return decide(LocalConsent::None);
        }
        let question = format!("Apply this plan to {}?", self.environment);
        // Whoever looks at a plan for an hour may say yes when its window has closed.
        if printer.confirm(&question) { decide(LocalConsent::Person) } else { decide(LocalConsent::None) }
    }
}

impl One<'_> {
    /// Breaks the glass, if there is need to, the rules allow it, and whoever runs this says yes.
    fn in_emergency(
        &self,
        planned: &Planned,
        (decision, reason): (Decision, &str),
        printer: &mut Printer<'_>,
    ) -> Decision {
        let Decision::Missing(missing) = decision else {
            printer.line(Label::Dim, "the rules permit this plan: the glass stays whole");
            return decision;
        };
        let by = crate::git::identity(&self.config.environment).map(|identity| identity.to_string());
        let by = by.unwrap_or_else(|| self.config.writer.clone());
        let broken = emergency::break_glass(&planned.plan, &missing, (by, reason.to_owned()));
        let approval = match broken {
            Ok(approval) => approval,
            Err(why) => {
                printer.line(Label::Error, format!("error: {why}"));
                let help = "break-glass = true in the environment allows it, once that is merged and approved";
                if why == Unbreakable::Forbidden {
                    printer.line(Label::Hint, help);
                }
                return Decision::Missing(missing);
            }
        };
        let mut skips = render::Text::new();
        skips
            .line(Label::Warning, "breaking the glass: this is not waited for")
            .append(render::missing::missing(&missing));
        printer.message(&skips);
        let question = format!("Break the glass, and apply this plan to {}?", self.environment);
        let agrees = self.arguments.yes || (printer.is_interactive() && printer.confirm(&question));
        if agrees { Decision::Approved(approval) } else { Decision::Missing(missing) }
    }
}

/// Says that an apply is refused, and what it still needs.
fn refusal(missing: &Missing) -> render::Text {
    let mut text = render::Text::new();
    let what = match missing {
        Missing { frozen: Some(_), .. } => "error: the environment is frozen",
        Missing { needs, .. } if needs.is_empty() => "error: this is not the time to apply it",
        Missing { .. } => "error: approval is missing",
    };
    text.line(Label::Error, what).append(render::missing::missing(missing));
    if missing.needs.is_empty() {
        let help = "  help: wait for it, or, where the settings allow it, break the glass: --break-glass REASON";
        text.line(Label::Hint, help);
        return text;
    }
    text.line(
        Label::Hint,
        "  help: answer at the prompt, use --approve-plan with the full id, or let somebody run `privlink approve`",
    );
    text
}
