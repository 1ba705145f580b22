//! The service controller's half: finalizer, status and events around one reconcile.

use serde_json::{Value, json};

use super::annotation::ADDITIONAL_IPS;
use super::azure::CloudError;
use super::cloud::{Cloud, text};
use super::frontend;
use super::load_balancer::Pass;
use super::node::Node;
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
    pub(crate) async fn sync(&self, namespace: &str, name: &str) -> Result<(), CloudError> {
        let Some(object) = self.cluster.get("services", namespace, name) else { return Ok(()) };
        let service = Service::of(&object);
        let result = if service.needs_cleanup() {
            self.clean_up(&service).await
        } else if service.wants_load_balancer && !service.is_deleting {
            self.ensure(&service).await
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
    pub(crate) async fn update_nodes(&self, namespace: &str, name: &str) -> Result<(), CloudError> {
        let Some(object) = self.cluster.get("services", namespace, name) else { return Ok(()) };
        let service = Service::of(&object);
        if !service.wants_load_balancer || service.is_deleting || !service.has_finalizer {
            return Ok(());
        }
        let recorder = &self.cloud.recorder;
        self.cloud.ensure(&service, &self.nodes()).await.map(drop).inspect_err(|error| {
            let message = format!("Error updating load balancer with new hosts: {error}");
            recorder.warning(&service, "UpdateLoadBalancerFailed", &message);
        })?;
        recorder.normal(&service, "UpdatedLoadBalancer", "Updated load balancer with new hosts");
        Ok(())
    }

    async fn ensure(&self, service: &Service) -> Result<(), CloudError> {
        let recorder = &self.cloud.recorder;
        recorder.normal(service, "EnsuringLoadBalancer", "Ensuring load balancer");
        if !service.has_finalizer {
            let finalizers = json!({"metadata": {"finalizers": [FINALIZER]}});
            self.patch(service, finalizers)
                .map_err(|error| error.while_doing("failed to add load balancer cleanup finalizer"))?;
        }
        let nodes = self.nodes();
        if nodes.is_empty() {
            recorder.warning(service, "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer");
        }
        let addresses = self.cloud.ensure(service, &nodes).await;
        let addresses = addresses.map_err(|error| error.while_doing("failed to ensure load balancer"))?;
        recorder.normal(service, "EnsuredLoadBalancer", "Ensured load balancer");
        self.set_status(service, &addresses)
    }

    async fn clean_up(&self, service: &Service) -> Result<(), CloudError> {
        let recorder = &self.cloud.recorder;
        let exists = self.cloud.has_load_balancer(service).await;
        let exists =
            exists.map_err(|error| error.while_doing("failed to check if load balancer exists before cleanup"))?;
        if exists {
            recorder.normal(service, "DeletingLoadBalancer", "Deleting load balancer");
            let deleted = self.cloud.delete(service).await;
            deleted.map_err(|error| error.while_doing("failed to delete load balancer"))?;
        }
        self.set_status(service, &[])?;
        let without = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}});
        self.patch(service, without)
            .map_err(|error| error.while_doing("failed to remove load balancer cleanup finalizer"))?;
        recorder.normal(service, "DeletedLoadBalancer", "Deleted load balancer");
        Ok(())
    }

    fn nodes(&self) -> Vec<Node> {
        self.cluster.list("nodes", None).iter().map(Node::of).collect()
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
    async fn ensure(&self, service: &Service, nodes: &[Node]) -> Result<Vec<String>, CloudError> {
        let balancer = self.ensure_balancer(service, nodes).await?;
        let mut addresses = self.addresses(&balancer, service).await?;
        addresses.extend(additional_addresses(service)?);
        self.open_security_group(service, &addresses, nodes).await?;
        for own in frontend::owned(&balancer, service) {
            self.ensure_link_service(service, own).await?;
        }
        self.delete_other_side(service).await?;
        self.tidy_public_addresses(service, true).await?;
        Ok(addresses)
    }

    async fn ensure_balancer(&self, service: &Service, nodes: &[Node]) -> Result<Value, CloudError> {
        let mut pass = self.pass(service, true).await?;
        if let Pass::LinkServiceDeleted = pass {
            pass = self.pass(service, true).await?;
        }
        match pass {
            Pass::Settled(Some(balancer)) => {
                self.join_pools(service, &balancer, nodes).await?;
                Ok(balancer)
            }
            Pass::Settled(None) | Pass::LinkServiceDeleted => {
                Err(CloudError::local("the load balancer changed while it was reconciled"))
            }
        }
    }

    /// One address per owned frontend, in the load balancer's order.
    pub(crate) async fn addresses(&self, balancer: &Value, service: &Service) -> Result<Vec<String>, CloudError> {
        let mut addresses = Vec::new();
        for own in frontend::owned(balancer, service) {
            let private = text(own, "/properties/privateIPAddress");
            if !private.is_empty() {
                addresses.push(private.to_owned());
                continue;
            }
            let public = self.azure.get(text(own, "/properties/publicIPAddress/id")).await?.unwrap_or_default();
            addresses.push(text(&public, "/properties/ipAddress").to_owned());
        }
        Ok(addresses)
    }
}

/// Items are not trimmed, so a space after a comma is an error.
pub(crate) fn additional_addresses(service: &Service) -> Result<Vec<String>, CloudError> {
    let Some(given) = service.annotations.trimmed(ADDITIONAL_IPS) else { return Ok(Vec::new()) };
    let wrong = |item: &str| CloudError::local(format!("{item:?} is not a valid IP address"));
    let items = given.split(',');
    items.map(|item| item.parse::<std::net::IpAddr>().map(|_| item.to_owned()).map_err(|_| wrong(item))).collect()
}
