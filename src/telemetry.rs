//! Logs, on stderr: warnings only, unless more is asked for. And traces for OpenTelemetry, if a variable names a collector.
//!
//! What is traced are spans of the target `otel`, and they are in no log: a line there belongs to its pass, whatever part of
//! it is at work.

use std::collections::BTreeMap;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::domain::logged::TOLD;

#[cfg(feature = "otel")]
mod otlp;

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What has to be finished before the program ends: traces that were not sent yet.
#[derive(Debug, Default)]
#[must_use = "traces that were not sent are lost"]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    traces: Option<otlp::Traces>,
}

impl Telemetry {
    /// Sends what was not sent yet, for a moment at most.
    pub fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.finish();
        }
    }
}

/// Starts logging by a filter such as `info` or `privlink=debug`; warnings are always logged. Starts tracing if `environment`
/// names a collector.
///
/// As JSON, which machines read, it logs from `info` on, and panics too: each line is an object of its own.
///
/// As text, it leaves out what a person is told beside it ([`TOLD`]), unless a filter asks for lines of its own.
///
/// A second start in one process (tests) keeps the first.
pub fn start(filter: Option<&str>, (json, colour): (bool, bool), environment: &BTreeMap<String, String>) -> Telemetry {
    let usual = if json { "info".to_owned() } else { format!("warn,{TOLD}=off") };
    let filter = filter.map_or(usual, ToOwned::to_owned);
    // kube logs every 5xx as an error, and we tell them as our own.
    let filter = EnvFilter::new(format!("{filter},kube_client=off,otel=off"));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colour);
    let lines: BoxedLayer = if json {
        Box::new(lines.json().with_current_span(true).with_span_list(false).with_filter(filter))
    } else {
        Box::new(lines.with_filter(filter))
    };
    let (traces, telemetry, trouble) = traces(environment);
    let layers: Vec<BoxedLayer> = std::iter::once(lines).chain(traces).collect();
    let is_first = tracing_subscriber::registry().with(layers).try_init().is_ok();
    if let Some(trouble) = trouble {
        tracing::warn!("no traces are sent: {trouble}");
    }
    if json && is_first {
        std::panic::set_hook(Box::new(|panic| tracing::error!(panic = %panic, "a mistake in privlink")));
    }
    telemetry
}

#[cfg(feature = "otel")]
fn traces(environment: &BTreeMap<String, String>) -> (Option<BoxedLayer>, Telemetry, Option<String>) {
    match otlp::start(environment) {
        Ok(None) => (None, Telemetry::default(), None),
        Ok(Some((layer, traces))) => (Some(layer), Telemetry { traces: Some(traces) }, None),
        Err(trouble) => (None, Telemetry::default(), Some(trouble)),
    }
}

/// Without that part of the program nobody asks for traces in vain: it is said.
#[cfg(not(feature = "otel"))]
fn traces(environment: &BTreeMap<String, String>) -> (Option<BoxedLayer>, Telemetry, Option<String>) {
    let names = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    let is_asked = names.iter().any(|name| environment.get(*name).is_some_and(|value| !value.is_empty()));
    (None, Telemetry::default(), is_asked.then(|| "this privlink was built without the feature otel".to_owned()))
}
