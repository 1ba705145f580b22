//! Wakes the agent when a config repository on this machine moves, so that nobody waits for the interval.
//!
//! A remote elsewhere has no such sign: there the interval alone counts.

use std::path::Path;

use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use tokio::sync::mpsc::UnboundedSender;

use crate::agent::schedule::Sign;
use crate::reconcile::remote::Remote;

/// Watches the refs of a repository for as long as it lives.
#[derive(Debug)]
pub struct Wake {
    /// `None` where there is nothing to watch.
    _watcher: Option<RecommendedWatcher>,
}

impl Wake {
    /// Gives a sign whenever a repository on this machine moves.
    pub fn watch(remote: &Remote, signs: UnboundedSender<Sign>) -> Self {
        Self::watch_folder(remote.url().folder(), signs)
    }

    fn watch_folder(folder: Option<&Path>, signs: UnboundedSender<Sign>) -> Self {
        let watcher = folder.and_then(|folder| match watcher(folder, signs) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "the repository cannot be watched: the interval alone counts");
                None
            }
        });
        Self { _watcher: watcher }
    }
}

fn watcher(folder: &Path, signs: UnboundedSender<Sign>) -> notify::Result<RecommendedWatcher> {
    // A working clone has its refs below `.git`, a bare repository at its root.
    let git = folder.join(".git");
    let refs = if git.is_dir() { git } else { folder.to_owned() }.join("refs");
    let root = refs.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        let is_ours = event.paths.iter().all(|path| is_ours(path.strip_prefix(&root).unwrap_or(path)));
        if !matches!(event.kind, EventKind::Access(_)) && !is_ours {
            // Nobody takes signs any more only when the agent is gone.
            let _ = signs.send(Sign::Moved);
        }
    })?;
    watcher.watch(&refs, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// True for what we write: status and leases. A look because of them would follow every pass.
fn is_ours(reference: &Path) -> bool {
    let mut parts = reference.components().map(|part| part.as_os_str()).skip_while(|part| *part != "privlink").skip(1);
    parts.next().is_some_and(|part| part != "approvals")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_branch_gives_a_sign() {
        // Somebody's folder may be called as we are.
        let folder = std::env::temp_dir().join("privlink").join(uuid::Uuid::new_v4().to_string());
        for branch in ["main", "privlink/approvals/prod"] {
            let file = folder.join("refs/heads").join(branch);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let (sender, mut signs) = tokio::sync::mpsc::unbounded_channel();
            let _wake = Wake::watch_folder(Some(&folder), sender);
            std::fs::write(file, "x").unwrap();
            assert_eq!(signs.recv().await, Some(Sign::Moved), "{branch}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_ours_is_told_by_its_name() {
        for (name, ours) in [
            ("heads/main", false),
            ("heads/privlink/status/prod", true),
            ("privlink/lease/prod", true),
            ("heads/privlink/approvals/prod", false),
            ("heads/privlink", false),
        ] {
            assert_eq!(is_ours(Path::new(name)), ours, "{name}");
        }
    }
}
