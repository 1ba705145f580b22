//! The loop around the engine: work out, results in, and waiting in between.

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::apply::Done;
use crate::apply::Execute;
use crate::apply::Failure;
use crate::apply::Run;
use crate::apply::Work;
use crate::apply::engine::Engine;
use crate::apply::report::Progress;
use crate::apply::report::Report;
use crate::plan::document::key_text;

type Pending<'a> = Pin<Box<dyn Future<Output = (usize, Result<Done, Failure>)> + Send + 'a>>;

/// Longer than any apply: what sleeps for it waits for something else.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

/// What is traced of a piece of work.
fn span(work: &Work) -> tracing::Span {
    let (action, task) = (work.change.action, work.task.word());
    tracing::info_span!(target: "otel", "step", resource = key_text(&work.change.key), %action, task)
}

pub(super) async fn drive(run: Run<'_>, execute: &dyn Execute, progress: &mut (dyn FnMut(Progress) + Send)) -> Report {
    let Run { plan, approval: _, lease: _, settings, mut cancel } = run;
    let mut engine = Engine::new(plan, settings);
    let mut pending: FuturesUnordered<Pending<'_>> = FuturesUnordered::new();
    let began = Instant::now();
    // Asked to stop before anything began, nothing begins.
    let mut cancelled = *cancel.borrow();
    if cancelled {
        engine.cancel(began.elapsed());
    }
    while !engine.is_finished() {
        // One time for both questions: what becomes due between them would be neither started nor waited for.
        let now = began.elapsed();
        for work in engine.start(now) {
            let step = work.step;
            let span = span(&work);
            pending.push(Box::pin(async move { (step, execute.execute(work).await) }.instrument(span)));
        }
        engine.take_news().into_iter().for_each(&mut *progress);
        if engine.is_finished() {
            break;
        }
        let wake = engine.wakes_at(now).map_or(FOREVER, |at| at.saturating_sub(began.elapsed()));
        tokio::select! {
            Some((step, result)) = pending.next(), if !pending.is_empty() => {
                engine.finish(step, result, began.elapsed());
            }
            () = tokio::time::sleep(wake) => {}
            changed = cancel.changed(), if !cancelled => {
                // A sender that is gone cannot cancel any more; asking it again would spin.
                cancelled = changed.is_err() || *cancel.borrow();
                if changed.is_ok() && *cancel.borrow() {
                    engine.cancel(began.elapsed());
                }
            }
        }
    }
    engine.take_news().into_iter().for_each(&mut *progress);
    engine.report()
}
