//! What the files alone show, and the repairs that follow from it: no world is needed.
//!
//! Repairs are tried, not trusted: the files are checked again with them, and what would bring a new finding, or take none
//! away, is left out and named. Nothing is written here.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::diagnostic::Severity;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
use crate::reconcile::planning;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::SETTINGS_FILE;
use crate::reconcile::source::Source;
use crate::repo::fix;
use crate::repo::fix::Edit;
use crate::repo::source::Sources;

/// Files, and everything there is to tell about them.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What there is to tell, in the order of the files.
    pub diagnostics: Diagnostics,
    /// What was read; only its texts if the settings cannot be.
    pub loaded: Result<Loaded, Sources>,
}

/// Files with repairs made.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The files that are different, with their bytes before and after.
    pub files: BTreeMap<RepoPath, (Vec<u8>, Vec<u8>)>,
    /// The repairs that were not made.
    pub left: Vec<Left>,
    /// What there is to tell of the files as they are then.
    pub checked: Checked,
}

/// A repair that was not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The file it is in.
    pub file: FileName,
    /// The line, from 1.
    pub line: usize,
    /// Why not.
    pub why: Why,
}

/// Why a repair is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// With it there would be a finding that there is not now.
    NewFinding(Code),
    /// With it there would be as many findings as now.
    NoFewer,
    /// Too many others had to be left out.
    NotTried,
}

impl Checked {
    /// The texts that places are looked up in.
    pub fn sources(&self) -> &Sources {
        match &self.loaded {
            Ok(loaded) => &loaded.reading.sources,
            Err(sources) => sources,
        }
    }
}

/// A folder as it is, for commands that look at the files alone.
pub fn alone(snapshot: Snapshot) -> Source {
    let settings = snapshot.files.iter().find(|(path, _)| path.as_str() == SETTINGS_FILE);
    let authority = settings.and_then(|(path, file)| match file {
        File::Bytes(bytes) => Some((FileName::from(path), bytes.clone())),
        _ => None,
    });
    Source {
        snapshot,
        base: None,
        // Nothing is sent anywhere, so it does not matter whom the folder would have us believe.
        authority,
        authority_note: "the folder itself".to_owned(),
        planned_note: "the folder as it is".to_owned(),
        commit: None,
        upstream: None,
    }
}

/// Checks the files of a folder; `remarks` adds what is true of many Services that work.
pub fn check(snapshot: Snapshot, remarks: bool) -> Checked {
    let source = alone(snapshot);
    let loaded = match source::load(source) {
        Ok(loaded) => loaded,
        Err((diagnostics, sources)) => return Checked { diagnostics, loaded: Err(sources) },
    };
    let mut diagnostics = loaded.reading.diagnostics.clone();
    for name in loaded.settings.environments.keys() {
        let Ok(mut policy) = planning::policy(&loaded, name) else { continue };
        policy.levels.remarks = remarks;
        diagnostics.extend(planning::diagnose_files(&loaded, &policy));
    }
    let diagnostics = diagnostics.sorted_by_offset(|place| loaded.reading.sources.offset(place));
    Checked { diagnostics, loaded: Ok(loaded) }
}

/// How often files are checked again to find the repairs that have to be left out.
const MOST_TRIES: usize = 500;
/// How often one repair may bring the next into view: text, then keys, then words, then what they mean.
const MOST_ROUNDS: usize = 4;

/// Makes every repair that leaves fewer findings and brings none. Doing it again would change nothing.
pub fn repair(checked: Checked, remarks: bool) -> Repaired {
    let before = texts(&checked);
    let mut attempt = Attempt { checked, remarks, left: Vec::new(), tries: MOST_TRIES, is_moved: false };
    while attempt.round() {}
    let Attempt { checked, mut left, .. } = attempt;
    let after = texts(&checked);
    let changed = before.into_iter().filter_map(|(path, old)| {
        let new = after.get(&path)?;
        (old != *new).then(|| (path, (old, new.clone())))
    });
    left.sort();
    Repaired { files: changed.collect(), left, checked }
}

fn texts(checked: &Checked) -> BTreeMap<RepoPath, Vec<u8>> {
    let Ok(loaded) = &checked.loaded else { return BTreeMap::new() };
    let bytes = |(path, file): (&RepoPath, &File)| match file {
        File::Bytes(bytes) => Some((path.clone(), bytes.clone())),
        File::TooLarge { .. } | File::Symlink | File::Submodule => None,
    };
    loaded.source.snapshot.files.iter().filter_map(bytes).collect()
}

struct Attempt {
    checked: Checked,
    remarks: bool,
    left: Vec<Left>,
    tries: usize,
    /// True if a repair of this round brought others along: what else was found stands elsewhere by now.
    is_moved: bool,
}

impl Attempt {
    /// Tries every repair once; true if one was made, so that others may follow from it.
    fn round(&mut self) -> bool {
        self.left.clear();
        self.is_moved = false;
        let fixes = self.checked.diagnostics.iter().filter_map(|diagnostic| diagnostic.fix.as_deref());
        let edits = fix::edits(fixes, self.checked.sources());
        self.settle(&edits)
    }

    // All at once first. Where that does harm, the halves; the later one first, so that what comes before stays in place.
    fn settle(&mut self, edits: &[(FileName, Edit)]) -> bool {
        if edits.is_empty() {
            return false;
        }
        if self.tries == 0 {
            self.leave(edits, Why::NotTried);
            return false;
        }
        self.tries -= 1;
        let Some(next) = self.with(&self.checked, edits) else { return false };
        match harm(&self.checked.diagnostics, &next.diagnostics) {
            None => {
                self.checked = next;
                true
            }
            Some(why) if edits.len() == 1 => {
                let better = self.with_what_follows((next, why), &edits[0].0);
                let made = better.is_ok();
                match better {
                    Ok(better) => {
                        self.checked = better;
                        self.is_moved = true;
                    }
                    Err(why) => self.leave(edits, why),
                }
                made
            }
            Some(_) => {
                let (first, second) = edits.split_at(edits.len() / 2);
                let made = self.settle(second);
                // The next round finds the others where they are then.
                if self.is_moved { made } else { self.settle(first) || made }
            }
        }
    }

    // A document that can be read at last shows more mistakes. Where those need nobody either, all of them go together.
    fn with_what_follows(&mut self, (mut next, mut why): (Checked, Why), file: &FileName) -> Result<Checked, Why> {
        for _ in 0..MOST_ROUNDS {
            let fixes = next.diagnostics.iter().filter_map(|diagnostic| diagnostic.fix.as_deref());
            let edits = fix::edits(fixes.filter(|fix| fix.place.file == *file), next.sources());
            if edits.is_empty() || self.tries == 0 {
                return Err(why);
            }
            self.tries -= 1;
            next = self.with(&next, &edits).ok_or(why)?;
            match harm(&self.checked.diagnostics, &next.diagnostics) {
                None => return Ok(next),
                Some(now) => why = now,
            }
        }
        Err(why)
    }

    fn leave(&mut self, edits: &[(FileName, Edit)], why: Why) {
        for (file, edit) in edits {
            let text = self.checked.sources().get(file).map_or("", |source| &source.text);
            let line = text[..edit.start].matches('\n').count() + 1;
            self.left.push(Left { file: file.clone(), line, why });
        }
    }

    /// The files with edits made, checked; byte order marks stay.
    fn with(&self, checked: &Checked, edits: &[(FileName, Edit)]) -> Option<Checked> {
        let loaded = checked.loaded.as_ref().ok()?;
        let mut snapshot = loaded.source.snapshot.clone();
        for edits in edits.chunk_by(|(one, _), (other, _)| one == other) {
            let name = &edits[0].0;
            let text = &loaded.reading.sources.get(name)?.text;
            let Some(File::Bytes(bytes)) = snapshot.files.get_mut(&name.as_str().parse::<RepoPath>().ok()?) else {
                return None;
            };
            let mark = bytes.len().checked_sub(text.len())?;
            let new = fix::patched(text, edits.iter().map(|(_, edit)| edit));
            bytes.splice(mark.., new.into_bytes());
        }
        Some(check(snapshot, self.remarks))
    }
}

/// Why files are not better than before; `None` if they are.
fn harm(before: &Diagnostics, after: &Diagnostics) -> Option<Why> {
    let (before, after) = (counted(before), counted(after));
    let worse = after.iter().find(|(what, number)| before.get(*what).is_none_or(|old| *number > old));
    match worse {
        Some(((.., code), _)) => Some(Why::NewFinding(*code)),
        None => (after.values().sum::<usize>() >= before.values().sum::<usize>()).then_some(Why::NoFewer),
    }
}

/// What tells one finding from another while lines move and texts change: file, document, severity and rule.
type Kind = (Option<(FileName, usize)>, Severity, Code);

fn counted(diagnostics: &Diagnostics) -> BTreeMap<Kind, usize> {
    let mut counted = BTreeMap::new();
    for diagnostic in diagnostics {
        *counted.entry(kind(diagnostic)).or_default() += 1;
    }
    counted
}

fn kind(diagnostic: &Diagnostic) -> Kind {
    let document = diagnostic.place().map(|place| (place.file.clone(), place.document));
    (document, diagnostic.severity, diagnostic.code)
}
