//! What asks a program that runs until it is stopped to stop, or to look again now.

use std::io;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

/// What asks a daemon to look again now.
///
/// # Errors
/// If the system does not let it.
pub(super) fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Listens from the moment on that it is made: a signal that comes before it is waited for is not lost.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves when somebody asks to stop.
    pub(super) async fn stopped(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
