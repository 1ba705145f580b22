//! A world and a repository with more than 1,000 resources.

use super::process::{example, world_text};

/// Endpoints of the large repository.
pub(super) const ENDPOINTS: usize = 1_000;
/// Services on one load balancer that publish: Azure's limit. As many networks hold the endpoints.
pub(super) const SERVICES: usize = 8;
/// One endpoint in so many has a record in a DNS zone.
const WITH_RECORD: usize = 20;

/// The example's world with a network for each Service's consumers. Operations take a look more than they do there.
pub(super) fn world() -> String {
    let network = |number: usize| {
        format!(
            "  - subscription: 00000000-0000-0000-0000-000000000002\n    resource-group: myOtherResourceGroup\n    name: \
             consumers-{number}\n    address-space: [10.{0}.0.0/16]\n    subnets:\n      - {{ name: pe-subnet, prefixes: \
             [10.{0}.0.0/16] }}\n",
            100 + number
        )
    };
    let networks: String = (0..SERVICES).map(network).collect();
    let text = world_text()
        .replace("virtual-networks:\n", &format!("virtual-networks:\n{networks}"))
        .replace("operations: { polls: 2 }", "operations: { polls: 3 }")
        .replace("throttling: \"off\"", "throttling: report");
    assert!(text.contains("consumers-7") && text.contains("{ polls: 3 }") && text.contains("throttling: report"));
    text
}

fn published(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web-{number}\n  annotations:\n    \
         service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\nspec:\n  type: LoadBalancer\n  ports:\n  - port: \
         80\n  selector:\n    app: web-{number}\n---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata:\n  \
         name: web-{number}\nspec:\n  service: {{ name: web-{number} }}\n  name: pls-web-{number}\n  visibility:\n    mode: \
         subscriptions\n    subscriptions: [\"00000000-0000-0000-0000-000000000002\"]\n  autoApproval:\n    subscriptions: \
         [\"00000000-0000-0000-0000-000000000002\"]\n"
    )
}

fn endpoint(number: usize) -> String {
    let (service, network) = (number % SERVICES, number / 7 % SERVICES);
    let record = if number.is_multiple_of(WITH_RECORD) {
        format!(
            "  dns:\n  - {{ subscription: \"00000000-0000-0000-0000-000000000002\", resourceGroup: rg-dns, zone: \
             orders.internal, record: web-{number}, ttl: 300, links: [] }}\n"
        )
    } else {
        String::new()
    };
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata:\n  name: pe-{number}\nspec:\n  subscription: \
         \"00000000-0000-0000-0000-000000000002\"\n  resourceGroup: myOtherResourceGroup\n  location: eastus2\n  subnet: {{ \
         virtualNetwork: consumers-{network}, name: pe-subnet }}\n  target: {{ privateLinkService: web-{service} }}\n{record}"
    )
}

pub(super) fn large_repository() -> Vec<(String, String)> {
    let settings = example().into_iter().filter(|(path, _)| path == "privlink.toml");
    let path = |name: String| format!("environments/prod/{name}.yaml");
    let services = (0..SERVICES).map(|number| (path(format!("services/web-{number}")), published(number)));
    let endpoints = (0..ENDPOINTS).map(|number| (path(format!("consume/pe-{number}")), endpoint(number)));
    settings.chain(services).chain(endpoints).collect()
}
