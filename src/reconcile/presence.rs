//! Shows other processes of this machine that the holder of a lease lives: a file that is locked for as long.
//!
//! The system gives a lock back however its process ends. So whoever finds the file of a holder unlocked knows that it was
//! killed, and needs not wait until its lease runs out. Unlike a process id this holds in containers, where everybody is
//! number 1, and when numbers are used again.

use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

/// Files that nobody holds are swept after this long: no lease of theirs can be in force any more.
const SWEPT_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The life of one holder.
#[derive(Debug)]
pub struct Presence {
    id: Uuid,
    folder: PathBuf,
    /// Locked as long as it is open. `None` where it could not be made: then nobody can tell, and has to wait.
    file: Option<File>,
}

impl Presence {
    /// Makes the life of a new holder visible, as far as the state folder allows.
    pub fn begin(state_dir: &Path) -> Self {
        let (id, folder) = (Uuid::new_v4(), state_dir.join("holders"));
        sweep(&folder);
        let begin = || -> std::io::Result<File> {
            std::fs::create_dir_all(&folder)?;
            let file = File::create_new(path(&folder, id))?;
            file.lock()?;
            Ok(file)
        };
        let file =
            begin().inspect_err(|error| tracing::warn!(%error, "if this process is killed, its lease has to run out"));
        Self { id, file: file.ok(), folder }
    }

    /// The name of the holder.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// True if another holder of this machine certainly is dead.
    pub fn tells_gone(&self, other: Uuid) -> bool {
        is_abandoned(&path(&self.folder, other))
    }

    /// Takes the traces away; for when the lease was given back.
    pub fn end(self) {
        if self.file.is_some() {
            // A file that stays is swept later.
            let _ = std::fs::remove_file(path(&self.folder, self.id));
        }
    }
}

fn path(folder: &Path, id: Uuid) -> PathBuf {
    folder.join(format!("{id}.lock"))
}

fn is_abandoned(path: &Path) -> bool {
    // No file: it is kept in another state folder, where its life cannot be seen from here.
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > SWEPT_AFTER) && is_abandoned(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_gone_when_its_lock_is() {
        let state = std::env::temp_dir().join(format!("privlink-presence-{}", Uuid::new_v4()));
        let (first, second) = (Presence::begin(&state), Presence::begin(&state));
        assert!(!second.tells_gone(first.id()), "it lives");
        assert!(!second.tells_gone(Uuid::nil()), "nobody can tell");
        let killed = first.id();
        drop(first);
        assert!(second.tells_gone(killed));
        second.end();
        std::fs::remove_dir_all(state).unwrap();
    }
}
