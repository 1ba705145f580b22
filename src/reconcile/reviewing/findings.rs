//! What there is to say about the files of a change: what it brings, or what stands in a file that it touches.

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
        let touched: BTreeSet<&str> = change.touched().into_iter().map(RepoPath::as_str).collect();
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
    pub(super) fn annotations(&self, change: &Change) -> Vec<Annotation> {
        let line = |place: &Place| match &self.own {
            Some(own) => lookup(own, place),
            None => line_in_head(change, place),
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

/// Where a place of the merge stands in the head: a base that moved on shifts lines. `None` if it does not stand there.
pub(super) fn line_in_head(change: &Change, place: &Place) -> Option<(RepoPath, u32)> {
    let (path, line) = lookup(&change.loaded.reading.sources, place)?;
    let (merged, head) = (text(&change.loaded.source.snapshot, &path)?, text(&change.files, &path)?);
    let line = if merged == head { line } else { moved(merged, head, line)? };
    Some((path, line))
}

fn text<'a>(snapshot: &'a Snapshot, path: &RepoPath) -> Option<&'a str> {
    match snapshot.files.get(path)? {
        File::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        File::TooLarge { .. } | File::Symlink | File::Submodule => None,
    }
}

/// The line of one text in another, if it is there as it was; lines count from 1.
fn moved(from: &str, to: &str, line: u32) -> Option<u32> {
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let diff = TextDiff::from_lines(from, to);
    let found = diff.ops().iter().find_map(|op| match *op {
        DiffOp::Equal { old_index, new_index, len } if (old_index..old_index + len).contains(&at) => {
            Some(new_index + at - old_index)
        }
        _ => None,
    })?;
    u32::try_from(found + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_where_the_base_put_others_before_it() {
        let (merged, head) = ("new\na\nb\nchanged\n", "a\nb\nc\n");
        assert_eq!(moved(merged, head, 2), Some(1));
        assert_eq!(moved(merged, head, 3), Some(2));
        assert_eq!(moved(merged, head, 1), None);
        assert_eq!(moved(merged, head, 4), None);
    }
}
