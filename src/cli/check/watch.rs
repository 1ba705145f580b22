//! `--watch`: checks, prints, and waits for the next save.
//!
//! What counts is what the files say: the folder is read again after every sign of life, and nothing is printed while it
//! says what it said. So neither a repair of our own nor a touch of a file makes a round.

use std::path::Path;
use std::time::Duration;

use notify::Event;
use notify::EventKind;
use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use tokio::sync::watch;

use crate::cli::Exit;
use crate::cli::check;
use crate::cli::check::CheckArguments;
use crate::cli::check::extent;
use crate::cli::printer::Printer;
use crate::cli::signals::Signals;
use crate::domain::commit::Snapshot;
use crate::reconcile::checking::Checked;
use crate::reconcile::error_chain;
use crate::render::Label;
use crate::render::diagnostic;

/// An editor writes several times in a save: this long after the last of them, all is there.
const SETTLE: Duration = Duration::from_millis(100);
/// How often the folder is read where nothing says that it changed.
const INTERVAL: Duration = Duration::from_secs(1);

/// Checks until somebody asks to stop.
pub(super) async fn run(arguments: &CheckArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    // Signs are gathered from before the first look, or a save in between would be missed.
    let (sender, mut signs) = watch::channel(0);
    let watcher = watcher(&arguments.folder, sender);
    if let Err(error) = &watcher {
        let text = format!("no sign of saves here ({error}): the folder is read once a second");
        printer.line(Label::Warning, text);
    }
    let mut seen: Option<Snapshot> = None;
    let mut told = String::new();
    loop {
        match check::snapshot(arguments) {
            Ok(now) if seen.as_ref() == Some(&now) => {}
            Ok(now) => {
                seen = Some(round(arguments, now, printer));
                told.clear();
            }
            // A folder that is being moved or replaced is there again in a moment.
            Err(error) if told == error_chain(&error) => {}
            Err(error) => {
                told = error_chain(&error);
                printer.line(Label::Error, format!("error: {told}"));
            }
        }
        tokio::select! {
            () = signals.stopped() => return Ok(Exit::Done),
            () = sign(&mut signs, watcher.is_err().then_some(INTERVAL)) => {}
        }
    }
}

/// Checks once below a line that says when, and gives back the files as they are then.
fn round(arguments: &CheckArguments, snapshot: Snapshot, printer: &mut Printer<'_>) -> Snapshot {
    let before = snapshot.clone();
    printer.line(Label::Dim, format!("── {} ──", jiff::Zoned::now().strftime("%H:%M:%S")));
    let (_, checked) = check::once(arguments, snapshot, printer);
    printer.line(Label::Dim, format!("{}; waiting for the next save, Ctrl-C ends", counts(&checked)));
    match checked.loaded {
        Ok(loaded) => loaded.source.snapshot,
        Err(_) => before,
    }
}

fn counts(checked: &Checked) -> String {
    let found = match checked.diagnostics.is_empty() {
        true => "nothing found".to_owned(),
        false => diagnostic::summary(&checked.diagnostics),
    };
    match &checked.loaded {
        Ok(loaded) => format!("{}: {found}", extent(loaded)),
        Err(_) => found,
    }
}

/// Resolves after the next change, when it is quiet again; where there are no signs, after a while.
async fn sign(signs: &mut watch::Receiver<u64>, unwatched: Option<Duration>) {
    if let Some(interval) = unwatched {
        return tokio::time::sleep(interval).await;
    }
    if signs.changed().await.is_err() {
        return std::future::pending().await;
    }
    while tokio::time::timeout(SETTLE, signs.changed()).await.is_ok_and(|changed| changed.is_ok()) {}
}

fn watcher(folder: &Path, sender: watch::Sender<u64>) -> notify::Result<RecommendedWatcher> {
    let inside_git = |event: &Event| {
        !event.paths.is_empty()
            && event.paths.iter().all(|path| path.components().any(|part| part.as_os_str() == ".git"))
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error is a sign, too: something was missed.
        let is_sign =
            event.as_ref().map_or(true, |event| !matches!(event.kind, EventKind::Access(_)) && !inside_git(event));
        if is_sign {
            sender.send_modify(|count| *count += 1);
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_signs_it_is_looked_again_after_a_while() {
        let (_sender, mut signs) = watch::channel(0);
        sign(&mut signs, Some(Duration::ZERO)).await;
    }

    #[test]
    fn a_folder_that_is_not_there_cannot_be_watched() {
        let (sender, _signs) = watch::channel(0);
        assert!(watcher(Path::new("/nonexistent/privlink"), sender).is_err());
    }
}
