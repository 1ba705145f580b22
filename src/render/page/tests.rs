//! Pages as a browser gets them: what stands where, whatever the names are, and how much of it.

use super::*;
use crate::plan::fixture;
use crate::plan::fixture::World;
use crate::status::Composition;
use crate::status::compose;

const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";

fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}:00Z").parse().unwrap()
}

fn documents(world: &World, plan: &Plan) -> BTreeMap<RepoPath, StatusDocument> {
    let World { desired, observed } = world;
    let (previous, failures) = (BTreeMap::new(), BTreeMap::new());
    let (applied, now) = (None, at("10:00"));
    compose(&Composition {
        desired,
        observed,
        plan,
        previous: &previous,
        applied,
        failures: &failures,
        approved: None,
        news: &[],
        now,
    })
}

fn body_of(world: &World) -> String {
    let plan = world.plan();
    let documents = documents(world, &plan);
    let known = Known { documents: &documents, plan: Some(&plan), missing: None, details: Details::default() };
    body(&known).as_str().to_owned()
}

/// An edit that cuts every consumer.
fn severing() -> World {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"][IPV4] = "10.224.10.225".into();
    world
}

/// The text of a page as it is read, an element that begins a line on a line of its own.
fn read(html: &str) -> String {
    let mut text = String::new();
    for piece in html.split('<').skip(1) {
        let (tag, rest) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split(' ').next().unwrap_or_default();
        if ["p", "li", "tr", "h1", "h2", "h3", "summary", "dt", "section", "div", "text", "title", "desc"]
            .contains(&name)
        {
            text.push('\n');
        }
        if ["td", "th", "dd"].contains(&name) {
            text.push_str(" | ");
        }
        text.push_str(rest);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n").replace("&#39;", "'").replace("&quot;", "\"")
}

/// A part of a page: from a text to another one.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let page = &page[page.find(from).unwrap()..];
    &page[..page.find(to).unwrap_or(page.len())]
}

#[test]
fn a_severing_plan_tells_whom_it_hits_before_what_it_changes() {
    let text = read(&body_of(&severing()));
    insta::assert_snapshot!(part(&text, "Pending plan", "Approval"), @r#"
    Pending plan
    severing 2 to update, 2 to replace
    Who is affected: 3 connections of 3 subscriptions
    service/shop/orders: the frontend moves from 10.224.10.224 to 10.224.10.225: pls-orders is deleted with every connection and built anew with another alias (CCM-FIP-ADDRESS, DIF001)
    Why: environments/prod/orders.yaml changes annotation azure-load-balancer-ipv4 from "10.224.10.224" to "10.224.10.225"
    People and connections that are hit
    | Who | Private endpoint | Connection now | Subscription | First seen
    | declared here, repaired by step 3 | orders-pe | Approved | 00000000-0000-0000-0000-000000000001 |
    | ACME trading (net@acme.example) | acme-pe | Approved | 00000000-0000-0000-0000-000000000002 |
    | unknown consumer | beta-pe | Approved | 00000000-0000-0000-0000-000000000003 |
    A smaller edit
    service/shop/orders: keep the address as it is ("10.224.10.224"): then nobody is cut and nothing fails
    Changes, the worst first
    severing service/shop/orders update affects 3 connections
    step 1 of 4
    asked for in environments/prod/orders.yaml
    the frontend moves from 10.224.10.224 to 10.224.10.225: pls-orders is deleted with every connection and built anew with another alias (CCM-FIP-ADDRESS, DIF001)
    Fields that change
    | Field | Now | After
    | annotation azure-load-balancer-ipv4 | "10.224.10.224" | "10.224.10.225"
    severing privatelinkservice/shop/orders replace by the cloud provider
    step 2 of 4
    asked for in environments/prod/orders.yaml
    deleted with its frontend and built anew
    waits for service/shop/orders
    Fields that change
    | Field | Now | After
    | alias | "pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice" | &lt;alias: known after privatelinkservice/shop/orders&gt;
    severing privateendpoint/orders-pe replace
    step 3 of 4
    asked for in environments/prod/consumer.yaml
    replaced because target cannot change in place
    waits for service/shop/orders, privatelinkservice/shop/orders
    Fields that change
    | Field | Now | After
    | target  (forces the replacement) | …/MC_prod/privateLinkServices/pls-orders | &lt;id: known after privatelinkservice/shop/orders&gt;
    disruptive dnsrecord/api.orders.internal update
    step 4 of 4
    asked for in environments/prod/consumer.yaml
    waits for privateendpoint/orders-pe
    Fields that change
    | Field | Now | After
    | addresses | {10.50.1.4} | &lt;address: known after privateendpoint/orders-pe&gt;
    "#);
}

#[test]
fn the_list_says_what_the_picture_shows() {
    let page = body_of(&severing());
    insta::assert_snapshot!(read(part(&page, "<ul class=\"chains\"", "<h2 id=\"drift\"")), @"
    Service shop/orders (443:30443/TCP) → Load balancer frontend 10.224.10.224 (kubernetes-internal) → Private Link Service pls-orders (pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice)
    Approved Private endpoint orders-pe (10.50.1.4) hit by the pending plan
    DNS record api.orders.internal (10.50.1.4)
    Approved Private endpoint acme-pe (ACME trading) hit by the pending plan
    Approved Private endpoint beta-pe (subscription 00000000-0000-0000-0000-000000000003) hit by the pending plan
    ");
    assert_eq!(page.matches("Approved, hit").count(), 3 * 2, "each connection has its state, and that as its title");
}

#[test]
fn a_converged_environment_is_calm() {
    let text = read(&body_of(&World::converged()));
    insta::assert_snapshot!(text, @"
    Pending plan
    No changes: 5 resources are as they shall be.
    Topology
    Who reaches what
    1 Service, 1 Private Link Service, 3 connections. The list below says the same.
    Service
    Load balancer frontend
    Private Link Service
    Private endpoint
    DNS record
    Service shop/orders, 443:30443/TCP
    shop/orders
    443:30443/TCP
    Load balancer frontend 10.224.10.224, kubernetes-internal
    10.224.10.224
    kubernetes-internal
    Private Link Service pls-orders, pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice
    pls-orders
    pls-orders.8f0c6a1e-000…
    Approved
    Approved
    Private endpoint orders-pe, 10.50.1.4
    orders-pe
    10.50.1.4
    DNS record api.orders.internal, 10.50.1.4
    api.orders.internal
    10.50.1.4
    Approved
    Approved
    Private endpoint acme-pe, ACME trading
    acme-pe
    ACME trading
    Approved
    Approved
    Private endpoint beta-pe, subscription 00000000-0000-0000-0000-000000000003
    beta-pe
    subscription 00000000-0…
    The same as a list
    Service shop/orders (443:30443/TCP) → Load balancer frontend 10.224.10.224 (kubernetes-internal) → Private Link Service pls-orders (pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice)
    Approved Private endpoint orders-pe (10.50.1.4)
    DNS record api.orders.internal (10.50.1.4)
    Approved Private endpoint acme-pe (ACME trading)
    Approved Private endpoint beta-pe (subscription 00000000-0000-0000-0000-000000000003)
    Drift
    Nothing differs from Git but what a commit asks for.
    Documents and their conditions
    Documents
    | Document | State | Address, alias | Consumers | Pending
    | orders-pe
    PrivateEndpoint
    environments/prod/consumer.yaml |
    Ready 3 conditions
    EndpointReady True: AddressAssigned since 2026-11-20 10:00 UTC
    ConnectionApproved True: Approved since 2026-11-20 10:00 UTC
    DnsReady True: Resolves since 2026-11-20 10:00 UTC |
    10.50.1.4 |  |
    | shop/orders
    Service
    environments/prod/orders.yaml |
    Ready 4 conditions
    FrontendReady True: AddressAssigned since 2026-11-20 10:00 UTC
    LinkServiceReady True: Serving since 2026-11-20 10:00 UTC
    ConnectionApproved True: NoRequestWaits since 2026-11-20 10:00 UTC
    Published True: Published since 2026-11-20 10:00 UTC |
    10.224.10.224
    pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice | 3 |
    History of applies
    Nothing was applied yet.
    ");
}

#[test]
fn all_environments_are_seen_at_a_glance() {
    let world = severing();
    let plan = world.plan();
    let mut waits = Glance { state: State::Waits, passed_at: Some(at("10:00")), ..Glance::default() };
    waits.learn(&documents(&world, &plan));
    let failed = Glance { state: State::Failed, problem: Some("no network".to_owned()), ..Glance::default() };
    let environments = [("prod", waits), ("qa", failed), ("dev", Glance::default())];
    let environments = environments.map(|(name, glance)| (name.parse().unwrap(), glance)).into();
    let page = index(&environments, Some(("No pass can begin", "the remote does not answer")), at("12:30"));
    insta::assert_snapshot!(read(part(page.as_str(), "<main", "</main")), @"
    Environments
    No pass can beginthe remote does not answer
    dev no pass yet
    No pass has ended since the agent was started.
    Documents | 0 of 0 ready
    Pending plan | none
    Drift | none
    Last apply | never
    Last pass | none yet
    prod waits for approval
    A plan waits for approval: nothing is changed before.
    Documents | 2 of 2 ready
    Pending plan | severing 4 changes, waits since 2026-11-20 10:00 UTC
    Drift | none
    Last apply | never
    Last pass | 2026-11-20 10:00 UTC, 150m ago
    qa failed
    The last pass failed and is tried again.
    Documents | 0 of 0 ready
    Pending plan | none
    Drift | none
    Last apply | never
    Last pass | none yet
    ");
}

#[test]
fn nothing_of_a_hostile_name_is_alive() {
    let hostile = format!("<script>alert(1)</script>\" onload='x'\u{202e}{}", "z".repeat(10_000));
    let mut world = severing();
    for consumer in world.desired.policy.consumers.values_mut() {
        consumer.name.clone_from(&hostile);
    }
    world.live_endpoint().status_description.clone_from(&hostile);
    world.live_endpoint().status = crate::domain::resource::connection::ConnectionStatus::Other(hostile.clone());
    let page = body_of(&world);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39;\\u{202e}zzz"), "it is shown");
    assert!(!page.contains("<script") && !page.contains("onload='") && !page.contains('\u{202e}'));
    assert!(!page.contains(&"z".repeat(2_000)), "it is cut");
    let glance = Glance { problem: Some(hostile), ..Glance::default() };
    let whole = environment(&"prod".parse().unwrap(), (&glance, &Html::default()), at("10:00"));
    assert!(!whole.as_str().contains("<script") && !whole.as_str().contains('\u{202e}'));
}

#[test]
fn of_a_thousand_services_the_worst_are_drawn_and_all_are_listed() {
    let world = World::converged();
    let mut documents = documents(&world, &world.plan());
    let (path, service) = documents.iter().find(|(_, it)| matches!(it, StatusDocument::Service(_))).unwrap();
    let (path, StatusDocument::Service(service)) = (path.clone(), service.clone()) else { panic!("it is a Service") };
    documents.remove(&path);
    for number in 0..1_000 {
        let mut copy = service.clone();
        copy.head.metadata.name = format!("copy-{number:03}");
        if number == 777 {
            copy.head.conditions[0].status = crate::status::document::ConditionStatus::False;
            copy.head.conditions[0].reason = crate::status::reason::APPLY_FAILED.to_owned();
        }
        let name = path.as_str().replace("orders", &copy.head.metadata.name);
        documents.insert(name.parse().unwrap(), StatusDocument::Service(copy));
    }
    let known = Known { documents: &documents, plan: None, missing: None, details: Details::default() };
    let page = body(&known).as_str().to_owned();
    let svg = part(&page, "<svg", "</svg></div>");
    assert_eq!(svg.matches("<g>").count(), 20);
    assert!(svg.find("shop/copy-777").unwrap() < svg.find("shop/copy-000").unwrap(), "the worst is the first");
    let list = part(&page, "<ul class=\"chains\"", "</section>");
    assert_eq!(list.matches("<strong>shop/copy-").count(), 1_000);
    assert!(page.contains("20 of 1000 chains are drawn, the worst first; the list has the other 980 too."));
}

#[test]
fn of_many_connections_some_are_drawn_and_the_rest_is_counted() {
    let mut world = World::converged();
    let link = world.live_link();
    let one = link.connections[0].clone();
    for number in 0..30 {
        let mut more = one.clone();
        more.endpoint = Some(fixture::id(9, "rg", &format!("privateEndpoints/pe-{number:02}")));
        link.connections.push(more);
    }
    let page = body_of(&world);
    let svg = part(&page, "<svg", "</svg></div>");
    assert!(svg.contains("28 more connections") && svg.contains("28 Approved"), "{svg}");
    assert!(part(&page, "<ul class=\"chains\"", "</section>").contains("pe-29"));
}

#[test]
fn a_refresh_within_a_minute_gives_the_same_page() {
    let glance = Glance { passed_at: Some(at("10:00")), ..Glance::default() };
    let shown = |second: i64| {
        let now = at("10:00") + jiff::SignedDuration::from_secs(second);
        environment(&"prod".parse().unwrap(), (&glance, &Html::default()), now)
    };
    assert_eq!(shown(61), shown(119));
    assert_ne!(shown(61), shown(120));
    assert!(shown(61).as_str().contains("2026-11-20 10:00 UTC</time>, 60s ago"), "{:?}", shown(61));
}

/// The contrast of two colours, by WCAG 2.2: at least 4.5 for text.
fn contrast(one: &str, other: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn text_stands_out_from_its_background_in_light_and_dark() {
    let schemes: Vec<&str> = STYLE.split("@media (prefers-color-scheme: dark)").collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colour = |name: &str| {
            let from = scheme.find(&format!("--{name}: ")).unwrap() + name.len() + 4;
            &scheme[from..from + 7]
        };
        for back in ["back", "sheet"] {
            for text in ["text", "dim", "link", "good", "note", "warn", "bad", "unknown"] {
                let contrast = contrast(colour(text), colour(back));
                assert!(contrast >= 4.5, "{text} on {back}: {contrast}");
            }
        }
        for tone in ["good", "note", "warn", "bad", "unknown"] {
            let contrast = contrast(colour(tone), colour(&format!("{tone}-back")));
            assert!(contrast >= 4.5, "{tone} on its own background: {contrast}");
        }
    }
}
