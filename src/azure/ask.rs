//! Questions before a write: what the caller, or another identity, may do at a scope, and whether an address is free.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::codec::Malformed;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::list::decode_all;
use crate::azure::request;
use crate::domain::azure::PrincipalId;
use crate::domain::azure::ResourceGroup;
use crate::domain::azure::ResourceId;
use crate::domain::azure::SubscriptionId;
use crate::domain::right::Permission;
use crate::domain::right::RightScope;

/// What Azure says about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// True if it may be asked for.
    pub is_free: bool,
    /// Where it is not: a few of the same subnet that may be.
    pub offered: Vec<IpAddr>,
}

/// What Azure says about a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its display name.
    pub name: String,
    /// Its state; only `Enabled` can be written.
    pub state: String,
}

impl Azure {
    /// Lists the resource groups of a subscription that the caller may see. One that is not among them may be there.
    ///
    /// # Errors
    /// As every call.
    pub async fn resource_groups(&self, subscription: &SubscriptionId) -> Result<BTreeSet<ResourceGroup>, AzureError> {
        let purpose = Purpose::list("resource groups", format!("subscription {subscription}"));
        let url = request::groups_url(&self.pace.resource_manager, subscription, None);
        let groups = self.pages(&purpose, url).await?;
        Ok(decode_all(&purpose, &groups, |group| codec::required(group, "/name"))?.into_iter().collect())
    }

    /// Asks whether a resource group is there.
    ///
    /// # Errors
    /// Class `Denied` for a caller that may not know; else as every call.
    pub async fn has_resource_group(
        &self,
        subscription: &SubscriptionId,
        group: &ResourceGroup,
    ) -> Result<bool, AzureError> {
        let purpose = Purpose::other("read", format!("the resource group {group} of subscription {subscription}"));
        let url = request::groups_url(&self.pace.resource_manager, subscription, Some(group));
        match self.get(&purpose, &url).await {
            Ok(_) => Ok(true),
            Err(AzureError::Refused { error, .. }) if error.means_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks the cloud to describe itself, which it does for everybody: proves that it is there, and that it is a cloud.
    ///
    /// # Errors
    /// If it does not answer, or something else does.
    pub async fn reach(&self) -> Result<(), AzureError> {
        let purpose = Purpose::other("read", "the cloud's description of itself");
        let url = request::metadata_url(&self.pace.resource_manager);
        let request = request::get(&url).map_err(|error| AzureError::impossible(&purpose, error))?;
        let answer = self.sender.send_openly(&purpose, request).await?.into_success(&purpose)?;
        answer.json(&purpose).map(drop)
    }

    /// Reads a subscription.
    ///
    /// # Errors
    /// Class `Invalid` for one that the caller does not see; else as every call.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Subscription, AzureError> {
        let purpose = Purpose::other("read", format!("the subscription {id}"));
        let body = self.get(&purpose, &request::subscription_url(&self.pace.resource_manager, id)).await?;
        let text = |place: &str| codec::text(&body, place).map(ToOwned::to_owned);
        let state = text("/state").ok_or_else(|| AzureError::unexpected(&purpose, "it has no state"))?;
        Ok(Subscription { name: text("/displayName").unwrap_or_default(), state })
    }

    /// Reads what the caller may do at a scope: one entry for each role in force there, inherited ones included.
    ///
    /// # Errors
    /// Class `Denied` for a caller that may not even ask; else as every call.
    pub async fn permissions(&self, scope: &RightScope) -> Result<Vec<Permission>, AzureError> {
        let purpose = Purpose::other("read", format!("the caller's rights on {scope}"));
        let entries = self.pages(&purpose, request::permissions_url(&self.pace.resource_manager, scope)).await?;
        decode_all(&purpose, &entries, permission)
    }

    /// Lists the roles that an identity has at a scope, inherited ones included: the ids of their definitions.
    ///
    /// # Errors
    /// Class `Denied` for a caller that may not see role assignments there; else as every call.
    pub async fn roles_of(&self, principal: &PrincipalId, scope: &RightScope) -> Result<BTreeSet<String>, AzureError> {
        let purpose = Purpose::other("list", format!("the roles of {principal} on {scope}"));
        let url = request::assignments_url(&self.pace.resource_manager, scope, principal);
        let entries = self.pages(&purpose, url).await?;
        let role = |entry: &Json| {
            let role = codec::text(entry, "/properties/roleDefinitionId").map(ToOwned::to_owned);
            role.ok_or_else(|| Malformed("a role assignment names no role".to_owned()))
        };
        Ok(decode_all(&purpose, &entries, role)?.into_iter().collect())
    }

    /// Reads what a role gives.
    ///
    /// # Errors
    /// As every call.
    pub async fn role(&self, id: &str) -> Result<Vec<Permission>, AzureError> {
        let purpose = Purpose::other("read", format!("the role {id}"));
        let body = self.get(&purpose, &request::role_url(&self.pace.resource_manager, id)).await?;
        let entries = codec::items(&body, "/properties/permissions");
        let entries = entries.map_err(|error| AzureError::unexpected(&purpose, error))?;
        decode_all(&purpose, entries, permission)
    }

    /// Asks whether an address of a virtual network is free.
    ///
    /// # Errors
    /// Class `Invalid` for an address that no subnet of the network has; else as every call.
    pub async fn address(&self, network: &ResourceId, address: IpAddr) -> Result<Availability, AzureError> {
        let purpose = Purpose::other("ask", format!("whether {address} of {network} is free"));
        let url = request::address_url(&self.pace.resource_manager, network, address);
        let body = self.get(&purpose, &url).await?;
        availability(&body).map_err(|error| AzureError::unexpected(&purpose, error))
    }
}

fn permission(entry: &Json) -> Result<Permission, Malformed> {
    let list = |place: &str| -> Result<Vec<String>, Malformed> {
        let text = |item: &Json| item.as_str().map(ToOwned::to_owned);
        let texts: Option<Vec<String>> = codec::items(entry, place)?.iter().map(text).collect();
        texts.ok_or_else(|| Malformed(format!("{place} holds something that is no text")))
    };
    Ok(Permission { actions: list("/actions")?, not_actions: list("/notActions")? })
}

fn availability(body: &Json) -> Result<Availability, Malformed> {
    let is_free = body.get("available").and_then(Json::as_bool);
    let is_free = is_free.ok_or_else(|| Malformed("it does not say whether the address is available".to_owned()))?;
    let offered = codec::items(body, "/availableIPAddresses")?.iter();
    // An offer that cannot be read is one offer less.
    let offered = offered.filter_map(|item| item.as_str()?.parse().ok()).collect();
    Ok(Availability { is_free, offered })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_are_read_whole_or_not_at_all() {
        let read = permission(&json!({"actions": ["*"], "notActions": ["a/write"], "dataActions": ["b"]})).unwrap();
        assert_eq!((read.gives("x"), read.gives("A/write")), (true, false));
        assert_eq!(permission(&json!({"actions": ["*"]})).unwrap().not_actions, Vec::<String>::new());
        // A right too many would be believed: what cannot be read gives nothing.
        assert!(permission(&json!({"actions": ["*"], "notActions": [1]})).is_err());
    }

    #[test]
    fn an_address_that_is_taken_comes_with_offers() {
        let read = availability(&json!({"available": false, "availableIPAddresses": ["10.0.0.5", "x"]})).unwrap();
        assert_eq!((read.is_free, read.offered), (false, vec!["10.0.0.5".parse().unwrap()]));
        assert!(availability(&json!({"available": true})).unwrap().is_free);
        assert!(availability(&json!({})).is_err());
    }
}
