//! What a person at the terminal is told of an agent.

use std::collections::BTreeMap;

use crate::agent::news::Audience;
use crate::agent::news::Ended;
use crate::agent::news::News;
use crate::agent::schedule::Order;
use crate::cli::Exit;
use crate::cli::plan;
use crate::cli::plan::Format;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::domain::name::EnvironmentName;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::Published;
use crate::reconcile::planning::Planned;
use crate::render;
use crate::render::Label;

/// Tells a person what the agent does, and says the same thing once only.
pub(in crate::cli) struct Console<'a, 'p> {
    pub(in crate::cli) printer: &'a mut Printer<'p>,
    pub(in crate::cli) exit: Exit,
    pub(in crate::cli) shown: BTreeMap<EnvironmentName, String>,
    /// True where the log says everything.
    pub(in crate::cli) is_quiet: bool,
    /// True if the agent serves more than one environment.
    has_several: bool,
    /// Whose progress was told last: passes run side by side.
    told: Option<EnvironmentName>,
    unreachable: Option<String>,
}

impl<'a, 'p> Console<'a, 'p> {
    pub(in crate::cli) fn new(printer: &'a mut Printer<'p>) -> Self {
        let (exit, shown) = (Exit::Done, BTreeMap::new());
        Self { printer, exit, shown, is_quiet: false, has_several: false, told: None, unreachable: None }
    }

    /// True if this is news.
    fn is_news(&mut self, environment: &EnvironmentName, what: String) -> bool {
        self.shown.insert(environment.clone(), what.clone()) != Some(what)
    }

    /// True if a plan was printed already, and nothing else of its environment since.
    fn is_printed(&self, environment: &EnvironmentName, planned: &Planned) -> bool {
        self.shown.get(environment).is_some_and(|shown| shown.starts_with(planned.plan.id.as_str()))
    }

    /// Says which environment the next lines are about, where there are several.
    fn about(&mut self, environment: &EnvironmentName) {
        if self.has_several && self.told.as_ref() != Some(environment) {
            self.printer.line(Label::Dim, format!("{environment}:"));
        }
        self.told = Some(environment.clone());
    }

    fn says(&mut self, news: &News) {
        match news {
            News::Turned => {}
            News::Standing(standing) => self.printer.line(Label::Heading, standing.to_string()),
            News::Looked { environments } => {
                self.unreachable = None;
                self.has_several = environments.len() > 1;
            }
            News::Unreachable(error) => {
                let text = format!("error: {}", error_chain(error.as_ref()));
                if self.unreachable.as_ref() != Some(&text) {
                    self.printer.line(Label::Error, &text);
                }
                self.unreachable = Some(text);
            }
            News::Unreadable(what) => runner::show(&what.0, &what.1, self.printer),
            News::Applies { loaded, planned } => {
                // A plan that waited was printed when it began to wait.
                let environment = &planned.plan.policy.mark.environment;
                self.about(environment);
                if !self.is_printed(environment, planned) {
                    self.shown.insert(environment.clone(), planned.plan.id.to_string());
                    plan::print(loaded, planned, Format::Text, self.printer);
                }
                self.printer.line(Label::Heading, format!("applying plan {}", planned.plan.id));
            }
            News::Progress { environment, progress } => {
                self.about(environment);
                self.printer.progress(progress);
            }
            News::Ended(ended) => {
                self.printer.end_live();
                self.ended(ended);
            }
            News::Left(environment) => {
                self.printer.line(Label::Plain, format!("{environment}: stopped before anything was written"));
            }
            News::Crashed { environment, message } => {
                let of = environment.as_ref().map_or("the agent".to_owned(), ToString::to_string);
                let text = format!("error: {of}: this is a mistake in privlink: {message}; it is tried again later");
                self.printer.line(Label::Error, text);
            }
            News::Stopping { running } if running.is_empty() => {}
            News::Stopping { running } => {
                let names = running.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                self.printer.line(Label::Heading, format!("stopping: writes in flight of {names} are finished"));
            }
            News::Stopped { unanswered } => {
                for Order { environment, why } in unanswered {
                    let why = why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    self.printer.line(Label::Plain, format!("{environment}: was still to be looked at ({why})"));
                }
            }
        }
    }

    fn ended(&mut self, ended: &Ended) {
        let Ended { environment, loaded, end, .. } = ended;
        match end {
            Err(error) => {
                let is_news = self.is_news(environment, error_chain(error));
                if is_news && error.is_occupied() {
                    self.printer.line(Label::Notable, format!("{environment}: {}", error_chain(error)));
                } else if is_news {
                    runner::failed(environment, error, loaded, self.printer);
                }
            }
            Ok(PassEnd::Converged { planned, postponed, status }) => {
                let names = postponed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let suspended = planned.desired.suspended.iter();
                let suspended: Vec<String> = suspended.map(|(document, it)| format!("{document} is {it}")).collect();
                let is_news = self.is_news(environment, format!("converged {names}, {}", suspended.join(", ")));
                let is_news = is_news || matches!(status, Published::Commit(_));
                for suspended in suspended.iter().filter(|_| is_news) {
                    self.printer.line(Label::Notable, format!("{environment}: {}", render::shown::one_line(suspended)));
                }
                if is_news && postponed.is_empty() {
                    self.printer.line(Label::Added, format!("{environment}: no changes"));
                } else if is_news {
                    let text = format!("{environment}: no changes yet: {names} wait for what others are still making");
                    self.printer.line(Label::Notable, text);
                }
            }
            Ok(PassEnd::Waits { planned, missing, diagnostics: (diagnostics, sources), .. }) => {
                let is_printed = self.is_printed(environment, planned);
                let needs = render::missing::in_a_line(missing);
                if self.is_news(environment, format!("{} {needs}", planned.plan.id)) {
                    self.about(environment);
                    if !is_printed {
                        plan::print(loaded, planned, Format::Text, self.printer);
                    }
                    runner::show(diagnostics, sources, self.printer);
                    let mut waits = render::Text::new();
                    let what = match (missing.needs.is_empty(), &missing.frozen) {
                        (true, Some(_)) => "waits until the environment is not frozen any more",
                        (true, None) => "waits for its change window",
                        (false, _) => "waits for approval: `privlink approve` shows the plan, asks, and commits one",
                    };
                    waits.line(Label::Notable, format!("{environment}: {what}"));
                    waits.append(render::missing::missing(missing));
                    self.printer.message(&waits);
                }
            }
            Ok(PassEnd::Stuck { planned, .. }) => {
                if self.is_news(environment, format!("stuck {}", planned.plan.id)) {
                    self.about(environment);
                    plan::print(loaded, planned, Format::Text, self.printer);
                }
            }
            Ok(PassEnd::Applied { planned, ended, status, .. }) => {
                self.shown.remove(environment);
                self.about(environment);
                self.printer.result(&render::apply::summary(&ended.report.steps));
                self.printer.result(&render::apply::left_out(&planned.plan));
                if let Published::Commit(commit) = status {
                    self.printer.line(Label::Dim, format!("{environment}: status commit {}", commit.short()));
                }
            }
        }
        if let Some(error) = ended.push_failure() {
            self.printer.line(Label::Warning, format!("warning: {environment}: {}", error_chain(error)));
        }
    }
}

impl Audience for Console<'_, '_> {
    fn hear(&mut self, news: &News) {
        self.exit = self.exit.or(exit(news));
        if !self.is_quiet {
            self.says(news);
        }
    }
}

/// How a single pass ends the program.
fn exit(news: &News) -> Exit {
    match news {
        News::Unreadable(_) => Exit::Files,
        News::Unreachable(_) | News::Crashed { .. } => Exit::Failed,
        News::Ended(ended) => {
            let published = if ended.push_failure().is_some() { Exit::Failed } else { Exit::Done };
            published.or(match &ended.end {
                Err(error) => runner::exit_of(error),
                Ok(PassEnd::Converged { .. }) => Exit::Done,
                Ok(PassEnd::Waits { .. }) => Exit::Approval,
                Ok(PassEnd::Stuck { .. }) => Exit::Incomplete,
                Ok(PassEnd::Applied { planned, ended, .. }) => Exit::of_apply(&ended.report, &planned.plan),
            })
        }
        News::Turned
        | News::Standing(_)
        | News::Looked { .. }
        | News::Applies { .. }
        | News::Progress { .. }
        | News::Left(_)
        | News::Stopping { .. }
        | News::Stopped { .. } => Exit::Done,
    }
}
