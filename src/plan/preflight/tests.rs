//! What dooms a change, and what does not: one look at a converged or empty world at a time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::azure::ResourceId;
use crate::domain::cluster::Balancing;
use crate::domain::cluster::HeldAddress;
use crate::domain::key::ResourceKey;
use crate::domain::resource::Provisioning;
use crate::domain::resource::Resource;
use crate::domain::resource::Seen;
use crate::domain::resource::private_endpoint::Target;
use crate::domain::resource::private_link_service::Visibility;
use crate::domain::resource::service::Trial;
use crate::domain::resource::subnet::LiveSubnet;
use crate::domain::resource::subnet::SubnetPolicy;
use crate::domain::right::Access;
use crate::domain::right::Grantee;
use crate::domain::right::Permission;
use crate::observed::rights::Rights;
use crate::observed::rights::UserRights;
use crate::plan::Plan;
use crate::plan::action::Action;
use crate::plan::action::Actor;
use crate::plan::change::Change;
use crate::plan::fixture;
use crate::plan::fixture::World;
use crate::plan::preflight::access;
use crate::plan::preflight::question;
use crate::plan::preflight::question::Question;
use crate::plan::preflight::right;

/// Every refusal as `key: problem (rule)`, and what is left out only because it needs that.
fn refused(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for left in &plan.left_out {
        for refusal in &left.refusals {
            lines.push(format!("{}: {} ({})", left.key, refusal.problem, refusal.rule.unwrap_or("none")));
        }
        if left.refusals.is_empty() {
            lines.push(format!("{}: needs {}", left.key, left.needs.iter().next().unwrap()));
        }
    }
    lines.join("\n")
}

fn pe_subnet() -> ResourceId {
    fixture::id(1, "rg-apps", "virtualNetworks/spoke/subnets/pe-subnet")
}

/// The empty world, in which the network of the endpoint has a subnet of this prefix.
fn with_subnet(prefix: &str) -> World {
    let mut world = World::empty();
    let subnet = LiveSubnet {
        id: pe_subnet(),
        prefixes: vec![prefix.parse().unwrap()],
        policy_enabled: true,
        provisioning: Provisioning::Succeeded,
        seen: Seen { etag: None, body: serde_json::Value::Null },
    };
    world.observed.subnets.insert(subnet.id.clone(), subnet);
    world
}

fn hold(world: &mut World, address: &str) {
    let holder = fixture::consumer(1, "other-pe");
    world.observed.held.insert(HeldAddress { subnet: pe_subnet(), address: address.parse().unwrap(), holder });
}

fn asks_for(world: &mut World, address: &str) {
    world.endpoint().address = Some(address.parse::<IpAddr>().unwrap());
}

#[test]
fn a_cluster_that_is_too_old_builds_no_private_link_service_and_its_service_works() {
    let mut world = World::empty();
    world.observed.cluster.as_mut().unwrap().version = Some("1.21.9".to_owned());
    let plan = world.plan();
    insta::assert_snapshot!(refused(&plan), @r"
    privatelinkservice/shop/orders: the cluster prod runs Kubernetes 1.21.9, which builds no Private Link Service (PRE-CLUSTER-VERSION)
    privateendpoint/orders-pe: needs privatelinkservice/shop/orders
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe
    ");
    assert_eq!(plan.steps[0].change.key, fixture::service_key());
    world.observed.cluster.as_mut().unwrap().version = Some("1.22.0".to_owned());
    assert!(world.plan().is_whole());
}

#[test]
fn a_basic_load_balancer_or_a_pool_of_addresses_fails_the_sync_of_the_service() {
    let mut world = World::empty();
    let first = |world: &World| refused(&world.plan()).lines().next().unwrap_or_default().to_owned();
    world.observed.cluster.as_mut().unwrap().balancing = Balancing { is_basic: true, by_address: false };
    insta::assert_snapshot!(first(&world), @"service/shop/orders: the load balancers of the cluster prod are of SKU Basic (PRE-LB-BASIC)");
    world.observed.cluster.as_mut().unwrap().balancing = Balancing { is_basic: false, by_address: true };
    insta::assert_snapshot!(first(&world), @"service/shop/orders: the load balancers of the cluster prod know its nodes by address (PRE-POOL-NODE-IP)");
}

#[test]
fn the_plan_id_covers_what_is_left_out() {
    let whole = World::empty();
    let mut doomed = World::empty();
    doomed.observed.cluster.as_mut().unwrap().version = Some("1.21.9".to_owned());
    assert_ne!(whole.plan().id, doomed.plan().id);
    let keys: BTreeSet<String> = doomed.plan().steps.iter().map(|step| step.change.key.to_string()).collect();
    assert_eq!(keys, BTreeSet::from(["dnslink/orders.internal/spoke".to_owned(), "service/shop/orders".to_owned()]));
}

#[test]
fn an_endpoint_needs_a_subnet_that_is_there() {
    let mut world = with_subnet("10.50.1.0/24");
    assert!(world.plan().is_whole());
    world.endpoint().subnet = fixture::id(1, "rg-apps", "virtualNetworks/spoke/subnets/typo");
    insta::assert_snapshot!(refused(&world.plan()), @r"
    privateendpoint/orders-pe: the network spoke has no subnet typo (PRE-SUBNET-MISSING)
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe
    ");
    // A network that was not read proves nothing.
    world.endpoint().subnet = fixture::id(4, "rg-apps", "virtualNetworks/unseen/subnets/typo");
    assert!(world.plan().is_whole());
}

#[test]
fn a_static_address_is_one_of_the_subnet_s_and_free() {
    let first = |world: &World| refused(&world.plan()).lines().next().unwrap_or_default().to_owned();
    let mut world = with_subnet("10.50.1.0/24");
    hold(&mut world, "10.50.1.20");
    asks_for(&mut world, "10.50.2.20");
    insta::assert_snapshot!(first(&world), @"privateendpoint/orders-pe: the address 10.50.2.20 is outside the subnet pe-subnet (10.50.1.0/24) (PRE-IP-OUTSIDE)");
    asks_for(&mut world, "10.50.1.3");
    insta::assert_snapshot!(first(&world), @"privateendpoint/orders-pe: Azure keeps 10.50.1.3 of the subnet pe-subnet for itself (PRE-IP-RESERVED)");
    asks_for(&mut world, "10.50.1.20");
    insta::assert_snapshot!(first(&world), @"privateendpoint/orders-pe: the address 10.50.1.20 is taken by privateendpoints/other-pe in rg-consumer (PRE-IP-TAKEN)");
    asks_for(&mut world, "10.50.1.21");
    assert!(world.plan().is_whole());
}

#[test]
fn a_full_subnet_takes_no_endpoint() {
    let mut world = with_subnet("10.50.1.0/29");
    for address in ["10.50.1.4", "10.50.1.5"] {
        hold(&mut world, address);
    }
    assert!(world.plan().is_whole(), "one is left");
    hold(&mut world, "10.50.1.6");
    insta::assert_snapshot!(refused(&world.plan()), @r"
    privateendpoint/orders-pe: the subnet pe-subnet has room for 0 more, and 1 are asked for (PRE-SUBNET-FULL)
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe
    ");
}

#[test]
fn an_alias_that_does_not_list_the_consumer_is_a_warning_and_no_doom() {
    let mut world = World::converged();
    world.observed.private_endpoints.clear();
    world.endpoint().target = Target::Alias(fixture::ALIAS.parse().unwrap());
    let doubts = |world: &World| -> Vec<String> {
        let plan = world.plan();
        assert!(plan.is_whole());
        plan.notes.iter().filter(|note| note.text.contains("PRE-")).map(|note| note.text.clone()).collect()
    };
    insta::assert_snapshot!(doubts(&world).join("\n"), @"may be refused: pls-orders does not list subscription 00000000-0000-0000-0000-000000000001, so only a role on it makes its alias visible (PRE-ALIAS-HIDDEN)");
    world.live_link().service.exposure.visibility = Visibility::Subscriptions([fixture::subscription(1)].into());
    assert_eq!(doubts(&world), Vec::<String>::new());
}

/// What the steps of a plan need, as `key: action on scope`.
fn needs(world: &World) -> String {
    let of = |change: &Change| {
        let needed = right::needed(change, &world.desired, &world.observed).into_iter();
        let line = |it: right::Needed| format!("{}: {} on {}", change.key, it.action, it.scopes.last().unwrap());
        needed.map(line).collect::<Vec<_>>()
    };
    let lines: Vec<String> = world.plan().steps.iter().flat_map(|step| of(&step.change)).collect();
    lines.join("\n").replace("/subscriptions/00000000-0000-0000-0000-00000000000", "…")
}

#[test]
fn every_write_of_privlink_needs_its_rights_and_those_on_what_it_refers_to() {
    insta::assert_snapshot!(needs(&World::empty()), @"
    privateendpoint/orders-pe: Microsoft.Network/privateEndpoints/write on …1/resourceGroups/rg-apps
    privateendpoint/orders-pe: Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action on …1/resourceGroups/MC_prod
    privateendpoint/orders-pe: Microsoft.Network/virtualNetworks/subnets/join/action on …1/resourceGroups/rg-apps/providers/Microsoft.Network/virtualNetworks/spoke/subnets/pe-subnet
    dnsrecord/api.orders.internal: Microsoft.Network/privateDnsZones/A/write on …1/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal
    dnslink/orders.internal/spoke: Microsoft.Network/privateDnsZones/virtualNetworkLinks/write on …1/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal
    dnslink/orders.internal/spoke: Microsoft.Network/virtualNetworks/join/action on …1/resourceGroups/rg-apps/providers/Microsoft.Network/virtualNetworks/spoke
    ");
    assert_eq!(needs(&World::converged()), "");
    let mut world = World::converged();
    world.desired.intents.clear();
    world.desired.policy.prune = true;
    insta::assert_snapshot!(needs(&world), @"
    dnsrecord/api.orders.internal: Microsoft.Network/privateDnsZones/A/delete on …1/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal
    privateendpoint/orders-pe: Microsoft.Network/privateEndpoints/delete on …1/resourceGroups/rg-apps/providers/Microsoft.Network/privateEndpoints/orders-pe
    dnslink/orders.internal/spoke: Microsoft.Network/privateDnsZones/virtualNetworkLinks/delete on …1/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal
    ");
}

#[test]
fn the_right_to_approve_is_needed_where_the_service_is_known_not_to_approve_by_itself() {
    let is_needed = |world: &World| needs(world).contains("PrivateEndpointConnectionsApproval");
    let mut world = World::converged();
    world.observed.private_endpoints.clear();
    assert!(is_needed(&world));
    world.endpoint().target = Target::Id(fixture::link_id());
    assert!(is_needed(&world));
    world.live_link().service.exposure.auto_approval = [fixture::subscription(1)].into_iter().collect();
    assert!(!is_needed(&world), "it lets the subscription in");
    world.endpoint().target = Target::Id(fixture::id(7, "rg-else", "privateLinkServices/unseen"));
    assert!(!is_needed(&world), "nobody knows whom it lets in");
}

#[test]
fn a_subnet_is_written_with_everything_that_it_refers_to() {
    let mut world = with_subnet("10.50.1.0/24");
    let group = fixture::id(1, "rg-net", "networkSecurityGroups/closed");
    let live = world.observed.subnets.get_mut(&pe_subnet()).unwrap();
    live.seen.body = serde_json::json!({"properties": {"networkSecurityGroup": {"id": group.as_str()}}});
    let mut change = Change::new(ResourceKey::Subnet(pe_subnet()), Action::Update);
    change.resource = Some(Resource::Subnet(SubnetPolicy { id: pe_subnet() }));
    let needed = right::needed(&change, &world.desired, &world.observed);
    let actions: Vec<&str> = needed.iter().map(|needed| needed.action).collect();
    assert_eq!(
        actions,
        ["Microsoft.Network/networkSecurityGroups/join/action", "Microsoft.Network/virtualNetworks/subnets/write"]
    );
    // What the cloud provider does is not done with these rights.
    change.actor = Actor::CloudProvider;
    assert!(right::needed(&change, &world.desired, &world.observed).is_empty());
}

/// The empty world, in which the identity that applies has these actions everywhere.
fn with_rights(actions: &[&str], is_named: bool) -> World {
    let mut world = World::empty();
    let steps = world.plan().steps;
    let needed = steps.iter().flat_map(|step| right::needed(&step.change, &world.desired, &world.observed));
    let role = Permission { actions: actions.iter().map(ToString::to_string).collect(), not_actions: Vec::new() };
    let at = needed.flat_map(|needed| needed.scopes).map(|scope| (scope, vec![role.clone()])).collect();
    let identity = Grantee::Applier("00000000-0000-0000-0000-0000000000a2".parse().unwrap());
    world.observed.rights = Some(Rights { identity, is_named, at });
    world
}

#[test]
fn a_lack_of_the_identity_that_is_named_dooms_and_one_of_a_runner_s_own_is_a_warning() {
    assert!(with_rights(&["*"], true).plan().is_whole());
    let zone_only = ["Microsoft.Network/privateDnsZones/*", "*/join/action", "*Approval/action"];
    let plan = with_rights(&zone_only, true).plan();
    insta::assert_snapshot!(refused(&plan), @"
    privateendpoint/orders-pe: the identity 00000000-0000-0000-0000-0000000000a2 lacks Microsoft.Network/privateEndpoints/write on /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps (PRE-RIGHT-LACKING)
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe
    ");
    let plan = with_rights(&zone_only, false).plan();
    assert!(plan.is_whole());
    let told: Vec<&str> = plan
        .notes
        .iter()
        .filter(|note| note.text.contains("PRE-RIGHT-LACKING"))
        .map(|note| note.text.as_str())
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"bound to be refused if nobody else applies: the identity 00000000-0000-0000-0000-0000000000a2 lacks Microsoft.Network/privateEndpoints/write on /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps; grant it with: az role assignment create --assignee 00000000-0000-0000-0000-0000000000a2 --role "Network Contributor" --scope /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps (PRE-RIGHT-LACKING)"#);
}

/// What the steps of a plan need of the API server.
fn in_cluster(world: &World) -> String {
    let steps = world.plan().steps;
    let needed = steps.iter().flat_map(|step| access::needed(&step.change, &world.observed));
    let lines = needed.map(|it| format!("{} {} in {}", it.verb, it.resource, it.namespace.unwrap()));
    lines.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn a_service_takes_verbs_by_what_is_done_to_it() {
    insta::assert_snapshot!(in_cluster(&World::empty()), @"
    create services in shop
    get services in shop
    list events in shop
    patch services in shop
    ");
    assert_eq!(in_cluster(&World::converged()), "");
    let mut world = World::converged();
    world.manifest()["spec"]["ports"][0]["port"] = serde_json::json!(81);
    insta::assert_snapshot!(in_cluster(&world), @"
    get services in shop
    list events in shop
    patch services in shop
    ");
    let mut world = World::converged();
    world.desired.intents.clear();
    world.desired.policy.prune = true;
    insta::assert_snapshot!(in_cluster(&world), @"
    delete services in shop
    get services in shop
    list events in shop
    ");
}

/// The empty world, in which the user of the cluster may do all but one thing.
fn with_user(lacking: &Access, is_named: bool) -> World {
    let mut world = World::empty();
    let steps = world.plan().steps;
    let needed = steps.iter().flat_map(|step| access::needed(&step.change, &world.observed));
    let answers = needed.map(|access| (access.clone(), access != *lacking)).collect();
    world.observed.user_rights = Some(UserRights { user: "o'neill".to_owned(), is_named, answers });
    world
}

#[test]
fn what_the_user_of_the_cluster_may_not_do_dooms_where_that_one_is_named_and_warns_where_not() {
    let create = Access { resource: "services", verb: "create", namespace: Some("shop".parse().unwrap()) };
    let nothing = Access { verb: "watch", ..create.clone() };
    assert!(with_user(&nothing, true).plan().is_whole());
    let plan = with_user(&create, true).plan();
    insta::assert_snapshot!(refused(&plan), @"
    service/shop/orders: the cluster's user o'neill lacks create on services in the namespace shop (PRE-ACCESS-LACKING)
    privatelinkservice/shop/orders: needs service/shop/orders
    privateendpoint/orders-pe: needs privatelinkservice/shop/orders
    dnsrecord/api.orders.internal: needs privateendpoint/orders-pe
    ");
    insta::assert_snapshot!(plan.left_out[0].refusals[0].help, @r"grant it with: kubectl create role privlink-create-services --namespace shop --verb create --resource services && kubectl create rolebinding privlink-create-services --namespace shop --role privlink-create-services --user 'o'\''neill'");
    let plan = with_user(&create, false).plan();
    assert!(plan.is_whole());
    let told: Vec<&str> =
        plan.notes.iter().map(|note| note.text.as_str()).filter(|text| text.contains("lacks")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"bound to be refused if nobody else applies: the cluster's user o'neill lacks create on services in the namespace shop; grant it with: kubectl create role privlink-create-services --namespace shop --verb create --resource services && kubectl create rolebinding privlink-create-services --namespace shop --role privlink-create-services --user 'o'\''neill' (PRE-ACCESS-LACKING)");
}

#[test]
fn an_address_that_azure_calls_taken_is_taken_though_nobody_is_seen_to_have_it() {
    let mut world = with_subnet("10.50.1.0/24");
    asks_for(&mut world, "10.50.1.20");
    let plan = world.plan();
    let asked = plan.steps.iter().flat_map(|step| question::of(&step.change, &world.observed));
    let asked: Vec<Question> = asked.filter(|question| question.subnet == pe_subnet()).collect();
    let [question] = asked.as_slice() else { panic!("one address is asked about, not {asked:?}") };
    assert_eq!(question.asked.to_string(), "10.50.1.20");
    let offered: Vec<IpAddr> = ["10.50.1.21", "10.50.1.3", "10.9.9.9"].iter().map(|it| it.parse().unwrap()).collect();
    question::answered(&mut world.observed, question, (false, &offered));
    let plan = world.plan();
    insta::assert_snapshot!(refused(&plan).lines().next().unwrap(), @"privateendpoint/orders-pe: the address 10.50.1.20 is taken by somebody who is not seen, such as a node (PRE-IP-TAKEN)");
    let help = &plan.left_out.iter().find(|left| left.key == fixture::endpoint_key()).unwrap().refusals[0].help;
    // Neither what Azure keeps nor what is another subnet's is offered.
    insta::assert_snapshot!(help, @"Take a free address, or free this one in a commit of its own. Azure offers 10.50.1.21.");
    let mut free = with_subnet("10.50.1.0/24");
    asks_for(&mut free, "10.50.1.20");
    question::answered(&mut free.observed, question, (true, &[]));
    assert!(free.plan().is_whole());
}

/// The Service as the API server would store it, with all that it fills in.
fn stored(world: &mut World, edit: impl Fn(&mut serde_json::Value)) {
    let mut manifest = world.manifest().clone();
    let spec = &mut manifest["spec"];
    spec["clusterIP"] = "10.0.7.7".into();
    spec["clusterIPs"] = serde_json::json!(["10.0.7.7"]);
    spec["sessionAffinity"] = "None".into();
    spec["externalTrafficPolicy"] = "Cluster".into();
    spec["internalTrafficPolicy"] = "Cluster".into();
    spec["allocateLoadBalancerNodePorts"] = true.into();
    for port in spec["ports"].as_array_mut().unwrap() {
        port["nodePort"] = 31_007.into();
        port["protocol"] = "TCP".into();
        if port["targetPort"].is_null() {
            port["targetPort"] = port["port"].clone();
        }
    }
    edit(&mut manifest);
    world.observed.trials.insert(fixture::orders(), Trial::Stored(manifest));
}

#[test]
fn a_trial_that_finds_nothing_leaves_the_plan_as_it_is() {
    let mut world = World::empty();
    let untried = world.plan();
    stored(&mut world, |_| ());
    assert_eq!(world.plan().body, untried.body);
}

#[test]
fn what_would_be_stored_otherwise_is_a_part_of_what_is_approved() {
    let mut world = World::empty();
    let untried = world.plan();
    stored(&mut world, |manifest| manifest["metadata"]["annotations"]["team"] = "shop".into());
    let plan = world.plan();
    let change = &plan.steps.iter().find(|step| step.change.key == fixture::service_key()).unwrap().change;
    assert_eq!(
        change.stored.iter().map(|other| other.name.as_str()).collect::<Vec<_>>(),
        ["metadata.annotations[team]"]
    );
    assert!(plan.is_whole());
    let told = crate::plan::compare::differences(&untried.body, &plan.body);
    insta::assert_snapshot!(told.join("\n"), @"service/shop/orders: the API server would store metadata.annotations[team] as shop now");
}

#[test]
fn what_the_server_says_no_to_is_left_out_and_said_by_whom() {
    let mut world = World::empty();
    world.observed.trials.insert(fixture::orders(), Trial::Refused("denied the request: no owner".to_owned()));
    let first = |world: &World| refused(&world.plan()).lines().next().unwrap_or_default().to_owned();
    insta::assert_snapshot!(first(&world), @"service/shop/orders: the API server refuses it: denied the request: no owner (PRE-SERVER-REFUSES)");
    let held = [(".spec.type".to_owned(), "helm".to_owned())].into();
    world.observed.trials.insert(fixture::orders(), Trial::Held(held));
    insta::assert_snapshot!(first(&world), @"service/shop/orders: helm holds .spec.type (PRE-FIELD-HELD)");
    // An absent namespace is told by its own rule.
    world.observed.trials.insert(fixture::orders(), Trial::NoNamespace { is_leaving: false });
    assert!(world.plan().is_whole());
}

#[test]
fn a_namespace_is_made_first_if_the_settings_say_so_and_it_is_not_on_its_way_out() {
    let mut world = World::empty();
    let shop = fixture::orders().namespace;
    world.observed.absent_namespaces.insert(shop.clone());
    let first = |world: &World| refused(&world.plan()).lines().next().unwrap_or_default().to_owned();
    let told = "service/shop/orders: the namespace shop does not exist, or is being deleted (PRE-NAMESPACE-MISSING)";
    assert_eq!(first(&world), told);
    world.desired.policy.create_namespace = true;
    let plan = world.plan();
    let keys: Vec<String> = plan.steps.iter().map(|step| step.change.key.to_string()).collect();
    let place = |key: &str| keys.iter().position(|own| own == key).unwrap();
    assert!(plan.is_whole() && place("namespace/shop") < place("service/shop/orders"), "{keys:?}");
    assert_eq!(plan.steps[place("service/shop/orders")].after, [place("namespace/shop")]);
    world.observed.leaving_namespaces.insert(shop);
    assert_eq!(first(&world), told);
}
