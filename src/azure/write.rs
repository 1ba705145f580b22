//! Writes: the whole resource by PUT over what was seen, guarded by its version; removals; polls. Never PATCH.

use serde_json::Value as Json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::codec::Incomplete;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::operation::Operation;
use crate::azure::operation::OperationKind;
use crate::azure::operation::Progress;
use crate::azure::operation::Started;
use crate::azure::operation::Write;
use crate::azure::request;
use crate::azure::request::Guard;
use crate::domain::azure::Etag;
use crate::domain::azure::ResourceId;
use crate::domain::resource::Resource;
use crate::domain::resource::Seen;

impl Azure {
    /// Creates or updates a resource.
    ///
    /// `seen` is how it was last read: its body is the base of what is sent, its etag the precondition. A subnet and a
    /// connection cannot be created, so they need one; a connection's id is taken from it.
    ///
    /// # Errors
    /// Class `Conflict` if it changed since it was seen; `Invalid` if the resource is not Azure's or lacks what another
    /// step produces; else as every call.
    pub async fn put(&self, resource: &Resource, seen: Option<&Seen>) -> Result<Started, AzureError> {
        let (id, body) = encode(resource, seen)?;
        let purpose = Purpose::on(if seen.is_some() { "update" } else { "create" }, &id);
        let url = request::resource_url(&self.pace.resource_manager, &id);
        let request =
            request::put(&url, &body, &guard(&id, seen)).map_err(|error| AzureError::impossible(&purpose, error))?;
        let answer = self.sender.send(&purpose, request).await?.into_success(&purpose)?;
        self.pace.started(&Write { purpose: &purpose, resource: &id, url: &url, is_delete: false }, &answer)
    }

    /// Deletes a resource; one that is already gone is done.
    ///
    /// # Errors
    /// Class `Conflict` if it changed since the etag; else as every call.
    pub async fn delete(&self, id: &ResourceId, etag: Option<&Etag>) -> Result<Started, AzureError> {
        let purpose = Purpose::on("delete", id);
        let url = request::resource_url(&self.pace.resource_manager, id);
        let guard = etag.map_or(Guard::Unconditional, |etag| Guard::Unchanged(etag.clone()));
        let request = request::delete(&url, &guard).map_err(|error| AzureError::impossible(&purpose, error))?;
        let answer = match self.sender.send(&purpose, request).await?.into_success(&purpose) {
            Err(AzureError::Refused { error, .. }) if error.means_absent() => return Ok(Started::Done),
            other => other?,
        };
        self.pace.started(&Write { purpose: &purpose, resource: id, url: &url, is_delete: true }, &answer)
    }

    /// Asks once how far an operation is.
    ///
    /// # Errors
    /// [`AzureError::Failed`] if the operation ended badly; else as every call, and then the operation may still go on.
    pub async fn poll(&self, operation: &Operation) -> Result<Progress, AzureError> {
        let purpose = Purpose::follow(&operation.purpose);
        let answer = match self.ask(&purpose, &operation.url).await {
            Err(AzureError::Refused { error, .. })
                if operation.kind == OperationKind::Absence && error.means_absent() =>
            {
                return Ok(Progress::Done);
            }
            other => other?,
        };
        self.pace.progress(operation, &answer)
    }
}

/// What is sent, and where to.
fn encode(resource: &Resource, seen: Option<&Seen>) -> Result<(ResourceId, Json), AzureError> {
    let incomplete = |id: &ResourceId| {
        let purpose = Purpose::on("write", id);
        move |error: Incomplete| AzureError::impossible(&purpose, error)
    };
    match resource {
        Resource::Subnet(subnet) => {
            let seen = seen.ok_or_else(|| unseen(&subnet.id))?;
            Ok((subnet.id.clone(), codec::subnet::encode(seen)))
        }
        Resource::PrivateLinkService(service) => {
            let body = codec::private_link_service::encode(service, seen).map_err(incomplete(&service.id))?;
            Ok((service.id.clone(), body))
        }
        Resource::PrivateEndpoint(endpoint) => {
            let body = codec::private_endpoint::encode(endpoint, seen).map_err(incomplete(&endpoint.id))?;
            Ok((endpoint.id.clone(), body))
        }
        Resource::Connection(connection) => {
            let purpose = Purpose::on("answer the connection of", &connection.endpoint);
            let seen = seen.ok_or_else(|| AzureError::impossible(&purpose, "it was not read first; plan again"))?;
            let id = codec::required(&seen.body, "/id").map_err(|error| AzureError::impossible(&purpose, error))?;
            Ok((id, codec::connection::encode(connection.verdict, seen)))
        }
        Resource::DnsRecord(record) => {
            let body = codec::dns::encode_record(record, seen).map_err(incomplete(&record.id))?;
            Ok((record.id.clone(), body))
        }
        Resource::DnsLink(link) => Ok((link.id.clone(), codec::dns::encode_link(link, seen))),
        Resource::Namespace(_) | Resource::Service(_) | Resource::Publication(_) => {
            let purpose = Purpose::other("write", resource.key());
            Err(AzureError::impossible(&purpose, "it is written through Kubernetes, not through Azure"))
        }
    }
}

fn unseen(id: &ResourceId) -> AzureError {
    let reason = "it was not read first, and writing it blindly would drop its other properties; plan again";
    AzureError::impossible(&Purpose::on("update", id), reason)
}

/// The version that was seen; for a new DNS resource, that there is none. Microsoft.Network itself knows no such guard.
fn guard(id: &ResourceId, seen: Option<&Seen>) -> Guard {
    match seen {
        Some(Seen { etag: Some(etag), .. }) => Guard::Unchanged(etag.clone()),
        Some(Seen { etag: None, .. }) => Guard::Unconditional,
        None if id.resource_type().starts_with("microsoft.network/privatednszones/") => Guard::Absent,
        None => Guard::Unconditional,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::failure::ErrorClass;
    use crate::domain::resource::subnet::SubnetPolicy;

    const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers";

    fn id(tail: &str) -> ResourceId {
        format!("{GROUP}/Microsoft.Network/{tail}").parse().unwrap()
    }

    #[test]
    fn a_subnet_is_never_written_blindly() {
        let subnet = Resource::Subnet(SubnetPolicy { id: id("virtualNetworks/v/subnets/s") });
        let error = encode(&subnet, None).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Invalid);
        assert!(error.to_string().contains("was not read first"), "{error}");
    }

    #[test]
    fn guards_follow_what_was_seen() {
        let seen = Seen { etag: Some("1".parse().unwrap()), body: json!({}) };
        let (record, endpoint) = (id("privateDnsZones/z/A/r"), id("privateEndpoints/pe"));
        assert_eq!(guard(&record, None), Guard::Absent);
        assert_eq!(guard(&endpoint, None), Guard::Unconditional);
        assert_eq!(guard(&record, Some(&seen)), Guard::Unchanged("1".parse().unwrap()));
    }
}
