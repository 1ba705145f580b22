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
    verdict(vitals.illness().into_iter().collect())
}

/// Ready once the repository was read and each environment had a pass that did not fail.
async fn readyz(State(vitals): State<Arc<Vitals>>) -> impl IntoResponse {
    verdict(vitals.unready())
}

async fn metrics(State(vitals): State<Arc<Vitals>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], vitals.exposition())
}

fn verdict(troubles: Vec<String>) -> (StatusCode, String) {
    if troubles.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, troubles.join("\n") + "\n")
}
