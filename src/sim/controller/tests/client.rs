//! The controller as a client of Azure: its identity, what it repeats, what it remembers.

use super::super::AzureAccess;
use super::super::azure::Azure;
use super::*;
use crate::sim::arm::Style;
use crate::sim::clock::Clock;
use crate::sim::entra;
use crate::sim::fault::Fault;
use crate::sim::log::LoggedRequest;

const BALANCER: &str = "loadBalancers/kubernetes-internal";

impl World {
    /// The controller's requests since a mark.
    fn requests_since(&self, mark: usize) -> Vec<LoggedRequest> {
        let requests = self.sim.requests().split_off(mark);
        requests.into_iter().filter(|own| own.client.starts_with("kubernetes-cloudprovider")).collect()
    }

    fn fault(&self, method: &str, path: &str, change: impl FnOnce(&mut Fault)) {
        let mut fault = Fault { method: Some(method.to_owned()), path: path.to_owned(), ..Fault::default() };
        change(&mut fault);
        self.sim.add_fault(fault);
    }
}

#[tokio::test]
async fn it_comes_over_http_with_an_identity_that_nobody_else_can_use() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let own = world.requests_since(0);
    assert!(own.iter().all(|request| request.is_internal && !request.is_write));
    assert!(world.sim.writes().iter().all(|request| !request.path.contains("Microsoft.")));
    let tokens: Vec<&LoggedRequest> = own.iter().filter(|request| request.path == "/msi/token").collect();
    assert_eq!(tokens.len(), 1, "one token serves until it is nearly over");
    let client = tokens[0].query.split('&').find_map(|pair| pair.strip_prefix("client_id=")).unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion", "a.b.c"),
        ("scope", "https://management.azure.com/.default"),
    ];
    let url = format!(
        "{}/00000000-0000-0000-0000-0000000000aa/oauth2/v2.0/token",
        world.sim.endpoints().resource_manager_http
    );
    let body = form.map(|(key, value)| format!("{key}={value}")).join("&");
    let refused = reqwest::Client::builder().no_proxy().build().unwrap().post(url).body(body).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
}

#[tokio::test]
async fn its_identity_reaches_the_subscription_of_its_cluster_and_no_other() {
    let other = "00000000-0000-0000-0000-000000000002";
    let more = "subscriptions: [{ id: 00000000-0000-0000-0000-000000000002, name: two }, ";
    let parsed = world::World::parse(&WORLD.replace("subscriptions: [", more)).unwrap();
    let client_id = entra::cloud_provider(&parsed, &parsed.clusters[0]).client_id.to_string();
    let sim = Simulator::start(&parsed, Options::default()).await.unwrap();
    let access = AzureAccess { origin: sim.endpoints().resource_manager_http.clone(), client_id };
    let azure = Azure::new(access, Clock::start());
    assert!(azure.get(&format!("/subscriptions/{SUBSCRIPTION}")).await.unwrap().is_some());
    let own = azure.list(&network("networkSecurityGroups")).await.unwrap();
    assert_eq!(own.len(), 1);
    assert!(azure.get(&format!("/subscriptions/{other}")).await.unwrap().is_none());
    let mut changed = parsed.clone();
    changed.seed = 2;
    let stranger = entra::cloud_provider(&changed, &changed.clusters[0]).client_id.to_string();
    let access = AzureAccess { origin: sim.endpoints().resource_manager_http.clone(), client_id: stranger };
    let refused = Azure::new(access, Clock::start()).get("/subscriptions").await.unwrap_err();
    assert!(refused.to_string().contains("ManagedIdentityCredential authentication failed"), "{refused}");
}

#[tokio::test]
async fn a_token_that_is_nearly_over_is_replaced() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    let mark = world.mark();
    world.advance(86_399).await;
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    let requests = world.requests_since(mark);
    assert_eq!(requests.iter().filter(|own| own.path == "/msi/token").count(), 1);
    assert!(requests.iter().all(|own| own.status == 200), "{requests:?}");
}

#[tokio::test]
async fn trouble_on_the_server_is_repeated_three_times_at_once() {
    let world = World::new().await;
    world.fault("PUT", BALANCER, |fault| (fault.status, fault.times) = (503, Some(3)));
    let mark = world.mark();
    let own = world.apply(&service("app", &[(INTERNAL, "true")])).await;
    assert_ne!(address(&own), "");
    let puts = world.requests_since(mark).into_iter().filter(|own| own.method == "PUT" && own.path.ends_with(BALANCER));
    assert_eq!(puts.map(|own| own.status).collect::<Vec<_>>(), [503, 503, 503, 201]);
    world.fault("GET", "subnets/", |fault| (fault.status, fault.times) = (500, Some(4)));
    let mark = world.mark();
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.failure("app").contains("RESPONSE 500"), "{}", world.failure("app"));
    let failed = world.requests_since(mark).into_iter().filter(|own| own.status == 500);
    assert_eq!(failed.count(), 4, "every fault hits once");
}

#[tokio::test]
async fn after_a_429_it_keeps_still_for_as_long_as_it_was_told() {
    let world = World::new().await;
    let headers = vec![("Retry-After".to_owned(), "60".to_owned())];
    world.fault("GET", "loadBalancers", |fault| {
        (fault.status, fault.times, fault.headers) = (429, Some(1), headers);
    });
    let own = world.apply(&service("app", &[(INTERNAL, "true")])).await;
    assert_eq!(address(&own), "");
    let mark = world.mark();
    // Tries after 5, 15 and 35 s fail without a request.
    for seconds in [5, 10, 20] {
        world.advance(seconds).await;
    }
    assert_eq!(world.requests_since(mark), Vec::new());
    assert!(world.failure("app").contains("client throttled"), "{}", world.failure("app"));
    world.advance(40).await;
    assert_ne!(address(&world.service("app")), "");
}

#[tokio::test]
async fn an_operation_that_fails_is_told_with_its_own_address() {
    let world = World::new().await;
    world.fault("PUT", "privateLinkServices/", |fault| {
        (fault.in_operation, fault.code) = (true, "Broken".to_owned());
    });
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    let failure = world.failure("app");
    assert!(failure.contains("create or update PLS: GET https://management.azure.com/subscriptions/"), "{failure}");
    assert!(failure.contains("/operations/") && failure.contains("ERROR CODE: Broken"), "{failure}");
}

#[tokio::test]
async fn operations_are_followed_however_they_are_announced() {
    for style in [Style::AzureAsyncOperation, Style::Location, Style::ProvisioningState] {
        let world = World::with(|world| world.operations.style = style).await;
        let own = world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
        assert_ne!(address(&own), "", "{style:?}: {}", world.failure("app"));
        world.connect("consumer");
        world.delete("app").await;
        assert!(world.cluster.get("service", "default", "app").is_none(), "{style:?}: {}", world.failure("app"));
        assert!(world.get("loadBalancers/kubernetes-internal").is_none(), "{style:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_came_is_asked_for_again() {
    let world = World::new().await;
    world.fault("GET", "loadBalancers", |fault| (fault.drop_connection, fault.times) = (true, Some(1)));
    let own = world.apply(&service("app", &[(INTERNAL, "true")])).await;
    assert_ne!(address(&own), "", "{}", world.failure("app"));
}

#[tokio::test]
async fn an_answer_that_never_comes_does_not_keep_the_simulator_from_stopping() {
    let world = World::new().await;
    world.fault("GET", "loadBalancers", |fault| fault.hang = true);
    world.cluster.apply_raw(&service("app", &[(INTERNAL, "true")])).unwrap();
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(5), world.sim.stop());
    stopped.await.expect("the controller lets go of its request");
}

#[tokio::test]
async fn lists_are_read_to_their_last_page() {
    let world = World::with(|world| world.operations.page_size = 1).await;
    world.apply(&service("public", &[])).await;
    let own = world.apply(&service("internal", &[(INTERNAL, "true")])).await;
    assert_ne!(address(&own), "", "{}", world.failure("internal"));
    let mark = world.mark();
    world.annotate("internal", &[("example.com/note", Some("1"))]).await;
    assert_eq!(world.writes_since(mark), Vec::<String>::new(), "it has found its load balancer behind the other one");
    assert!(world.requests_since(mark).iter().any(|own| own.query.to_ascii_lowercase().contains("skiptoken")));
}

#[tokio::test]
async fn what_a_person_wrote_stays_one_segment_of_the_path() {
    let world = World::new().await;
    let mark = world.mark();
    world.apply(&service("app", &[(INTERNAL, "true"), (SUBNET, "apps-subnet ?x=1")])).await;
    let failure = world.failure("app");
    assert!(failure.contains("failed to get subnet: aks-vnet/apps-subnet ?x=1"), "{failure}");
    let requests = world.requests_since(mark);
    let path = &requests.iter().find(|own| own.status == 404).unwrap().path;
    assert!(path.ends_with("/subnets/apps-subnet%20%3Fx=1"), "{path}");
}

#[tokio::test]
async fn what_others_did_is_noticed_after_two_minutes() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-app")])).await;
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.arm.raw_delete(&network("privateLinkServices/pls-app")));
    world.annotate("app", &[("example.com/note", Some("2"))]).await;
    assert_eq!(world.link_services().len(), 0, "it is remembered, so nothing seems to be missing");
    world.advance(121).await;
    assert_eq!(world.link_services().len(), 0, "and nothing looks without a reason");
    world.annotate("app", &[("example.com/note", Some("3"))]).await;
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn without_a_memory_it_is_noticed_at_once() {
    let world = World::with(|world| world.controller.cache_seconds = 0).await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true"), (NAME, "pls-app")])).await;
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    assert!(world.arm.raw_delete(&network("privateLinkServices/pls-app")));
    world.annotate("app", &[("example.com/note", Some("2"))]).await;
    assert_eq!(world.link_services().len(), 1);
}

#[tokio::test]
async fn a_connection_that_came_after_the_last_look_holds_a_deletion_up() {
    let world = World::new().await;
    world.apply(&service("app", &[(INTERNAL, "true"), (CREATE, "true")])).await;
    world.annotate("app", &[("example.com/note", Some("1"))]).await;
    world.connect("late");
    world.delete("app").await;
    assert!(world.cluster.get("service", "default", "app").is_some(), "the finalizer stays");
    assert_eq!(world.connections(), 1);
    world.advance(121).await;
    assert!(world.cluster.get("service", "default", "app").is_none(), "{}", world.failure("app"));
    assert_eq!(world.link_services().len(), 0);
}

#[tokio::test]
async fn waits_double_up_to_five_minutes() {
    let world = World::new().await;
    world.fault("PUT", BALANCER, |fault| fault.status = 409);
    world.apply(&service("app", &[(INTERNAL, "true")])).await;
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        let mark = world.mark();
        // Real time passes too, so the last moment before is not a safe one to look.
        world.advance(seconds / 2).await;
        assert_eq!(world.writes_since(mark), Vec::<String>::new(), "less than {seconds} s");
        world.advance(seconds - seconds / 2).await;
        assert_eq!(world.writes_since(mark), ["PUT loadBalancers 409"], "{seconds} s");
    }
}

#[tokio::test]
async fn a_demand_to_try_again_is_work_from_the_moment_it_is_made() {
    let world = World::new().await;
    world.fault("PUT", BALANCER, |fault| (fault.status, fault.times) = (409, Some(1)));
    let own = world.apply(&service("app", &[(INTERNAL, "true")])).await;
    assert_eq!(address(&own), "");
    world.sim.resync();
    world.sim.idle().await;
    assert_ne!(address(&world.service("app")), "");
}
