//! What the page shows: kept of the agent's news, and written anew after each pass.
//!
//! A failed pass leaves what the last one found out, and says that it failed. What a message could betray about this machine
//! stays in the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::agent::leader::Standing;
use crate::agent::news::Audience;
use crate::agent::news::Ended;
use crate::agent::news::News;
use crate::agent::vitals::lock;
use crate::diagnostic::Place;
use crate::domain::name::EnvironmentName;
use crate::reconcile::error_chain;
use crate::reconcile::pass::PassEnd;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning::Planned;
use crate::reconcile::planning::locate;
use crate::reconcile::publishing;
use crate::reconcile::publishing::Done;
use crate::render::diagnostic;
use crate::render::page;
use crate::render::page::Glance;
use crate::render::page::Html;
use crate::render::page::Known;
use crate::render::page::State;
use crate::render::shown::Details;
use crate::status;

/// What the page shows.
#[derive(Debug, Default)]
pub struct Board {
    posted: Mutex<Posted>,
}

#[derive(Debug, Default)]
struct Posted {
    /// Why nothing new is known, with a headline.
    trouble: Option<(&'static str, String)>,
    environments: BTreeMap<EnvironmentName, Arc<Sheet>>,
}

/// What is known of an environment.
#[derive(Clone, Debug, Default)]
struct Sheet {
    glance: Glance,
    body: Html,
}

impl Board {
    /// The page of all environments, as of now.
    pub fn index(&self, now: Timestamp) -> Html {
        let posted = lock(&self.posted);
        let glances = posted.environments.iter().map(|(name, sheet)| (name.clone(), sheet.glance.clone())).collect();
        let trouble = posted.trouble.as_ref().map(|(headline, text)| (*headline, text.as_str()));
        page::index(&glances, trouble, now)
    }

    /// The page of an environment, as of now; `None` if the agent serves none of this name.
    pub fn environment(&self, name: &str, now: Timestamp) -> Option<Html> {
        let (name, sheet) = {
            let posted = lock(&self.posted);
            let (name, sheet) = posted.environments.get_key_value(&name.parse::<EnvironmentName>().ok()?)?;
            (name.clone(), Arc::clone(sheet))
        };
        Some(page::environment(&name, (&sheet.glance, &sheet.body), now))
    }

    fn take(&self, news: &News) {
        match news {
            News::Looked { environments } => {
                let mut posted = lock(&self.posted);
                // Wrong settings were told before this look was; without an environment they still are.
                if !environments.is_empty() {
                    posted.trouble = None;
                    posted.environments.retain(|name, _| environments.contains(name));
                }
                for name in environments {
                    posted.environments.entry(name.clone()).or_default();
                }
            }
            News::Standing(standing) => {
                // What was seen before is old by the time this one leads again.
                let mut posted = lock(&self.posted);
                let stands_by = matches!(standing, Standing::StandsBy { .. });
                posted.trouble = stands_by.then(|| ("Another agent does the work", standing.to_string()));
                if posted.trouble.is_some() {
                    posted.environments.clear();
                }
            }
            News::Unreachable(error) => {
                let headline = "No pass can begin: what is shown was seen before";
                lock(&self.posted).trouble = Some((headline, error_chain(error.as_ref())));
            }
            News::Unreadable(what) => {
                let headline = "The settings have errors: nothing is done before they are mended";
                lock(&self.posted).trouble = Some((headline, diagnostic::render(&what.0, &what.1, false)));
            }
            News::Applies { planned, .. } => {
                let environment = &planned.plan.policy.mark.environment;
                self.change(environment, |sheet| sheet.glance.state = State::Applying);
            }
            News::Ended(ended) => self.ended(ended, Timestamp::now()),
            News::Crashed { environment: Some(environment), .. } => self.change(environment, |sheet| {
                sheet.glance.state = State::Failed;
                sheet.glance.problem = Some("This is a mistake in privlink; the agent's log says more.".to_owned());
            }),
            News::Turned
            | News::Progress { .. }
            | News::Left(_)
            | News::Crashed { environment: None, .. }
            | News::Stopping { .. }
            | News::Stopped { .. } => {}
        }
    }

    /// Changes what is known of an environment that is still served.
    fn change(&self, environment: &EnvironmentName, change: impl FnOnce(&mut Sheet)) {
        if let Some(sheet) = lock(&self.posted).environments.get_mut(environment) {
            change(Arc::make_mut(sheet));
        }
    }

    fn ended(&self, ended: &Ended, now: Timestamp) {
        // Written before anything is locked: nobody who reads has to wait for it.
        let written = ended.end.as_ref().ok().map(|end| write(ended, end, now));
        self.change(&ended.environment, |sheet| {
            if let Some(written) = written {
                *sheet = written;
            }
            let glance = &mut sheet.glance;
            glance.passed_at = Some(now);
            glance.commit.clone_from(&ended.loaded.source.commit);
            match &ended.end {
                Ok(_) => glance.problem = ended.push_failure().map(problem),
                // Whoever applies tells of it.
                Err(error) if error.is_occupied() => glance.problem = Some(problem(error)),
                Err(error) => {
                    glance.state = if matches!(error, PassError::Files(_)) { State::Invalid } else { State::Failed };
                    glance.problem = Some(match error {
                        PassError::Files(found) => diagnostic::render(found, &ended.loaded.reading.sources, false),
                        _ => problem(error),
                    });
                }
            }
        });
    }
}

impl Audience for Arc<Board> {
    fn hear(&mut self, news: &News) {
        self.take(news);
    }
}

/// What a pass that got through found out.
fn write(ended: &Ended, end: &PassEnd, now: Timestamp) -> Sheet {
    let (planned, state) = seen(end);
    let done = match end {
        PassEnd::Applied { ended: apply, converged, .. } => {
            Done { ended: Some(apply), converged: *converged, ..Done::default() }
        }
        PassEnd::Converged { .. } => Done { converged: planned.plan.is_carried_out(), ..Done::default() },
        PassEnd::Waits { missing, .. } => Done { missing: Some(missing), ..Done::default() },
        PassEnd::Stuck { .. } => Done::default(),
    };
    let documents = publishing::composed((&ended.loaded, planned), &done, &planned.status.documents, now);
    let first_seen = status::first_seen(&documents);
    let locate = |place: &Place| locate(&ended.loaded, place);
    let details = Details { locate: &locate, first_seen: Some(&first_seen) };
    let missing = match end {
        PassEnd::Waits { missing, .. } => Some(missing.as_ref()),
        _ => None,
    };
    let mut glance = Glance { state, ..Glance::default() };
    glance.learn(&documents);
    Sheet { glance, body: page::body(&Known { documents: &documents, plan: Some(&planned.plan), missing, details }) }
}

/// The last look at the world, and how the environment is.
fn seen(end: &PassEnd) -> (&Planned, State) {
    match end {
        PassEnd::Converged { planned, .. } => (planned, State::Settled),
        PassEnd::Waits { planned, missing, .. } if missing.needs.is_empty() => (planned, State::Closed),
        PassEnd::Waits { planned, .. } => (planned, State::Waits),
        PassEnd::Stuck { planned, .. } => (planned, State::Stuck),
        PassEnd::Applied { planned, ended, converged, after, .. } => {
            let state = match (converged, ended.report.is_success()) {
                (true, _) => State::Settled,
                (false, true) => State::Applied,
                (false, false) => State::InPart,
            };
            (after.as_ref().unwrap_or(planned), state)
        }
    }
}

/// An error, without what it could say about this machine: paths of credentials, above all.
fn problem(error: &PassError) -> String {
    match error {
        PassError::World(_) => "There is no way to Azure or to the cluster; the agent's log says why.".to_owned(),
        _ => error_chain(error),
    }
}
