//! Events about a Service, counted instead of repeated, as client-go's recorder does.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::azure::CloudError;
use super::service::Service;
use crate::sim::kube::Cluster;
use crate::sim::kube::call::Call;

/// Who reports.
pub(crate) const SERVICE_CONTROLLER: &str = "service-controller";
/// The Azure half of the controller.
pub(crate) const AZURE_PROVIDER: &str = "azure-cloud-provider";

/// Writes events to a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Cluster);

/// One thing to report.
pub(crate) struct Report<'a> {
    pub(crate) component: &'a str,
    pub(crate) is_warning: bool,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

impl Recorder {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self(cluster)
    }

    /// Reports that all is well.
    pub(crate) fn normal(&self, service: &Service, reason: &str, message: &str) {
        self.record(service, &Report { component: SERVICE_CONTROLLER, is_warning: false, reason, message });
    }

    /// Reports trouble.
    pub(crate) fn warning(&self, service: &Service, reason: &str, message: &str) {
        self.record(service, &Report { component: SERVICE_CONTROLLER, is_warning: true, reason, message });
    }

    /// Reports the raw failure of one Azure call, beside the event about the sync that it ends.
    pub(crate) fn azure_failure(&self, service: &Service, reason: &str, error: &CloudError) {
        let message = &error.to_string();
        self.record(service, &Report { component: AZURE_PROVIDER, is_warning: true, reason, message });
    }

    /// Writes an event, or counts the one that says the same already.
    pub(crate) fn record(&self, service: &Service, report: &Report<'_>) {
        let Report { component, is_warning, reason, message } = *report;
        let kind = if is_warning { "Warning" } else { "Normal" };
        let name = event_name(service, &[component, kind, reason, message]);
        let now = self.0.now().to_string();
        let path = format!("/api/v1/namespaces/{}/events", service.namespace);
        if let Some(seen) = self.0.get("events", &service.namespace, &name) {
            let count = seen["count"].as_u64().unwrap_or(1) + 1;
            self.send("PATCH", &format!("{path}/{name}"), json!({"count": count, "lastTimestamp": now}));
            return;
        }
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": service.namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Service", "namespace": service.namespace, "name": service.name,
                "uid": service.uid,
            },
            "type": kind, "reason": reason, "message": message,
            "source": {"component": component}, "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "eventTime": null, "count": 1,
        });
        self.send("POST", &path, event);
    }

    /// An event that cannot be written, because its namespace goes away, is lost, as with the real recorder.
    fn send(&self, method: &str, path: &str, body: Value) {
        let call = Call::new(method, path).content_type("application/merge-patch+json").body(body);
        self.0.call(&call.agent("cloud-controller-manager/v1.36.2"));
    }
}

fn event_name(service: &Service, parts: &[&str]) -> String {
    let digest = Sha256::digest(format!("{}\n{}", service.uid, parts.join("\n")).as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}.{digits}", service.name)
}
