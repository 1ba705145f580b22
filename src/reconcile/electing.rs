//! The Lease by which replicas elect a leader, in the cluster that the agent runs in.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::lease::Lease;
use crate::domain::lease::LeaseKey;
use crate::domain::lease::LeaseRecord;
use crate::kubernetes::Cluster;
pub use crate::kubernetes::error::ClusterError as Failure;

/// The Lease of an election, and the way to it.
#[derive(Debug)]
pub struct Electing {
    cluster: Cluster,
    key: LeaseKey,
}

/// There is no way to the Lease.
#[derive(Debug, thiserror::Error)]
pub enum ElectingError {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {file}, which the election of a leader needs", file = .file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The cluster's client cannot be built.
    #[error("no way to the cluster whose Lease elects a leader")]
    Cluster(#[source] Failure),
}

impl Electing {
    /// Prepares the way: the current context of the runner's kubeconfig, or, without one, the cluster whose pod this is.
    /// Nothing is sent yet. `timeout` is how long an answer may take.
    ///
    /// # Errors
    /// If there is neither.
    pub async fn connect(config: &Config, key: LeaseKey, timeout: Duration) -> Result<Self, ElectingError> {
        let cluster = match &config.kubeconfig {
            None => Cluster::in_cluster().await,
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .map_err(|source| ElectingError::Kubeconfig { file: file.clone(), source })?;
                Cluster::connect(&text, None).await
            }
        };
        let cluster = cluster.map_err(ElectingError::Cluster)?;
        let timeout = timeout.min(config.request_timeout);
        Ok(Self { cluster: cluster.counted(config.calls.clone()).answering_within(timeout), key })
    }

    /// The Lease.
    pub fn key(&self) -> &LeaseKey {
        &self.key
    }

    /// Reads it; `None` if it is not there.
    ///
    /// # Errors
    /// An API server that does not answer, or refuses.
    pub async fn read(&self) -> Result<Option<Lease>, Failure> {
        self.cluster.lease(&self.key).await
    }

    /// Writes it as it was seen, or makes it where none was seen; `None` if somebody was faster.
    ///
    /// # Errors
    /// An API server that does not answer, or refuses.
    pub async fn write(&self, seen: Option<&ResourceVersion>, record: &LeaseRecord) -> Result<Option<Lease>, Failure> {
        match seen {
            Some(version) => self.cluster.update_lease(&self.key, version, record).await,
            None => self.cluster.create_lease(&self.key, record).await,
        }
    }
}
