//! Scale sets and their machines: which backend pools their network interfaces are in.
//!
//! The model of a scale set and each of its machines list their pools separately; the cloud provider writes both, the
//! model first, and sends only location and network profile.

use serde_json::{Value, json};

use super::azure::CloudError;
use super::cloud::{Cloud, text};
use super::service::Family;

/// Where the network interfaces are in a scale set and in a machine.
const MODEL: &str = "/properties/virtualMachineProfile/networkProfile/networkInterfaceConfigurations";
const MACHINE: &str = "/properties/networkProfileConfiguration/networkInterfaceConfigurations";

/// A change of the pools of a scale set's model and machines.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move<'a> {
    /// The primary configuration of the family joins a pool.
    Join(&'a str, Family),
    /// All configurations leave these pools.
    Leave(&'a [String]),
}

impl Cloud {
    fn machines_path(&self, scale_set: &str) -> String {
        format!("{}/{scale_set}/virtualMachines", self.scale_sets_path())
    }

    pub(crate) async fn scale_sets(&self) -> Result<Vec<Value>, CloudError> {
        let path = self.scale_sets_path();
        if let Some(known) = self.caches.scale_sets.get(&path) {
            return Ok(known);
        }
        let all = self.azure.list(&path).await?;
        self.caches.scale_sets.put(&path, all.clone());
        Ok(all)
    }

    pub(crate) async fn machines(&self, scale_set: &str) -> Result<Vec<Value>, CloudError> {
        match self.caches.machines.get(&self.machines_path(scale_set)) {
            Some(known) => Ok(known),
            None => self.fresh_machines(scale_set).await,
        }
    }

    /// The machines as they are now, for a node that is not among those that are known.
    pub(crate) async fn fresh_machines(&self, scale_set: &str) -> Result<Vec<Value>, CloudError> {
        let path = self.machines_path(scale_set);
        let all = self.azure.list_with(&path, &[("$expand", "instanceView")]).await?;
        self.caches.machines.put(&path, all.clone());
        Ok(all)
    }

    /// Moves the model of a scale set, if that changes anything.
    pub(crate) async fn move_model(&self, scale_set: &Value, change: Move<'_>) -> Result<(), CloudError> {
        let Some(interfaces) = moved(scale_set, MODEL, change) else { return Ok(()) };
        let path = format!("{}/{}", self.scale_sets_path(), text(scale_set, "/name"));
        // A scale set that is being deleted is not written any more.
        let now = self.azure.get(&path).await?;
        if now.is_none_or(|now| text(&now, "/properties/provisioningState").eq_ignore_ascii_case("Deleting")) {
            return Ok(());
        }
        let profile = json!({"networkProfile": {"networkInterfaceConfigurations": interfaces}});
        let properties = json!({"virtualMachineProfile": profile});
        self.put_profile(&path, scale_set, properties).await?;
        self.caches.scale_sets.forget(&self.scale_sets_path());
        Ok(())
    }

    /// Moves machines of a scale set, each one that it changes, and forgets what was known of them.
    pub(crate) async fn move_machines(
        &self,
        scale_set: &str,
        machines: &[Value],
        change: Move<'_>,
    ) -> Result<(), CloudError> {
        for machine in machines {
            let Some(interfaces) = moved(machine, MACHINE, change) else { continue };
            let path = format!("{}/{}", self.machines_path(scale_set), text(machine, "/instanceId"));
            let profile = json!({"networkInterfaceConfigurations": interfaces});
            let written = self.put_profile(&path, machine, json!({"networkProfileConfiguration": profile})).await;
            self.caches.machines.forget(&self.machines_path(scale_set));
            self.caches.scale_sets.forget(&self.scale_sets_path());
            written?;
        }
        Ok(())
    }

    async fn put_profile(&self, path: &str, existing: &Value, properties: Value) -> Result<(), CloudError> {
        let etag = existing["etag"].as_str();
        let body = json!({"etag": etag, "location": self.config.location, "properties": properties});
        self.azure.put(path, body, etag).await.map(drop)
    }
}

/// The interfaces after a change; `None` if it changes nothing.
fn moved(holder: &Value, pointer: &str, change: Move<'_>) -> Option<Value> {
    let before = holder.pointer(pointer)?;
    let mut after = before.clone();
    for interface in after.as_array_mut()? {
        match change {
            Move::Join(pool, family) => join(interface, pool, family),
            Move::Leave(pools) => leave(interface, pools),
        }
    }
    (after != *before).then_some(after)
}

/// An interface or configuration without sisters need not say that it is primary.
fn join(interface: &mut Value, pool: &str, family: Family) {
    if interface["properties"]["primary"] == false {
        return;
    }
    let version = if family == Family::V6 { "IPv6" } else { "IPv4" };
    let configurations = interface["properties"]["ipConfigurations"].as_array_mut();
    let own = configurations.into_iter().flatten().find(|own| {
        let properties = &own["properties"];
        let is_primary = family == Family::V6 || properties["primary"] != false;
        is_primary && properties["privateIPAddressVersion"].as_str().unwrap_or("IPv4") == version
    });
    let Some(own) = own else { return };
    let pools = &mut own["properties"]["loadBalancerBackendAddressPools"];
    if !pools.is_array() {
        *pools = json!([]);
    }
    let pools = pools.as_array_mut().expect("the line above made it a list");
    if !pools.iter().any(|own| text(own, "/id").eq_ignore_ascii_case(pool)) {
        pools.push(json!({"id": pool}));
    }
}

fn leave(interface: &mut Value, pools: &[String]) {
    let is_left = |own: &Value| pools.iter().any(|pool| text(own, "/id").eq_ignore_ascii_case(pool));
    for own in interface["properties"]["ipConfigurations"].as_array_mut().into_iter().flatten() {
        if let Some(list) = own["properties"]["loadBalancerBackendAddressPools"].as_array_mut() {
            list.retain(|own| !is_left(own));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(pools: Value) -> Value {
        let configuration = |version: &str, primary: bool, pools: &Value| {
            json!({"name": version, "properties": {"primary": primary, "privateIPAddressVersion": version,
                "loadBalancerBackendAddressPools": pools}})
        };
        let configurations = [configuration("IPv4", true, &pools), configuration("IPv6", false, &json!([]))];
        let interface = |primary: bool| json!({"name": "nic", "properties": {"primary": primary, "ipConfigurations": configurations}});
        json!({"properties": {"networkProfileConfiguration": {
            "networkInterfaceConfigurations": [interface(true), interface(false)]}}})
    }

    #[test]
    fn only_the_primary_configuration_of_the_family_joins_and_only_once() {
        let joined = moved(&machine(json!([])), MACHINE, Move::Join("/lb/pool", Family::V4)).unwrap();
        let pools = |interface: usize, configuration: usize| {
            let own = &joined[interface]["properties"]["ipConfigurations"][configuration];
            own["properties"]["loadBalancerBackendAddressPools"].as_array().unwrap().len()
        };
        assert_eq!([pools(0, 0), pools(0, 1), pools(1, 0), pools(1, 1)], [1, 0, 0, 0]);
        assert_eq!(moved(&machine(json!([{"id": "/LB/Pool"}])), MACHINE, Move::Join("/lb/pool", Family::V4)), None);
        assert!(moved(&machine(json!([])), MACHINE, Move::Join("/lb/pool", Family::V6)).is_some());
    }

    #[test]
    fn leaving_a_pool_keeps_the_others() {
        let both = machine(json!([{"id": "/lb/Pool"}, {"id": "/other/pool"}]));
        let left = moved(&both, MACHINE, Move::Leave(&["/lb/pool".to_owned()])).unwrap();
        let pools = &left[0]["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"];
        assert_eq!(*pools, json!([{"id": "/other/pool"}]));
        assert_eq!(moved(&both, MACHINE, Move::Leave(&["/no".to_owned()])), None);
    }
}
