//! `privlink doctor auth`: every way to sign in, for plans and for applies.

use crate::azure::identity::Outcome;
use crate::azure::identity::Tried;
use crate::cli::Exit;
use crate::cli::doctor::Format;
use crate::cli::doctor::Wherever;
use crate::cli::doctor::show;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::domain::azure::ClientId;
use crate::domain::name::EnvironmentName;
use crate::reconcile::planning;
use crate::reconcile::source::Loaded;
use crate::reconcile::world;
use crate::reconcile::world::Purpose;

/// The ways of one purpose.
pub(super) struct Ways {
    pub(super) environment: EnvironmentName,
    /// `plan` or `apply`.
    pub(super) purpose: &'static str,
    /// Who it has to be.
    pub(super) named: Option<ClientId>,
    pub(super) tried: Vec<Tried>,
}

impl Ways {
    fn is_signed_in(&self) -> bool {
        self.tried.iter().any(|tried| matches!(tried.outcome, Outcome::SignedIn(_)))
    }
}

pub(super) async fn run(
    wherever: &Wherever,
    loaded: &Loaded,
    (config, printer): (&Config, &mut Printer<'_>),
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut all = Vec::new();
    for environment in runner::environments(&wherever.environments.environments, loaded) {
        let policy = match planning::policy(loaded, &environment) {
            Ok(policy) => policy,
            Err(error) => {
                exit = exit.or(runner::failed(&environment, &error, loaded, printer));
                continue;
            }
        };
        let purposes =
            [("plan", Purpose::Plan, &policy.identity.plan), ("apply", Purpose::Apply, &policy.identity.apply)];
        for (purpose, meant, named) in purposes {
            printer.live(format!("signing in to {purpose} {environment}"));
            let tried = world::azure(config, &policy, meant)?.try_links().await;
            printer.end_live();
            let ways = Ways { environment: environment.clone(), purpose, named: named.clone(), tried };
            exit = exit.or(if ways.is_signed_in() { Exit::Done } else { Exit::Failed });
            match wherever.format {
                Format::Text => printer.result(&show::ways(&ways)),
                Format::Json => all.push(show::ways_json(&ways)),
            }
        }
    }
    if wherever.format == Format::Json {
        printer.raw_result(&show::document(all));
    }
    Ok(exit)
}
