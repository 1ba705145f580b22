"""What Azure refuses, how lists are paged, and how operations fail."""

import requests
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from connections import FRONT, GROUP, NAT, balancer_body, frontend_id, make_service, service_body
from sdk import Azure, ipv4, network_id, subnet_id
from simulator import CONSUMER, PROVIDER


def run(checks, simulator, _kubectl):
    provider = Azure(simulator, "provider")
    with checks.suite("limits: who may ask"):
        _access(checks, simulator, provider)
    with checks.suite("limits: not found"):
        _not_found(checks, provider)
    with checks.suite("limits: addresses"):
        _addresses(checks, provider)
    with checks.suite("limits: services"):
        _services(checks, provider)
    with checks.suite("limits: pages"):
        _pages(checks, simulator, provider)
    with checks.suite("limits: subnet policies"):
        _policies(checks, provider)
    with checks.suite("limits: concurrency"):
        _concurrency(checks, simulator, provider)
    with checks.suite("limits: operations"):
        _operations(checks, simulator, provider)
    with checks.suite("limits: resource groups"):
        _groups(checks, provider)
    with checks.suite("limits: role assignments"):
        _roles(checks, provider)


def _access(checks, simulator, provider):
    answer = requests.get(f"{simulator.url}/subscriptions?api-version=2022-12-01", verify=str(simulator.ca), timeout=10)
    checks.equal("without a token nothing is said", (answer.status_code, answer.json()["error"]["code"]), (401, "InvalidAuthenticationToken") if "WWW-Authenticate" in answer.headers else None)
    try:
        Azure(simulator, "provider", secret="wrong").network.load_balancers.get(GROUP, "x")
        checks.that("a wrong secret gets no token", False)
    except HttpResponseError as error:
        checks.has("a wrong secret gets no token", str(error), "AADSTS7000215")
    except Exception as error:  # noqa: BLE001: azure-identity has a class of its own
        checks.has("a wrong secret gets no token", str(error), "AADSTS7000215")
    reader = Azure(simulator, "reader")
    checks.that("a reader reads", list(reader.network.virtual_networks.list(GROUP)), [])
    checks.refused("a reader does not write", lambda: reader.network.load_balancers.begin_create_or_update(GROUP, "no", balancer_body([("a", None)])).result(), 403, "AuthorizationFailed")
    checks.refused("a foreign subscription does not exist", lambda: Azure(simulator, "provider", CONSUMER).network.load_balancers.get("myOtherResourceGroup", "x"), 404, "SubscriptionNotFound")


def _not_found(checks, provider):
    network = provider.network
    checks.refused("a missing resource", lambda: network.load_balancers.get(GROUP, "none"), 404, "ResourceNotFound")
    checks.refused("a missing service", lambda: network.private_link_services.get(GROUP, "none"), 404, "ResourceNotFound")
    checks.refused("a missing group", lambda: network.load_balancers.get("rg-none", "none"), 404, "ResourceGroupNotFound")
    checks.refused("a missing group of a write", lambda: network.load_balancers.begin_create_or_update("rg-none", "x", balancer_body([("a", None)])).result(), 404, "ResourceGroupNotFound")
    checks.refused("a missing child", lambda: network.subnets.get(GROUP, "own-vnet", "none"), 404, "NotFound")
    try:
        network.private_endpoints.get(GROUP, "none")
    except ResourceNotFoundError:
        checks.that("the SDK raises its own class", True)
    checks.equal("an empty list is a list", list(network.private_endpoints.list(GROUP)), [])


def _addresses(checks, provider):
    balancers = provider.network.load_balancers
    create = lambda name, *frontends: balancers.begin_create_or_update(GROUP, name, balancer_body(frontends)).result().as_dict()
    own = create("lb-static", ("a", "10.60.0.20"), ("b", None))["properties"]["frontendIPConfigurations"]
    checks.equal("a free address is given", own[0]["properties"]["privateIPAddress"], "10.60.0.20")
    checks.that("a dynamic one is chosen", own[1]["properties"]["privateIPAddress"].startswith("10.60.0."), own[1])
    checks.refused("a taken address", lambda: create("lb-taken", ("a", "10.60.0.20")), 400, "PrivateIPAddressIsAllocated")
    checks.refused("an address outside the subnet", lambda: create("lb-outside", ("a", "10.60.9.1")), 400, "PrivateIPAddressNotInSubnet")
    checks.refused("an address that Azure keeps", lambda: create("lb-reserved", ("a", "10.60.0.3")), 400)
    checks.refused("the same address twice", lambda: create("lb-twice", ("a", "10.60.0.30"), ("b", "10.60.0.30")), 400, "MultipleIpConfigsRequestSamePrivateIpAddress")
    body = balancer_body([("a", None)])
    body["properties"]["frontendIPConfigurations"][0]["properties"]["subnet"]["id"] = subnet_id("none", "own-vnet", PROVIDER, GROUP)
    checks.refused("a subnet that is not there", lambda: balancers.begin_create_or_update(GROUP, "lb-nowhere", body).result(), 400, "InvalidResourceReference")
    networks = provider.network.virtual_networks
    free = networks.check_ip_address_availability(GROUP, "own-vnet", ip_address="10.60.0.77")
    checks.equal("a free address is available", free.available, True)
    kept = networks.check_ip_address_availability(GROUP, "own-vnet", ip_address="10.60.0.1")
    checks.equal("the gateway's address is not", kept.available, False)
    balancers.begin_delete(GROUP, "lb-static").result()
    checks.equal("a deleted load balancer gives its addresses back", networks.check_ip_address_availability(GROUP, "own-vnet", ip_address="10.60.0.20").available, True)


def _services(checks, provider):
    services = provider.network.private_link_services
    provider.network.load_balancers.begin_create_or_update(GROUP, "lb", balancer_body([(f"f{index}", None) for index in range(10)])).result()
    frontend = lambda index: frontend_id("lb", f"f{index}")
    configurations = [ipv4("nat-1", NAT, primary=True), ipv4("nat-2", NAT, "10.60.1.20", primary=False)]
    first = make_service(provider, "pls-0", frontend(0), configurations=configurations)
    nat = {own["name"]: own["properties"] for own in first["properties"]["ipConfigurations"]}
    checks.equal("a static NAT address is shown", nat["nat-2"].get("privateIPAddress"), "10.60.1.20")
    checks.that("a dynamic one is not", "privateIPAddress" not in nat["nat-1"], nat)
    interface = first["properties"]["networkInterfaces"][0]["id"].split("/")[-1]
    held = provider.network.network_interfaces.get(GROUP, interface).as_dict()["properties"]
    checks.equal("its interface has one address per NAT configuration", len(held["ipConfigurations"]), 2)
    checks.equal("and points back", held["privateLinkService"]["id"].lower(), first["id"].lower())
    checks.refused("a NAT address cannot be removed", lambda: make_service(provider, "pls-0", frontend(0), configurations=configurations[:1]), 400)
    more = make_service(provider, "pls-0", frontend(0), configurations=[*configurations, ipv4("nat-3", NAT, primary=False)])
    checks.equal("but one can be added", len(more["properties"]["ipConfigurations"]), 3)
    checks.refused("nine NAT addresses are too many", lambda: make_service(provider, "pls-nine", frontend(1), configurations=[ipv4(f"nat-{n}", NAT) for n in range(9)]), 400)
    checks.refused("two services on one frontend", lambda: make_service(provider, "pls-twin", frontend(0)), 400)
    two = service_body(frontend(1))
    two["properties"]["loadBalancerFrontendIpConfigurations"].append({"id": frontend(2)})
    checks.refused("two frontends of one service", lambda: services.begin_create_or_update(GROUP, "pls-two", two).result(), 400, "InvalidNumberOfPrivateLinkServiceLoadBalancerFrontendIpConfigurationsSpecified")
    checks.refused("a frontend that is not there", lambda: make_service(provider, "pls-none", frontend_id("lb", "none")), 400, "InvalidResourceReference")
    guarded = subnet_id("guarded-subnet", "own-vnet", PROVIDER, GROUP)
    checks.refused("a subnet with network policies", lambda: make_service(provider, "pls-guarded", frontend(1), configurations=[ipv4("nat-1", guarded)]), 400, "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled")
    for index in range(1, 8):
        make_service(provider, f"pls-{index}", frontend(index))
    checks.refused("a load balancer carries eight services, not nine", lambda: make_service(provider, "pls-8", frontend(8)), 400)
    checks.refused("a service's name cannot end with a dash", lambda: make_service(provider, "pls-", frontend(8)), 400)
    removed = balancer_body([(f"f{index}", None) for index in range(1, 10)])
    checks.refused("a frontend under a service cannot go", lambda: provider.network.load_balancers.begin_create_or_update(GROUP, "lb", removed).result(), 400)


def _pages(checks, simulator, provider):
    names = [own.name for own in provider.network.private_link_services.list(GROUP)]
    checks.equal("the SDK follows nextLink to the end", sorted(names), [f"pls-{index}" for index in range(8)])
    token = provider.credential.get_token("https://management.azure.com/.default").token
    url = f"{simulator.url}{network_id(PROVIDER, GROUP, 'privateLinkServices')}?api-version=2024-05-01"
    page = requests.get(url, headers={"Authorization": f"Bearer {token}"}, verify=str(simulator.ca), timeout=10).json()
    checks.equal("a page is as long as the world says", len(page["value"]), 3)
    checks.that("nextLink is absolute", page["nextLink"].startswith(simulator.url), page["nextLink"])
    whole = [own.name for own in provider.network.private_link_services.list_by_subscription()]
    checks.equal("the list of the subscription has the same", sorted(whole), sorted(names))


def _policies(checks, provider):
    subnets = provider.network.subnets
    body = subnets.get(GROUP, "own-vnet", "nat-subnet").as_dict()
    body["properties"]["privateLinkServiceNetworkPolicies"] = "Enabled"
    checks.refused("the policy cannot come back under a service", lambda: subnets.begin_create_or_update(GROUP, "own-vnet", "nat-subnet", body).result(), 400, "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet")
    checks.refused("a subnet with NAT addresses cannot go", lambda: subnets.begin_delete(GROUP, "own-vnet", "nat-subnet").result(), 400, "InUseSubnetCannotBeDeleted")
    made = subnets.begin_create_or_update(GROUP, "own-vnet", "new-subnet", {"properties": {"addressPrefix": "10.60.5.0/24"}}).result().as_dict()["properties"]
    checks.equal("a new subnet has the policies' defaults", made["privateLinkServiceNetworkPolicies"], "Enabled")
    checks.equal("its prefix comes back as it was sent", (made.get("addressPrefix"), made.get("addressPrefixes")), ("10.60.5.0/24", None))
    checks.refused("overlapping prefixes are refused", lambda: subnets.begin_create_or_update(GROUP, "own-vnet", "overlap", {"properties": {"addressPrefix": "10.60.5.128/25"}}).result(), 400)
    subnets.begin_delete(GROUP, "own-vnet", "new-subnet").result()
    names = [own.name for own in subnets.list(GROUP, "own-vnet")]
    listed = [own["name"] for own in provider.network.virtual_networks.get(GROUP, "own-vnet").as_dict()["properties"]["subnets"]]
    checks.equal("network and subnets agree on who is there", sorted(names), sorted(listed))


def _concurrency(checks, simulator, provider):
    token = provider.credential.get_token("https://management.azure.com/.default").token
    url = f"{simulator.url}{network_id(PROVIDER, GROUP, 'loadBalancers', 'lb')}?api-version=2024-05-01"
    options = {"verify": str(simulator.ca), "timeout": 10}
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(url, headers=headers, **options)
    body, etag = answer.json(), answer.json()["etag"]
    checks.equal("the header has the etag of the body", answer.headers.get("ETag"), etag)
    checks.that("an etag is weak", etag.startswith('W/"'), etag)
    stale = requests.put(url, json=body, headers={**headers, "If-Match": 'W/"00000000-0000-0000-0000-000000000000"'}, **options)
    checks.equal("a stale If-Match is refused", stale.status_code, 412)
    fresh = requests.put(url, json=body, headers={**headers, "If-Match": etag}, **options)
    checks.equal("a fresh one is taken", fresh.status_code, 200)
    checks.that("an update announces an operation though it says 200", "Azure-AsyncOperation" in fresh.headers, dict(fresh.headers))
    checks.equal("and is still at it", fresh.json()["properties"]["provisioningState"], "Updating")
    poll = fresh.headers["Azure-AsyncOperation"]
    checks.that("the operation is found where it was asked for", poll.startswith(simulator.url), poll)
    states = [requests.get(poll, headers=headers, **options).json()["status"] for _ in range(4)]
    checks.equal("its status goes from InProgress to Succeeded", (states[0], states[-1]), ("InProgress", "Succeeded"))
    checks.equal("then the resource has succeeded", requests.get(url, headers=headers, **options).json()["properties"]["provisioningState"], "Succeeded")
    lower = requests.get(url.replace("resourceGroups", "resourcegroups").replace("loadBalancers", "LOADBALANCERS"), headers=headers, **options).json()
    checks.equal("paths are read without regard to case", lower["id"], body["id"])
    missing = requests.get(url.split("?")[0], headers=headers, **options)
    checks.equal("a request says its api-version", (missing.status_code, missing.json()["error"]["code"]), (400, "MissingApiVersionParameter"))


def _operations(checks, simulator, provider):
    simulator.admin("POST", "faults", {"method": "PUT", "path": "/loadBalancers/lb-broken", "in-operation": True, "code": "InternalServerError", "message": "It broke on the way.", "times": 1})
    create = lambda: provider.network.load_balancers.begin_create_or_update(GROUP, "lb-broken", balancer_body([("a", None)])).result()
    try:
        create()
        checks.that("an operation that fails is an error", False)
    except HttpResponseError as error:
        checks.has("an operation that fails is an error with its code", str(error), "InternalServerError", "It broke on the way.")
    failed = provider.network.load_balancers.get(GROUP, "lb-broken").as_dict()["properties"]["provisioningState"]
    checks.equal("the resource says so, too", failed, "Failed")
    checks.equal("doing it again heals it", create().as_dict()["properties"]["provisioningState"], "Succeeded")
    provider.network.load_balancers.begin_delete(GROUP, "lb-broken").result()


def _groups(checks, provider):
    groups = provider.resources.resource_groups
    made = groups.create_or_update("rg-new", {"location": "eastus2", "tags": {"team": "web"}})
    checks.equal("a group is made", (made.name, made.tags), ("rg-new", {"team": "web"}))
    checks.equal("it exists", groups.check_existence("rg-new"), True)
    provider.network.virtual_networks.begin_create_or_update("rg-new", "vnet", {"location": "eastus2", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}}).result()
    listed = [own.name for own in provider.resources.resources.list_by_resource_group("rg-new")]
    checks.equal("it lists what is in it", listed, ["vnet"])
    groups.begin_delete("rg-new").result()
    checks.equal("a deleted group is gone", groups.check_existence("rg-new"), False)
    checks.refused("with all that was in it", lambda: provider.network.virtual_networks.get("rg-new", "vnet"), 404)
    registered = provider.resources.providers.get("Microsoft.Network")
    checks.equal("the network provider is registered", registered.registration_state, "Registered")


def _roles(checks, provider):
    allowed = list(provider.authorization.permissions.list_for_resource_group(GROUP))
    checks.that("a contributor may do everything but give rights away", any("*" in own.actions for own in allowed), [own.as_dict() for own in allowed])
