//! Logs: on stderr; warnings only, unless more is asked for.

use tracing_subscriber::EnvFilter;

/// Starts logging by a filter such as `info` or `privlink=debug`; warnings are always logged.
///
/// As JSON, which machines read, it logs from `info` on, and panics too: each line is an object of its own.
///
/// A second start in one process (tests) keeps the first.
pub fn start(filter: Option<&str>, json: bool) {
    let filter = filter.unwrap_or(if json { "info" } else { "warn" });
    // kube logs every 5xx as an error, and we tell them as our own.
    let filter = EnvFilter::new(format!("{filter},kube_client=off"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if json {
        if subscriber.json().with_current_span(true).with_span_list(false).try_init().is_ok() {
            std::panic::set_hook(Box::new(|panic| tracing::error!(panic = %panic, "a mistake in privlink")));
        }
    } else {
        let _ = subscriber.try_init();
    }
}
