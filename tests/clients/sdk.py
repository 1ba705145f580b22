"""Microsoft's SDK for Python, pointed at the simulator as the documentation of its classes says."""

from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from simulator import CONSUMER, FOREIGN, NODE_GROUP, PROVIDER, STRANGERS_TENANT, TENANT

SECRETS = {
    "provider": ("00000000-0000-0000-0000-0000000000b1", "provider-secret"),
    "consumer": ("00000000-0000-0000-0000-0000000000b2", "consumer-secret"),
    "reader": ("00000000-0000-0000-0000-0000000000b3", "reader-secret"),
    "stranger": ("00000000-0000-0000-0000-0000000000b4", "stranger-secret"),
}
SUBSCRIPTIONS = {"provider": PROVIDER, "consumer": CONSUMER, "reader": PROVIDER, "stranger": FOREIGN}


class QuickTransport(RequestsTransport):
    """Waits a hundredth of what `Retry-After` asks for: the waiting is not what is tried here."""

    def sleep(self, duration):
        super().sleep(duration / 100)


class Azure:
    """All clients of one identity."""

    def __init__(self, simulator, who, subscription=None, secret=None):
        self.subscription = subscription or SUBSCRIPTIONS[who]
        client_id, own_secret = SECRETS[who]
        self.credential = ClientSecretCredential(
            STRANGERS_TENANT if who == "stranger" else TENANT, client_id, secret or own_secret, authority=simulator.url, disable_instance_discovery=True,
            connection_verify=str(simulator.ca),
        )
        options = {
            "base_url": simulator.url,
            "credential_scopes": ["https://management.azure.com/.default"],
        }

        def make(client):
            return client(self.credential, self.subscription, transport=QuickTransport(connection_verify=str(simulator.ca)), **options)

        self.network = make(NetworkManagementClient)
        self.clusters = make(ContainerServiceClient)
        self.dns = make(PrivateDnsManagementClient)
        self.authorization = make(AuthorizationManagementClient)
        self.resources = make(ResourceManagementClient)


def network_id(subscription, group, *parts):
    """The id of a resource of Microsoft.Network."""
    return "/".join([f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network", *parts])


def subnet_id(name, network="aks-vnet", subscription=PROVIDER, group=NODE_GROUP):
    """The id of a subnet; of the cluster's network unless said otherwise."""
    return network_id(subscription, group, "virtualNetworks", network, "subnets", name)


def ipv4(name, subnet, address=None, primary=None):
    """One entry of `ipConfigurations` of a Private Link Service."""
    properties = {"subnet": {"id": subnet}, "privateIPAllocationMethod": "Static" if address else "Dynamic"}
    if address:
        properties["privateIPAddress"] = address
    if primary is not None:
        properties["primary"] = primary
    return {"name": name, "properties": properties}


def endpoint_body(target, subnet, manual=False, message=None, name="connection"):
    """The body of a private endpoint."""
    connection = {"name": name, "properties": {"privateLinkServiceId": target}}
    if message:
        connection["properties"]["requestMessage"] = message
    which = "manualPrivateLinkServiceConnections" if manual else "privateLinkServiceConnections"
    return {"location": "eastus2", "properties": {"subnet": {"id": subnet}, which: [connection]}}


def state(connection, description=""):
    """The body that sets the state of a connection."""
    return {"properties": {"privateLinkServiceConnectionState": {"status": connection, "description": description}}}
