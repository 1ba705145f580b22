//! Keeps a lease while an apply runs under it, and stops the apply when the lease cannot be kept.

use jiff::Timestamp;
use tokio::sync::watch;

use crate::apply::lease::LIFETIME;
use crate::apply::lease::LeaseError;
use crate::apply::lease::LeaseStore;
use crate::apply::lease::WriterLease;
use crate::apply::report::Report;
use crate::reconcile::error_chain;

/// Runs while a task beside it keeps the lease; stops the run when the lease is lost.
pub(super) async fn under_lease<'a, F, Fut>(store: &dyn LeaseStore, lease: &'a mut WriterLease, run: F) -> Report
where
    F: FnOnce(&'a WriterLease, watch::Receiver<bool>) -> Fut,
    Fut: Future<Output = Report> + 'a,
{
    let (stop, stopped) = watch::channel(false);
    let mut keeper = lease.keeper();
    let run = run(lease, stopped);
    tokio::pin!(run);
    // A third of the lifetime leaves two tries before it runs out.
    let mut tick = tokio::time::interval(std::time::Duration::try_from(LIFETIME).unwrap_or_default() / 3);
    tick.tick().await;
    loop {
        tokio::select! {
            report = &mut run => return report,
            _ = tick.tick() => {
                if let Err(error) = keeper.renew(store, Timestamp::now()).await {
                    let is_lost = matches!(error, LeaseError::Lost { .. } | LeaseError::Held { .. });
                    // Nobody can be asked any more, and the next look would come too late: from then on others may write.
                    let runs_out = keeper.expires_at() <= Timestamp::now() + LIFETIME / 3;
                    tracing::error!(error = error_chain(&error), stops = is_lost || runs_out, "the lease could not be kept");
                    if is_lost || runs_out {
                        stop.send_replace(true);
                    }
                }
            }
        }
    }
}

/// A signal that is given when either of two is.
pub(super) fn either(mut first: watch::Receiver<bool>, mut second: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(*first.borrow() || *second.borrow());
    tokio::spawn(async move {
        let is_set = async |signal: &mut watch::Receiver<bool>| {
            if signal.wait_for(|set| *set).await.is_err() {
                std::future::pending::<()>().await; // Nobody can set it any more.
            }
        };
        tokio::select! {
            () = is_set(&mut first) => {}
            () = is_set(&mut second) => {}
            () = sender.closed() => return,
        }
        sender.send_replace(true);
    });
    receiver
}
