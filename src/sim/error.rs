//! Why a simulator does not start.

use std::net::SocketAddr;

/// A simulator that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A port could not be opened.
    #[error("the simulator cannot listen on {address}: choose another port, or 0 for any")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error("the simulator cannot make its certificates")]
    Certificate(#[source] rcgen::Error),
    /// A certificate or key in PEM is not one.
    #[error("the {what} of the simulator is not in PEM, or it is of a kind that cannot be used")]
    Pem {
        /// `certificate` or `key`.
        what: &'static str,
    },
    /// TLS could not be set up.
    #[error("the simulator cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A resource of the world breaks a rule of Azure.
    #[error("the world cannot exist: {id} is refused with {code}: {message}")]
    Seed {
        /// The resource.
        id: String,
        /// The error code.
        code: String,
        /// The error message.
        message: String,
    },
    /// A saved resource is not one that this version knows.
    #[error("the saved world cannot go on: {id} is no resource that the simulator knows")]
    Saved {
        /// What stands for its id.
        id: String,
    },
    /// A Service or node of the world breaks a rule of Kubernetes.
    #[error("the world cannot exist: cluster {cluster} refuses {object}: {message}")]
    Manifest {
        /// The cluster.
        cluster: String,
        /// Kind and name of the object.
        object: String,
        /// What the API server says.
        message: String,
    },
}
