//! The service controller's half: finalizer, status and events around one reconcile.

use serde_json::{Value, json};

use super::annotation::{ADDITIONAL_IPS, ALLOWED_RANGES, LEGACY_RANGES};
use super::azure::CloudError;
use super::cloud::{Cloud, text};
use super::frontend;
use super::load_balancer::Pass;
use super::service::{FINALIZER, Service};
use crate::sim::kube::Cluster;
use crate::sim::kube::call::Call;

/// Reconciles Services of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Syncer {
    pub(crate) cluster: Cluster,
    pub(crate) cloud: Cloud,
}

impl Syncer {
    /// Reconciles a Service as it is now; an event tells of a failure.
    ///
    /// # Errors
    /// If it has to be tried again.
    pub(crate) fn sync(&self, namespace: &str, name: &str) -> Result<(), CloudError> {
        let Some(object) = self.cluster.get("services", namespace, name) else { return Ok(()) };
        let service = Service::of(&object);
        let result = if service.needs_cleanup() {
            self.clean_up(&service)
        } else if service.wants_load_balancer && !service.is_deleting {
            self.ensure(&service)
        } else {
            Ok(())
        };
        result.inspect_err(|error| {
            let message = format!("Error syncing load balancer: {error}");
            self.cloud.recorder.warning(&service, "SyncLoadBalancerFailed", &message);
        })
    }

    /// Runs the same steps because the cluster's nodes changed. The status is not written on this path.
    ///
    /// # Errors
    /// If it has to be tried again.
    pub(crate) fn update_nodes(&self, namespace: &str, name: &str) -> Result<(), CloudError> {
        let Some(object) = self.cluster.get("services", namespace, name) else { return Ok(()) };
        let service = Service::of(&object);
        if !service.wants_load_balancer || service.is_deleting || !service.has_finalizer {
            return Ok(());
        }
        let recorder = &self.cloud.recorder;
        self.cloud.ensure(&service).map(drop).inspect_err(|error| {
            let message = format!("Error updating load balancer with new hosts: {error}");
            recorder.warning(&service, "UpdateLoadBalancerFailed", &message);
        })?;
        recorder.normal(&service, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
        Ok(())
    }

    fn ensure(&self, service: &Service) -> Result<(), CloudError> {
        let recorder = &self.cloud.recorder;
        recorder.normal(service, "EnsuringLoadBalancer", "Ensuring load balancer");
        if !service.has_finalizer {
            let finalizers = json!({"metadata": {"finalizers": [FINALIZER]}});
            self.patch(service, finalizers)
                .map_err(|error| error.while_doing("failed to add load balancer cleanup finalizer"))?;
        }
        if self.cluster.list("nodes", None).is_empty() {
            recorder.warning(service, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
        }
        let addresses = self.cloud.ensure(service);
        let addresses = addresses.map_err(|error| error.while_doing("failed to ensure load balancer"))?;
        recorder.normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
        self.set_status(service, &addresses)
    }

    fn clean_up(&self, service: &Service) -> Result<(), CloudError> {
        let recorder = &self.cloud.recorder;
        let exists = self.cloud.has_load_balancer(service);
        let exists =
            exists.map_err(|error| error.while_doing("failed to check if load balancer exists before cleanup"))?;
        if exists {
            recorder.normal(service, "DeletingLoadBalancer", "Deleting load balancer");
            let deleted = self.cloud.delete(service);
            deleted.map_err(|error| error.while_doing("failed to delete load balancer"))?;
        }
        self.set_status(service, &[])?;
        let without = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}});
        self.patch(service, without)
            .map_err(|error| error.while_doing("failed to remove load balancer cleanup finalizer"))?;
        recorder.normal(service, "DeletedLoadBalancer", "Deleted load balancer");
        Ok(())
    }

    fn set_status(&self, service: &Service, addresses: &[String]) -> Result<(), CloudError> {
        if service.ingress == addresses {
            return Ok(());
        }
        let ingress: Vec<Value> = addresses.iter().map(|address| json!({"ip": address})).collect();
        let ingress = if ingress.is_empty() { Value::Null } else { json!(ingress) };
        let status = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        self.patch(service, status).map_err(|error| error.while_doing("failed to update load balancer status"))
    }

    /// Finalizers and status are both patched through the status subresource. A Service that is gone meanwhile is fine.
    fn patch(&self, service: &Service, patch: Value) -> Result<(), CloudError> {
        let path = format!("/api/v1/namespaces/{}/services/{}/status", service.namespace, service.name);
        let call = Call::new("PATCH", &path).content_type("application/strategic-merge-patch+json").body(patch);
        match self.cluster.call(&call.agent("cloud-controller-manager/v1.36.2")).into_result() {
            Err(error) if error.code != 404 => Err(CloudError::local(error.message)),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Cloud {
    /// Makes everything that a Service wants, and returns its addresses. They are known only at the very end, so a failure
    /// anywhere leaves the status as it was even if the load balancer works.
    fn ensure(&self, service: &Service) -> Result<Vec<String>, CloudError> {
        let balancer = self.ensure_balancer(service)?;
        let mut addresses = self.addresses(&balancer, service)?;
        addresses.extend(additional_addresses(service)?);
        check_source_ranges(service)?;
        for own in frontend::owned(&balancer, service) {
            self.ensure_link_service(service, own)?;
        }
        self.delete_other_side(service)?;
        self.tidy_public_addresses(service, true)?;
        Ok(addresses)
    }

    fn ensure_balancer(&self, service: &Service) -> Result<Value, CloudError> {
        let mut pass = self.pass(service, true)?;
        if let Pass::LinkServiceDeleted = pass {
            pass = self.pass(service, true)?;
        }
        match pass {
            Pass::Settled(Some(balancer)) => Ok(balancer),
            Pass::Settled(None) | Pass::LinkServiceDeleted => {
                Err(CloudError::local("the load balancer changed while it was reconciled"))
            }
        }
    }

    /// One address per owned frontend, in the load balancer's order.
    fn addresses(&self, balancer: &Value, service: &Service) -> Result<Vec<String>, CloudError> {
        let mut addresses = Vec::new();
        for own in frontend::owned(balancer, service) {
            let private = text(own, "/properties/privateIPAddress");
            if !private.is_empty() {
                addresses.push(private.to_owned());
                continue;
            }
            let public = self.azure.get(text(own, "/properties/publicIPAddress/id"))?.unwrap_or_default();
            addresses.push(text(&public, "/properties/ipAddress").to_owned());
        }
        Ok(addresses)
    }
}

/// Items are not trimmed, so a space after a comma is an error.
fn additional_addresses(service: &Service) -> Result<Vec<String>, CloudError> {
    let Some(given) = service.annotations.trimmed(ADDITIONAL_IPS) else { return Ok(Vec::new()) };
    let wrong = |item: &str| CloudError::local(format!("{item:?} is not a valid IP address"));
    let items = given.split(',');
    items.map(|item| item.parse::<std::net::IpAddr>().map(|_| item.to_owned()).map_err(|_| wrong(item))).collect()
}

fn check_source_ranges(service: &Service) -> Result<(), CloudError> {
    let is_range = |text: &str| text.trim().parse::<crate::domain::cidr::Cidr>().is_ok();
    let annotated = [ALLOWED_RANGES, LEGACY_RANGES].into_iter().filter_map(|key| service.annotations.raw(key));
    let has_annotated = annotated.into_iter().any(|list| list.split(',').any(is_range));
    if has_annotated && service.source_ranges.iter().any(|range| is_range(range)) {
        return Err(CloudError::local(
            "cannot set both spec.LoadBalancerSourceRanges and service annotation service.beta.kubernetes.io/azure-allowed-ip-ranges",
        ));
    }
    Ok(())
}
