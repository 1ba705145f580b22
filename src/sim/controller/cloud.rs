//! What the cloud provider is configured with, and where its resources are.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;

use super::azure::{Azure, CloudError};
use super::cache::Caches;
use super::event::Recorder;
use super::name;
use super::service::Service;
use crate::sim::clock::Clock;
use crate::sim::world::BackendPoolType;

/// The cloud provider's configuration (`azure.json`), as AKS writes it.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// The subscription of everything it makes.
    pub subscription: String,
    /// The node resource group: load balancers and, by default, Private Link Services.
    pub resource_group: String,
    /// The region.
    pub location: String,
    /// The resource group of the virtual network.
    pub network_group: String,
    /// The virtual network.
    pub network: String,
    /// The subnet that frontends go to by default.
    pub subnet: String,
    /// The resource group of the nodes' security group.
    pub security_group_group: String,
    /// The nodes' security group.
    pub security_group: String,
    /// How load balancers know the nodes.
    pub backend_pool_type: BackendPoolType,
    /// The cluster name, which names the load balancers; `kubernetes` on AKS.
    pub cluster_name: String,
    /// True if it refuses a Private Link Service name that another Service has (pull request 10943).
    pub rejects_foreign_names: bool,
    /// Wait before a failed Service is tried again, in the simulator's time; doubles up to sixty times this.
    pub retry: Duration,
    /// Wait before a Service is looked at, so that people can watch.
    pub delay: Duration,
    /// How long what was read of Azure is trusted; scale sets and machines five times as long.
    pub cache: Duration,
}

impl CloudConfig {
    /// True if a version of the cloud provider has pull request 10943; versions that cannot be read are taken as newer.
    pub fn version_rejects_foreign_names(version: &str) -> bool {
        let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        let triple = (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten());
        match triple {
            (Some(major), Some(minor), Some(patch)) => (major, minor, patch) >= (1, 36, 6),
            _ => true,
        }
    }
}

/// The cloud provider of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cloud {
    pub(crate) azure: Azure,
    pub(crate) config: CloudConfig,
    pub(crate) recorder: Recorder,
    pub(crate) caches: Caches,
    /// The zones of the region, once they are known.
    zones: Arc<OnceCell<Vec<String>>>,
}

impl Cloud {
    pub(crate) fn new(azure: Azure, config: CloudConfig, (recorder, clock): (Recorder, Clock)) -> Self {
        let caches = Caches::new(clock, config.cache);
        Self { azure, config, recorder, caches, zones: Arc::default() }
    }

    /// The zones of the region, which new internal frontends span. Asked for until Azure has answered once.
    pub(crate) async fn zones(&self) -> Result<Vec<String>, CloudError> {
        self.zones.get_or_try_init(|| zones(&self.azure, &self.config)).await.cloned()
    }

    fn group_path(&self, group: &str) -> String {
        format!("/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network", self.config.subscription)
    }

    pub(crate) fn balancers_path(&self) -> String {
        format!("{}/loadBalancers", self.group_path(&self.config.resource_group))
    }

    pub(crate) fn balancer_path(&self, service: &Service) -> String {
        let name = name::load_balancer(&self.config.cluster_name, service);
        format!("{}/{name}", self.balancers_path())
    }

    /// Public addresses in the group that the Service names, else in the node resource group. Internal Services list
    /// them too, so a wrong group fails them as well.
    pub(crate) fn public_addresses_path(&self, service: &Service) -> String {
        let group = service.annotations.trimmed(super::annotation::PUBLIC_GROUP);
        format!("{}/publicIPAddresses", self.group_path(group.unwrap_or(&self.config.resource_group)))
    }

    /// The nodes' security group.
    pub(crate) fn security_group_path(&self) -> String {
        let CloudConfig { security_group_group, security_group, .. } = &self.config;
        format!("{}/networkSecurityGroups/{security_group}", self.group_path(security_group_group))
    }

    /// The scale sets of the nodes.
    pub(crate) fn scale_sets_path(&self) -> String {
        let CloudConfig { subscription, resource_group, .. } = &self.config;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.Compute/virtualMachineScaleSets"
        )
    }

    /// Private Link Services in the group that the Service names, else in the node resource group.
    pub(crate) fn link_services_path(&self, service: &Service) -> String {
        let group = service.annotations.trimmed(super::annotation::PLS_GROUP);
        let group = group.unwrap_or(&self.config.resource_group);
        format!("{}/privateLinkServices", self.group_path(group))
    }

    /// The cluster's network.
    pub(crate) fn network_path(&self) -> String {
        let CloudConfig { network_group, network, .. } = &self.config;
        format!("{}/virtualNetworks/{network}", self.group_path(network_group))
    }

    /// A subnet of the cluster's network. The name goes into the URL as it is, blanks and all.
    pub(crate) fn subnet_path(&self, subnet: &str) -> String {
        format!("{}/subnets/{subnet}", self.network_path())
    }
}

async fn zones(azure: &Azure, config: &CloudConfig) -> Result<Vec<String>, CloudError> {
    let path = format!("/subscriptions/{}/providers/Microsoft.Compute", config.subscription);
    let provider = azure.get(&path).await?.unwrap_or_default();
    let fold = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    let types = provider["resourceTypes"].as_array().into_iter().flatten();
    let machines = types.into_iter().find(|own| own["resourceType"] == "virtualMachines");
    let mappings = machines.and_then(|own| own["zoneMappings"].as_array()).into_iter().flatten();
    let mut here = mappings.filter(|own| own["location"].as_str().map(fold) == Some(fold(&config.location)));
    let zones = here.next().and_then(|own| own["zones"].as_array()).into_iter().flatten();
    let mut zones: Vec<String> = zones.filter_map(Value::as_str).map(str::to_owned).collect();
    zones.sort();
    Ok(zones)
}

/// Text at a JSON pointer; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A list among the properties of a resource.
pub(crate) fn list<'a>(resource: &'a Value, name: &str) -> &'a [Value] {
    resource["properties"][name].as_array().map_or(&[], Vec::as_slice)
}

/// A list among the properties of a resource, made if it is missing.
pub(crate) fn list_mut<'a>(resource: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    let list = &mut resource["properties"][name];
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().expect("the line above made it a list")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_take_names_over_and_unknown_ones_do_not() {
        for (version, rejects) in
            [("1.36.5", false), ("v1.36.6", true), ("1.37.0", true), ("1.35.9", false), ("next", true)]
        {
            assert_eq!(CloudConfig::version_rejects_foreign_names(version), rejects, "{version}");
        }
    }
}
