"""The Azure CLI as the AKS documentation's article and the network documentation use it."""

import json
import os
import subprocess

from article import manifest
from simulator import CONSUMER, NODE_GROUP, PROVIDER, TENANT, eventually

APPLICATION, SECRET = "00000000-0000-0000-0000-0000000000b5", "operator-secret"
READER = "00000000-0000-0000-0000-0000000000b3"


class Az:
    """The CLI with a configuration of its own, in a cloud of its own."""

    def __init__(self, binary, simulator):
        self.binary = binary
        home = simulator.folder / "az-home"
        home.mkdir()
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.env = {
            **keep, "HOME": str(home), "TMPDIR": str(home), "AZURE_CONFIG_DIR": str(home / "azure"),
            "REQUESTS_CA_BUNDLE": str(simulator.ca), "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off", "AZURE_CORE_NO_COLOR": "true",
        }

    def run(self, *arguments):
        """Runs a command; answers exit code, output, errors."""
        ran = subprocess.run(
            [self.binary, *arguments], env=self.env, capture_output=True, text=True, timeout=120, check=False,
            stdin=subprocess.DEVNULL,
        )
        return ran.returncode, ran.stdout, ran.stderr

    def __call__(self, *arguments):
        """Runs a command that must succeed; answers its output."""
        code, out, err = self.run(*arguments)
        if code != 0:
            raise RuntimeError(f"az {' '.join(arguments)} ended with {code}:\n{out}{err}")
        return out

    def json(self, *arguments):
        """Runs a command that must succeed; answers what it shows."""
        out = self(*arguments, "-o", "json")
        return json.loads(out) if out.strip() else None


def run(checks, simulator, kubectl, binary):
    az = Az(binary, simulator)
    with checks.suite("az: cloud and login"):
        _login(checks, az, simulator)
    with checks.suite("az: the article"):
        _article(checks, az, kubectl)
    with checks.suite("az: networks"):
        _networks(checks, az)
    with checks.suite("az: load balancer by deployment"):
        _balancer(checks, az)
    with checks.suite("az: connections"):
        _connections(checks, az)
    with checks.suite("az: private DNS"):
        _dns(checks, az)
    with checks.suite("az: rights"):
        _rights(checks, az)
    with checks.suite("az: refusals"):
        _refusals(checks, az)


def _login(checks, az, simulator):
    az("cloud", "register", "-n", "simulator", "--endpoint-resource-manager", simulator.url)
    az("cloud", "set", "-n", "simulator")
    shown = az.json("login", "--service-principal", "-u", APPLICATION, "-p", SECRET, "--tenant", TENANT)
    checks.equal("login shows the subscriptions", sorted(own["id"] for own in shown), [PROVIDER, CONSUMER])
    az("account", "set", "--subscription", PROVIDER)
    checks.equal("account show", az.json("account", "show")["tenantId"], TENANT)


def _article(checks, az, kubectl):
    group = az("aks", "show", "--resource-group", "myResourceGroup", "--name", "myAKSCluster", "--query", "nodeResourceGroup", "-o", "tsv").strip()
    checks.equal("aks show tells the node resource group", group, NODE_GROUP)
    principal = az("aks", "show", "--resource-group", "myResourceGroup", "--name", "myAKSCluster", "--query", "identity.type", "-o", "tsv").strip()
    checks.that("and the identity", principal in ("SystemAssigned", "UserAssigned"), principal)
    credentials = os.path.join(az.env["HOME"], "kubeconfig")
    az("aks", "get-credentials", "--resource-group", "myResourceGroup", "--name", "myAKSCluster", "--file", credentials)
    code, out, err = kubectl.run("get", "nodes", env={"KUBECONFIG": credentials})
    checks.has("kubectl works with the credentials of aks get-credentials", out + err, "aks-nodepool1-12345678-vmss000000")
    kubectl("apply", "-f", manifest("private-link-service"))
    kubectl("wait", "svc/internal-app", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}", "--timeout=20s")
    listed = lambda: az("network", "private-link-service", "list", "--resource-group", NODE_GROUP, "--query", "[].{Name:name,Alias:alias}", "--output", "table")
    table = eventually(lambda: (shown := listed()).count("\n") > 2 and shown)
    checks.that("private-link-service list shows name and alias", bool(table) and table.split()[:2] == ["Name", "Alias"] and ".eastus2.azure.privatelinkservice" in table, table)
    service = az("network", "private-link-service", "list", "--resource-group", NODE_GROUP, "--query", "[0].id", "--output", "tsv").strip()
    endpoint = az.json("network", "private-endpoint", "create", "--subscription", CONSUMER, "--resource-group", "myOtherResourceGroup",
                       "--name", "myAKSServicePE", "--vnet-name", "myOtherVNET", "--subnet", "pe-subnet",
                       "--private-connection-resource-id", service, "--connection-name", "connectToMyK8sService")
    checks.equal("private-endpoint create is approved", endpoint["privateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"], "Approved")
    balancer = az.json("network", "lb", "show", "-g", NODE_GROUP, "-n", "kubernetes-internal")
    checks.equal("lb show", balancer["sku"]["name"], "Standard")
    frontends = az.json("network", "lb", "frontend-ip", "list", "-g", NODE_GROUP, "--lb-name", "kubernetes-internal")
    checks.equal("lb frontend-ip list", len(frontends), 1)
    subnets = az.json("network", "vnet", "subnet", "list", "-g", NODE_GROUP, "--vnet-name", "aks-vnet")
    checks.equal("vnet subnet list", [own["name"] for own in subnets], ["aks-subnet", "apps-subnet", "pls-subnet"])
    az("network", "private-endpoint", "delete", "--subscription", CONSUMER, "-g", "myOtherResourceGroup", "-n", "myAKSServicePE")
    kubectl("delete", "svc", "internal-app")


def _networks(checks, az):
    made = az.json("group", "create", "--name", "rg-az", "--location", "eastus2")
    checks.equal("group create", made["properties"]["provisioningState"], "Succeeded")
    made = az.json("network", "vnet", "create", "-g", "rg-az", "-n", "az-vnet", "--address-prefixes", "10.70.0.0/16", "--subnet-name", "front", "--subnet-prefixes", "10.70.0.0/24")
    checks.equal("vnet create with a subnet", made["newVNet"]["subnets"][0]["addressPrefix"], "10.70.0.0/24")
    made = az.json("network", "vnet", "subnet", "create", "-g", "rg-az", "--vnet-name", "az-vnet", "-n", "nat", "--address-prefixes", "10.70.1.0/24", "--private-link-service-network-policies", "Disabled")
    checks.equal("vnet subnet create", made["privateLinkServiceNetworkPolicies"], "Disabled")
    changed = az.json("network", "vnet", "subnet", "update", "-g", "rg-az", "--vnet-name", "az-vnet", "-n", "front", "--private-endpoint-network-policies", "Enabled")
    checks.equal("vnet subnet update", changed["privateEndpointNetworkPolicies"], "Enabled")
    free = az.json("network", "vnet", "check-ip-address", "-g", "rg-az", "-n", "az-vnet", "--ip-address", "10.70.0.20")
    checks.equal("vnet check-ip-address", free["available"], True)
    shown = az.json("resource", "list", "-g", "rg-az")
    checks.equal("resource list", [own["name"] for own in shown], ["az-vnet"])
    checks.equal("provider show", az.json("provider", "show", "-n", "Microsoft.Network")["registrationState"], "Registered")


def _balancer(checks, az):
    made = az.json("network", "lb", "create", "-g", "rg-az", "-n", "az-lb", "--sku", "Standard", "--vnet-name", "az-vnet", "--subnet", "front",
                   "--frontend-ip-name", "web", "--backend-pool-name", "pool", "--private-ip-address", "10.70.0.20")
    frontend = made["loadBalancer"]["frontendIPConfigurations"][0]
    checks.equal("lb create goes through a deployment and shows its output", (frontend["name"], frontend["properties"]["privateIPAddress"]), ("web", "10.70.0.20"))
    shown = az.json("network", "lb", "show", "-g", "rg-az", "-n", "az-lb")
    checks.equal("the load balancer is there", shown["frontendIPConfigurations"][0]["privateIPAddress"], "10.70.0.20")
    deployments = az.json("deployment", "group", "list", "-g", "rg-az")
    checks.equal("and so is the deployment", [own["properties"]["provisioningState"] for own in deployments], ["Succeeded"])
    code, _, errors = az.run("network", "lb", "create", "-g", "rg-az", "-n", "az-twin", "--sku", "Standard", "--vnet-name", "az-vnet", "--subnet", "front", "--private-ip-address", "10.70.0.20")
    checks.that("a deployment fails with the error of its resource", code != 0 and "PrivateIPAddressIsAllocated" in errors, errors)
    az("network", "lb", "frontend-ip", "create", "-g", "rg-az", "--lb-name", "az-lb", "-n", "api", "--vnet-name", "az-vnet", "--subnet", "front")
    az("network", "lb", "probe", "create", "-g", "rg-az", "--lb-name", "az-lb", "-n", "health", "--protocol", "tcp", "--port", "80")
    rule = az.json("network", "lb", "rule", "create", "-g", "rg-az", "--lb-name", "az-lb", "-n", "http", "--protocol", "tcp", "--frontend-port", "80",
                   "--backend-port", "80", "--frontend-ip-name", "web", "--backend-pool-name", "pool", "--probe-name", "health")
    checks.equal("lb rule create", (rule["frontendPort"], rule["provisioningState"]), (80, "Succeeded"))


def _connections(checks, az):
    made = az.json("network", "private-link-service", "create", "-g", "rg-az", "-n", "az-pls", "--vnet-name", "az-vnet", "--subnet", "nat",
                   "--lb-name", "az-lb", "--lb-frontend-ip-configs", "web", "--visibility", CONSUMER)
    checks.that("private-link-service create", made["alias"].startswith("az-pls."), made)
    body = lambda *more: az.json("network", "private-endpoint", "create", "--subscription", CONSUMER, "-g", "myOtherResourceGroup", "--vnet-name", "myOtherVNET",
                                 "--subnet", "pe-subnet", "--connection-name", "toAz", "-n", "az-pe", *more)
    made = body("--private-connection-resource-id", made["id"], "--manual-request", "true", "--request-message", "please")
    checks.equal("a manual request waits", made["manualPrivateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"], "Pending")
    connection = az("network", "private-link-service", "show", "-g", "rg-az", "-n", "az-pls", "--query", "privateEndpointConnections[0].name", "-o", "tsv").strip()
    approved = az.json("network", "private-link-service", "connection", "update", "-g", "rg-az", "--service-name", "az-pls", "-n", connection, "--connection-status", "Approved", "--description", "welcome")
    checks.equal("connection update approves", approved["privateLinkServiceConnectionState"]["status"], "Approved")
    listed = az.json("network", "private-endpoint-connection", "list", "-g", "rg-az", "-n", "az-pls", "--type", "Microsoft.Network/privateLinkServices")
    checks.equal("private-endpoint-connection list", [own["name"] for own in listed], [connection])
    eventually(lambda: az.json("network", "private-link-service", "show", "-g", "rg-az", "-n", "az-pls")["provisioningState"] == "Succeeded")
    rejected = az.json("network", "private-endpoint-connection", "reject", "-g", "rg-az", "--resource-name", "az-pls", "-n", connection, "--type", "Microsoft.Network/privateLinkServices", "--description", "no longer")
    status = rejected.get("privateLinkServiceConnectionState") or rejected["properties"]["privateLinkServiceConnectionState"]
    checks.equal("private-endpoint-connection reject", status["status"], "Rejected")
    eventually(lambda: az.json("network", "private-link-service", "show", "-g", "rg-az", "-n", "az-pls")["provisioningState"] == "Succeeded")
    az("network", "private-endpoint-connection", "approve", "-g", "rg-az", "--resource-name", "az-pls", "-n", connection, "--type", "Microsoft.Network/privateLinkServices")
    shown = az.json("network", "private-endpoint", "show", "--subscription", CONSUMER, "-g", "myOtherResourceGroup", "-n", "az-pe")
    checks.equal("private-endpoint-connection approve", shown["manualPrivateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"], "Approved")
    eventually(lambda: az.json("network", "private-link-service", "show", "-g", "rg-az", "-n", "az-pls")["provisioningState"] == "Succeeded")
    az("network", "private-link-service", "connection", "delete", "-g", "rg-az", "--service-name", "az-pls", "-n", connection)
    shown = az.json("network", "private-endpoint", "show", "--subscription", CONSUMER, "-g", "myOtherResourceGroup", "-n", "az-pe")
    checks.equal("connection delete disconnects the endpoint", shown["manualPrivateLinkServiceConnections"][0]["privateLinkServiceConnectionState"]["status"], "Disconnected")


def _dns(checks, az):
    here = ("--subscription", CONSUMER, "-g", "rg-dns")
    made = az.json("network", "private-dns", "zone", "create", *here, "-n", "az.internal")
    checks.equal("private-dns zone create", made["numberOfRecordSets"], 1)
    link = az.json("network", "private-dns", "link", "vnet", "create", *here, "-z", "az.internal", "-n", "link", "-e", "false",
                   "-v", f"/subscriptions/{CONSUMER}/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET")
    checks.equal("private-dns link vnet create", link["virtualNetworkLinkState"], "Completed")
    az("network", "private-dns", "record-set", "a", "add-record", *here, "-z", "az.internal", "-n", "api", "-a", "10.50.1.9")
    shown = az.json("network", "private-dns", "record-set", "a", "show", *here, "-z", "az.internal", "-n", "api")
    checks.equal("record-set a add-record", shown["aRecords"], [{"ipv4Address": "10.50.1.9"}])
    listed = az.json("network", "private-dns", "record-set", "list", *here, "-z", "az.internal")
    checks.equal("record-set list has the SOA, too", sorted(own["type"].split("/")[-1] for own in listed), ["A", "SOA"])
    group = az.json("network", "private-endpoint", "dns-zone-group", "create", "--subscription", CONSUMER, "-g", "myOtherResourceGroup", "--endpoint-name", "az-pe", "-n", "default",
                    "--zone-name", "own", "--private-dns-zone", f"/subscriptions/{CONSUMER}/resourceGroups/rg-dns/providers/Microsoft.Network/privateDnsZones/az.internal")
    checks.equal("private-endpoint dns-zone-group create", group["provisioningState"], "Succeeded")
    az("network", "private-dns", "link", "vnet", "delete", *here, "-z", "az.internal", "-n", "link", "--yes")
    az("network", "private-dns", "zone", "delete", *here, "-n", "az.internal", "--yes")
    checks.equal("private-dns zone delete", az.json("network", "private-dns", "zone", "list", *here), [])


def _rights(checks, az):
    network = f"/subscriptions/{PROVIDER}/resourceGroups/{NODE_GROUP}/providers/Microsoft.Network/virtualNetworks/aks-vnet"
    made = az.json("role", "assignment", "create", "--assignee", READER, "--scope", network, "--role", "Network Contributor")
    checks.equal("role assignment create", (made["scope"].lower(), made["principalType"]), (network.lower(), "ServicePrincipal"))
    listed = az.json("role", "assignment", "list", "--scope", network)
    checks.that("role assignment list", made["name"] in [own["name"] for own in listed], listed)
    az("role", "assignment", "delete", "--ids", made["id"])
    listed = az.json("role", "assignment", "list", "--scope", network)
    checks.that("role assignment delete", made["name"] not in [own["name"] for own in listed], listed)


def _refusals(checks, az):
    code, _, errors = az.run("network", "lb", "show", "-g", "rg-az", "-n", "none")
    checks.that("what is not there ends with 3", code == 3 and "(ResourceNotFound)" in errors, (code, errors))
    code, _, errors = az.run("network", "lb", "delete", "-g", "rg-az", "-n", "az-lb")
    checks.that("a load balancer under a service is not deleted", code == 1 and "(CannotDeleteLoadBalancerWithPrivateLinkService)" in errors, (code, errors))
    az("network", "private-link-service", "delete", "-g", "rg-az", "-n", "az-pls")
    az("network", "lb", "delete", "-g", "rg-az", "-n", "az-lb")
    az("group", "delete", "-n", "rg-az", "--yes")
    checks.equal("group delete takes everything along", az("group", "exists", "-n", "rg-az").strip(), "false")
