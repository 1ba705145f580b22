//! A world as large as Azure's limits let it be: how long it takes to make, how much memory, how fast its lists are.
//!
//! 16 subscriptions, each with load balancers of 8 frontends that all carry a Private Link Service, and with two virtual
//! networks of consumers: 10,000 services and 20,000 endpoints in all. Lists are asked for over HTTPS, as any client does.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use serde_json::Value;

const SUBSCRIPTIONS: usize = 16;
/// Services on one load balancer: Azure's limit.
const PER_BALANCER: usize = 8;
const SERVICES: usize = 10_000;
const ENDPOINTS: usize = 20_000;
/// Items on one page of a list.
const PAGE: usize = 1_000;
/// Times that a page is asked for.
const ROUNDS: usize = 20;
const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: (&str, &str) = ("00000000-0000-0000-0000-0000000000a1", "secret");

pub(crate) fn figures() {
    let text = world();
    println!("{:32} {:>10} bytes", "load: world of 30,000 resources", text.len());
    let world = timed("  read", || World::parse(&text).expect("the world is right"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let simulator = timed("  seed and start", || {
        runtime.block_on(Simulator::start(&world, Options::default())).expect("the world can exist")
    });
    println!("{:32} {:>10} MB", "  memory at its highest", peak_memory());
    runtime.block_on(lists(&simulator));
    runtime.block_on(simulator.stop());
}

fn timed<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    println!("{name:32} {:>9.2} ms", milliseconds(begin.elapsed()));
    done
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The most memory that this process has used so far, in megabytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

async fn lists(simulator: &Simulator) {
    let endpoints = simulator.endpoints();
    let ca = reqwest::Certificate::from_pem(endpoints.ca_pem.as_bytes()).expect("the simulator's own");
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().expect("a client");
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://management.azure.com/.default",
        CLIENT.0, CLIENT.1
    );
    let request = client.post(format!("{}/{TENANT}/oauth2/v2.0/token", endpoints.authority)).body(form);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let token = answer["access_token"].as_str().expect("a token").to_owned();
    for kind in ["privateLinkServices", "privateEndpoints"] {
        let url = format!(
            "{}/subscriptions/{}/providers/Microsoft.Network/{kind}?api-version=2025-05-01",
            endpoints.resource_manager,
            subscription(0)
        );
        let mut times = Vec::new();
        let mut items = 0;
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let response = client.get(&url).bearer_auth(&token).send().await.expect("an answer");
            let bytes = response.bytes().await.expect("a body");
            times.push(begin.elapsed());
            let body: Value = serde_json::from_slice(&bytes).expect("JSON");
            items = body["value"].as_array().map_or(0, Vec::len);
        }
        times.sort();
        println!(
            "{:32} {:>9.2} ms   best {:>8.2} ms, {items} items",
            format!("  first page of {kind}"),
            milliseconds(times[ROUNDS / 2]),
            milliseconds(times[0])
        );
    }
}

fn subscription(index: usize) -> String {
    format!("00000000-0000-0000-0000-0000000010{index:02}")
}

fn group(index: usize) -> String {
    format!("/subscriptions/{}/resourceGroups/rg", subscription(index))
}

fn network(index: usize, kind: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind}", group(index))
}

fn world() -> String {
    let mut text = format!(
        "location: eastus2\ntenant: {TENANT}\noperations: {{ page-size: {PAGE} }}\nidentities:\n  - {{ name: reader, client-id: \
         {}, secret: {}, role: reader }}\nsubscriptions:\n",
        CLIENT.0, CLIENT.1
    );
    let each = |text: &mut String, line: &dyn Fn(usize) -> String| {
        (0..SUBSCRIPTIONS).for_each(|index| text.push_str(&line(index)));
    };
    each(&mut text, &|index| format!("  - {{ id: {}, name: s{index} }}\n", subscription(index)));
    text.push_str("resource-groups:\n");
    each(&mut text, &|index| format!("  - {{ subscription: {}, name: rg }}\n", subscription(index)));
    text.push_str("virtual-networks:\n");
    each(&mut text, &networks);
    text.push_str("resources:\n");
    for number in 0..SERVICES.div_ceil(PER_BALANCER) {
        balancer(&mut text, number);
    }
    (0..SERVICES).for_each(|number| service(&mut text, number));
    (0..ENDPOINTS).for_each(|number| endpoint(&mut text, number));
    text
}

fn networks(index: usize) -> String {
    let one = |name: &str, subnet: &str, prefix: &str| {
        format!(
            "  - subscription: {}\n    resource-group: rg\n    name: {name}\n    address-space: [{prefix}]\n    subnets:\n    \
             - {{ name: {subnet}, prefixes: [{prefix}], private-link-service-network-policies: Disabled }}\n",
            subscription(index)
        )
    };
    let consumers = (0..2).map(|half| one(&format!("consumers-{half}"), "pe-subnet", "10.64.0.0/16"));
    consumers.fold(one("provider", "subnet", "10.0.0.0/16"), |text, own| text + &own)
}

fn balancer(text: &mut String, number: usize) {
    let own = number % SUBSCRIPTIONS;
    let subnet = format!("{}/provider/subnets/subnet", network(own, "virtualNetworks"));
    let _ = writeln!(text, "  - id: {}/lb-{number}", network(own, "loadBalancers"));
    text.push_str("    body:\n      location: eastus2\n      properties:\n        frontendIPConfigurations:\n");
    for frontend in 0..PER_BALANCER {
        let _ = writeln!(text, "          - {{ name: f{frontend}, properties: {{ subnet: {{ id: {subnet} }} }} }}");
    }
}

fn service(text: &mut String, number: usize) {
    let (balancer, frontend) = (number / PER_BALANCER, number % PER_BALANCER);
    let own = balancer % SUBSCRIPTIONS;
    let subnet = format!("{}/provider/subnets/subnet", network(own, "virtualNetworks"));
    let frontend = format!("{}/lb-{balancer}/frontendIPConfigurations/f{frontend}", network(own, "loadBalancers"));
    let _ = write!(
        text,
        "  - id: {}/pls-{number}\n    body:\n      location: eastus2\n      properties:\n        \
         loadBalancerFrontendIpConfigurations: [{{ id: {frontend} }}]\n        ipConfigurations: [{{ name: nat, properties: {{ \
         subnet: {{ id: {subnet} }} }} }}]\n        visibility: {{ subscriptions: ['*'] }}\n",
        network(own, "privateLinkServices")
    );
}

fn endpoint(text: &mut String, number: usize) {
    let own = number % SUBSCRIPTIONS;
    let half = number / SUBSCRIPTIONS % 2;
    let subnet = format!("{}/consumers-{half}/subnets/pe-subnet", network(own, "virtualNetworks"));
    let target = number % SERVICES;
    let provider = target / PER_BALANCER % SUBSCRIPTIONS;
    let target = format!("{}/pls-{target}", network(provider, "privateLinkServices"));
    let _ = write!(
        text,
        "  - id: {}/pe-{number}\n    body:\n      location: eastus2\n      properties:\n        subnet: {{ id: {subnet} }}\n        \
         privateLinkServiceConnections: [{{ name: c, properties: {{ privateLinkServiceId: {target} }} }}]\n",
        network(own, "privateEndpoints")
    );
}
