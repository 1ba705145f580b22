//! Small random repositories: up to four Services, each published somehow or not, with up to one endpoint each.

use proptest::prelude::*;

use super::case::CONSUMER;
use super::case::Case;
use super::case::PROVIDER;

/// How a Service is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    No,
    ByAnnotation,
    ByCluster,
    ByPrivlink,
    OfOthers,
}

/// One Service with what hangs on it.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    number: usize,
    pinned: bool,
    apps_subnet: bool,
    ports: u16,
    published: Published,
    count: u8,
    consumers: u8,
    rules: u8,
    endpoint: Option<Endpoint>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    consumer: bool,
    manual: bool,
    fixed: bool,
    record: bool,
    tag: u8,
}

fn shop(number: usize) -> impl Strategy<Value = Shop> {
    use Published::{ByAnnotation, ByCluster, ByPrivlink, No, OfOthers};
    let published = prop::sample::select(vec![No, ByAnnotation, ByCluster, ByPrivlink, OfOthers]);
    let endpoint = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0_u8..2);
    let endpoint =
        endpoint.prop_map(|(consumer, manual, fixed, record, tag)| Endpoint { consumer, manual, fixed, record, tag });
    let looks = (any::<bool>(), any::<bool>(), 1_u16..3);
    (looks, published, 1_u8..4, 0_u8..4, 0_u8..4, prop::option::of(endpoint)).prop_map(
        move |((pinned, apps_subnet, ports), published, count, consumers, rules, endpoint)| Shop {
            number,
            pinned,
            apps_subnet,
            ports,
            published,
            count,
            consumers,
            rules,
            endpoint,
        },
    )
}

/// Repositories as lists of documents.
pub(crate) fn documents() -> impl Strategy<Value = Vec<String>> {
    let shops = (0..4).map(|number| prop::option::weighted(0.7, shop(number))).collect::<Vec<_>>();
    shops.prop_map(|shops| shops.into_iter().flatten().flat_map(|shop| shop.documents()).collect())
}

/// Puts documents into files: the number of files and the noise around the documents do not matter.
pub(crate) fn case_of(documents: &[String], files: usize, noise: bool) -> Case {
    let mut texts = vec![String::new(); files.max(1)];
    for (at, document) in documents.iter().enumerate() {
        let text = &mut texts[at % files.max(1)];
        if noise {
            text.push_str("# somebody wrote this\n\n");
        }
        text.push_str(document);
        text.push_str("---\n");
    }
    let named = texts.iter().enumerate().filter(|(_, text)| !text.is_empty());
    named.fold(Case::empty(), |case, (at, text)| {
        let folder = if noise { "deep/er/" } else { "" };
        case.with(&format!("{folder}file-{at}"), text)
    })
}

impl Shop {
    fn documents(&self) -> Vec<String> {
        // A Service that changes hands blocks, rightly: those of others have names of their own.
        let name = format!("{}{}", if self.published == Published::OfOthers { "f" } else { "s" }, self.number);
        let mut documents = Vec::new();
        if self.published != Published::OfOthers {
            documents.push(self.service(&name));
        }
        if matches!(self.published, Published::ByCluster | Published::ByPrivlink | Published::OfOthers) {
            documents.push(self.publication(&name));
        }
        if let Some(endpoint) = self.endpoint.as_ref().filter(|_| self.published != Published::No) {
            documents.push(self.endpoint(&name, endpoint));
        }
        documents
    }

    /// How many NAT addresses: what the cloud provider built loses none, so there the number is always the same.
    fn count(&self) -> u8 {
        if self.published == Published::ByPrivlink { self.count } else { 1 + u8::try_from(self.number % 2).unwrap() }
    }

    fn service(&self, name: &str) -> String {
        let prefix = "    service.beta.kubernetes.io/";
        let mut text =
            format!("apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: shop\n  annotations:\n");
        text.push_str(&format!("{prefix}azure-load-balancer-internal: \"true\"\n"));
        if self.pinned {
            let subnet = if self.apps_subnet { 225 } else { 224 };
            text.push_str(&format!("{prefix}azure-load-balancer-ipv4: 10.{subnet}.0.{}\n", 20 + self.number));
        }
        if self.apps_subnet {
            text.push_str(&format!("{prefix}azure-load-balancer-internal-subnet: apps-subnet\n"));
        }
        if self.published == Published::ByAnnotation {
            text.push_str(&format!("{prefix}azure-pls-create: \"true\"\n"));
            text.push_str(&format!("{prefix}azure-pls-ip-configuration-ip-address-count: \"{}\"\n", self.count()));
            if self.consumers > 0 {
                text.push_str(&format!("{prefix}azure-pls-visibility: \"{}\"\n", self.visible().join(" ")));
            }
        }
        text.push_str("spec:\n  type: LoadBalancer\n  ports:\n");
        for port in 0..self.ports {
            text.push_str(&format!("  - {{ name: p{port}, port: {} }}\n", 80 + port));
        }
        text.push_str(&format!("  selector: {{ app: {name} }}\n"));
        text
    }

    fn visible(&self) -> Vec<&'static str> {
        [PROVIDER, CONSUMER]
            .into_iter()
            .enumerate()
            .filter(|(at, _)| self.consumers & (1 << at) != 0)
            .map(|it| it.1)
            .collect()
    }

    fn publication(&self, name: &str) -> String {
        let mut text = format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: PrivateLinkService\nmetadata: {{ name: {name} }}\nspec:\n  service: {{ namespace: shop, name: {name} }}\n"
        );
        if self.published == Published::ByPrivlink {
            text.push_str("  managedBy: privlink\n  resourceGroup: rg-pls\n");
        }
        match self.visible().as_slice() {
            [] => text.push_str("  visibility: { mode: role-based }\n"),
            ids => {
                let list = ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join(", ");
                text.push_str(&format!("  visibility: {{ mode: subscriptions, subscriptions: [{list}] }}\n"));
                text.push_str(&format!("  autoApproval: {{ subscriptions: [{:?}] }}\n", ids[0]));
            }
        }
        text.push_str(&format!("  nat: {{ subnet: pls-subnet, count: {} }}\n", self.count()));
        match self.rules {
            1 => text.push_str(&format!("  connections: {{ approve: [{{ subscription: {CONSUMER:?} }}] }}\n")),
            2 => text.push_str(&format!("  connections: {{ reject: [{{ subscription: {CONSUMER:?} }}] }}\n")),
            3 => text.push_str("  connections: { otherwise: reject }\n"),
            _ => {}
        }
        text
    }

    fn endpoint(&self, name: &str, endpoint: &Endpoint) -> String {
        let Endpoint { consumer, manual, fixed, record, tag } = endpoint;
        let subscription = if *consumer { CONSUMER } else { PROVIDER };
        let mut text = format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{ name: {name}-pe }}\nspec:\n  subscription: {subscription:?}\n  resourceGroup: rg-pe\n  location: eastus2\n  subnet: {{ virtualNetwork: vnet, name: pe-subnet }}\n  target: {{ service: {{ namespace: shop, name: {name} }} }}\n  tags: {{ tag: t{tag} }}\n"
        );
        if *manual {
            text.push_str("  connection: { request: manual }\n");
        }
        if *fixed {
            text.push_str(&format!("  ipAddress: 10.50.1.{}\n", 20 + self.number));
        }
        if *record {
            let network = format!(
                "/subscriptions/{PROVIDER}/resourceGroups/rg-pe/providers/Microsoft.Network/virtualNetworks/vnet"
            );
            text.push_str(&format!(
                "  dns:\n  - {{ resourceGroup: rg-dns, zone: shop.internal, record: {name}, links: [{network:?}] }}\n"
            ));
        }
        text
    }
}
