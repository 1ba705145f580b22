//! Ctrl-C: the first one stops an apply in good order, the second one stops at once.
//!
//! Once a program listens for the signal, the system does not end it any more: so what is to happen outside of an apply,
//! such as at a question, is said here too.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

/// What shells expect of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens for Ctrl-C for as long as the program runs.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    asked: watch::Receiver<bool>,
    is_applying: Arc<AtomicBool>,
}

/// While it lives, the first Ctrl-C only asks.
#[derive(Debug)]
pub(super) struct Applying(Arc<AtomicBool>);

impl Drop for Applying {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Interrupt {
    /// Begins to listen.
    pub(super) fn listen() -> Self {
        let (sender, asked) = watch::channel(false);
        let is_applying = Arc::new(AtomicBool::new(false));
        let applies = is_applying.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                let was_asked = sender.send_replace(true);
                if was_asked || !applies.load(Ordering::SeqCst) {
                    end();
                }
            }
        });
        Self { asked, is_applying }
    }

    /// Says that an apply begins.
    pub(super) fn applying(&self) -> Applying {
        self.is_applying.store(true, Ordering::SeqCst);
        Applying(self.is_applying.clone())
    }

    /// What an apply watches.
    pub(super) fn asked(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }

    /// True once somebody asked to stop.
    pub(super) fn was_asked(&self) -> bool {
        *self.asked.borrow()
    }
}

/// Ends the program at once.
#[expect(clippy::exit, reason = "a person asked to stop now, whatever is under way")]
pub(super) fn end() {
    std::process::exit(INTERRUPTED);
}
