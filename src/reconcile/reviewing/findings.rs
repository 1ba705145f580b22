//! What there is to say about the files of a change: what it brings, or what stands in a file that it touches.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use similar::DiffOp;
use similar::TextDiff;

use crate::desired::policy::Policy;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::domain::pull_request::Annotation;
use crate::reconcile::planning;
use crate::reconcile::reviewing::Change;
use crate::reconcile::source::Loaded;
use crate::render::count;
use crate::render::findings::annotations;
use crate::repo::source::Sources;

/// Findings, divided.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Errors and warnings that the change brings, or that stand in a file it touches.
    pub(super) brought: Diagnostics,
    /// How many others there are.
    pub(super) others: usize,
    /// The texts of other files than those of the merge.
    own: Option<Box<Sources>>,
}

/// What tells a finding from another one while lines move.
pub(super) type Kind = (Code, String, Option<String>);

fn kind(finding: &Diagnostic) -> Kind {
    (finding.code, finding.message.clone(), finding.place().map(|place| place.file.to_string()))
}

impl Findings {
    /// What can be told from the files alone.
    pub(super) fn of(change: &Change, policy: &Policy) -> Self {
        let before: BTreeSet<Kind> = told(&change.before.loaded, [policy]).iter().map(kind).collect();
        Self::split(&told(&change.loaded, [policy]), |it| !before.contains(&kind(it)))
    }

    /// Of what planning told.
    pub(super) fn among(change: &Change, found: &Diagnostics) -> Self {
        let touched: BTreeSet<&str> = change.touched.iter().map(RepoPath::as_str).collect();
        let before = change.before.told.get_or_init(|| all_before(change));
        let is_brought = |it: &Diagnostic| {
            let is_touched = it.labels.iter().any(|label| touched.contains(label.place.file.as_str()));
            is_touched || !before.contains(&kind(it))
        };
        Self::split(found, is_brought)
    }

    /// Of what is wrong with the settings of the change.
    pub(super) fn of_settings(found: &Diagnostics, sources: &Sources) -> Self {
        Self { own: Some(Box::new(sources.clone())), ..Self::split(found, |_| true) }
    }

    fn split(found: &Diagnostics, is_brought: impl Fn(&Diagnostic) -> bool) -> Self {
        let told = found.iter().filter(|it| it.severity != Severity::Info);
        let (brought, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) = told.partition(|it| is_brought(it));
        Self { brought: brought.into_iter().cloned().collect(), others: others.len(), own: None }
    }

    pub(super) fn sources<'a>(&'a self, change: &'a Change) -> &'a Sources {
        self.own.as_deref().unwrap_or(&change.loaded.reading.sources)
    }

    /// What is said of them in a comment that has a plan.
    pub(super) fn remarks(&self) -> Vec<String> {
        let warnings = self.brought.len();
        let brought = (warnings > 0).then(|| format!("it brings {}, at their lines", count(warnings, "warning")));
        brought.into_iter().collect()
    }

    /// The same at lines of the head.
    pub(super) fn annotations(&self, lines: &LinesInHead<'_>) -> Vec<Annotation> {
        let line = |place: &Place| match &self.own {
            Some(own) => lookup(own, place),
            None => lines.find(place),
        };
        self.brought.iter().filter_map(|finding| annotations::of_finding(finding, line)).collect()
    }
}

/// Everything that files say of themselves, and of some environments.
fn told<'a>(loaded: &Loaded, policies: impl IntoIterator<Item = &'a Policy>) -> Diagnostics {
    let mut all = loaded.reading.diagnostics.clone();
    for policy in policies {
        all.extend(planning::diagnose_files(loaded, policy));
    }
    all
}

/// Everything that there was to say before, in any environment.
fn all_before(change: &Change) -> BTreeSet<Kind> {
    let before = &change.before.loaded;
    let environments = before.settings.environments.keys();
    let policies: Vec<Policy> = environments.filter_map(|name| planning::policy(before, name).ok()).collect();
    told(before, &policies).iter().map(kind).collect()
}

fn lookup(sources: &Sources, place: &Place) -> Option<(RepoPath, u32)> {
    let path: RepoPath = place.file.as_str().parse().ok()?;
    let line = sources.line_column(place).map_or(1, |(line, _)| line);
    Some((path, u32::try_from(line).ok()?))
}

/// Where places of the merge stand in the head: a base that moved on shifts lines. Each file is compared once.
pub(super) struct LinesInHead<'a> {
    change: &'a Change,
    shifts: RefCell<BTreeMap<RepoPath, Option<Shift>>>,
}

impl<'a> LinesInHead<'a> {
    pub(super) fn of(change: &'a Change) -> Self {
        Self { change, shifts: RefCell::default() }
    }

    /// The file and its line in the head; `None` if that line does not stand there.
    pub(super) fn find(&self, place: &Place) -> Option<(RepoPath, u32)> {
        let (path, line) = lookup(&self.change.loaded.reading.sources, place)?;
        let mut shifts = self.shifts.borrow_mut();
        let shift = shifts.entry(path.clone()).or_insert_with(|| {
            let merged = text(&self.change.loaded.source.snapshot, &path)?;
            Some(Shift::between(merged, text(&self.change.files, &path)?))
        });
        Some((path, shift.as_ref()?.line(line)?))
    }
}

fn text<'a>(snapshot: &'a Snapshot, path: &RepoPath) -> Option<&'a str> {
    match snapshot.files.get(path)? {
        File::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        File::TooLarge { .. } | File::Symlink | File::Submodule => None,
    }
}

/// How the lines of one text stand in another.
enum Shift {
    /// Both are the same.
    None,
    /// The runs of lines that are in both: where each begins in the one and in the other, and its length. Lines count from 0.
    Runs(Vec<(usize, usize, usize)>),
}

impl Shift {
    fn between(from: &str, to: &str) -> Self {
        if from == to {
            return Self::None;
        }
        let run = |op: &DiffOp| match *op {
            DiffOp::Equal { old_index, new_index, len } => Some((old_index, new_index, len)),
            _ => None,
        };
        Self::Runs(TextDiff::from_lines(from, to).ops().iter().filter_map(run).collect())
    }

    /// The line of the one text in the other, if it is there as it was; lines count from 1.
    fn line(&self, line: u32) -> Option<u32> {
        let Self::Runs(runs) = self else { return Some(line) };
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let (old, new, _) = runs.iter().find(|(old, _, len)| (*old..old + len).contains(&at))?;
        u32::try_from(new + at - old + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_where_the_base_put_others_before_it() {
        let (merged, head) = ("new\na\nb\nchanged\n", "a\nb\nc\n");
        let found = [1, 2, 3, 4, 0].map(|line| Shift::between(merged, head).line(line));
        assert_eq!(found, [None, Some(1), Some(2), None, None]);
        assert_eq!(Shift::between(head, head).line(3), Some(3));
    }
}
