//! Random repositories: applied to an empty world they leave nothing to do, and applying once more writes nothing.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample;
use proptest::test_runner::Config;
use proptest::test_runner::TestRunner;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;
use crate::runner::worlds::CONSUMER;

/// What is said about one Service.
#[derive(Clone, Debug)]
struct Exposed {
    subnet: Option<&'static str>,
    is_static: bool,
    ports: u8,
    publication: Publication,
    endpoint: Option<Endpoint>,
    source_ranges: bool,
    high_availability: bool,
}

#[derive(Clone, Debug)]
enum Publication {
    None,
    Annotations { count: u8, fqdns: bool, proxy: bool, everybody: bool },
    Document { managed: bool, nat: Option<&'static str>, count: u8 },
}

#[derive(Clone, Debug)]
struct Endpoint {
    is_manual: bool,
    has_rule: bool,
    is_static: bool,
    record: bool,
    by_service: bool,
}

fn publication() -> impl Strategy<Value = Publication> {
    let annotations = (1..=3u8, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(count, fqdns, proxy, everybody)| Publication::Annotations { count, fqdns, proxy, everybody });
    let document = (any::<bool>(), sample::select(vec![None, Some("pls-subnet"), Some("apps-subnet")]), 1..=3u8)
        .prop_map(|(managed, nat, count)| Publication::Document { managed, nat, count });
    prop_oneof![2 => Just(Publication::None), 2 => annotations, 3 => document]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(is_manual, has_rule, is_static, record, by_service)| Endpoint {
            is_manual,
            has_rule,
            is_static,
            record,
            by_service,
        },
    )
}

fn exposed() -> impl Strategy<Value = Exposed> {
    let subnet = sample::select(vec![None, None, Some("apps-subnet")]);
    (subnet, any::<bool>(), 1..=3u8, publication(), proptest::option::of(endpoint()), any::<bool>(), any::<bool>())
        .prop_map(|(subnet, is_static, ports, publication, endpoint, source_ranges, high_availability)| Exposed {
            subnet,
            is_static,
            ports,
            publication,
            endpoint,
            source_ranges,
            high_availability,
        })
}

/// The files of one Service: manifest, publication, endpoint.
fn files(number: usize, exposed: &Exposed) -> Vec<(String, String)> {
    let name = format!("s{number}");
    let mut files = vec![(format!("environments/prod/{name}.yaml"), service(number, &name, exposed))];
    if let Publication::Document { managed, nat, count } = &exposed.publication {
        files.push((
            format!("environments/prod/publish/{name}.yaml"),
            document(&name, exposed, (*managed, *nat, *count)),
        ));
    }
    let is_published = !matches!(exposed.publication, Publication::None);
    if let Some(endpoint) = exposed.endpoint.as_ref().filter(|_| is_published) {
        files.push((format!("environments/prod/consume/{name}.yaml"), consume(number, &name, exposed, endpoint)));
    }
    files
}

fn service(number: usize, name: &str, exposed: &Exposed) -> String {
    let mut annotations: Vec<(&str, String)> = Vec::new();
    if let Some(subnet) = exposed.subnet {
        annotations.push(("azure-load-balancer-internal-subnet", subnet.to_owned()));
    }
    if exposed.is_static {
        let network = if exposed.subnet.is_some() { "10.225.0" } else { "10.224.20" };
        annotations.push(("azure-load-balancer-ipv4", format!("{network}.{}", 100 + number)));
    }
    if exposed.high_availability {
        annotations.push(("azure-load-balancer-enable-high-availability-ports", "true".to_owned()));
    }
    if let Publication::Annotations { count, fqdns, proxy, everybody } = exposed.publication {
        annotations.push(("azure-pls-create", "true".to_owned()));
        annotations.push(("azure-pls-ip-configuration-ip-address-count", count.to_string()));
        if fqdns {
            annotations.push(("azure-pls-fqdns", format!("{name}.example.com www.{name}.example.com")));
        }
        if proxy {
            annotations.push(("azure-pls-proxy-protocol", "true".to_owned()));
        }
        annotations.push(("azure-pls-visibility", if everybody { "*".to_owned() } else { CONSUMER.to_owned() }));
    }
    let mut spec = "  ports:\n".to_owned();
    for port in 0..exposed.ports {
        let number = 8000 + u16::from(port);
        writeln!(spec, "  - {{ name: p{port}, port: {number} }}").unwrap();
    }
    if exposed.source_ranges {
        spec.push_str("  loadBalancerSourceRanges: [10.0.0.0/8]\n");
    }
    let annotations: Vec<(&str, &str)> = annotations.iter().map(|(key, value)| (*key, value.as_str())).collect();
    docs::service_with(name, &annotations, &spec)
}

fn document(name: &str, exposed: &Exposed, (managed, nat, count): (bool, Option<&str>, u8)) -> String {
    let mut spec = String::new();
    if managed {
        spec.push_str("  managedBy: privlink\n  resourceGroup: rg-pls\n");
    }
    match nat {
        Some(subnet) => writeln!(spec, "  nat: {{ subnet: {subnet}, count: {count} }}").unwrap(),
        None => writeln!(spec, "  nat: {{ count: {count} }}").unwrap(),
    }
    let text = docs::published_with(name, &spec);
    let rule = exposed.endpoint.as_ref().filter(|endpoint| endpoint.has_rule && endpoint.is_manual);
    let rule = rule
        .map(|_| format!("  connections:\n    approve:\n    - subscription: \"{CONSUMER}\"\n    otherwise: reject\n"));
    text + &rule.unwrap_or_default()
}

fn consume(number: usize, name: &str, exposed: &Exposed, endpoint: &Endpoint) -> String {
    let mut spec = String::new();
    if endpoint.is_manual {
        spec.push_str("  connection: { request: manual, message: please }\n");
    }
    if endpoint.is_static {
        writeln!(spec, "  ipAddress: 10.50.1.{}", 100 + number).unwrap();
    }
    if endpoint.record {
        spec.push_str(&docs::dns(name));
    }
    let text = docs::endpoint_with(name, &spec);
    if endpoint.by_service || matches!(exposed.publication, Publication::Annotations { .. }) {
        text.replace(&format!("{{ privateLinkService: {name} }}"), &format!("{{ service: {{ name: {name} }} }}"))
    } else {
        text
    }
}

/// PROXY protocol is a matter of the whole cluster: all published Services use it, or none.
fn agree_on_proxy_protocol(exposed: &mut [Exposed]) {
    let by_document = exposed.iter().any(|it| matches!(it.publication, Publication::Document { .. }));
    let mut first = None;
    for it in exposed {
        if let Publication::Annotations { proxy, .. } = &mut it.publication {
            *proxy = !by_document && *first.get_or_insert(*proxy);
        }
    }
}

#[test]
fn a_random_repository_applied_leaves_nothing_to_do() {
    let config = Config { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let mut runner =
        TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default()));
    let repositories = proptest::collection::vec(exposed(), 1..=6);
    let result = runner.run(&repositories, |mut exposed| {
        agree_on_proxy_protocol(&mut exposed);
        let stage = Stage::new();
        let mut all = vec![("privlink.toml".to_owned(), worlds::settings())];
        all.extend(exposed.iter().enumerate().flat_map(|(number, exposed)| files(number, exposed)));
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        stage.repo.commit(&all);
        stage.converge();
        Ok(())
    });
    result.unwrap();
}
