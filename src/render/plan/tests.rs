//! Plans as a reviewer reads them.

mod apart;

use serde_json::json;

use super::*;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::dns::Addresses;
use crate::observed::Area;
use crate::plan::fixture;
use crate::plan::fixture::World;
use crate::render::terminal;

fn shown(plan: &Plan) -> String {
    terminal::render(&super::plan(plan, Details::default()), false)
}

const IPV4: &str = "service.beta.kubernetes.io/azure-load-balancer-ipv4";

#[test]
fn a_new_environment_creates_everything_in_order() {
    insta::assert_snapshot!(shown(&World::empty().plan()), @r#"
    Plan for prod: notable
    + 5 to create, ~ 0 to update, -/+ 0 to replace, - 0 to delete

    Worst first
      notable  1.  + service/shop/orders               environments/prod/orders.yaml
      notable  3.  + privateendpoint/orders-pe         environments/prod/consumer.yaml
      notable  4.  + dnsrecord/api.orders.internal     environments/prod/consumer.yaml
      notable  5.  + dnslink/orders.internal/spoke     environments/prod/consumer.yaml
      safe     2.  + privatelinkservice/shop/orders    environments/prod/orders.yaml

    Changes
      1. + service/shop/orders: create  [notable]
          asked for in environments/prod/orders.yaml
          + annotation azure-load-balancer-internal  true
          + annotation azure-load-balancer-ipv4      "10.224.10.224"
          + annotation azure-pls-create              true
          + annotation azure-pls-name                "pls-orders"
          + spec.ports[443/TCP]                      "open"
          + spec.ports[443/TCP].targetPort           8443
          + spec.selector.app                        "orders"
          + spec.type                                "LoadBalancer"
          + the marks that say whose it is
      2. + privatelinkservice/shop/orders: create by the cloud provider  [safe]
          asked for in environments/prod/orders.yaml
          waits for service/shop/orders (1)
          + name           "pls-orders"
          + nat.count      1
          + proxyProtocol  false
          + visibility     "role-based"
      3. + privateendpoint/orders-pe: create  [notable]
          asked for in environments/prod/consumer.yaml
          waits for privatelinkservice/shop/orders (2)
          + connection.name     "orders-pe"
          + connection.request  "automatic"
          + location            "eastus2"
          + subnet              …/rg-apps/virtualNetworks/spoke/subnets/pe-subnet
          + target              <id: known after privatelinkservice/shop/orders>
          + the marks that say whose it is
      4. + dnsrecord/api.orders.internal: create  [notable]
          asked for in environments/prod/consumer.yaml
          waits for privateendpoint/orders-pe (3)
          + addresses  <address: known after privateendpoint/orders-pe>
          + ttl        300
          + the marks that say whose it is
      5. + dnslink/orders.internal/spoke: create  [notable]
          asked for in environments/prod/consumer.yaml
          + virtualNetwork  …/rg-apps/virtualNetworks/spoke
          + the marks that say whose it is

    Approval
      notable (4 changes): the merge of the commit is enough
      safe (1 change): nobody has to say yes

    Plan id: 903700d75f849a8d660176038d39af8323ad6d6f221548d9c4c9709c425e627b
    "#);
}

#[test]
fn a_converged_world_is_one_line() {
    insta::assert_snapshot!(shown(&World::converged().plan()), @r"No changes: 5 resources are as they shall be.");
}

#[test]
fn a_moved_endpoint_is_replaced_and_says_why() {
    let mut world = World::converged();
    world.endpoint().subnet = fixture::id(1, "rg-apps", "virtualNetworks/spoke/subnets/other");
    insta::assert_snapshot!(shown(&world.plan()), @r"
    Plan for prod: severing
    + 0 to create, ~ 1 to update, -/+ 1 to replace, - 0 to delete

    Changes
      1. -/+ privateendpoint/orders-pe: replace  [severing]
          asked for in environments/prod/consumer.yaml
          replaced because subnet cannot change in place
          ~ subnet  …/rg-apps/virtualNetworks/spoke/subnets/pe-subnet -> …/rg-apps/virtualNetworks/spoke/subnets/other  (forces the replacement)
          may cut 1 connection: orders-pe (Approved)
      2. ~ dnsrecord/api.orders.internal: update  [disruptive]
          asked for in environments/prod/consumer.yaml
          waits for privateendpoint/orders-pe (1)
          ~ addresses  {10.50.1.4} -> <address: known after privateendpoint/orders-pe>

    Approval
      severing (1 change): 2 people who are neither author nor committer must approve
      disruptive (1 change): 1 person who is neither author nor committer must approve

    Plan id: cefd057f4e698a514d4ce47619f35e2744999c8db0934ee6447d5438127f316f
    ");
}

#[test]
fn a_changed_address_names_everybody_who_loses_service() {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"][IPV4] = json!("10.224.10.40");
    insta::assert_snapshot!(shown(&world.plan()), @r#"
    Plan for prod: severing
    + 0 to create, ~ 2 to update, -/+ 2 to replace, - 0 to delete

    Who is affected: 3 connections of 3 subscriptions
      service/shop/orders: the frontend moves from 10.224.10.224 to 10.224.10.40: pls-orders is deleted with every connection and built anew with another alias (CCM-FIP-ADDRESS, DIF001)
        why: environments/prod/orders.yaml changes annotation azure-load-balancer-ipv4 from "10.224.10.224" to "10.224.10.40"
        orders-pe  Approved  declared here, repaired by step 3  subscription 00000000-0000-0000-0000-000000000001
        acme-pe    Approved  ACME trading (net@acme.example)    subscription 00000000-0000-0000-0000-000000000002
        beta-pe    Approved  unknown consumer                   subscription 00000000-0000-0000-0000-000000000003

    Private Link Services on a frontend that changes
      pls-orders: made by the cloud provider: it goes with its frontend, and another one is built (CCM-FIP-ADDRESS, observed)

    A smaller edit
      service/shop/orders: keep the address as it is ("10.224.10.224"): then nobody is cut and nothing fails

    Changes
      1. ~ service/shop/orders: update  [severing]
          asked for in environments/prod/orders.yaml
          ~ annotation azure-load-balancer-ipv4  "10.224.10.224" -> "10.224.10.40"
          3 connections affected (CCM-FIP-ADDRESS): see above
      2. -/+ privatelinkservice/shop/orders: replace by the cloud provider  [severing]
          asked for in environments/prod/orders.yaml
          deleted with its frontend and built anew
          waits for service/shop/orders (1)
          ~ alias  "pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice" -> <alias: known after privatelinkservice/shop/orders>
      3. -/+ privateendpoint/orders-pe: replace  [severing]
          asked for in environments/prod/consumer.yaml
          replaced because target cannot change in place
          waits for privatelinkservice/shop/orders (2)
          ~ target  …/MC_prod/privateLinkServices/pls-orders -> <id: known after privatelinkservice/shop/orders>  (forces the replacement)
      4. ~ dnsrecord/api.orders.internal: update  [disruptive]
          asked for in environments/prod/consumer.yaml
          waits for privateendpoint/orders-pe (3)
          ~ addresses  {10.50.1.4} -> <address: known after privateendpoint/orders-pe>

    Approval
      severing (3 changes): 2 people who are neither author nor committer must approve
      disruptive (1 change): 1 person who is neither author nor committer must approve

    Plan id: 14e33f33c17efe972fa0ac80c5fbdc26d3454b1c60672350eb4d310401607e2e
    "#);
}

#[test]
fn the_readme_shows_what_is_shown() {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"][IPV4] = json!("10.224.10.40");
    let plan = shown(&world.plan());
    let readme = include_str!("../../../README.md");
    let block = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```\n").next());
    assert_eq!(block, Some(plan.as_str()), "README.md shows another plan");
}

#[test]
fn an_edit_that_destroys_and_then_fails_is_left_out_and_says_what_is_free() {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"][IPV4] = json!("10.9.9.9");
    insta::assert_snapshot!(shown(&world.plan()), @r#"
    Nothing can be changed in prod before this is out of the way.

    Left out: bound to fail, or of no use without what is
      ~ service/shop/orders: update  [severing]
          asked for in environments/prod/orders.yaml
          ~ annotation azure-load-balancer-ipv4  "10.224.10.224" -> "10.9.9.9"
          not applicable because consumers are cut first, then it fails: the address 10.9.9.9 is outside the subnet nodes (10.224.0.0/16): every sync fails, when the load balancer is written (CCM-IP-OUTSIDE, DIF002, "PrivateIPAddressNotInSubnet"); by then pls-orders is deleted with 3 connections, and not built again
          would be hit: orders-pe  Approved  declared here                    subscription 00000000-0000-0000-0000-000000000001
          would be hit: acme-pe    Approved  ACME trading (net@acme.example)  subscription 00000000-0000-0000-0000-000000000002
          would be hit: beta-pe    Approved  unknown consumer                 subscription 00000000-0000-0000-0000-000000000003
          help: Take an address of the subnet, or name the subnet that has it.

    Private Link Services on a frontend that changes
      pls-orders: made by the cloud provider: it is deleted first, and only then is it known that the frontend cannot change (CCM-FIP-ADDRESS, observed)

    A smaller edit
      service/shop/orders: keep the address as it is ("10.224.10.224"): then nobody is cut and nothing fails
      service/shop/orders: free near it, as far as was seen: 10.224.10.225, 10.224.10.223, 10.224.10.226 (CCM-IP-OUTSIDE); to move there cuts every connection too
    "#);
}

#[test]
fn what_does_not_need_a_doomed_change_is_planned_without_it() {
    let mut world = World::empty();
    world.manifest()["metadata"]["annotations"][IPV4] = json!("10.9.9.9");
    insta::assert_snapshot!(shown(&world.plan()), @r#"
    Plan for prod: notable, 4 changes left out
    + 1 to create, ~ 0 to update, -/+ 0 to replace, - 0 to delete

    Left out: bound to fail, or of no use without what is
      + service/shop/orders: create  [notable]
          asked for in environments/prod/orders.yaml
          + annotation azure-load-balancer-internal  true
          + annotation azure-load-balancer-ipv4      "10.9.9.9"
          + annotation azure-pls-create              true
          + annotation azure-pls-name                "pls-orders"
          + spec.ports[443/TCP]                      "open"
          + spec.ports[443/TCP].targetPort           8443
          + spec.selector.app                        "orders"
          + spec.type                                "LoadBalancer"
          + the marks that say whose it is
          not applicable because the address 10.9.9.9 is outside the subnet nodes (10.224.0.0/16): every sync fails, when the load balancer is written (CCM-IP-OUTSIDE, DIF002, "PrivateIPAddressNotInSubnet")
          help: Take an address of the subnet, or name the subnet that has it.
      + privatelinkservice/shop/orders: create by the cloud provider  [safe]
          asked for in environments/prod/orders.yaml
          not applicable because it needs service/shop/orders
      + privateendpoint/orders-pe: create  [notable]
          asked for in environments/prod/consumer.yaml
          not applicable because it needs privatelinkservice/shop/orders
      + dnsrecord/api.orders.internal: create  [notable]
          asked for in environments/prod/consumer.yaml
          not applicable because it needs privateendpoint/orders-pe

    A smaller edit
      service/shop/orders: free near it, as far as was seen: 10.224.0.4, 10.224.0.5, 10.224.0.6 (CCM-IP-OUTSIDE)

    Changes
      1. + dnslink/orders.internal/spoke: create  [notable]
          asked for in environments/prod/consumer.yaml
          + virtualNetwork  …/rg-apps/virtualNetworks/spoke
          + the marks that say whose it is

    Approval
      notable (1 change): the merge of the commit is enough

    Plan id: f1062cf7b61256dacb3b82f429b30147e039306c8ba2dd55c77bc16c38ad1249
    "#);
}

#[test]
fn a_severing_edit_with_a_harmless_one_can_be_split() {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal-subnet"] =
        json!("nodes");
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-pls-fqdns"] = json!("a.example");
    let offers = world.plan().smaller_edits;
    let offers: Vec<&str> = offers.iter().map(|offer| offer.text.as_str()).collect();
    insta::assert_snapshot!(offers.join("\n"), @"keep the subnet annotation as it is: then nobody is cut and nothing fails; the other field can change without it, in a commit of its own");
}

#[test]
fn what_stands_in_the_way_comes_with_help() {
    let mut world = World::converged();
    world.live_endpoint().mark = None;
    world.observed.dns_zones.clear();
    insta::assert_snapshot!(shown(&world.plan()), @r"
    Nothing can be changed in prod before this is out of the way.

    Left out: bound to fail, or of no use without what is
      privateendpoint/orders-pe
          not applicable because it exists already and nobody's mark is on it (PRE-FOREIGN)
          help: to take it over as it is, add to the document's metadata.annotations: privlink.dev/adopt: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps/providers/Microsoft.Network/privateEndpoints/orders-pe
      dnsrecord/api.orders.internal
          not applicable because the private DNS zone /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal does not exist
          help: correct its name or group, or create it first
      dnslink/orders.internal/spoke
          not applicable because the private DNS zone /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/orders.internal does not exist
          help: correct its name or group, or create it first
    ");
}

#[test]
fn what_could_not_be_read_is_neither_planned_nor_hidden() {
    let mut world = World::converged();
    world.blind(Area::PrivateEndpoints(fixture::subscription(1)));
    insta::assert_snapshot!(shown(&world.plan()), @r"
    No changes as far as could be read: 4 resources are as they shall be.

    Notes
      privateendpoint/orders-pe: not planned: private endpoints of subscription 00000000-0000-0000-0000-000000000001 could not be read

    Could not be read
      private endpoints of subscription 00000000-0000-0000-0000-000000000001: Azure answered 403: no right to read
    ");
}

#[test]
fn unpublishing_names_every_consumer_in_the_order_of_the_deletes() {
    let mut world = World::with_document();
    world.desired.policy.prune = true;
    world.desired.intents.remove(&fixture::service_key());
    world.desired.intents.remove(&fixture::link_key());
    let owned = ["azure-pls-create", "azure-pls-name"];
    let owned = owned.map(|key| format!("metadata.annotations[service.beta.kubernetes.io/{key}]"));
    world.live_service().owned = owned.into();
    insta::assert_snapshot!(shown(&world.plan()), @r#"
    Plan for prod: severing
    + 0 to create, ~ 1 to update, -/+ 0 to replace, - 4 to delete

    Who is affected: 3 connections of 3 subscriptions
      privatelinkservice/shop/orders: pls-orders is deleted with its connections and the alias pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice is lost for ever (ARM-PLS-DELETED)
        orders-pe  Approved  declared here                    subscription 00000000-0000-0000-0000-000000000001
        acme-pe    Approved  ACME trading (net@acme.example)  subscription 00000000-0000-0000-0000-000000000002
        beta-pe    Approved  unknown consumer                 subscription 00000000-0000-0000-0000-000000000003

    Worst first
      severing  2.  - connection/orders-pe -> shop/orders
      severing  3.  - connection/acme-pe -> shop/orders
      severing  4.  - connection/beta-pe -> shop/orders
      severing  5.  - privatelinkservice/shop/orders       3 connections
      notable   1.  ~ service/shop/orders

    Changes
      1. ~ service/shop/orders: update  [notable]
          no document asks for it any more
          - annotation azure-pls-create  true
          - annotation azure-pls-name    "pls-orders"
          a Private Link Service that is not asked for any more stays (CCM-PLS-STAYS, DIF007)
      2. - connection/orders-pe -> shop/orders: delete  [severing]
          no document asks for it any more
          waits for service/shop/orders (1)
          - state  "Approved"
      3. - connection/acme-pe -> shop/orders: delete  [severing]
          no document asks for it any more
          waits for service/shop/orders (1)
          - state  "Approved"
      4. - connection/beta-pe -> shop/orders: delete  [severing]
          no document asks for it any more
          waits for service/shop/orders (1)
          - state  "Approved"
      5. - privatelinkservice/shop/orders: delete  [severing]
          no document asks for it any more
          waits for connection/orders-pe -> shop/orders (2), connection/acme-pe -> shop/orders (3), connection/beta-pe -> shop/orders (4)
          3 connections affected (ARM-PLS-DELETED): see above

    Approval
      severing (4 changes): 2 people who are neither author nor committer must approve
      notable (1 change): the merge of the commit is enough

    Plan id: 4df87cfa8f6167af43182c898048cf69ebc6ea05c93f9b4282c65f191f0f083d
    "#);
}

#[test]
fn a_set_shows_who_comes_and_who_goes() {
    let mut world = World::converged();
    let key = "service.beta.kubernetes.io/azure-pls-visibility";
    let ids = |digits: [u8; 2]| digits.map(|digit| fixture::subscription(digit).to_string()).join(" ");
    world.live_service().manifest["metadata"]["annotations"][key] = json!(ids([2, 3]));
    world.manifest()["metadata"]["annotations"][key] = json!(ids([3, 4]));
    world.live_link().connections.truncate(1);
    world.live_link().connections[0].status = ConnectionStatus::Pending;
    insta::assert_snapshot!(shown(&world.plan()), @r"
    Plan for prod: exposing
    + 0 to create, ~ 1 to update, -/+ 0 to replace, - 0 to delete

    Changes
      1. ~ service/shop/orders: update  [exposing]
          asked for in environments/prod/orders.yaml
          ~ annotation azure-pls-visibility  + 00000000-0000-0000-0000-000000000004
                                             - 00000000-0000-0000-0000-000000000002

    Approval
      exposing (1 change): 2 people who are neither author nor committer must approve

    Plan id: 9238803e5d245d756141dffc0c73cf41d8607a9560861a5294988c5411a40ed7
    ");
}
