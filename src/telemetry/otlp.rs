//! Traces over HTTP (OTLP, as protobuf), by the variables of OpenTelemetry's specification. Off unless one names a collector.
//!
//! Spans are sent in batches by a thread of their own, so that a collector that is slow or away holds nobody up: what does not
//! fit in the queue is lost. That is said once, and once more when the collector is back and gone again.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::HttpClient;
use opentelemetry_http::HttpError;
use opentelemetry_otlp::Protocol;
use opentelemetry_otlp::RetryPolicy;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_otlp::WithHttpConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reqwest::blocking::Client;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use super::BoxedLayer;

/// How long the collector may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of the program waits for what was not sent yet.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// What sends the traces.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends the rest, for a moment at most.
    pub(super) fn finish(self) {
        // What went wrong on the way was said by the sender.
        let _ = self.0.shutdown_with_timeout(LAST_WAIT);
    }
}

/// Prepares what the variables ask for; `None` if they ask for nothing.
pub(super) fn start(environment: &BTreeMap<String, String>) -> Result<Option<(BoxedLayer, Traces)>, String> {
    let variable = |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER") == Some("none");
    let base =
        || variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
    let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(ToOwned::to_owned).or_else(base);
    let Some(endpoint) = endpoint.filter(|_| !is_off) else { return Ok(None) };
    let protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if let Some(other) = protocol.filter(|protocol| *protocol != "http/protobuf") {
        return Err(format!("OTEL_EXPORTER_OTLP_PROTOCOL is {other}, and privlink speaks http/protobuf only"));
    }
    let sender = Sender::new(&endpoint, variable("SSL_CERT_FILE"))?;
    let headers = variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| variable("OTEL_EXPORTER_OTLP_HEADERS"));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .with_endpoint(endpoint)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .with_retry_policy(RetryPolicy::disabled())
        .with_headers(pairs(headers).collect::<HashMap<_, _>>())
        .build()
        // The address may hold a secret, and so may a header.
        .map_err(|_| "OTEL_EXPORTER_OTLP_ENDPOINT is no address, or a header is none".to_owned())?;
    let attributes = pairs(variable("OTEL_RESOURCE_ATTRIBUTES")).map(|(key, value)| KeyValue::new(key, value));
    let mut resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "privlink"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_attributes(attributes);
    if let Some(name) = variable("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name(name.to_owned());
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("privlink"))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // No events: what is logged stays in the log.
        .with_filter(filter_fn(|metadata| metadata.target() == "otel" && metadata.is_span()));
    Ok(Some((Box::new(layer), Traces(provider))))
}

/// Reads `key=value,key=value`, the values percent-encoded. What is none is left out, as the specification wants it.
fn pairs(text: Option<&str>) -> impl Iterator<Item = (String, String)> {
    text.unwrap_or_default().split(',').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), decoded(value.trim())))
    })
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        (rest, _) = match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (&tail[2..], bytes.push(byte)),
            None => (tail, bytes.push(*first)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends batches, on the exporter's own thread.
#[derive(Debug)]
struct Sender {
    client: Client,
    /// Host and port, for people.
    place: String,
    /// True if it was said that the collector is away.
    is_away: AtomicBool,
}

impl Sender {
    fn new(endpoint: &str, authorities: Option<&str>) -> Result<Self, String> {
        let url = reqwest::Url::parse(endpoint).ok().filter(reqwest::Url::has_host);
        let url =
            url.ok_or_else(|| "OTEL_EXPORTER_OTLP_ENDPOINT is no address, such as http://localhost:4318".to_owned())?;
        let port = url.port_or_known_default().unwrap_or_default();
        let place = format!("{}:{port}", url.host_str().unwrap_or_default());
        // Adapters install the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).referer(false);
        let builder = if url.scheme() == "https" {
            let pem = authorities.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
            let bundle =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| "SSL_CERT_FILE is not PEM".to_owned())?;
            builder.tls_certs_merge(bundle)
        } else {
            // No store of certificates is needed, and a machine may have none.
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(|error| format!("TLS does not start: {error}"))?;
        Ok(Self { client, place, is_away: AtomicBool::new(false) })
    }

    fn is_back(&self) {
        self.is_away.store(false, Ordering::Relaxed);
    }

    /// Says so, unless it was said.
    fn lost(&self, why: &dyn Display) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let place = &self.place;
            tracing::warn!(
                "traces do not reach the collector at {place}: {why}; they are lost, and nothing waits for them"
            );
        }
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let answer = request.send().and_then(|answer| Ok((answer.status(), answer.bytes()?)));
        let (status, body) = answer.map_err(|error| {
            let error = error.without_url();
            let why = if error.is_timeout() { "there was no answer" } else { "it cannot be reached" };
            self.lost(&why);
            error
        })?;
        if status.is_success() {
            self.is_back();
        } else {
            self.lost(&format!("it answered with HTTP status {}", status.as_u16()));
        }
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(variables: &[(&str, &str)]) -> Option<String> {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        start(&environment).err()
    }

    #[test]
    fn pairs_are_decoded_and_what_is_none_is_left_out() {
        let read: Vec<_> = pairs(Some("team=net%20work, empty=,nonsense,=x,odd=%zz%4")).collect();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read, [pair("team", "net work"), pair("empty", ""), pair("odd", "%zz%4")]);
    }

    #[test]
    fn nothing_is_sent_unless_a_collector_is_named_and_what_is_wrong_is_a_sentence() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let started = |variables: &[(&str, &str)]| {
            let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            start(&environment).is_ok_and(|traces| traces.is_some())
        };
        assert!(started(&[endpoint]) && !started(&[("OTEL_SERVICE_NAME", "x")]));
        assert!(!started(&[endpoint, ("OTEL_SDK_DISABLED", "true")]));
        assert!(!started(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
        let grpc = refused(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap();
        assert!(grpc.contains("http/protobuf only"), "{grpc}");
        let odd = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2")]).unwrap();
        assert!(odd.contains("is no address") && !odd.contains("hunter2"), "{odd}");
    }
}
