//! HTTP servers on loopback: one accept loop, with or without TLS, that ends gracefully.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::body::Body;
use axum::{Extension, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::sim::SimError;

/// How long connections get to finish their answer at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Put into a response's extensions, makes the server cut the connection instead of sending the response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

/// Put into a request's extensions: where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Becomes true when everything is to stop.
pub(crate) type Shutdown = watch::Receiver<bool>;

/// Waits until everything is to stop. If nobody is left who could say so, that is now.
pub(crate) async fn stopped(shutdown: &mut Shutdown) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

/// Opens a port on loopback; 0 takes any.
pub(crate) async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), SimError> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bound = TcpListener::bind(wanted).await.and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| SimError::Bind { address: wanted, source })
}

/// Serves a router until `shutdown` says otherwise.
pub(crate) async fn serve(router: Router, listener: TcpListener, tls: Option<TlsAcceptor>, mut shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut shutdown) => break,
            // Reaping keeps the set from growing with every connection ever made.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                if let Ok((stream, address)) = accepted {
                    let router = router.clone().layer(Extension(Peer(address.ip())));
                    connections.spawn(connection(router, stream, tls.clone(), shutdown.clone()));
                }
            }
        }
    }
    drop(listener);
    let farewell = async { while connections.join_next().await.is_some() {} };
    // A connection that hangs on purpose is aborted when the set is dropped.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn connection(router: Router, stream: TcpStream, tls: Option<TlsAcceptor>, shutdown: Shutdown) {
    // Answers are small and polled for; waiting to fill a packet would only slow a demonstration down.
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(router, stream, shutdown).await,
        // A client that does not trust us ends here, and tells its own user why.
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(router, stream, shutdown).await;
            }
        }
    }
}

async fn speak(router: Router, stream: impl AsyncRead + AsyncWrite + Unpin, mut shutdown: Shutdown) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let answered = router.call(request.map(Body::new)).await;
            let response = answered.unwrap_or_else(|never| match never {});
            if response.extensions().get::<Cut>().is_some() {
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by a fault"));
            }
            Ok(response)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // How a connection ended is the client's business.
        _ = connection.as_mut() => {}
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
