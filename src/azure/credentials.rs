//! The way into a managed cluster: its kubeconfig, and tokens of the same identity for its API server.
//!
//! What `az aks get-credentials` and `kubelogin` do together, without either of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::azure::Azure;
use crate::azure::codec;
use crate::azure::error::AzureError;
use crate::azure::error::Purpose;
use crate::azure::identity::Tokens;
use crate::azure::request;
use crate::domain::azure::ResourceId;
use crate::domain::secret::Secret;

/// What tokens for the API servers of managed clusters are for: the server application of AKS, the same in every cloud.
/// Source: the documentation of `kubelogin`.
const AKS_SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

/// Tokens for the API servers of managed clusters.
#[derive(Debug)]
pub struct ClusterTokens(Tokens);

impl Azure {
    /// Reads the kubeconfig that a managed cluster gives to its users.
    ///
    /// # Errors
    /// Class `Denied` for a caller that may not have it; else as every call.
    pub async fn kubeconfig(&self, cluster: &ResourceId) -> Result<Secret<String>, AzureError> {
        let purpose = Purpose::on("get the user credentials of", cluster);
        let url = request::kubeconfig_url(&self.pace.resource_manager, cluster);
        let request = request::post(&url).map_err(|error| AzureError::impossible(&purpose, error))?;
        let body = self.look(&purpose, &request).await?.json(&purpose)?;
        kubeconfig(&body).ok_or_else(|| AzureError::unexpected(&purpose, "it holds no kubeconfig in base64"))
    }

    /// Tokens for the API servers of managed clusters, for whom we are signed in as.
    pub fn cluster_tokens(&self) -> ClusterTokens {
        ClusterTokens(self.sender.tokens.for_scope(AKS_SCOPE))
    }
}

impl ClusterTokens {
    /// A token that is good for a while, and another one than the one that was refused.
    ///
    /// # Errors
    /// If nobody can be signed in.
    pub async fn token(&self, refused: Option<&Secret<String>>) -> Result<Secret<String>, AzureError> {
        match refused {
            Some(refused) => self.0.replace(refused, None).await,
            None => self.0.token().await,
        }
    }
}

fn kubeconfig(body: &Json) -> Option<Secret<String>> {
    let bytes = STANDARD.decode(codec::text(body, "/kubeconfigs/0/value")?.trim()).ok()?;
    String::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kubeconfig_is_the_first_of_the_answer() {
        let read = |value: &str| kubeconfig(&json!({"kubeconfigs": [{"name": "clusterUser", "value": value}]}));
        assert_eq!(read("a2luZDogQ29uZmln").map(|text| text.expose().clone()), Some("kind: Config".to_owned()));
        assert!(read("no base64").is_none() && read("/w==").is_none());
        assert!(kubeconfig(&json!({"kubeconfigs": []})).is_none());
    }
}
