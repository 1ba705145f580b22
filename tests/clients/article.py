"""The AKS documentation's way: a manifest goes in by kubectl, a load balancer and a Private Link Service come out."""

import ipaddress

from checks import Checks
from sdk import Azure, endpoint_body, subnet_id
from simulator import CONSUMER, HERE, NODE_GROUP, eventually

ADDRESS = "jsonpath={.status.loadBalancer.ingress[0].ip}"


def manifest(name):
    return str(HERE / "manifests" / f"{name}.yaml")


def run(checks: Checks, simulator, kubectl):
    provider, consumer = Azure(simulator, "provider"), Azure(simulator, "consumer")
    with checks.suite("article: the cluster"):
        _cluster(checks, provider)
    with checks.suite("article: internal load balancer"):
        _internal(checks, kubectl, provider)
    for name in ("static-address", "load-balancer-ip"):
        with checks.suite(f"article: {name}"):
            _static(checks, kubectl, provider, name)
    with checks.suite("article: another subnet"):
        _subnet(checks, kubectl, provider)
    with checks.suite("article: Private Link Service and private endpoint"):
        _private_link(checks, kubectl, provider, consumer)
    with checks.suite("article: every annotation"):
        _tuned(checks, kubectl, provider)


def _cluster(checks, provider):
    cluster = provider.clusters.managed_clusters.get("myResourceGroup", "myAKSCluster").as_dict()
    properties = cluster.get("properties", cluster)
    group = properties.get("nodeResourceGroup") or properties.get("node_resource_group")
    checks.equal("the cluster names its node resource group", group, NODE_GROUP)
    credentials = provider.clusters.managed_clusters.list_cluster_user_credentials("myResourceGroup", "myAKSCluster")
    checks.has("its user credential is a kubeconfig", bytes(credentials.kubeconfigs[0].value).decode(), "clusters:", "https://")


def _apply(kubectl, name, service="internal-app"):
    """Applies a manifest and waits for the address."""
    kubectl("apply", "-f", manifest(name))
    kubectl("wait", f"svc/{service}", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "--timeout=20s")
    return kubectl("get", "svc", service, "-o", ADDRESS)


def _remove(checks, kubectl, provider, service="internal-app"):
    out = kubectl("delete", "svc", service)
    checks.has("kubectl delete waits until the Service is gone", out, f'service "{service}" deleted')
    code, _, errors = kubectl.run("get", "svc", service)
    checks.equal("then it is not found", (code, errors.strip()), (1, f'Error from server (NotFound): services "{service}" not found'))
    names = [balancer.name for balancer in provider.network.load_balancers.list(NODE_GROUP)]
    checks.equal("the load balancer went with its last Service", names, [])


def _frontends(provider):
    return provider.network.load_balancers.get(NODE_GROUP, "kubernetes-internal").as_dict()["properties"]["frontendIPConfigurations"]


def _base_name(kubectl, service="internal-app"):
    uid = kubectl("get", "svc", service, "-o", "jsonpath={.metadata.uid}")
    return ("a" + uid.replace("-", ""))[:32]


def _internal(checks, kubectl, provider):
    address = _apply(kubectl, "internal")
    inside = ipaddress.ip_address(address) in ipaddress.ip_network("10.240.0.0/16")
    checks.that("the address is one of the node subnet", inside, address)
    checks.that("not one of the five that Azure keeps, nor the node's", address > "10.240.0.4", address)
    row = kubectl("get", "service", "internal-app").splitlines()
    checks.equal("kubectl get heads its columns", row[0].split(), ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"])
    cells = row[1].split()
    checks.equal("and shows name, type and address", (cells[0], cells[1], cells[3]), ("internal-app", "LoadBalancer", address))
    checks.that("the port carries its node port", cells[4].startswith("80:3") and cells[4].endswith("/TCP"), cells[4])
    frontends = _frontends(provider)
    checks.equal("the frontend is named after the uid", [own["name"] for own in frontends], [_base_name(kubectl)])
    properties = frontends[0]["properties"]
    checks.equal("it has the address", properties["privateIPAddress"], address)
    checks.equal("allocated by Azure", properties["privateIPAllocationMethod"], "Dynamic")
    checks.equal("in the node subnet", properties["subnet"]["id"], subnet_id("aks-subnet"))
    checks.equal("over all zones of the region", sorted(frontends[0]["zones"]), ["1", "2", "3"])
    balancer = provider.network.load_balancers.get(NODE_GROUP, "kubernetes-internal").as_dict()
    checks.equal("the load balancer is Standard", balancer["sku"]["name"], "Standard")
    rule = balancer["properties"]["loadBalancingRules"][0]
    checks.equal("its rule is named after uid, protocol and port", rule["name"], f"{_base_name(kubectl)}-TCP-80")
    checks.equal("the pool is named after the cluster", balancer["properties"]["backendAddressPools"][0]["name"], "kubernetes")
    finalizers = kubectl("get", "svc", "internal-app", "-o", "jsonpath={.metadata.finalizers}")
    checks.equal("the Service is held by the clean-up finalizer", finalizers, '["service.kubernetes.io/load-balancer-cleanup"]')
    description = kubectl("describe", "service", "internal-app")
    checks.has("kubectl describe shows address and events", description, address, "EnsuringLoadBalancer", "EnsuredLoadBalancer", "service-controller")
    _remove(checks, kubectl, provider)


def _static(checks, kubectl, provider, name):
    address = _apply(kubectl, name)
    checks.equal("the address is the one asked for", address, "10.240.0.25")
    properties = _frontends(provider)[0]["properties"]
    seen = (properties["privateIPAddress"], properties["privateIPAllocationMethod"])
    checks.equal("the frontend holds it statically", seen, ("10.240.0.25", "Static"))
    network = provider.network.virtual_networks.check_ip_address_availability(NODE_GROUP, "aks-vnet", ip_address="10.240.0.25")
    checks.equal("Azure says that it is taken", network.available, False)
    checks.that("and offers others", bool(network.available_ip_addresses), network.as_dict())
    _remove(checks, kubectl, provider)


def _subnet(checks, kubectl, provider):
    address = _apply(kubectl, "subnet")
    inside = ipaddress.ip_address(address) in ipaddress.ip_network("10.241.0.0/24")
    checks.that("the address is one of the named subnet", inside, address)
    frontend = _frontends(provider)[0]
    checks.equal("the frontend carries the subnet in its name", frontend["name"], f"{_base_name(kubectl)}-apps-subnet")
    checks.equal("and lies in it", frontend["properties"]["subnet"]["id"], subnet_id("apps-subnet"))
    _remove(checks, kubectl, provider)


def _services(provider):
    return [own.as_dict() for own in provider.network.private_link_services.list(NODE_GROUP)]


def _private_link(checks, kubectl, provider, consumer):
    policy = provider.network.subnets.get(NODE_GROUP, "aks-vnet", "aks-subnet").as_dict()["properties"]
    checks.equal("a subnet refuses Private Link Services by default", policy["privateLinkServiceNetworkPolicies"], "Enabled")
    _apply(kubectl, "private-link-service")
    services = eventually(lambda: _services(provider))
    service = services[0]
    name = f"pls-{_base_name(kubectl)}"
    checks.equal("the service is named after the frontend", [own["name"] for own in services], [name])
    alias = service["properties"]["alias"]
    checks.that("its alias is name, guid, region and suffix", alias.startswith(f"{name}.") and alias.endswith(".eastus2.azure.privatelinkservice"), alias)
    checks.equal("the cluster's tags say whose it is", service["tags"], {
        "k8s-azure-cluster-name": "kubernetes", "k8s-azure-owner-service": "default/internal-app"})
    configurations = service["properties"]["ipConfigurations"]
    checks.equal("one NAT address, named after subnet and service", [own["name"] for own in configurations], [f"aks-subnet-{name}-dynamic-0"])
    nat = configurations[0]["properties"]
    checks.equal("it is the primary one", (nat["primary"], nat["privateIPAllocationMethod"], nat["privateIPAddressVersion"]), (True, "Dynamic", "IPv4"))
    checks.that("a dynamic NAT address is not shown", "privateIPAddress" not in nat, nat)
    checks.equal("what was never set has its default", (service["properties"]["fqdns"], service["properties"]["enableProxyProtocol"]), ([], False))
    policy = provider.network.subnets.get(NODE_GROUP, "aks-vnet", "aks-subnet").as_dict()["properties"]
    checks.equal("the cloud provider opened the subnet", policy["privateLinkServiceNetworkPolicies"], "Disabled")
    pe_subnet = subnet_id("pe-subnet", "myOtherVNET", CONSUMER, "myOtherResourceGroup")
    body = endpoint_body(service["id"], pe_subnet, name="connectToMyK8sService")
    endpoint = consumer.network.private_endpoints.begin_create_or_update("myOtherResourceGroup", "myAKSServicePE", body).result().as_dict()
    connection = endpoint["properties"]["privateLinkServiceConnections"][0]
    checks.equal("a connection by id in the tenant is approved at once", connection["properties"]["privateLinkServiceConnectionState"]["status"], "Approved")
    interface = endpoint["properties"]["networkInterfaces"][0]["id"].split("/")[-1]
    ip = consumer.network.network_interfaces.get("myOtherResourceGroup", interface).as_dict()["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    checks.that("its interface has an address of the consumer's subnet", ipaddress.ip_address(ip) in ipaddress.ip_network("10.50.1.0/24"), ip)
    out = kubectl("delete", "svc", "internal-app")
    checks.has("the Service can be deleted though somebody is connected", out, "deleted")
    checks.equal("its Private Link Service is gone", _services(provider), [])
    endpoint = consumer.network.private_endpoints.get("myOtherResourceGroup", "myAKSServicePE").as_dict()
    connection = endpoint["properties"]["privateLinkServiceConnections"][0]["properties"]
    checks.equal("the endpoint is disconnected", connection["privateLinkServiceConnectionState"]["status"], "Disconnected")
    policy = provider.network.subnets.get(NODE_GROUP, "aks-vnet", "aks-subnet").as_dict()["properties"]
    checks.equal("the subnet stays open", policy["privateLinkServiceNetworkPolicies"], "Disabled")
    consumer.network.private_endpoints.begin_delete("myOtherResourceGroup", "myAKSServicePE").result()


def _tuned(checks, kubectl, provider):
    _apply(kubectl, "tuned", "tuned")
    service = provider.network.private_link_services.get("rg-own", "pls-tuned").as_dict()
    properties = service["properties"]
    configurations = {own["name"]: own["properties"] for own in properties["ipConfigurations"]}
    expected = {"pls-subnet-pls-tuned-static-10.241.1.9", "pls-subnet-pls-tuned-dynamic-0"}
    checks.equal("static and dynamic NAT addresses are named so", set(configurations), expected)
    static = configurations.get("pls-subnet-pls-tuned-static-10.241.1.9", {})
    checks.equal("the first static address is primary", (static.get("primary"), static.get("privateIPAddress")), (True, "10.241.1.9"))
    checks.equal("the names are told", properties["fqdns"], ["orders.example", "orders.internal"])
    checks.equal("PROXY protocol is on", properties["enableProxyProtocol"], True)
    checks.equal("visibility lists both", sorted(properties["visibility"]["subscriptions"])[0], CONSUMER)
    checks.equal("auto-approval lists one", properties["autoApproval"]["subscriptions"], [CONSUMER])
    rules = provider.network.load_balancers.get(NODE_GROUP, "kubernetes-internal").as_dict()["properties"]["loadBalancingRules"]
    checks.equal("each port has a rule", sorted(rule["properties"]["frontendPort"] for rule in rules), [80, 443])
    kubectl("annotate", "svc", "tuned", "--overwrite", "service.beta.kubernetes.io/azure-pls-fqdns=other.example")

    def names():
        own = provider.network.private_link_services.get("rg-own", "pls-tuned").as_dict()["properties"]
        return own["fqdns"] == ["other.example"] and own

    changed = eventually(names)
    checks.that("an edited annotation reaches the service", bool(changed), changed)
    checks.that("which keeps its alias", changed and changed["alias"] == properties["alias"], changed)
    kubectl("delete", "svc", "tuned")
    checks.refused("the service is gone from its group", lambda: provider.network.private_link_services.get("rg-own", "pls-tuned"), 404, "ResourceNotFound")
