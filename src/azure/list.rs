//! What is there: lists by subscription, every page, never one read per resource.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use http::Request;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::codec::Malformed;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::operation::foreign;
use crate::azure::operation::is_same_origin;
use crate::azure::patience;
use crate::azure::request;
use crate::azure::request::Reach;
use crate::azure::send::Answer;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::cluster::HeldAddress;
use crate::domain::cluster::LoadBalancerFrontend;
use crate::domain::cluster::ManagedCluster;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::subnet::LiveSubnet;

/// The private endpoints of a subscription, and what the network interfaces say that were read for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointList {
    /// The endpoints.
    pub endpoints: Vec<LivePrivateEndpoint>,
    /// The addresses that network interfaces hold. Interfaces of scale sets are not among them: Azure lists those by set.
    pub held: Vec<HeldAddress>,
}

impl Azure {
    /// Reads a managed cluster, and where its nodes get their addresses.
    ///
    /// # Errors
    /// Class `NotFound` if there is no such cluster; else as every call.
    pub async fn managed_cluster(&self, id: &ResourceId) -> Result<ManagedCluster, AzureError> {
        let purpose = Purpose::on("read", id);
        let url = request::resource_url(&self.pace.resource_manager, id);
        let body = self.get(&purpose, &url).await?;
        let mut cluster = codec::cluster::decode(&body).map_err(|error| AzureError::unexpected(&purpose, error))?;
        if cluster.node_subnet.is_none() {
            cluster.node_subnet = self.managed_subnet(&id.subscription(), &cluster.node_resource_group).await?;
        }
        Ok(cluster)
    }

    /// Finds the subnet of a cluster that was created without a network of its own: AKS then makes one network in the
    /// node resource group, and one subnet `aks-subnet` in it.
    async fn managed_subnet(
        &self,
        subscription: &SubscriptionId,
        group: &ResourceGroup,
    ) -> Result<Option<ResourceId>, AzureError> {
        let purpose = Purpose::list("virtual networks", group);
        let reach = Reach::Group(subscription, group);
        let networks = self.list(&purpose, &reach, "Microsoft.Network/virtualNetworks").await?;
        let subnets = decode_all(&purpose, &networks, codec::subnet::of_network)?;
        let mut managed = subnets.into_iter().flatten().filter(|subnet| subnet.id.name() == "aks-subnet");
        // Two would leave a choice, and nothing here guesses.
        Ok(managed.next().filter(|_| managed.next().is_none()).map(|subnet| subnet.id))
    }

    /// Lists the subnets of every virtual network of a subscription.
    ///
    /// # Errors
    /// As every call.
    pub async fn subnets(&self, subscription: &SubscriptionId) -> Result<Vec<LiveSubnet>, AzureError> {
        let purpose = Purpose::list("virtual networks", of(subscription));
        let networks =
            self.list(&purpose, &Reach::Subscription(subscription), "Microsoft.Network/virtualNetworks").await?;
        let subnets = decode_all(&purpose, &networks, codec::subnet::of_network)?;
        Ok(subnets.into_iter().flatten().collect())
    }

    /// Lists the frontends of every load balancer of a subscription, or of one of its resource groups.
    ///
    /// # Errors
    /// Class `NotFound` if there is no such group; else as every call.
    pub async fn load_balancer_frontends(
        &self,
        subscription: &SubscriptionId,
        group: Option<&ResourceGroup>,
    ) -> Result<Vec<LoadBalancerFrontend>, AzureError> {
        let (place, reach) = match group {
            Some(group) => {
                (format!("resource group {group} of {}", of(subscription)), Reach::Group(subscription, group))
            }
            None => (of(subscription), Reach::Subscription(subscription)),
        };
        let purpose = Purpose::list("load balancers", place);
        let balancers = self.list(&purpose, &reach, "Microsoft.Network/loadBalancers").await?;
        let frontends = decode_all(&purpose, &balancers, codec::cluster::frontends)?;
        Ok(frontends.into_iter().flatten().collect())
    }

    /// Lists the Private Link Services of a subscription with their connections.
    ///
    /// One that connects straight to an address is left out: it has no frontend and is never ours.
    ///
    /// # Errors
    /// As every call.
    pub async fn private_link_services(
        &self,
        subscription: &SubscriptionId,
    ) -> Result<Vec<LivePrivateLinkService>, AzureError> {
        let purpose = Purpose::list("Private Link Services", of(subscription));
        let reach = Reach::Subscription(subscription);
        let mut bodies = self.list(&purpose, &reach, "Microsoft.Network/privateLinkServices").await?;
        bodies.retain(|body| !codec::private_link_service::is_direct(body));
        decode_all(&purpose, &bodies, codec::private_link_service::decode)
    }

    /// Lists the private endpoints of a subscription with the addresses of their network interfaces.
    ///
    /// One whose target privlink cannot name (an endpoint of another kind of service) is left out and logged.
    ///
    /// # Errors
    /// As every call.
    pub async fn private_endpoints(&self, subscription: &SubscriptionId) -> Result<EndpointList, AzureError> {
        let reach = Reach::Subscription(subscription);
        let purpose = Purpose::list("private endpoints", of(subscription));
        let interfaces_purpose = Purpose::list("network interfaces", of(subscription));
        let (mut bodies, interfaces) = tokio::try_join!(
            self.list(&purpose, &reach, "Microsoft.Network/privateEndpoints"),
            self.list(&interfaces_purpose, &reach, "Microsoft.Network/networkInterfaces"),
        )?;
        let read = codec::private_endpoint::addresses_of_interface;
        let addresses: BTreeMap<_, _> = decode_all(&interfaces_purpose, &interfaces, read)?.into_iter().collect();
        bodies.retain(|body| {
            let known = codec::private_endpoint::has_known_target(body);
            if !known {
                tracing::warn!(endpoint = codec::text(body, "/id"), "left out: privlink does not know its target");
            }
            known
        });
        let mut endpoints = decode_all(&purpose, &bodies, codec::private_endpoint::decode)?;
        for endpoint in &mut endpoints {
            let interface = endpoint.network_interface.as_ref();
            endpoint.private_address = interface.and_then(|id| addresses.get(id).copied().flatten());
        }
        let held = decode_all(&interfaces_purpose, &interfaces, codec::private_endpoint::held_by_interface)?;
        Ok(EndpointList { endpoints, held: held.into_iter().flatten().collect() })
    }

    /// Lists the private DNS zones of a subscription.
    ///
    /// # Errors
    /// As every call.
    pub async fn dns_zones(&self, subscription: &SubscriptionId) -> Result<Vec<ResourceId>, AzureError> {
        let purpose = Purpose::list("private DNS zones", of(subscription));
        let reach = Reach::Subscription(subscription);
        let zones = self.list(&purpose, &reach, "Microsoft.Network/privateDnsZones").await?;
        decode_all(&purpose, &zones, |zone| codec::required(zone, "/id"))
    }

    /// Lists the A record sets of a zone, those that Azure registered included.
    ///
    /// # Errors
    /// Class `NotFound` if there is no such zone; else as every call.
    pub async fn dns_records(&self, zone: &ResourceId) -> Result<Vec<LiveDnsRecord>, AzureError> {
        let purpose = Purpose::list("A records", zone);
        let records = self.list(&purpose, &Reach::Parent(zone), "A").await?;
        decode_all(&purpose, &records, codec::dns::decode_record)
    }

    /// Lists the virtual network links of a zone.
    ///
    /// # Errors
    /// Class `NotFound` if there is no such zone; else as every call.
    pub async fn dns_links(&self, zone: &ResourceId) -> Result<Vec<LiveDnsLink>, AzureError> {
        let purpose = Purpose::list("virtual network links", zone);
        let links = self.list(&purpose, &Reach::Parent(zone), "virtualNetworkLinks").await?;
        decode_all(&purpose, &links, codec::dns::decode_link)
    }

    /// Reads every page of a list.
    async fn list(&self, purpose: &Purpose, reach: &Reach<'_>, kind: &str) -> Result<Vec<Json>, AzureError> {
        self.pages(purpose, request::list_url(&self.pace.resource_manager, reach, kind)).await
    }

    /// Reads a page and all that follow it.
    pub(crate) async fn pages(&self, purpose: &Purpose, first: Url) -> Result<Vec<Json>, AzureError> {
        let mut next = Some(first);
        let mut visited = BTreeSet::new();
        let mut items = Vec::new();
        while let Some(url) = next.take() {
            if !visited.insert(url.to_string()) {
                return Err(AzureError::unexpected(purpose, "a page names an earlier page as the next one"));
            }
            let mut page = self.get(purpose, &url).await?;
            let Some(Json::Array(value)) = page.get_mut("value").map(Json::take) else {
                return Err(AzureError::unexpected(purpose, "a page has no list named value"));
            };
            items.extend(value);
            next = codec::text(&page, "/nextLink").map(|link| self.next_page(purpose, link)).transpose()?;
        }
        Ok(items)
    }

    fn next_page(&self, purpose: &Purpose, link: &str) -> Result<Url, AzureError> {
        let base = &self.pace.resource_manager;
        let url = base
            .join(link)
            .map_err(|error| AzureError::unexpected(purpose, format!("its nextLink is no URL ({error})")))?;
        if is_same_origin(base, &url) { Ok(url) } else { Err(foreign(purpose, &url)) }
    }

    /// Reads one document.
    pub(crate) async fn get(&self, purpose: &Purpose, url: &Url) -> Result<Json, AzureError> {
        self.ask(purpose, url).await?.json(purpose)
    }

    /// Sends a read.
    pub(crate) async fn ask(&self, purpose: &Purpose, url: &Url) -> Result<Answer, AzureError> {
        let request = request::get(url).map_err(|error| AzureError::impossible(purpose, error))?;
        self.look(purpose, &request).await
    }

    /// Sends a request that changes nothing, again where that may help. All of them go this way, because whoever would repeat
    /// one for us would repeat what it belongs to.
    pub(crate) async fn look(&self, purpose: &Purpose, request: &Request<Vec<u8>>) -> Result<Answer, AzureError> {
        let mut attempt = 0;
        loop {
            let answer =
                self.sender.send(purpose, request.clone()).await.and_then(|answer| answer.into_success(purpose));
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(wait) = patience::wait(&error, attempt) else { return Err(error) };
            tracing::debug!(%error, ?wait, "the read is repeated");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

fn of(subscription: &SubscriptionId) -> String {
    format!("subscription {subscription}")
}

pub(crate) fn decode_all<T>(
    purpose: &Purpose,
    bodies: &[Json],
    decode: impl Fn(&Json) -> Result<T, Malformed>,
) -> Result<Vec<T>, AzureError> {
    bodies.iter().map(|body| decode(body).map_err(|error| AzureError::unexpected(purpose, error))).collect()
}
