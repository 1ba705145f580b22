//! The listener for supervisors and Prometheus: `/healthz`, `/readyz`, `/metrics`. It only reads.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::agent::vitals::Vitals;

/// The media type of what `/metrics` answers.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves until its task is aborted.
pub async fn serve(listener: TcpListener, vitals: Arc<Vitals>) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(vitals);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the probes are not served any more");
    }
}

/// Alive as long as the scheduler turns.
async fn healthz(State(vitals): State<Arc<Vitals>>) -> impl IntoResponse {
    verdict(vitals.illness().into_iter().collect(), None)
}

/// Ready once the repository was read and each environment had a pass that did not fail. One that stands by is ready, too:
/// else neither a rollout nor the drain of a node would ever get past it.
async fn readyz(State(vitals): State<Arc<Vitals>>) -> impl IntoResponse {
    verdict(vitals.unready(), vitals.standby())
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], vitals.exposition())
}

fn verdict(troubles: Vec<String>, instead: Option<String>) -> (StatusCode, String) {
    if troubles.is_empty() {
        return (StatusCode::OK, instead.unwrap_or_else(|| "ok".to_owned()) + "\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n")
}
