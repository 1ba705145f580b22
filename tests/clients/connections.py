"""The life of a connection, as provider, consumer and a stranger see it through Microsoft's SDK."""

from azure.core.exceptions import HttpResponseError

from sdk import Azure, endpoint_body, ipv4, network_id, state, subnet_id
from simulator import CONSUMER, FOREIGN, PROVIDER, eventually

GROUP = "rg-own"
FRONT = subnet_id("front-subnet", "own-vnet", PROVIDER, GROUP)
NAT = subnet_id("nat-subnet", "own-vnet", PROVIDER, GROUP)
CONSUMERS_SUBNET = subnet_id("pe-subnet", "myOtherVNET", CONSUMER, "myOtherResourceGroup")
STRANGERS_SUBNET = subnet_id("pe-subnet", "stranger-vnet", FOREIGN, "rg-stranger")


def balancer_body(frontends):
    """A Standard load balancer with internal frontends: a name and an address (or none) each."""
    def frontend(name, address):
        method = {"privateIPAllocationMethod": "Static", "privateIPAddress": address} if address else {"privateIPAllocationMethod": "Dynamic"}
        return {"name": name, "properties": {"subnet": {"id": FRONT}, **method}}
    return {"location": "eastus2", "sku": {"name": "Standard"}, "properties": {
        "frontendIPConfigurations": [frontend(name, address) for name, address in frontends]}}


def frontend_id(balancer, name):
    return network_id(PROVIDER, GROUP, "loadBalancers", balancer, "frontendIPConfigurations", name)


def service_body(frontend, configurations=None, visible=(), approved=(), **more):
    properties = {"loadBalancerFrontendIpConfigurations": [{"id": frontend}],
                  "ipConfigurations": configurations or [ipv4("nat-1", NAT)], **more}
    if visible:
        properties["visibility"] = {"subscriptions": list(visible)}
    if approved:
        properties["autoApproval"] = {"subscriptions": list(approved)}
    return {"location": "eastus2", "properties": properties}


def make_service(azure, name, frontend, **options):
    return azure.network.private_link_services.begin_create_or_update(GROUP, name, service_body(frontend, **options)).result().as_dict()


def settled(azure, name):
    """Waits until nothing is under way on a service: approvals are operations that the SDK does not wait for."""
    def state():
        own = azure.network.private_link_services.get(GROUP, name).as_dict()
        return own["properties"]["provisioningState"] == "Succeeded"
    eventually(state)


def connection_state(endpoint):
    properties = endpoint.as_dict()["properties"]
    connections = properties["privateLinkServiceConnections"] + properties["manualPrivateLinkServiceConnections"]
    return connections[0]["properties"]["privateLinkServiceConnectionState"]


def run(checks, simulator, _kubectl):
    provider, consumer, stranger = (Azure(simulator, who) for who in ("provider", "consumer", "stranger"))
    provider.network.load_balancers.begin_create_or_update(
        GROUP, "own-lb", balancer_body([("web", "10.60.0.10"), ("api", None), ("third", None)])).result()
    with checks.suite("connections: manual, by alias"):
        _manual(checks, provider, stranger)
    with checks.suite("connections: automatic, by id"):
        _automatic(checks, provider, consumer, stranger)
    with checks.suite("connections: visibility and auto-approval"):
        _reach(checks, provider, consumer, stranger)
    with checks.suite("connections: the end"):
        _end(checks, provider, consumer, stranger)


def _manual(checks, provider, stranger):
    service = make_service(provider, "pls-web", frontend_id("own-lb", "web"), visible=[FOREIGN])
    alias = service["properties"]["alias"]
    services, endpoints = provider.network.private_link_services, stranger.network.private_endpoints
    body = endpoint_body(alias, STRANGERS_SUBNET, manual=True, message="It is us")
    endpoint = endpoints.begin_create_or_update("rg-stranger", "pe-web", body).result()
    checks.equal("a manual connection waits", connection_state(endpoint)["status"], "Pending")
    checks.that("the endpoint itself has succeeded", endpoint.as_dict()["properties"]["provisioningState"] == "Succeeded", endpoint)
    connections = list(services.list_private_endpoint_connections(GROUP, "pls-web"))
    checks.equal("the provider sees one connection", len(connections), 1)
    guid = endpoint.as_dict()["properties"]["resourceGuid"]
    name = connections[0].name
    checks.equal("named after endpoint and its guid", name, f"pe-web.{guid}")
    checks.that("with a link identifier of digits", connections[0].as_dict()["properties"]["linkIdentifier"].isdigit(), connections[0].as_dict())
    checks.equal("and the endpoint's id", connections[0].as_dict()["properties"]["privateEndpoint"]["id"].lower(), endpoint.id.lower())
    approved = services.update_private_endpoint_connection(GROUP, "pls-web", name, state("Approved", "welcome"))
    checks.that("the approval is taken", approved.name == name, approved)
    seen = connection_state(endpoints.get("rg-stranger", "pe-web"))
    checks.equal("the consumer sees the approval with its text", (seen["status"], seen["description"]), ("Approved", "welcome"))
    services.update_private_endpoint_connection(GROUP, "pls-web", name, state("Rejected", "no longer"))
    seen = connection_state(endpoints.get("rg-stranger", "pe-web"))
    checks.equal("an approved connection can be rejected", (seen["status"], seen["description"]), ("Rejected", "no longer"))
    checks.refused("a connection that is not there is not found", lambda: services.get_private_endpoint_connection(GROUP, "pls-web", "pe-none.1"), 404, "NotFound")
    checks.refused("an alias needs a manual request", lambda: endpoints.begin_create_or_update(
        "rg-stranger", "pe-alias", endpoint_body(alias, STRANGERS_SUBNET)).result(), 400)


def _automatic(checks, provider, consumer, stranger):
    service = make_service(provider, "pls-api", frontend_id("own-lb", "api"), visible=[CONSUMER, FOREIGN], approved=[FOREIGN])
    before = provider.network.load_balancers.get(GROUP, "own-lb")
    endpoints = consumer.network.private_endpoints
    endpoint = endpoints.begin_create_or_update("myOtherResourceGroup", "pe-api", endpoint_body(service["id"], CONSUMERS_SUBNET)).result()
    checks.equal("a caller with the right on the service is approved", connection_state(endpoint)["status"], "Approved")
    subnet = consumer.network.subnets.get("myOtherResourceGroup", "myOtherVNET", "pe-subnet").as_dict()
    users = [own["id"].lower() for own in subnet["properties"].get("privateEndpoints", [])]
    checks.that("the subnet knows its endpoint", endpoint.id.lower() in users, subnet)
    checks.refused("the subnet is in use", lambda: consumer.network.subnets.begin_delete("myOtherResourceGroup", "myOtherVNET", "pe-subnet").result(), 400, "InUseSubnetCannotBeDeleted")
    body = endpoint_body(service["properties"]["alias"], STRANGERS_SUBNET, manual=True)
    automatic = stranger.network.private_endpoints.begin_create_or_update("rg-stranger", "pe-api", body).result()
    checks.equal("a subscription on the auto-approval list needs nobody", connection_state(automatic)["status"], "Approved")
    listed = list(stranger.network.private_link_services.list_auto_approved_private_link_services("eastus2"))
    checks.equal("it finds the service on its list", [own.private_link_service.lower() for own in listed], [service["id"].lower()])
    checks.equal("others do not", list(consumer.network.private_link_services.list_auto_approved_private_link_services("eastus2")), [])
    after = provider.network.load_balancers.get(GROUP, "own-lb")
    checks.equal("a connection leaves the load balancer alone", after.etag, before.etag)
    body = endpoint_body(service["id"], subnet_id("other-subnet", "myOtherVNET", CONSUMER, "myOtherResourceGroup"))
    checks.refused("an endpoint does not change its subnet", lambda: endpoints.begin_create_or_update("myOtherResourceGroup", "pe-api", body).result(), 400)


def _reach(checks, provider, consumer, stranger):
    service = make_service(provider, "pls-third", frontend_id("own-lb", "third"))
    alias = {"privateLinkServiceAlias": service["properties"]["alias"]}
    ask = lambda azure: azure.network.private_link_services.begin_check_private_link_service_visibility("eastus2", alias).result().visible
    checks.equal("without a list a stranger does not see the service", ask(stranger), False)
    body = endpoint_body(service["properties"]["alias"], STRANGERS_SUBNET, manual=True)
    create = lambda: stranger.network.private_endpoints.begin_create_or_update("rg-stranger", "pe-third", body).result()
    checks.refused("and cannot connect", create, 400, "InvalidPrivateLinkServiceId")
    changed = make_service(provider, "pls-third", frontend_id("own-lb", "third"), visible=["*"])
    checks.equal("an update keeps the alias", changed["properties"]["alias"], service["properties"]["alias"])
    checks.equal("with * everybody sees it", ask(stranger), True)
    checks.equal("now the stranger connects", connection_state(create())["status"], "Pending")
    make_service(provider, "pls-third", frontend_id("own-lb", "third"), visible=[CONSUMER])
    checks.equal("a narrower list keeps the connections there are", connection_state(
        stranger.network.private_endpoints.get("rg-stranger", "pe-third"))["status"], "Pending")
    checks.equal("but the service is out of sight", ask(stranger), False)
    checks.refused("auto-approval outside visibility is refused", lambda: make_service(
        provider, "pls-third", frontend_id("own-lb", "third"), visible=[CONSUMER], approved=[FOREIGN]), 400)
    unknown = {"privateLinkServiceAlias": f"nobody.{'0' * 8}-0000-0000-0000-{'0' * 12}.eastus2.azure.privatelinkservice"}
    try:
        visible = stranger.network.private_link_services.begin_check_private_link_service_visibility("eastus2", unknown).result().visible
    except HttpResponseError as error:
        visible = error.status_code >= 500
    checks.equal("an alias that nobody has is not visible", visible, False)


def _end(checks, provider, consumer, stranger):
    services, endpoints = provider.network.private_link_services, consumer.network.private_endpoints
    checks.refused("a service with connections cannot be deleted", lambda: services.begin_delete(GROUP, "pls-api").result(), 400, "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted")
    checks.refused("a load balancer with services cannot be deleted", lambda: provider.network.load_balancers.begin_delete(GROUP, "own-lb").result(), 400, "CannotDeleteLoadBalancerWithPrivateLinkService")
    names = [own.name for own in services.list_private_endpoint_connections(GROUP, "pls-api")]
    for name in names:
        services.begin_delete_private_endpoint_connection(GROUP, "pls-api", name).result()
    checks.equal("the provider can remove connections", list(services.list_private_endpoint_connections(GROUP, "pls-api")), [])
    checks.equal("the consumer is disconnected", connection_state(endpoints.get("myOtherResourceGroup", "pe-api"))["status"], "Disconnected")
    checks.refused("what is disconnected cannot be approved again", lambda: services.update_private_endpoint_connection(GROUP, "pls-api", names[0], state("Approved")), 404)
    services.begin_delete(GROUP, "pls-api").result()
    checks.refused("a deleted service is not found", lambda: services.get(GROUP, "pls-api"), 404, "ResourceNotFound")
    again = services.begin_delete(GROUP, "pls-api").result()
    checks.equal("deleting what is not there succeeds", again, None)
    endpoints.begin_delete("myOtherResourceGroup", "pe-api").result()
    checks.refused("a deleted endpoint is not found", lambda: endpoints.get("myOtherResourceGroup", "pe-api"), 404, "ResourceNotFound")
    stranger.network.private_endpoints.begin_delete("rg-stranger", "pe-web").result()
    checks.equal("an endpoint takes its connection along", list(services.list_private_endpoint_connections(GROUP, "pls-web")), [])
    settled(provider, "pls-web")
    services.begin_delete(GROUP, "pls-web").result()
