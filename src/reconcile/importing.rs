//! From what is there to files that ask for it: observe, write documents, try them out on a plan.
//!
//! A document that has errors, or whose plan would do more than adopt, is not written: it is told with what the files or the
//! plan say of it. So a plan of the files as they are then only adopts.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::config::Config;
use crate::desired::Desired;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Severity;
use crate::domain::azure::ResourceGroup;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::name::EnvironmentName;
use crate::import;
use crate::import::Draft;
use crate::import::Import;
use crate::import::Left;
use crate::observed::Gap;
use crate::observed::Observed;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::change::Change;
use crate::reconcile::observe;
use crate::reconcile::pass::PassError;
use crate::reconcile::planning;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::reconcile::world::Purpose;
use crate::reconcile::world::World;
use crate::render;

/// What a person wants imported.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only what lies in this resource group.
    pub group: Option<ResourceGroup>,
    /// True to write what documents ask for already once more, over their files.
    pub overwrite: bool,
}

/// The files, tried out and not written yet.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The files, by path.
    pub files: BTreeMap<RepoPath, Imports>,
    /// What is there and gets no document.
    pub left: Vec<Left>,
    /// How many resources documents ask for already.
    pub asked: usize,
    /// What could not be read: nothing of it is here.
    pub gaps: Vec<Gap>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Imports {
    /// What it says.
    pub text: String,
    /// What its document is, for people.
    pub what: String,
    /// How many existing resources it adopts.
    pub adopts: usize,
    /// True if a file of this name is there, and is to be written over.
    pub replaces: bool,
}

/// Observes the world, and writes files for what is there.
///
/// # Errors
/// Errors in the files, no way to the world, or nothing of it readable.
pub async fn import(
    loaded: &Loaded,
    environment: &EnvironmentName,
    config: &Config,
    wish: &Wish,
) -> Result<Imported, PassError> {
    let policy = planning::policy(loaded, environment)?;
    no_errors(loaded, &planning::diagnose_files(loaded, &policy))?;
    let world = World::connect(config, &policy, Purpose::Plan).await?;
    let (cluster, gap) = observe::managed_cluster(&world, &policy).await?;
    let observed = observe::observe(&world, &policy, (cluster.as_ref(), gap), &policy.scope.subscriptions).await?;
    files(loaded, &policy, &observed, wish)
}

fn no_errors(loaded: &Loaded, found: &Diagnostics) -> Result<(), PassError> {
    let mut all = loaded.reading.diagnostics.clone();
    all.extend(found.clone());
    if all.has_errors() { Err(PassError::Files(Box::new(all.sorted()))) } else { Ok(()) }
}

/// Writes files for what was seen, and tries them out.
///
/// # Errors
/// Errors in the files that are there.
pub fn files(loaded: &Loaded, policy: &Policy, observed: &Observed, wish: &Wish) -> Result<Imported, PassError> {
    let (desired, found) = planning::resolve_files(loaded, policy, observed.cluster.as_ref());
    no_errors(loaded, &found)?;
    let source = import::Source { observed, desired: &desired, group: wish.group.as_ref(), again: wish.overwrite };
    let Import { drafts, mut left, asked } = import::import(source);
    let mut placed = Placed { loaded, desired: &desired, files: BTreeMap::new(), left: Vec::new() };
    drafts.into_iter().for_each(|draft| placed.place(draft, policy));
    let Placed { mut files, left: unplaced, .. } = placed;
    left.extend(unplaced);
    // What is taken out may be what others refer to.
    loop {
        let refused = try_out(loaded, policy, observed, &files)?;
        if refused.is_empty() {
            break;
        }
        for (path, reason) in refused {
            left.extend(files.remove(&path).map(|imports| Left { subject: imports.what, reason }));
        }
    }
    left.sort();
    Ok(Imported { files, left, asked, gaps: observed.gaps.iter().cloned().collect() })
}

/// Drafts that get their files.
struct Placed<'a> {
    loaded: &'a Loaded,
    desired: &'a Desired,
    files: BTreeMap<RepoPath, Imports>,
    left: Vec<Left>,
}

impl Placed<'_> {
    fn place(&mut self, draft: Draft, policy: &Policy) {
        let Draft { key, file, what, document, adopts } = draft;
        let found = match self.desired.intents.get(&key) {
            Some(intent) => self.old_file(&intent.place.file.to_string()).map(|path| (path, true)),
            None => Ok((self.new_file(policy, &file), false)),
        };
        match found {
            Ok((path, replaces)) => {
                let text = render::yaml::documents(&[document]);
                self.files.insert(path, Imports { text, what, adopts: adopts.len(), replaces });
            }
            Err(reason) => self.left.push(Left { subject: what, reason }),
        }
    }

    /// The file of a document that is there, if nothing else is in it.
    fn old_file(&self, file: &str) -> Result<RepoPath, String> {
        let path: RepoPath =
            file.parse().map_err(|_| format!("its document is in {file}, which is no file of the folder"))?;
        let documents = self.loaded.reading.documents.iter().filter(|document| document.file == path).count();
        if documents == 1 { Ok(path) } else { Err(format!("it shares {file} with other documents: edit it by hand")) }
    }

    /// A file that is not there.
    fn new_file(&self, policy: &Policy, name: &str) -> RepoPath {
        let counted = (2_u32..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(counted);
        let is_free =
            |path: &RepoPath| !self.loaded.source.snapshot.files.contains_key(path) && !self.files.contains_key(path);
        let path =
            |name: String| format!("{}/{name}.yaml", policy.path).parse().expect("names have no special characters");
        names.by_ref().map(path).find(is_free).expect("there are more numbers than files")
    }
}

/// Reads the repository as it would be with the files, and plans it. Answers the files that are not right, with the reason.
fn try_out(
    loaded: &Loaded,
    policy: &Policy,
    observed: &Observed,
    files: &BTreeMap<RepoPath, Imports>,
) -> Result<BTreeMap<RepoPath, String>, PassError> {
    if files.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut source = loaded.source.clone();
    let bytes = files.iter().map(|(path, imports)| (path.clone(), File::Bytes(imports.text.clone().into_bytes())));
    source.snapshot.files.extend(bytes);
    let after = source::load(source).map_err(|(diagnostics, _)| PassError::Files(Box::new(diagnostics)))?;
    let (desired, mut found) = planning::resolve_files(&after, policy, observed.cluster.as_ref());
    found.extend(after.reading.diagnostics.clone());
    let refused = wrong_files(&found, files);
    if !refused.is_empty() {
        return Ok(refused);
    }
    no_errors(&after, &found)?;
    let plan = crate::plan::plan(&desired, observed, None);
    Ok(more_than_adopted(&plan, &desired, files))
}

/// The files in which something is wrong, each with the first error.
fn wrong_files(found: &Diagnostics, files: &BTreeMap<RepoPath, Imports>) -> BTreeMap<RepoPath, String> {
    let mut refused = BTreeMap::new();
    for diagnostic in found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        if let Some(path) = place_in(diagnostic, files) {
            let code = diagnostic.code.as_str();
            refused.entry(path).or_insert_with(|| format!("{} ({code})", diagnostic.message));
        }
    }
    refused
}

fn place_in(diagnostic: &Diagnostic, files: &BTreeMap<RepoPath, Imports>) -> Option<RepoPath> {
    let mut named = diagnostic.labels.iter().filter_map(|label| label.place.file.as_str().parse::<RepoPath>().ok());
    named.find(|path| files.contains_key(path))
}

/// The files of which a plan does more than adopt, each with what it would do.
fn more_than_adopted(
    plan: &Plan,
    desired: &Desired,
    files: &BTreeMap<RepoPath, Imports>,
) -> BTreeMap<RepoPath, String> {
    let mut refused = BTreeMap::new();
    let mut refuse = |key, reason: String| {
        let file = desired.intents.get(key).map(|intent| intent.place.file.to_string());
        if let Some(path) = file.and_then(|file| file.parse::<RepoPath>().ok()).filter(|path| files.contains_key(path))
        {
            refused.entry(path).or_insert(reason);
        }
    };
    for left in &plan.left_out {
        let problem = left.refusals.first().map(|refusal| refusal.problem.clone());
        refuse(&left.key, problem.unwrap_or_else(|| "it needs what cannot be written".to_owned()));
    }
    for change in plan.steps.iter().map(|step| &step.change).filter(|change| change.action != Action::Adopt) {
        refuse(&change.key, would(change));
    }
    refused
}

fn would(change: &Change) -> String {
    let fields: BTreeSet<&str> = change.fields.iter().map(|field| field.name.as_str()).collect();
    let fields = fields.into_iter().collect::<Vec<_>>().join(", ");
    format!("no document says just what is there: a plan would {} {} ({fields})", change.action, change.key)
}
