//! What breaks an internal load balancer or a Private Link Service and can be seen in the files: the list of the rules.
//!
//! A rule is a plain function over one Service, or over all of an environment. It pushes findings and knows of no other
//! rule; where one mistake could be found by two, the later one steps aside and says so in a comment. Remarks are true of
//! many Services that work: they are only made when somebody asks.

mod access;
pub mod across;
mod address;
pub mod allow;
mod audience;
mod cluster;
mod inert;
mod link;
mod name;
mod own;
mod port;
mod probe;
mod range;
mod register;
mod rule;
mod sharing;
mod spelling;
mod subject;

use std::collections::BTreeMap;
use std::num::NonZero;

pub use rule::Rule;

use crate::desired::code;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::diagnostic::closest;
use crate::domain::parallel;
use crate::repo::document::Document;
use crate::repo::settings::Settings;
use rule::Findings;
use rule::Look;
use subject::Subject;

/// The families of rules, in the order in which they look.
const FAMILIES: [&[Rule]; 14] = [
    spelling::RULES,
    name::RULES,
    inert::RULES,
    address::RULES,
    port::RULES,
    probe::RULES,
    link::RULES,
    audience::RULES,
    access::RULES,
    sharing::RULES,
    cluster::RULES,
    own::RULES,
    register::RULES,
    across::RULES,
];

/// Every rule, in order.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.into_iter().flatten()
}

/// How an environment wants to be checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// How bad findings of single rules are; `None` turns a rule off.
    pub by_rule: BTreeMap<String, Option<Severity>>,
    /// Whether remarks are made.
    pub remarks: bool,
}

impl Levels {
    /// What is to be told of a rule: nothing, its findings, or its findings with another severity.
    fn of(&self, rule: &Rule) -> Option<Option<Severity>> {
        match self.by_rule.get(rule.code.as_str()) {
            Some(level) => level.map(Some),
            None if rule.severity == Severity::Info && !self.remarks => None,
            None => Some(None),
        }
    }
}

/// Says which levels of `privlink.toml` nothing reads.
pub fn unread_levels(settings: &Settings, file: &FileName) -> Diagnostics {
    let mut found = Diagnostics::new();
    for name in settings.check.levels.keys() {
        let rule = rules().find(|rule| rule.code.as_str() == name);
        let (message, help) = match rule {
            Some(rule) if rule.has_level() => continue,
            Some(_) => {
                (format!("the level of {name} cannot be changed"), "remove it: without it nothing can be read".into())
            }
            None => {
                let known = closest(name, rules().map(|rule| rule.code.as_str()));
                let help = known.map_or_else(
                    || "`privlink explain` lists the rules".to_owned(),
                    |known| format!("did you mean `{known}`?"),
                );
                (format!("{name} is not a rule"), help)
            }
        };
        let place = Place::file(file.clone()).at("check.levels").child(name.as_str()).on_key();
        found.push(Diagnostic::error(code::LEVELS, message).label(place, "").help(help));
    }
    found
}

/// Services that are looked at in one go; a few milliseconds of work.
const BLOCK: NonZero<usize> = NonZero::new(512).expect("not zero");

/// Looks at the documents of one environment.
pub fn check(documents: &[&Document], policy: &Policy) -> Diagnostics {
    let levels = &policy.levels;
    let (balanced, inert): (Vec<Subject<'_>>, Vec<Subject<'_>>) =
        subject::subjects(documents).into_iter().partition(Subject::is_balanced);
    let mut found = Diagnostics::new();
    // Single Services are cut over the processors; what is found comes in the order of rules all the same.
    let each = |subjects: &[Subject<'_>], balanced| -> Vec<Diagnostics> {
        rules().map(|rule| look_at_each(rule, levels, subjects, balanced)).collect()
    };
    let mut parts = parallel::blocks(&balanced, BLOCK, |subjects| each(subjects, true));
    parts.extend(parallel::blocks(&inert, BLOCK, |subjects| each(subjects, false)));
    for (at, rule) in rules().enumerate() {
        parts.iter_mut().for_each(|part| found.extend(std::mem::take(&mut part[at])));
        let Some(level) = levels.of(rule) else { continue };
        let mut findings = Findings::new(rule, level, &mut found);
        match rule.look {
            Look::All(look) => look(&balanced, &mut findings),
            Look::Documents(look) => look(documents, &mut findings),
            Look::Policy(look) => look(documents, policy, &mut findings),
            Look::Each(_) | Look::Inert(_) | Look::Before | Look::Across => {}
        }
    }
    found
}

/// What a rule about single Services finds; `balanced` says whether the cloud provider takes care of these.
fn look_at_each(rule: &Rule, levels: &Levels, subjects: &[Subject<'_>], balanced: bool) -> Diagnostics {
    let mut found = Diagnostics::new();
    let Some(level) = levels.of(rule) else { return found };
    let mut findings = Findings::new(rule, level, &mut found);
    match rule.look {
        Look::Each(look) if balanced => subjects.iter().for_each(|subject| look(subject, &mut findings)),
        Look::Inert(look) if !balanced => subjects.iter().for_each(|subject| look(subject, &mut findings)),
        Look::Each(_) | Look::Inert(_) | Look::All(_) | Look::Documents(_) | Look::Policy(_) => {}
        Look::Before | Look::Across => {}
    }
    found
}
