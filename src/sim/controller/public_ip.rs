//! Public addresses of public Services.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::azure::CloudError;
use super::cloud::{Cloud, text};
use super::name;
use super::service::{Family, Service};

/// The tag with the Services that use an address.
const SERVICE_TAG: &str = "k8s-azure-service";

impl Cloud {
    /// The public addresses in the group of a Service.
    async fn public_addresses(&self, service: &Service) -> Result<Vec<Value>, CloudError> {
        let path = self.public_addresses_path(service);
        if let Some(known) = self.caches.public_addresses.get(&path) {
            return Ok(known);
        }
        let all = self.azure.list(&path).await?;
        self.caches.public_addresses.put(&path, all.clone());
        Ok(all)
    }

    /// The public address of a family: the pinned one, or one of its own, made if it is missing.
    pub(crate) async fn public_address(&self, service: &Service, family: Family) -> Result<Value, CloudError> {
        let pinned = service.pinned(family);
        let path = self.public_addresses_path(service);
        if !pinned.is_empty() {
            return self.pinned_address(service, &pinned).await;
        }
        let name = name::public_address(&self.config.cluster_name, service, family);
        let path = format!("{path}/{name}");
        if let Some(existing) = self.azure.get(&path).await? {
            return Ok(existing);
        }
        let body = json!({
            "location": self.config.location,
            "sku": {"name": "Standard"},
            "tags": {"k8s-azure-cluster-name": self.config.cluster_name, SERVICE_TAG: service.key()},
            "properties": {
                "publicIPAllocationMethod": "Static",
                "publicIPAddressVersion": if family == Family::V6 { "IPv6" } else { "IPv4" },
            },
        });
        let made = self.azure.put(&path, body, None).await;
        self.caches.public_addresses.forget(&self.public_addresses_path(service));
        made.inspect_err(|error| self.recorder.azure_failure(service, "CreateOrUpdatePublicIPAddress", error))
    }

    async fn pinned_address(&self, service: &Service, pinned: &str) -> Result<Value, CloudError> {
        let is_private = match pinned.parse() {
            Ok(IpAddr::V4(address)) => address.is_private(),
            Ok(IpAddr::V6(address)) => address.is_unique_local(),
            Err(_) => false,
        };
        if is_private {
            return Err(CloudError::local(format!(
                "cannot use non-public LoadBalancer IP {pinned} for an external service"
            )));
        }
        let all = self.public_addresses(service).await?;
        let found = all.into_iter().find(|own| text(own, "/properties/ipAddress").eq_ignore_ascii_case(pinned));
        let group = &self.config.resource_group;
        found.ok_or_else(|| {
            CloudError::local(format!("user supplied IP Address {pinned} was not found in resource group {group}"))
        })
    }

    /// Deletes the public addresses that were made for a Service and that it does not need any more.
    pub(crate) async fn tidy_public_addresses(&self, service: &Service, is_wanted: bool) -> Result<(), CloudError> {
        let path = self.public_addresses_path(service);
        let needed: Vec<String> = if is_wanted && !service.is_internal() {
            let name = |family: &Family| name::public_address(&self.config.cluster_name, service, *family);
            service.families.iter().map(name).collect()
        } else {
            Vec::new()
        };
        for own in self.public_addresses(service).await? {
            let name = text(&own, "/name");
            let is_ours = own["tags"][SERVICE_TAG].as_str() == Some(&service.key());
            if is_ours && !needed.iter().any(|needed| needed.eq_ignore_ascii_case(name)) {
                let deleted = self.azure.delete(&format!("{path}/{name}")).await;
                self.caches.public_addresses.forget(&path);
                deleted.inspect_err(|error| self.recorder.azure_failure(service, "DeletePublicIPAddress", error))?;
            }
        }
        Ok(())
    }

    /// True if a public address was made for the Service.
    pub(crate) async fn has_public_address(&self, service: &Service) -> Result<bool, CloudError> {
        let all = self.public_addresses(service).await?;
        Ok(all.iter().any(|own| own["tags"][SERVICE_TAG].as_str() == Some(&service.key())))
    }
}
