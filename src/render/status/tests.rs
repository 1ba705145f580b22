//! Status as a person reads it.

use super::*;
use crate::domain::resource::connection::ConnectionStatus;
use crate::plan::fixture::World;
use crate::render::saved_plan::Provenance;
use crate::render::shown::Details;
use crate::render::status_files;
use crate::render::status_files::Files;
use crate::render::terminal;
use crate::status::Composition;
use crate::status::compose;

fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}:00Z").parse().unwrap()
}

fn files(world: &World, previous: &Files, time: &str) -> Files {
    let (documents, errors) = status_files::read(previous);
    assert!(errors.is_empty(), "{errors:?}");
    let (plan, failures) = (world.plan(), BTreeMap::new());
    let World { desired, observed } = world;
    let now = at(time);
    let input = Composition {
        desired,
        observed,
        plan: &plan,
        previous: &documents,
        applied: None,
        failures: &failures,
        approved: None,
        news: &[],
        now,
    };
    let provenance =
        Provenance { commit: None, source: "config".to_owned(), created_at: now, build: "0.1.0".to_owned() };
    let pending = status_files::Pending { plan: &plan, details: Details::default(), provenance };
    status_files::files(&compose(&input), &pending, previous)
}

fn waiting() -> World {
    let mut world = World::converged();
    world.live_endpoint().status = ConnectionStatus::Pending;
    world.live_endpoint().status_description = "ask net@acme.example".to_owned();
    world.observed.dns_records.clear();
    world
}

fn shown(files: &Files) -> String {
    let (documents, _) = status_files::read(files);
    let clock = Clock { as_of: at("10:00"), now: at("10:05") };
    terminal::render(&status("prod", &documents, clock), false)
}

#[test]
fn a_status_reads_like_kubectl_and_az() {
    insta::assert_snapshot!(shown(&files(&World::converged(), &Files::new(), "10:00")), @r"
    Status of prod as of 2026-11-20T10:00:00Z (5m ago)

    Services in namespace shop
    NAME     TYPE           CLUSTER-IP   EXTERNAL-IP     PORT(S)         AGE
    orders   LoadBalancer   10.0.37.12   10.224.10.224   443:30443/TCP   5m

    Private Link Services
    Name        Alias
    ----------  --------------------------------------------------------------------------------
    pls-orders  pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice

    Connections
    Service     Endpoint   State     Consumer      Subscription                          LinkId     FirstSeen
    ----------  ---------  --------  ------------  ------------------------------------  ---------  --------------------
    pls-orders  orders-pe  Approved                00000000-0000-0000-0000-000000000001  536871010  2026-11-20T10:00:00Z
    pls-orders  acme-pe    Approved  ACME trading  00000000-0000-0000-0000-000000000002  536871010  2026-11-20T10:00:00Z
    pls-orders  beta-pe    Approved                00000000-0000-0000-0000-000000000003  536871010  2026-11-20T10:00:00Z

    Private endpoints
    Name       Address    Connection  Target
    ---------  ---------  ----------  ----------
    orders-pe  10.50.1.4  Approved    pls-orders

    DNS records
    Name                 Addresses
    -------------------  ---------
    api.orders.internal  10.50.1.4
    ");
    insta::assert_snapshot!(shown(&files(&waiting(), &Files::new(), "10:00")), @r#"
    Status of prod as of 2026-11-20T10:00:00Z (5m ago)
    1 change waiting (notable) since 2026-11-20T10:00:00Z: plan ed343fcb136a91bc8bb5228b454c4a4375324faa2882079a3972e44786e7b664

    Services in namespace shop
    NAME     TYPE           CLUSTER-IP   EXTERNAL-IP     PORT(S)         AGE
    orders   LoadBalancer   10.0.37.12   10.224.10.224   443:30443/TCP   5m

    Private Link Services
    Name        Alias
    ----------  --------------------------------------------------------------------------------
    pls-orders  pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice

    Connections
    Service     Endpoint   State     Consumer      Subscription                          LinkId     FirstSeen
    ----------  ---------  --------  ------------  ------------------------------------  ---------  --------------------
    pls-orders  orders-pe  Approved                00000000-0000-0000-0000-000000000001  536871010  2026-11-20T10:00:00Z
    pls-orders  acme-pe    Approved  ACME trading  00000000-0000-0000-0000-000000000002  536871010  2026-11-20T10:00:00Z
    pls-orders  beta-pe    Approved                00000000-0000-0000-0000-000000000003  536871010  2026-11-20T10:00:00Z

    Private endpoints
    Name       Address    Connection  Target
    ---------  ---------  ----------  ----------
    orders-pe  10.50.1.4  Pending     pls-orders

    DNS records
    Name                 Addresses
    -------------------  ---------
    api.orders.internal  <none>

    PrivateEndpoint orders-pe
      ConnectionApproved False: PendingApproval for 5m: the provider has not answered the request yet: "ask net@acme.example"
      DnsReady False: RecordMissing for 5m: there is no A record api.orders.internal
      pending  create dnsrecord/api.orders.internal (notable)
    "#);
}

#[test]
fn files_are_the_same_bytes_while_nothing_changes() {
    let world = waiting();
    let first = files(&world, &Files::new(), "10:00");
    assert_eq!(files(&world, &first, "11:00"), first);
    let (documents, errors) = status_files::read(&first);
    assert!(errors.is_empty() && documents.len() == 4, "{documents:?}");
}

fn file(name: &str) -> String {
    files(&waiting(), &Files::new(), "10:00")[&format!("status/prod/{name}").parse().unwrap()].clone()
}

#[test]
fn a_file_of_a_document_says_how_it_is_and_since_when() {
    insta::assert_snapshot!(file("privateendpoint/orders-pe.yaml"), @r#"
    # written by privlink; do not edit
    apiVersion: privlink.dev/v1alpha1
    kind: PrivateEndpointStatus
    metadata:
      name: orders-pe
    source: environments/prod/consumer.yaml
    conditions:
    - type: EndpointReady
      status: 'True'
      reason: AddressAssigned
      since: 2026-11-20T10:00:00Z
    - type: ConnectionApproved
      status: 'False'
      reason: PendingApproval
      message: 'the provider has not answered the request yet: "ask net@acme.example"'
      since: 2026-11-20T10:00:00Z
    - type: DnsReady
      status: 'False'
      reason: RecordMissing
      message: there is no A record api.orders.internal
      since: 2026-11-20T10:00:00Z
    pending:
    - create dnsrecord/api.orders.internal (notable)
    outputs:
      id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps/providers/Microsoft.Network/privateEndpoints/orders-pe
      address: 10.50.1.4
      networkInterface: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps/providers/Microsoft.Network/networkInterfaces/orders-pe.nic
      connectionState: Pending
      target: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_prod/providers/Microsoft.Network/privateLinkServices/pls-orders
      dns:
      - name: api.orders.internal
        addresses: []
    "#);
}

#[test]
fn the_file_of_a_service_carries_its_private_link_service() {
    insta::assert_snapshot!(file("service/shop/orders.yaml"), @r"
    # written by privlink; do not edit
    apiVersion: privlink.dev/v1alpha1
    kind: ServiceStatus
    metadata:
      name: orders
      namespace: shop
    source: environments/prod/orders.yaml
    conditions:
    - type: FrontendReady
      status: 'True'
      reason: AddressAssigned
      since: 2026-11-20T10:00:00Z
    - type: LinkServiceReady
      status: 'True'
      reason: Serving
      since: 2026-11-20T10:00:00Z
    - type: ConnectionApproved
      status: 'True'
      reason: NoRequestWaits
      since: 2026-11-20T10:00:00Z
    - type: Published
      status: 'True'
      reason: Published
      since: 2026-11-20T10:00:00Z
    outputs:
      type: LoadBalancer
      clusterIP: 10.0.37.12
      addresses:
      - 10.224.10.224
      ports:
      - 443:30443/TCP
      createdAt: 2026-11-20T10:00:00Z
      frontend: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_prod/providers/Microsoft.Network/loadBalancers/kubernetes-internal/frontendIPConfigurations/a8d1e4f2a00004000800000000000000
    linkService:
      id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/MC_prod/providers/Microsoft.Network/privateLinkServices/pls-orders
      alias: pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice
      connections:
      - name: orders-pe
        endpoint: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-apps/providers/Microsoft.Network/privateEndpoints/orders-pe
        subscription: 00000000-0000-0000-0000-000000000001
        status: Approved
        linkId: '536871010'
        firstSeen: 2026-11-20T10:00:00Z
      - name: acme-pe
        consumer: ACME trading
        endpoint: /subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-consumer/providers/Microsoft.Network/privateEndpoints/acme-pe
        subscription: 00000000-0000-0000-0000-000000000002
        status: Approved
        linkId: '536871010'
        firstSeen: 2026-11-20T10:00:00Z
      - name: beta-pe
        endpoint: /subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-consumer/providers/Microsoft.Network/privateEndpoints/beta-pe
        subscription: 00000000-0000-0000-0000-000000000003
        status: Approved
        linkId: '536871010'
        firstSeen: 2026-11-20T10:00:00Z
    ");
}

#[test]
fn the_environment_has_a_file_and_a_table_for_people() {
    insta::assert_snapshot!(file("environment.yaml"), @r"
    # written by privlink; do not edit
    apiVersion: privlink.dev/v1alpha1
    kind: EnvironmentStatus
    environment: prod
    pending:
      id: ed343fcb136a91bc8bb5228b454c4a4375324faa2882079a3972e44786e7b664
      risk: notable
      changes: 1
      since: 2026-11-20T10:00:00Z
    ");
    insta::assert_snapshot!(file("README.md"), @r"
    <!-- written by privlink; do not edit -->
    # Status of prod

    1 of 2 documents ready.

    Waiting since 2026-11-20T10:00:00Z: 1 change, notable, plan [`ed343fcb136a91bc8bb5228b454c4a4375324faa2882079a3972e44786e7b664`](plans/ed343fcb136a91bc8bb5228b454c4a4375324faa2882079a3972e44786e7b664.md)

    | | Kind | Name | State | Address, alias | Consumers |
    |---|---|---|---|---|---|
    | `!` | PrivateEndpoint | [orders-pe](privateendpoint/orders-pe.yaml) | ConnectionApproved: PendingApproval since 2026-11-20T10:00:00Z<br>DnsReady: RecordMissing since 2026-11-20T10:00:00Z | `10.50.1.4` |  |
    | `+` | Service | [shop/orders](service/shop/orders.yaml) | Ready | `10.224.10.224`<br>`pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice` | 3 |
    ");
}

#[test]
fn a_saved_plan_that_is_not_what_its_name_says_is_none() {
    let world = waiting();
    let written = files(&world, &Files::new(), "10:00");
    let (path, text) = written.iter().find(|(path, _)| path.as_str().ends_with(".json")).unwrap();
    let plans = |path: &str, text: &str| {
        let files = Files::from([(path.parse().unwrap(), text.to_owned())]);
        status_files::read(&files).0.len()
    };
    assert_eq!(plans(path.as_str(), text), 1);
    assert_eq!(plans(path.as_str(), &text.replace("10.224.10.224", "10.224.10.99")), 0);
    assert_eq!(plans("status/prod/plans/other.json", text), 0);
}
