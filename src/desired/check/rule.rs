//! A rule: what it is called, why it matters, how to avoid it, and the function that looks.

use crate::desired::check::subject::Subject;
use crate::desired::policy::Policy;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Fix;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::evidence::Evidence;
use crate::repo::document::Document;

/// One way to break an internal load balancer or a Private Link Service that files can show.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its stable name.
    pub code: Code,
    /// How bad a finding is, unless `privlink.toml` says otherwise. A remark is only made to who asks for remarks.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// What happens then, as the user observes it.
    pub why: &'static str,
    /// How to avoid it.
    pub avoid: &'static str,
    /// How we know.
    pub evidence: Evidence,
    /// The versions of the cloud provider it is about; all of them if absent.
    pub versions: Option<&'static str>,
    pub(super) look: Look,
}

/// Rules about values that mean nothing when they are broken: there would be nothing to plan.
const MEANINGLESS: [&str; 9] =
    ["ANN008", "OWN001", "PLS005", "PLS006", "PLS007", "PLS011", "PLS012", "PLS021", "PLS024"];

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// Each Service that the cloud provider takes care of.
    Each(fn(&Subject<'_>, &mut Findings<'_>)),
    /// Each Service that the cloud provider passes over.
    Inert(fn(&Subject<'_>, &mut Findings<'_>)),
    /// All Services of an environment that the cloud provider takes care of, together.
    All(fn(&[Subject<'_>], &mut Findings<'_>)),
    /// The documents of an environment, of all kinds.
    Documents(fn(&[&Document], &mut Findings<'_>)),
    /// The same, held against the settings of the environment.
    Policy(fn(&[&Document], &Policy, &mut Findings<'_>)),
    /// The documents of several environments.
    Across,
    /// The finding is made where documents are read or resolved: a value that is wrong there has no meaning later.
    Before,
}

impl Rule {
    const fn new(severity: Severity, code: &'static str, title: &'static str, look: Look) -> Self {
        Self {
            code: Code::new(code),
            severity,
            title,
            why: "",
            avoid: "",
            evidence: Evidence::Code,
            versions: None,
            look,
        }
    }

    /// True if `privlink.toml` may change its level. What has no meaning when it is broken cannot be passed over.
    pub fn has_level(&self) -> bool {
        !matches!(self.look, Look::Before) && !MEANINGLESS.contains(&self.code.as_str())
    }

    pub(super) const fn error(code: &'static str, title: &'static str, look: Look) -> Self {
        Self::new(Severity::Error, code, title, look)
    }

    pub(super) const fn warning(code: &'static str, title: &'static str, look: Look) -> Self {
        Self::new(Severity::Warning, code, title, look)
    }

    pub(super) const fn remark(code: &'static str, title: &'static str, look: Look) -> Self {
        Self::new(Severity::Info, code, title, look)
    }

    pub(super) const fn because(mut self, why: &'static str, avoid: &'static str) -> Self {
        self.why = why;
        self.avoid = avoid;
        self
    }

    pub(super) const fn by(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    pub(super) const fn in_versions(mut self, versions: &'static str) -> Self {
        self.versions = Some(versions);
        self
    }
}

/// What one rule found.
pub(super) struct Findings<'a> {
    code: Code,
    severity: Severity,
    fixed: bool,
    fix: Option<Fix>,
    found: &'a mut Diagnostics,
}

impl<'a> Findings<'a> {
    /// Findings of a rule; `level` is what `privlink.toml` says about it.
    pub(super) fn new(rule: &Rule, level: Option<Severity>, found: &'a mut Diagnostics) -> Self {
        Self { code: rule.code, severity: level.unwrap_or(rule.severity), fixed: level.is_some(), fix: None, found }
    }

    /// The same with another severity, unless `privlink.toml` fixes it.
    pub(super) fn as_bad_as(&mut self, severity: Severity) -> Findings<'_> {
        let severity = if self.fixed { self.severity } else { severity };
        let fix = self.fix.clone();
        Findings { severity, code: self.code, fixed: self.fixed, fix, found: self.found }
    }

    /// The same with a repair: what the help asks for, where that leaves no choice.
    pub(super) fn with(&mut self, fix: impl Into<Option<Fix>>) -> Findings<'_> {
        let (severity, fix) = (self.severity, fix.into());
        Findings { severity, code: self.code, fixed: self.fixed, fix, found: self.found }
    }

    /// Says it at one place.
    pub(super) fn say(&mut self, message: impl Into<String>, at: (Place, impl Into<String>), help: impl Into<String>) {
        let diagnostic = self.start(message).label(at.0, at.1).help(help);
        self.found.push(diagnostic);
    }

    /// Says it at two places.
    pub(super) fn pair<A: Into<String>, B: Into<String>>(
        &mut self,
        message: impl Into<String>,
        (first, second): ((Place, A), (Place, B)),
        help: impl Into<String>,
    ) {
        let diagnostic = self.start(message).label(first.0, first.1).label(second.0, second.1).help(help);
        self.found.push(diagnostic);
    }

    fn start(&self, message: impl Into<String>) -> Diagnostic {
        let started = match self.severity {
            Severity::Error => Diagnostic::error(self.code, message),
            Severity::Warning => Diagnostic::warning(self.code, message),
            Severity::Info => Diagnostic::info(self.code, message),
        };
        started.fix(self.fix.clone())
    }
}
