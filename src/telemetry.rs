//! Logs: on stderr, off unless asked for.

use tracing_subscriber::EnvFilter;

/// Starts logging by a filter such as `info` or `privlink=debug`; warnings are always logged.
///
/// A second start in one process (tests) keeps the first.
pub fn start(filter: Option<&str>) {
    // kube logs every 5xx as an error, and we tell them as our own.
    let filter = EnvFilter::new(
        filter.map_or_else(|| "warn,kube_client=off".to_owned(), |filter| format!("{filter},kube_client=off")),
    );
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = subscriber.try_init();
}
