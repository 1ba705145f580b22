//! The config branch as the agent reads it: listed before every pass, fetched and parsed only when it has moved.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::OnceLock;

use jiff::civil::Date;
use tokio::sync::Mutex;

use crate::agent::schedule::Sight;
use crate::agent::share::Share;
use crate::domain::commit::CommitId;
use crate::domain::commit::RefName;
use crate::domain::name::EnvironmentName;
use crate::reconcile::remote::Remote;
use crate::reconcile::source;
use crate::reconcile::source::Loaded;
use crate::reconcile::source::SourceError;
use crate::reconcile::source::Unreadable;

/// Branches below this hold approvals of an environment.
const APPROVALS: &str = "refs/heads/privlink/approvals/";

/// A branch of a config repository.
#[derive(Debug)]
pub struct ConfigBranch {
    remote: Remote,
    named: Option<String>,
    /// The main branch, once it was read: if it is deleted, no other takes its place.
    main: OnceLock<String>,
    last: Mutex<Option<Last>>,
}

/// What a commit of the branch holds.
#[derive(Clone, Debug)]
pub enum Contents {
    /// Settings and documents.
    Loaded(Arc<Loaded>),
    /// What is wrong with the settings: nothing can be done without them.
    Unreadable(Arc<Unreadable>),
}

/// What was read last, and of what.
#[derive(Debug)]
struct Last {
    tip: Option<CommitId>,
    /// Exceptions in files end with a day.
    day: Date,
    contents: Contents,
}

/// A look at the branch.
#[derive(Clone, Debug)]
pub struct Look {
    /// What the remote holds.
    refs: BTreeMap<RefName, CommitId>,
    /// The commit of the branch; `None` in an empty repository.
    pub tip: Option<CommitId>,
    /// What that commit holds.
    pub contents: Contents,
    /// True if it was not read before.
    pub is_new: bool,
}

impl ConfigBranch {
    /// Names a branch; without a name the repository's main one. Nothing is sent yet.
    pub fn new(remote: Remote, named: Option<String>) -> Self {
        Self { remote, named, main: OnceLock::new(), last: Mutex::default() }
    }

    /// The repository.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Asks where the branch is, and reads it if it has moved.
    ///
    /// # Errors
    /// An unreachable remote, a missing branch.
    pub async fn look(&self) -> Result<Look, SourceError> {
        let mut last = self.last.lock().await;
        let refs = self.remote.list().await?;
        let named = self.named.as_deref().or_else(|| self.main.get().map(String::as_str));
        let tip = source::config_branch(&refs, named).map(|(_, tip)| tip);
        if let (None, Some(branch)) = (&tip, self.main.get()) {
            let (url, branch) = (self.remote.url().to_string(), branch.clone());
            return Err(SourceError::NoBranch { url, branch });
        }
        let day = source::today();
        if let Some(last) = last.as_ref().filter(|last| tip.is_some() && last.tip == tip && last.day == day) {
            return Ok(Look { refs, tip, contents: last.contents.clone(), is_new: false });
        }
        let found = source::from_refs(self.remote.clone(), &refs, named, named).await?;
        if let Some(upstream) = &found.upstream {
            self.main.get_or_init(|| upstream.branch.as_str().trim_start_matches("refs/heads/").to_owned());
        }
        // The branch may have moved once more since it was listed: what counts is what was fetched.
        let tip = found.upstream.as_ref().map(|upstream| upstream.tip.clone());
        let contents = match source::load(found) {
            Ok(loaded) => Contents::Loaded(Arc::new(loaded)),
            Err(unreadable) => Contents::Unreadable(Arc::new(unreadable)),
        };
        *last = Some(Last { tip: tip.clone(), day, contents: contents.clone() });
        Ok(Look { refs, tip, contents, is_new: true })
    }

    /// Reads everything again next time: what was fetched may be gone with a mirror that had to be rebuilt.
    pub async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

impl Look {
    /// The environments that are meant.
    pub fn environments(&self, share: &Share) -> BTreeSet<EnvironmentName> {
        match &self.contents {
            Contents::Unreadable(_) => BTreeSet::new(),
            Contents::Loaded(loaded) => share.of(loaded.settings.environments.keys()),
        }
    }

    /// What the scheduler needs of it.
    pub fn sight(&self, share: &Share) -> Sight {
        let approvals = self.refs.iter().filter_map(|(name, tip)| {
            let environment = name.as_str().strip_prefix(APPROVALS)?.parse().ok()?;
            Some((environment, tip.clone()))
        });
        Sight { tip: self.tip.clone(), environments: self.environments(share), approvals: approvals.collect() }
    }
}
