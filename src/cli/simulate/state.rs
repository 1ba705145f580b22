//! The file that keeps a simulated world across runs: written whole, beside the old one, and then put in its place.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::bail;

use super::environment::write_new;
use crate::sim::Revision;
use crate::sim::Simulator;
use crate::sim::saved::Saved;

/// How long changes may wait to be saved.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// How long nobody looks where there is nothing to save.
pub(super) const IDLE: Duration = Duration::from_secs(3600);

/// How many times as long as a save took the next one waits, so that a large world does not only save itself.
const BREATH: u32 = 10;

/// Reads a state, if there is one yet.
pub(super) fn load(path: &Path) -> anyhow::Result<Option<Saved>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read the state {}", path.display()))?,
    };
    let saved = Saved::parse(&text).with_context(|| format!("cannot go on with {}", path.display()))?;
    Ok(Some(saved))
}

/// The text of the world to start: that of the file, or that of the state.
pub(super) fn world_text(world: Option<&Path>, state: Option<(&Path, &Saved)>) -> anyhow::Result<String> {
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    match (world, state) {
        (Some(world), None) => read(world),
        (None, Some((_, saved))) => Ok(saved.world().to_owned()),
        (Some(world), Some((path, saved))) => {
            let text = read(world)?;
            if text != saved.world() {
                bail!(
                    "{} is the state of another world than {}: leave out --world to go on with it, or take another file",
                    path.display(),
                    world.display()
                );
            }
            Ok(text)
        }
        (None, None) => bail!("there is nothing to go on with: say which world to start with, by --world <FILE>"),
    }
}

/// A state file, kept up to date.
pub(super) struct StateFile {
    path: PathBuf,
    world: String,
    saved: Option<Revision>,
    took: Duration,
}

impl StateFile {
    pub(super) fn new(path: PathBuf, world: String) -> Self {
        Self { path, world, saved: None, took: Duration::ZERO }
    }

    /// How long to wait until the next look.
    pub(super) fn pause(&self) -> Duration {
        DEBOUNCE.max(self.took * BREATH)
    }

    /// Saves the world if anything happened in it.
    pub(super) fn save_changes(&mut self, simulator: &Simulator) -> anyhow::Result<()> {
        let revision = simulator.revision();
        if self.saved == Some(revision) {
            return Ok(());
        }
        let began = Instant::now();
        self.replace(&simulator.save(&self.world).text())?;
        self.took = began.elapsed();
        self.saved = Some(revision);
        Ok(())
    }

    fn replace(&self, text: &str) -> anyhow::Result<()> {
        let name = self.path.file_name().context("the state has to be a file")?.to_string_lossy().into_owned();
        let new = self.path.with_file_name(format!(".{name}.new"));
        write_new(&new, text)?;
        std::fs::rename(&new, &self.path).with_context(|| format!("cannot replace {}", self.path.display()))
    }
}
