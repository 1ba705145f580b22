//! Wakes the agent when a config repository on this machine moves, so that nobody waits for the interval.
//!
//! A remote elsewhere has no such sign: there the interval alone counts.

use std::path::Path;
use std::time::Duration;

use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use tokio::sync::watch;

use crate::reconcile::remote::Remote;

/// A push writes several files: this long after the first of them, all are there.
const SETTLE: Duration = Duration::from_millis(100);

/// The signs of one repository.
#[derive(Debug)]
pub struct Wake {
    moved: watch::Receiver<u64>,
    /// Watches as long as it lives; `None` where there is nothing to watch.
    watcher: Option<RecommendedWatcher>,
}

impl Wake {
    /// Watches the refs of a repository on this machine.
    pub fn watch(remote: &Remote) -> Self {
        Self::watch_folder(remote.url().folder())
    }

    fn watch_folder(folder: Option<&Path>) -> Self {
        let (sender, moved) = watch::channel(0);
        let watcher = folder.and_then(|folder| match watcher(folder, sender) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "the repository cannot be watched: the interval alone counts");
                None
            }
        });
        Self { moved, watcher }
    }

    /// Passes over what happened until now.
    pub fn forget(&mut self) {
        self.moved.mark_unchanged();
    }

    /// Resolves when the repository has moved; never where there is nothing to watch.
    pub async fn moved(&mut self) {
        if self.watcher.is_none() || self.moved.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SETTLE).await;
    }
}

fn watcher(folder: &Path, sender: watch::Sender<u64>) -> notify::Result<RecommendedWatcher> {
    let is_ours = |event: &Event| {
        // Our own status and lease move too; a pass because of them would follow every pass.
        event.paths.iter().all(|path| path.components().any(|part| part.as_os_str() == "privlink"))
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if !matches!(event.kind, EventKind::Access(_)) && !is_ours(&event) {
            sender.send_modify(|count| *count += 1);
        }
    })?;
    // A working clone has its refs below `.git`, a bare repository at its root.
    let git = folder.join(".git");
    let root = if git.is_dir() { git.as_path() } else { folder };
    watcher.watch(&root.join("refs"), RecursiveMode::Recursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_branch_wakes_and_our_own_do_not() {
        let folder = std::env::temp_dir().join(format!("privlink-wake-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(folder.join("refs/heads/privlink/status")).unwrap();
        let mut wake = Wake::watch_folder(Some(&folder));
        std::fs::write(folder.join("refs/heads/privlink/status/prod"), "x").unwrap();
        std::fs::write(folder.join("refs/heads/main"), "x").unwrap();
        wake.moved().await;
        // Both writes are over; what is still to come would be a second sign of the same push.
        wake.forget();
        std::fs::write(folder.join("refs/heads/privlink/status/prod"), "y").unwrap();
        let woken = tokio::time::timeout(Duration::from_millis(300), wake.moved()).await;
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(woken.is_err(), "our own branch woke the agent");
    }
}
