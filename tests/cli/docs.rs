//! Documents that the cases are made of.

use crate::runner::worlds::CONSUMER;

/// A Service with an internal load balancer on port 80.
pub(crate) fn service(name: &str, annotations: &[(&str, &str)]) -> String {
    service_with(name, annotations, "  ports:\n  - port: 80\n")
}

/// The same with lines of a spec of its own.
pub(crate) fn service_with(name: &str, annotations: &[(&str, &str)], spec: &str) -> String {
    let lines: String =
        annotations.iter().map(|(key, value)| format!("    service.beta.kubernetes.io/{key}: \"{value}\"\n")).collect();
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
         service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n{lines}spec:\n  type: LoadBalancer\n{spec}  \
         selector:\n    app: {name}\n"
    )
}

/// A document that publishes a Service of the same name to the consumer's subscription, which is let in without asking.
pub(crate) fn published(name: &str) -> String {
    published_with(name, "")
}

/// The same with more lines of its spec.
pub(crate) fn published_with(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata:\n  name: {name}\nspec:\n  service: {{ name: \
         {name} }}\n  name: pls-{name}\n  visibility:\n    mode: subscriptions\n    subscriptions: [\"{CONSUMER}\"]\n  \
         autoApproval:\n    subscriptions: [\"{CONSUMER}\"]\n{spec}"
    )
}

/// An endpoint `pe-<name>` in the consumer's subscription on a document's Private Link Service.
pub(crate) fn endpoint(name: &str) -> String {
    endpoint_with(name, "")
}

/// The same with more lines of its spec.
pub(crate) fn endpoint_with(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata:\n  name: pe-{name}\nspec:\n  subscription: \
         \"{CONSUMER}\"\n  resourceGroup: myOtherResourceGroup\n  location: eastus2\n  subnet: {{ virtualNetwork: myOtherVNET, \
         name: pe-subnet }}\n  target: {{ privateLinkService: {name} }}\n{spec}"
    )
}

/// The `dns` lines of an endpoint: one A record in the zone of the world.
pub(crate) fn dns(record: &str) -> String {
    format!(
        "  dns:\n  - {{ subscription: \"{CONSUMER}\", resourceGroup: rg-dns, zone: orders.internal, record: {record}, ttl: \
         300, links: [] }}\n"
    )
}
