//! Backend pools: the machines of the nodes join them after the load balancer is there, and leave before it goes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::azure::CloudError;
use super::cloud::{Cloud, list, text};
use super::machine::Move;
use super::name;
use super::node::Node;
use super::service::{Family, Service};
use crate::sim::world::BackendPoolType;

impl Cloud {
    /// Makes every node a member of the pools of a Service's families. What is a member already causes no write.
    pub(crate) async fn join_pools(
        &self,
        service: &Service,
        balancer: &Value,
        nodes: &[Node],
    ) -> Result<(), CloudError> {
        for family in &service.families {
            let pool = name::backend_pool(&self.config.cluster_name, *family);
            match self.config.backend_pool_type {
                BackendPoolType::NodeIpConfiguration => {
                    let path = format!("{}/backendAddressPools/{pool}", self.balancer_path(service));
                    self.join_machines(nodes, Move::Join(&path, *family)).await?;
                }
                BackendPoolType::NodeIp => {
                    let path = format!("{}/backendAddressPools", self.balancer_path(service));
                    self.list_nodes_in(&format!("{path}/{pool}"), balancer, (nodes, *family)).await?;
                }
            }
        }
        // Joining gives the load balancer another etag, so the next look has to be a fresh one, whatever happened.
        self.caches.balancers.forget(&self.balancer_path(service));
        Ok(())
    }

    async fn join_machines(&self, nodes: &[Node], change: Move<'_>) -> Result<(), CloudError> {
        let names: BTreeSet<&str> = nodes.iter().filter_map(|node| node.scale_set.as_deref()).collect();
        for name in &names {
            let all = self.scale_sets().await?;
            let own = all.iter().find(|own| text(own, "/name").eq_ignore_ascii_case(name));
            if let Some(own) = own {
                self.move_model(own, change).await?;
            }
        }
        for name in names {
            self.scale_sets().await?;
            let machines = self.machines_of(name, nodes).await?;
            self.move_machines(name, &machines, change).await?;
        }
        Ok(())
    }

    /// The machines of a scale set that are nodes. A node that no known machine carries makes it look once more.
    async fn machines_of(&self, scale_set: &str, nodes: &[Node]) -> Result<Vec<Value>, CloudError> {
        let here: Vec<&Node> = nodes.iter().filter(|node| node.scale_set.as_deref() == Some(scale_set)).collect();
        let carries = |machine: &Value, node: &Node| computer(machine).eq_ignore_ascii_case(&node.name);
        let mut machines = self.machines(scale_set).await?;
        if !here.iter().all(|node| machines.iter().any(|machine| carries(machine, node))) {
            machines = self.fresh_machines(scale_set).await?;
        }
        machines.retain(|machine| here.iter().any(|node| carries(machine, node)));
        Ok(machines)
    }

    /// Writes the addresses of the nodes into a pool, if they are not what it has.
    async fn list_nodes_in(
        &self,
        path: &str,
        balancer: &Value,
        (nodes, family): (&[Node], Family),
    ) -> Result<(), CloudError> {
        let pool = path.rsplit('/').next().unwrap_or_default();
        let network = json!({"id": self.network_path()});
        let member = |node: &Node| {
            let address = node.address(family)?;
            Some(json!({"name": node.name, "properties": {"ipAddress": address}}))
        };
        let wanted: Vec<Value> = nodes.iter().filter_map(member).collect();
        let pools = list(balancer, "backendAddressPools").iter();
        let existing = pools.into_iter().find(|own| text(own, "/name").eq_ignore_ascii_case(pool));
        let addresses = |members: &[Value]| -> BTreeSet<String> {
            members.iter().map(|own| text(own, "/properties/ipAddress").to_owned()).collect()
        };
        let held = existing.map(|own| addresses(list(own, "loadBalancerBackendAddresses"))).unwrap_or_default();
        if held == addresses(&wanted) {
            return Ok(());
        }
        let mut body = existing.cloned().unwrap_or_else(|| json!({"name": pool, "properties": {}}));
        body["properties"]["loadBalancerBackendAddresses"] = json!(wanted);
        body["properties"]["virtualNetwork"] = network;
        self.azure.put(path, body, None).await.map(drop)
    }

    /// Takes scale sets and machines out of all pools of a load balancer that is about to be deleted.
    pub(crate) async fn leave_pools(&self, balancer: &Value) -> Result<(), CloudError> {
        let pools = list(balancer, "backendAddressPools");
        let ids: Vec<String> = pools.iter().map(|pool| text(pool, "/id").to_owned()).collect();
        let members = pools.iter().flat_map(|pool| list(pool, "backendIPConfigurations"));
        let machines: BTreeSet<(&str, &str)> = members.filter_map(|own| machine_in(text(own, "/id"))).collect();
        if machines.is_empty() {
            return Ok(());
        }
        for scale_set in self.scale_sets().await? {
            self.move_model(&scale_set, Move::Leave(&ids)).await?;
        }
        let names: BTreeSet<&str> = machines.iter().map(|(scale_set, _)| *scale_set).collect();
        for name in names {
            self.scale_sets().await?;
            let mut own = self.machines(name).await?;
            own.retain(|machine| machines.contains(&(name, text(machine, "/instanceId"))));
            self.move_machines(name, &own, Move::Leave(&ids)).await?;
        }
        Ok(())
    }

    /// The addresses of the nodes behind a load balancer.
    pub(crate) async fn backend_addresses(&self, balancer: &Value, nodes: &[Node]) -> Result<Vec<String>, CloudError> {
        let pools = list(balancer, "backendAddressPools");
        let listed = pools.iter().flat_map(|pool| list(pool, "loadBalancerBackendAddresses"));
        let mut found: BTreeSet<String> =
            listed.map(|own| text(own, "/properties/ipAddress").to_owned()).filter(|own| !own.is_empty()).collect();
        for member in pools.iter().flat_map(|pool| list(pool, "backendIPConfigurations")) {
            let Some((scale_set, instance)) = machine_in(text(member, "/id")) else { continue };
            let machines = self.machines(scale_set).await?;
            let machine = machines.iter().find(|own| text(own, "/instanceId") == instance);
            let node = machine.and_then(|own| nodes.iter().find(|node| computer(own).eq_ignore_ascii_case(&node.name)));
            found.extend(node.into_iter().flat_map(|node| node.addresses.clone()));
        }
        Ok(found.into_iter().collect())
    }
}

/// The name that a machine has as a node.
fn computer(machine: &Value) -> &str {
    text(machine, "/properties/osProfile/computerName")
}

/// Scale set and instance in the id of a machine's configuration.
fn machine_in(id: &str) -> Option<(&str, &str)> {
    let mut parts = id.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("virtualMachineScaleSets"))?;
    let scale_set = parts.next()?;
    parts.find(|part| part.eq_ignore_ascii_case("virtualMachines"))?;
    Some((scale_set, parts.next()?))
}
