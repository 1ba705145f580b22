//! Nodes as the controller sees them: their addresses, and the machine behind each.

use serde_json::Value;

use super::cloud::text;
use super::service::Family;

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Internal addresses.
    pub(crate) addresses: Vec<String>,
    /// The name of its scale set, if it is a machine of one.
    pub(crate) scale_set: Option<String>,
}

impl Node {
    /// Reads a stored node.
    pub(crate) fn of(object: &Value) -> Self {
        let addresses = object["status"]["addresses"].as_array().into_iter().flatten();
        let internal = addresses.filter(|own| own["type"] == "InternalIP");
        Self {
            name: text(object, "/metadata/name").to_owned(),
            addresses: internal.map(|own| text(own, "/address").to_owned()).collect(),
            scale_set: scale_set(text(object, "/spec/providerID")).map(str::to_owned),
        }
    }

    /// Its address of a family.
    pub(crate) fn address(&self, family: Family) -> Option<&str> {
        let fits = |address: &&String| address.contains(':') == (family == Family::V6);
        self.addresses.iter().find(fits).map(String::as_str)
    }
}

/// `azure:///subscriptions/…/virtualMachineScaleSets/<name>/virtualMachines/<number>`.
fn scale_set(provider_id: &str) -> Option<&str> {
    let mut parts = provider_id.strip_prefix("azure://")?.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("virtualMachineScaleSets"))?;
    parts.next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_machines_of_scale_sets_are_found_by_their_provider_id() {
        let id = "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/";
        assert_eq!(scale_set(&format!("{id}virtualMachineScaleSets/vmss/virtualMachines/0")), Some("vmss"));
        assert_eq!(scale_set(&format!("{id}virtualMachines/vm")), None);
        assert_eq!(scale_set("kind://docker/kind/node"), None);
    }
}
