"""Private DNS: zones, record sets, links, and the zone groups of private endpoints."""

from azure.core import MatchConditions

from connections import GROUP, balancer_body, frontend_id, make_service
from sdk import Azure, endpoint_body, network_id, subnet_id
from simulator import CONSUMER

ZONE = "orders.internal"


def run(checks, simulator, _kubectl):
    consumer, provider = Azure(simulator, "consumer"), Azure(simulator, "provider")
    with checks.suite("dns: zones"):
        _zones(checks, consumer)
    with checks.suite("dns: record sets"):
        _records(checks, consumer)
    with checks.suite("dns: links"):
        _links(checks, consumer)
    with checks.suite("dns: zone groups"):
        _groups(checks, provider, consumer)
    with checks.suite("dns: deletion"):
        consumer.dns.private_zones.begin_delete("rg-dns", ZONE).result()
        checks.refused("a deleted zone is not found", lambda: consumer.dns.private_zones.get("rg-dns", ZONE), 404)


def _zones(checks, consumer):
    zones = consumer.dns.private_zones
    zone = zones.begin_create_or_update("rg-dns", ZONE, {"location": "global"}).result()
    checks.equal("a zone is global", zone.location, "global")
    checks.equal("it counts its record sets: the SOA", zone.properties.number_of_record_sets, 1)
    checks.refused("a zone that is there is not made twice with If-None-Match", lambda: zones.begin_create_or_update(
        "rg-dns", ZONE, {"location": "global"}, etag="*", match_condition=MatchConditions.IfMissing).result(), 412)
    checks.refused("a zone elsewhere is refused", lambda: zones.begin_create_or_update("rg-dns", "a.internal", {"location": "eastus2"}).result(), 400)
    checks.equal("the group lists it", [own.name for own in zones.list_by_resource_group("rg-dns")], [ZONE])


def _records(checks, consumer):
    records = consumer.dns.record_sets
    body = lambda *addresses: {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": address} for address in addresses], "metadata": {"by": "clients"}}}
    made = records.create_or_update("rg-dns", ZONE, "A", "api", body("10.50.1.4")).as_dict()
    checks.equal("a record set answers at once", made["properties"]["aRecords"], [{"ipv4Address": "10.50.1.4"}])
    checks.equal("its full name ends with a dot", made["properties"]["fqdn"], f"api.{ZONE}.")
    checks.equal("its type names the record type", made["type"].lower(), "microsoft.network/privatednszones/a")
    checks.equal("metadata is kept", made["properties"]["metadata"], {"by": "clients"})
    checks.refused("with If-None-Match it is made once only", lambda: records.create_or_update(
        "rg-dns", ZONE, "A", "api", body("10.50.1.5"), etag="*", match_condition=MatchConditions.IfMissing), 412)
    changed = records.create_or_update("rg-dns", ZONE, "A", "api", body("10.50.1.5", "10.50.1.6"), etag=made["etag"], match_condition=MatchConditions.IfNotModified).as_dict()
    checks.equal("with its etag it is replaced", len(changed["properties"]["aRecords"]), 2)
    checks.refused("with an old etag it is not", lambda: records.create_or_update(
        "rg-dns", ZONE, "A", "api", body("10.50.1.7"), etag=made["etag"], match_condition=MatchConditions.IfNotModified), 412)
    records.create_or_update("rg-dns", ZONE, "A", "@", body("10.50.1.9"))
    checks.equal("the apex has a record set, too", records.get("rg-dns", ZONE, "A", "@").as_dict()["properties"]["fqdn"], f"{ZONE}.")
    names = sorted(own.name for own in records.list_by_type("rg-dns", ZONE, "A"))
    checks.equal("the list by type has both", names, ["@", "api"])
    everything = sorted((own.as_dict()["type"].split("/")[-1], own.name) for own in records.list("rg-dns", ZONE))
    checks.equal("the list of all has the SOA as well", everything, [("A", "@"), ("A", "api"), ("SOA", "@")])
    records.delete("rg-dns", ZONE, "A", "@")
    checks.refused("a deleted record set is not found", lambda: records.get("rg-dns", ZONE, "A", "@"), 404)
    records.delete("rg-dns", ZONE, "A", "@")
    checks.that("deleting it again is no error", True)


def _links(checks, consumer):
    links = consumer.dns.virtual_network_links
    network = network_id(CONSUMER, "myOtherResourceGroup", "virtualNetworks", "myOtherVNET")
    body = {"location": "global", "properties": {"virtualNetwork": {"id": network}, "registrationEnabled": False}}
    link = links.begin_create_or_update("rg-dns", ZONE, "link", body).result()
    checks.equal("a link completes", link.properties.virtual_network_link_state, "Completed")
    checks.equal("the zone counts it", consumer.dns.private_zones.get("rg-dns", ZONE).properties.number_of_virtual_network_links, 1)
    checks.refused("a zone with links cannot be deleted", lambda: consumer.dns.private_zones.begin_delete("rg-dns", ZONE).result())
    links.begin_delete("rg-dns", ZONE, "link").result()
    checks.equal("a link can go", [own.name for own in links.list("rg-dns", ZONE)], [])


def _groups(checks, provider, consumer):
    provider.network.load_balancers.begin_create_or_update(GROUP, "lb", balancer_body([("web", None)])).result()
    service = make_service(provider, "pls", frontend_id("lb", "web"), visible=[CONSUMER], fqdns=[f"web.{ZONE}"])
    subnet = subnet_id("pe-subnet", "myOtherVNET", CONSUMER, "myOtherResourceGroup")
    consumer.network.private_endpoints.begin_create_or_update("myOtherResourceGroup", "pe", endpoint_body(service["id"], subnet)).result()
    groups = consumer.network.private_dns_zone_groups
    zone = network_id(CONSUMER, "rg-dns", "privateDnsZones", ZONE)
    body = {"properties": {"privateDnsZoneConfigs": [{"name": "own", "properties": {"privateDnsZoneId": zone}}]}}
    group = groups.begin_create_or_update("myOtherResourceGroup", "pe", "default", body).result().as_dict()
    checks.equal("a zone group succeeds", group["properties"]["provisioningState"], "Succeeded")
    checks.equal("it names its zone", group["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"].lower(), zone.lower())
    checks.equal("the endpoint lists it", [own.name for own in groups.list("pe", "myOtherResourceGroup")], ["default"])
    checks.refused("one endpoint has one zone group", lambda: groups.begin_create_or_update("myOtherResourceGroup", "pe", "second", body).result(), 400)
    body["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"] = network_id(CONSUMER, "rg-dns", "privateDnsZones", "none.internal")
    checks.refused("a zone that is not there is refused", lambda: groups.begin_create_or_update("myOtherResourceGroup", "pe", "default", body).result(), 400)
    groups.begin_delete("myOtherResourceGroup", "pe", "default").result()
    checks.refused("a deleted zone group is not found", lambda: groups.get("myOtherResourceGroup", "pe", "default"), 404)
    consumer.network.private_endpoints.begin_delete("myOtherResourceGroup", "pe").result()
