//! One resource, fresh, just before it is written or while it is waited for. `None` means: it is not there.

use serde_json::Value as Json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::codec::Malformed;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::request;
use crate::domain::azure::ResourceId;
use crate::domain::resource::Live;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::dns::LiveDnsLink;
use crate::domain::resource::dns::LiveDnsRecord;
use crate::domain::resource::private_endpoint::LivePrivateEndpoint;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::domain::resource::subnet::LiveSubnet;

impl Azure {
    /// Reads the resource of this id, whatever kind of ours it is.
    ///
    /// # Errors
    /// Class `Invalid` for a type that privlink does not manage; else as every call.
    pub async fn read(&self, id: &ResourceId) -> Result<Option<Live>, AzureError> {
        Ok(match id.resource_type().as_str() {
            "microsoft.network/virtualnetworks/subnets" => self.subnet(id).await?.map(Live::Subnet),
            "microsoft.network/privatelinkservices" => {
                self.private_link_service(id).await?.map(Live::PrivateLinkService)
            }
            "microsoft.network/privatelinkservices/privateendpointconnections" => {
                self.connection(id).await?.map(Live::Connection)
            }
            "microsoft.network/privateendpoints" => self.private_endpoint(id).await?.map(Live::PrivateEndpoint),
            "microsoft.network/privatednszones/a" => self.dns_record(id).await?.map(Live::DnsRecord),
            "microsoft.network/privatednszones/virtualnetworklinks" => self.dns_link(id).await?.map(Live::DnsLink),
            other => {
                let reason = format!("privlink manages no resource of type {other}");
                return Err(AzureError::impossible(&Purpose::on("read", id), reason));
            }
        })
    }

    /// Reads a subnet.
    ///
    /// # Errors
    /// As every call.
    pub async fn subnet(&self, id: &ResourceId) -> Result<Option<LiveSubnet>, AzureError> {
        self.read_as(id, codec::subnet::decode).await
    }

    /// Reads a Private Link Service with its connections.
    ///
    /// # Errors
    /// As every call.
    pub async fn private_link_service(&self, id: &ResourceId) -> Result<Option<LivePrivateLinkService>, AzureError> {
        self.read_as(id, codec::private_link_service::decode).await
    }

    /// Reads a connection by its own id.
    ///
    /// # Errors
    /// As every call.
    pub async fn connection(&self, id: &ResourceId) -> Result<Option<LiveConnection>, AzureError> {
        self.read_as(id, codec::connection::decode).await
    }

    /// Reads a private endpoint and the address of its network interface.
    ///
    /// # Errors
    /// As every call.
    pub async fn private_endpoint(&self, id: &ResourceId) -> Result<Option<LivePrivateEndpoint>, AzureError> {
        let Some(mut endpoint) = self.read_as(id, codec::private_endpoint::decode).await? else { return Ok(None) };
        if let Some(interface) = &endpoint.network_interface {
            let interface = self.read_as(interface, codec::private_endpoint::addresses_of_interface).await?;
            endpoint.private_address = interface.and_then(|(_, address)| address);
        }
        Ok(Some(endpoint))
    }

    /// Reads an A record set.
    ///
    /// # Errors
    /// As every call.
    pub async fn dns_record(&self, id: &ResourceId) -> Result<Option<LiveDnsRecord>, AzureError> {
        self.read_as(id, codec::dns::decode_record).await
    }

    /// Reads a virtual network link of a zone.
    ///
    /// # Errors
    /// As every call.
    pub async fn dns_link(&self, id: &ResourceId) -> Result<Option<LiveDnsLink>, AzureError> {
        self.read_as(id, codec::dns::decode_link).await
    }

    async fn read_as<T>(
        &self,
        id: &ResourceId,
        decode: impl Fn(&Json) -> Result<T, Malformed>,
    ) -> Result<Option<T>, AzureError> {
        let purpose = Purpose::on("read", id);
        let Some(body) = self.body(&purpose, id).await? else { return Ok(None) };
        decode(&body).map(Some).map_err(|error| AzureError::unexpected(&purpose, error))
    }

    /// Reads a body, with the etag of the header where the body has none.
    async fn body(&self, purpose: &Purpose, id: &ResourceId) -> Result<Option<Json>, AzureError> {
        let url = request::resource_url(&self.pace.resource_manager, id);
        let answer = match self.ask(purpose, &url).await {
            Ok(answer) => answer,
            // Only Azure's own "not found" means absent: a proxy's 404 must never look like an empty subscription.
            Err(AzureError::Refused { error, .. }) if error.means_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut body = answer.json(purpose)?;
        let etag = answer.headers.get(http::header::ETAG).and_then(|value| value.to_str().ok());
        if let (true, Some(etag)) = (body.is_object() && codec::text(&body, "/etag").is_none(), etag) {
            body["etag"] = Json::from(etag);
        }
        Ok(Some(body))
    }
}
