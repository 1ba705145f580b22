//! The example repository: no diagnostics, and everything in it that the demonstration shows.

#![expect(clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::path::Path;

use privlink::desired::authority;
use privlink::desired::policy::Policy;
use privlink::desired::resolve::{Source, resolve, unseen_cluster};
use privlink::desired::{Desired, Requester};
use privlink::domain::commit::{File, Snapshot};
use privlink::domain::resource::Resource;
use privlink::domain::resource::private_endpoint::{PrivateEndpoint, Request, Target};
use privlink::domain::resource::private_link_service::{PrivateLinkService, Publication};
use privlink::domain::resource::service::Service;
use privlink::git::{Limits, Repository};
use privlink::render;
use privlink::repo::{self, settings};

const CONSUMER: &str = "00000000-0000-0000-0000-000000000002";

/// "Create a Private Link service connection" in the AKS documentation's article on internal load balancers.
const ARTICLE: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: "true"
    service.beta.kubernetes.io/azure-pls-create: "true"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
"#;

fn snapshot() -> Snapshot {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/repo-layout");
    Repository::snapshot_folder(&folder, &Limits::default()).unwrap()
}

/// What the example asks for. Panics, with what a person would read, if there is anything to tell about it.
fn example() -> (Policy, Desired) {
    let snapshot = snapshot();
    let Some(File::Bytes(bytes)) = snapshot.files.get(&"privlink.toml".parse().unwrap()) else {
        panic!("the example has no privlink.toml")
    };
    let (settings, diagnostics, sources) = settings::read(&"privlink.toml".parse().unwrap(), bytes);
    assert!(diagnostics.is_empty(), "{}", render::diagnostic::render(&diagnostics, &sources, false));
    let settings = settings.unwrap();
    let reading = repo::read(&snapshot, &settings);
    assert!(
        reading.diagnostics.is_empty(),
        "{}",
        render::diagnostic::render(&reading.diagnostics, &reading.sources, false)
    );
    let policy = authority::policy(&settings, &"prod".parse().unwrap()).unwrap();
    let cluster = unseen_cluster(&policy.cluster.as_ref().unwrap().aks);
    let documents = &reading.documents;
    let source = Source {
        documents,
        policy: &policy,
        cluster: Some(&cluster),
        path_exists: true,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    let (desired, diagnostics) = resolve(source);
    assert!(diagnostics.is_empty(), "{}", render::diagnostic::render(&diagnostics, &reading.sources, false));
    (policy, desired)
}

/// The resources of an example, sorted by what they are.
#[derive(Default)]
struct Wanted {
    services: BTreeMap<String, Service>,
    publications: Vec<Publication>,
    own: Vec<PrivateLinkService>,
    endpoints: BTreeMap<String, PrivateEndpoint>,
    records: usize,
    links: usize,
}

fn wanted(desired: &Desired) -> Wanted {
    let mut wanted = Wanted::default();
    for intent in desired.intents.values() {
        match intent.resource.clone() {
            Resource::Service(it) => drop(wanted.services.insert(it.key.name.to_string(), it)),
            Resource::Publication(it) => wanted.publications.push(it),
            Resource::PrivateLinkService(it) => wanted.own.push(it),
            Resource::PrivateEndpoint(it) => drop(wanted.endpoints.insert(it.id.name().to_string(), it)),
            Resource::DnsRecord(_) => wanted.records += 1,
            Resource::DnsLink(_) => wanted.links += 1,
            Resource::Namespace(_) | Resource::Subnet(_) | Resource::Connection(_) => {}
        }
    }
    wanted
}

#[test]
fn the_example_has_what_the_demonstration_shows() {
    let (policy, desired) = example();
    let wanted = wanted(&desired);
    let annotation = |service: &str, name: &str| {
        wanted.services[service].annotations().get(&format!("service.beta.kubernetes.io/azure-{name}")).cloned()
    };
    assert!(wanted.services.keys().all(|name| annotation(name, "load-balancer-internal").as_deref() == Some("true")));
    assert!(wanted.services.len() >= 4);
    assert_eq!(annotation("storefront", "load-balancer-ipv4"), None);
    assert_eq!(annotation("inventory", "load-balancer-ipv4").as_deref(), Some("10.224.10.25"));
    assert_eq!(annotation("reporting", "load-balancer-internal-subnet").as_deref(), Some("apps-subnet"));
    assert_eq!(annotation("orders", "pls-ip-configuration-ip-address").as_deref(), Some("10.225.1.8 10.225.1.9"));
    assert_eq!(annotation("orders", "pls-ip-configuration-subnet").as_deref(), Some("pls-subnet"));
    assert_eq!((wanted.publications.len(), wanted.own.len()), (2, 1));
    assert_eq!((wanted.records, wanted.links), (1, 1));
    assert!(policy.prune && policy.cloud.to_string() == "simulator");
    assert_eq!(policy.approvers.keys().map(ToString::to_string).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[test]
fn every_way_to_connect_is_in_the_example() {
    let (_, desired) = example();
    let wanted = wanted(&desired);
    assert!(wanted.endpoints.values().all(|endpoint| endpoint.id.subscription().to_string() == CONSUMER));
    // The article's endpoint twice over: on the article's manifest, and by the name of a document.
    for name in ["myAKSServicePE", "myOrdersPE"] {
        let endpoint = &wanted.endpoints[name];
        assert!(matches!(endpoint.target, Target::Produced { known: None, .. }), "{name}");
        assert_eq!(
            (&endpoint.request, endpoint.connection_name.as_str()),
            (&Request::Automatic, "connectToMyK8sService")
        );
        assert_eq!(endpoint.id.resource_group().as_str(), "myOtherResourceGroup");
        assert!(endpoint.subnet.to_string().ends_with("/virtualNetworks/myOtherVNET/subnets/pe-subnet"), "{name}");
    }
    let orders = wanted.publications.iter().find(|own| own.service.name.as_str() == "orders").unwrap();
    assert!(orders.exposure.auto_approval.names(&CONSUMER.parse().unwrap()));
    // Pending until a rule approves it.
    let payments = &wanted.endpoints["myPaymentsPE"];
    assert!(matches!(payments.request, Request::Manual { .. }));
    let mut rules = desired.connections.values().flat_map(|rules| &rules.approve);
    assert!(rules.any(|requester| *requester == Requester::Endpoint(payments.id.clone())));
    assert!(!wanted.own[0].exposure.auto_approval.names(&CONSUMER.parse().unwrap()));
    // A partner's, known by its alias only: the world has it.
    let Target::Alias(alias) = &wanted.endpoints["myLedgerPE"].target else { panic!("not by alias") };
    let world = include_str!("../examples/world.yaml");
    assert!(
        world.contains(&alias.to_string()) && matches!(wanted.endpoints["myLedgerPE"].request, Request::Manual { .. })
    );
}

#[test]
fn the_article_s_manifest_is_in_the_example_as_it_stands() {
    let (_, desired) = example();
    let wanted = wanted(&desired);
    let path = "environments/prod/services/internal-app.yaml".parse().unwrap();
    let Some(File::Bytes(bytes)) = snapshot().files.get(&path).cloned() else { panic!("no such file") };
    assert_eq!(String::from_utf8(bytes).unwrap(), ARTICLE);
    assert!(wanted.publications.iter().any(|own| own.service == wanted.services["internal-app"].key));
}

#[cfg(feature = "sim")]
#[test]
fn the_demonstration_embeds_every_file_of_the_example() {
    let embedded: BTreeMap<String, Vec<u8>> = privlink::cli::demo::EXAMPLE
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect();
    let files = snapshot().files.into_iter().map(|(path, file)| match file {
        File::Bytes(bytes) => (path.to_string(), bytes),
        other => panic!("{path} is not a file: {other:?}"),
    });
    assert_eq!(embedded, files.collect());
}
