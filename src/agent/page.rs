//! The listener for people: what the board shows, read-only.
//!
//! It takes GET and HEAD, asks nobody who they are, and reads nothing of a request but its path. On loopback it answers to
//! the names of loopback alone: a stranger's web site that a browser on this machine is made to take for ours gets nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use sha2::Digest as _;
use sha2::Sha256;
use tokio::net::TcpListener;

use crate::agent::board::Board;
use crate::render::page;
use crate::render::page::Html;

/// What a browser may be told that loopback is called.
const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// What every answer says to the browser: run nothing, load nothing from elsewhere, keep nothing, tell nobody, be framed by
/// nobody.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// Serves until its task is aborted.
pub async fn serve(listener: TcpListener, board: Arc<Board>) {
    let is_loopback = listener.local_addr().is_ok_and(|address| is_loopback(&address));
    if !is_loopback {
        tracing::warn!("whoever reaches this address reads the page: it asks nobody who they are");
    }
    let router = Router::new()
        .route("/", get(index))
        .route("/environments/{name}", get(environment))
        .route("/style.css", get(async || file("text/css; charset=utf-8", page::STYLE)))
        .route("/icon.svg", get(async || file("image/svg+xml", page::ICON)))
        .fallback(get(async || answer(StatusCode::NOT_FOUND, &HeaderMap::new(), &page::not_found())))
        .with_state(board)
        .layer(middleware::from_fn(move |request, next| guarded(is_loopback, request, next)));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the page is not served any more");
    }
}

/// True if only this machine reaches the address.
pub fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// True if a `Host` names loopback, with any port: a tunnel may begin at another one.
pub fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    LOOPBACK.iter().any(|known| known.eq_ignore_ascii_case(name))
}

async fn guarded(is_loopback: bool, request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST);
    let mut hosts = hosts.iter().map(HeaderValue::to_str);
    let host = match (hosts.next(), hosts.next()) {
        (Some(Ok(host)), None) => Some(host),
        _ => None,
    };
    let is_ours = host.is_some_and(names_loopback)
        && request.uri().authority().is_none_or(|authority| names_loopback(authority.as_str()));
    let mut response = if is_ours || !is_loopback {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "This page is served on loopback only: open it as localhost.\n")
            .into_response()
    };
    let headers = response.headers_mut();
    headers
        .extend(HEADERS.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
    response
}

async fn index(State(board): State<Arc<Board>>, headers: HeaderMap) -> Response {
    answer(StatusCode::OK, &headers, &board.index(Timestamp::now()))
}

async fn environment(State(board): State<Arc<Board>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match board.environment(&name, Timestamp::now()) {
        Some(page) => answer(StatusCode::OK, &headers, &page),
        None => answer(StatusCode::NOT_FOUND, &headers, &page::not_found()),
    }
}

/// A page with its mark; who has a page of this mark gets no other.
fn answer(status: StatusCode, asked: &HeaderMap, page: &Html) -> Response {
    let digest = Sha256::digest(page.as_str());
    let mark = format!("\"{}\"", digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
    let known = asked.get(header::IF_NONE_MATCH).and_then(|marks| marks.to_str().ok());
    if status == StatusCode::OK && known.is_some_and(|marks| marks.split(',').any(|known| known.trim() == mark)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, mark)]).into_response();
    }
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (header::ETAG, mark)];
    (status, headers, page.as_str().to_owned()).into_response()
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, media_type)], text).into_response()
}
