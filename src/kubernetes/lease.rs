//! Leases: read, made, and changed only as they were seen.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::failure::ErrorClass;
use crate::domain::kubernetes::ResourceVersion;
use crate::domain::lease::Lease;
use crate::domain::lease::LeaseKey;
use crate::domain::lease::LeaseRecord;
use crate::kubernetes::Cluster;
use crate::kubernetes::error::ClusterError;
use crate::kubernetes::request;

impl Cluster {
    /// Reads a Lease; `None` if it is not there.
    ///
    /// # Errors
    /// As every call.
    pub async fn lease(&self, key: &LeaseKey) -> Result<Option<Lease>, ClusterError> {
        let call = format!("read the Lease {key}");
        match self.send(&call, request::lease(key)).await {
            Ok(body) => read(&body).map(Some).map_err(|reason| self.unexpected(&call, reason)),
            Err(error) if error.means_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a Lease; `None` if somebody was faster.
    ///
    /// # Errors
    /// As every call.
    pub async fn create_lease(&self, key: &LeaseKey, record: &LeaseRecord) -> Result<Option<Lease>, ClusterError> {
        let call = format!("create the Lease {key}");
        let answer = self.send(&call, request::create_lease(key, &spec(record))).await;
        self.unless_overtaken(&call, answer)
    }

    /// Changes a Lease that is still as it was seen; `None` if it is not.
    ///
    /// # Errors
    /// As every call.
    pub async fn update_lease(
        &self,
        key: &LeaseKey,
        seen: &ResourceVersion,
        record: &LeaseRecord,
    ) -> Result<Option<Lease>, ClusterError> {
        let call = format!("update the Lease {key}");
        let answer = self.send(&call, request::update_lease(key, seen, &spec(record))).await;
        self.unless_overtaken(&call, answer)
    }

    fn unless_overtaken(&self, call: &str, answer: Result<Json, ClusterError>) -> Result<Option<Lease>, ClusterError> {
        match answer {
            Ok(body) => read(&body).map(Some).map_err(|reason| self.unexpected(call, reason)),
            Err(error) if error.class() == ErrorClass::Conflict || error.means_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The microseconds are part of the type: `MicroTime` refuses a time without them.
fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

fn spec(record: &LeaseRecord) -> Json {
    let LeaseRecord { holder, duration, acquired_at, renewed_at, transitions } = record;
    json!({
        "holderIdentity": holder,
        "leaseDurationSeconds": duration.as_secs(),
        "acquireTime": time(*acquired_at),
        "renewTime": time(*renewed_at),
        "leaseTransitions": transitions,
    })
}

fn read(body: &Json) -> Result<Lease, &'static str> {
    let version = body.pointer("/metadata/resourceVersion").and_then(Json::as_str);
    let version = version.and_then(|version| version.parse().ok()).ok_or("it has no resourceVersion")?;
    let text = |name: &str| body.pointer(name).and_then(Json::as_str);
    // All of it is optional: others may have made the Lease, and an empty one belongs to nobody.
    let number = |name: &str| body.pointer(name).and_then(Json::as_u64).unwrap_or_default();
    let record = LeaseRecord {
        holder: text("/spec/holderIdentity").unwrap_or_default().to_owned(),
        duration: Duration::from_secs(number("/spec/leaseDurationSeconds")),
        acquired_at: text("/spec/acquireTime").and_then(|at| at.parse().ok()),
        renewed_at: text("/spec/renewTime").and_then(|at| at.parse().ok()),
        transitions: u32::try_from(number("/spec/leaseTransitions")).unwrap_or(u32::MAX),
    };
    Ok(Lease { version, record })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let at = Some("2026-01-02T03:04:05.000070Z".parse().unwrap());
        let record = LeaseRecord {
            holder: "agent-0".to_owned(),
            duration: Duration::from_secs(15),
            acquired_at: at,
            renewed_at: at,
            transitions: 3,
        };
        let spec = spec(&record);
        assert_eq!(spec["renewTime"], "2026-01-02T03:04:05.000070Z");
        let body = json!({"metadata": {"resourceVersion": "7"}, "spec": spec});
        assert_eq!(read(&body), Ok(Lease { version: "7".parse().unwrap(), record }));
    }

    #[test]
    fn an_empty_lease_belongs_to_nobody_and_without_a_version_there_is_none() {
        let lease = read(&json!({"metadata": {"resourceVersion": "1"}, "spec": {}})).unwrap();
        assert_eq!((lease.record.holder.as_str(), lease.record.duration), ("", Duration::ZERO));
        assert!(read(&json!({"spec": {"holderIdentity": "x"}})).is_err());
    }
}
