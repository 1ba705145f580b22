//! Entra ID: discovery documents, tokens for applications, and the managed-identity endpoint.
//!
//! Shapes are what five real clients were seen to need. Two of their demands are easy to miss: `expires_in` is a number in
//! a token answer and a string in a managed-identity answer, and an error description has no character that JSON would
//! escape, because `azure_identity` 1.0 cannot read one that has.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::sim::arm::{CLUSTER_AUDIENCE, Caller, Principal};
use crate::sim::challenge;
use crate::sim::challenge::Challenges;
use crate::sim::clock::Clock;
use crate::sim::token::{BadToken, LIFETIME, Tokens};
use crate::sim::world::{Cluster, FederatedCredential, Identity, Role, World};

/// Audiences that Azure's own clouds use; a token for one of them is a token for us.
const WELL_KNOWN_AUDIENCES: [&str; 2] = ["https://management.azure.com", "https://management.core.windows.net"];

/// An answer with a status.
pub(crate) type Answer = (u16, Value);

/// The directory.
pub(crate) struct Entra {
    identities: Vec<Identity>,
    /// The managed identities of the clusters' cloud providers; nobody can sign in as one of them but by the endpoint.
    cloud_providers: Vec<Identity>,
    tenant: String,
    tokens: Tokens,
    clock: Clock,
    challenges: Challenges,
}

impl Entra {
    pub(crate) fn new(world: &World, key: [u8; 32], (clock, challenges): (Clock, Challenges)) -> Self {
        Self {
            identities: world.identities.clone(),
            cloud_providers: world.clusters.iter().map(|cluster| cloud_provider(world, cluster)).collect(),
            tenant: world.tenant.to_string(),
            tokens: Tokens::new(key),
            clock,
            challenges,
        }
    }

    /// Answers a path of the authority, or says that it is none.
    pub(crate) fn answer(&self, path: &str, origin: &str, form: &BTreeMap<String, String>) -> Option<Answer> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["adfs", ".well-known", "openid-configuration"] => {
                Some((200, openid_configuration(&format!("{origin}/adfs"), &format!("{origin}/adfs/oauth2"))))
            }
            ["adfs", "oauth2", "token"] => Some(self.token(&self.tenant, origin, form)),
            [_, "discovery", "instance"] => Some((200, instance_discovery(origin, form))),
            [tenant, "v2.0", ".well-known", "openid-configuration"] => Some((
                200,
                openid_configuration(&format!("{origin}/{tenant}/v2.0"), &format!("{origin}/{tenant}/oauth2/v2.0")),
            )),
            [tenant, "oauth2", "v2.0", "token"] => Some(self.token(tenant, origin, form)),
            _ => None,
        }
    }

    /// Client credentials, by secret or by assertion.
    fn token(&self, tenant: &str, origin: &str, form: &BTreeMap<String, String>) -> Answer {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        if field("grant_type") != "client_credentials" {
            return refused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
        }
        let identity =
            self.identities.iter().find(|own| own.client_id.as_str().eq_ignore_ascii_case(field("client_id")));
        let Some(identity) = identity else {
            return refused(400, "unauthorized_client", 700_016, "Application was not found in the directory.");
        };
        let own_tenant = identity.tenant.as_ref().map_or(self.tenant.as_str(), |tenant| tenant.as_str());
        if !tenant.eq_ignore_ascii_case(own_tenant) {
            return refused(400, "invalid_request", 90002, "Tenant not found or the application is not in it.");
        }
        let by_secret = identity.secret.as_deref().is_some_and(|secret| secret == field("client_secret"));
        let assertion = field("client_assertion");
        if !by_secret && assertion.is_empty() {
            return refused(401, "invalid_client", 7_000_215, "Invalid client secret provided.");
        }
        if !by_secret && let Err((code, description)) = self.check_assertion(identity, assertion, origin) {
            return refused(401, "invalid_client", code, description);
        }
        let Some(audience) = audience(field("scope")) else {
            return refused(400, "invalid_scope", 70011, "The provided value for scope is not valid.");
        };
        let token = self.issue(identity, (&audience, challenge::proved(field("claims"))), origin);
        (
            200,
            json!({ "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token }),
        )
    }

    /// The managed-identity endpoint, in its App Service and its virtual machine form.
    pub(crate) fn managed_identity(&self, origin: &str, query: &BTreeMap<String, String>) -> Answer {
        let resource = query.get("resource").map(String::as_str).unwrap_or_default();
        let wanted = query.get("client_id").or_else(|| query.get("clientid"));
        let identity = match wanted {
            Some(id) => self.identity(id),
            None => self.identities.iter().find(|own| own.managed),
        };
        let (Some(identity), false) = (identity, resource.is_empty()) else {
            return (400, json!({ "error": "invalid_request", "error_description": "Identity not found" }));
        };
        let now = self.clock.unix_seconds();
        // The machine's tokens prove what is wanted whenever they are asked for anew.
        let proof = self.challenges.of(identity.client_id.as_str());
        let token = self.issue(identity, (resource.trim_end_matches('/'), proof), origin);
        (
            200,
            json!({
                "access_token": token,
                "client_id": identity.client_id,
                "expires_in": LIFETIME.to_string(),
                "expires_on": (now + LIFETIME).to_string(),
                "not_before": now.to_string(),
                "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }

    /// What Entra looks at in an assertion. One that an identity's own certificate signed names itself as its issuer; whom
    /// else an identity trusts, its federated credentials say, and without any it takes whatever has the form of a JWT.
    fn check_assertion(&self, identity: &Identity, assertion: &str, origin: &str) -> Result<(), (u64, &'static str)> {
        if assertion.split('.').count() != 3 {
            return Err((50027, "JWT token is invalid or malformed."));
        }
        let claims = assertion.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let text = |name: &str| claims[name].as_str().unwrap_or_default();
        if claims["exp"].as_i64().is_some_and(|end| end <= self.clock.unix_seconds()) {
            return Err((700_024, "Client assertion is not within its valid time range."));
        }
        let client = identity.client_id.as_str();
        if text("iss") == client {
            let is_for_us = text("sub") == client && text("aud").starts_with(origin);
            return if is_for_us {
                Ok(())
            } else {
                Err((700_027, "The certificate's assertion is not for this authority."))
            };
        }
        let is_trusted = |own: &FederatedCredential| {
            own.issuer == text("iss") && own.subject == text("sub") && text("aud") == "api://AzureADTokenExchange"
        };
        if identity.federated.is_empty() || identity.federated.iter().any(is_trusted) {
            return Ok(());
        }
        Err((700_213, "No matching federated identity record found for presented assertion subject."))
    }

    fn issue(&self, identity: &Identity, (audience, proof): (&str, Option<i64>), origin: &str) -> String {
        let tenant = identity.tenant.as_ref().map_or(self.tenant.as_str(), |tenant| tenant.as_str());
        let now = self.clock.unix_seconds();
        self.tokens.issue(&json!({
            "aud": audience,
            "iss": format!("{origin}/{tenant}/v2.0"),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": identity.client_id,
            "idtyp": "app",
            "oid": identity.object_id(),
            "sub": identity.object_id(),
            "tid": tenant,
            "ver": "1.0",
            "sim_newer_than": proof,
        }))
    }

    /// The object id of whoever stands behind a token for the API server of a managed cluster.
    pub(crate) fn cluster_user(&self, token: &str) -> Option<String> {
        let claims = self.tokens.check(token, self.clock.unix_seconds()).ok()?;
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        text("aud").filter(|audience| audience == CLUSTER_AUDIENCE).and_then(|_| text("oid"))
    }

    /// Who stands behind a bearer token. `origins` are the addresses that this simulator goes by.
    pub(crate) fn authenticate(&self, token: &str, origins: &[String]) -> Result<Caller, BadToken> {
        let claims = self.tokens.check(token, self.clock.unix_seconds())?;
        let audience = claims["aud"].as_str().unwrap_or_default().trim_end_matches('/');
        let is_for_us = WELL_KNOWN_AUDIENCES.contains(&audience)
            || origins.iter().any(|own| own.trim_end_matches('/').eq_ignore_ascii_case(audience));
        let client = claims["appid"].as_str().unwrap_or_default();
        let identity = self.identity(client);
        let Some(identity) = identity.filter(|_| is_for_us) else { return Err(BadToken::NotOurs) };
        if let Some(wanted) = self.challenges.of(client)
            && claims["sim_newer_than"].as_i64() < Some(wanted)
        {
            return Err(BadToken::Challenged(wanted));
        }
        let tenant = identity.tenant.as_ref().map_or(self.tenant.as_str(), |tenant| tenant.as_str());
        Ok(Caller::Identity(Principal {
            name: identity.client_id.to_string(),
            object_id: identity.object_id(),
            tenant: tenant.to_owned(),
            is_internal: self.is_cloud_provider(client),
        }))
    }

    /// Everybody whom the world lists.
    pub(crate) fn identities(&self) -> &[Identity] {
        &self.identities
    }

    fn identity(&self, client_id: &str) -> Option<&Identity> {
        let mut all = self.identities.iter().chain(&self.cloud_providers);
        all.find(|own| own.client_id.as_str().eq_ignore_ascii_case(client_id))
    }

    /// True for the identity of a simulated cloud provider, whose requests are the simulator's own.
    pub(crate) fn is_cloud_provider(&self, client_id: &str) -> bool {
        self.cloud_providers.iter().any(|own| own.client_id.as_str().eq_ignore_ascii_case(client_id))
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.tenant
    }
}

/// The identity of a cluster's cloud provider: contributor in the cluster's subscription unless the world says otherwise, its
/// client id follows from the world's seed.
pub(crate) fn cloud_provider(world: &World, cluster: &Cluster) -> Identity {
    let name = format!("privlink-sim/{}/cloud-provider/{}", world.seed, cluster.name);
    let client_id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string();
    let home = world.subscriptions.iter().find(|own| own.id == cluster.subscription);
    Identity {
        name: format!("cloud provider of {}", cluster.name),
        client_id: client_id.parse().expect("a GUID is a client id"),
        secret: None,
        tenant: home.map(|own| world.tenant_of(own)),
        role: cluster.assignments.is_none().then_some(Role::Contributor),
        subscriptions: Some(vec![cluster.subscription.clone()]),
        assignments: cluster.assignments.clone().unwrap_or_default(),
        managed: false,
        federated: Vec::new(),
    }
}

/// The audience of a v2 scope. An audience that ends in a slash gives two, and Go adds scopes of its own.
fn audience(scope: &str) -> Option<String> {
    let first = scope.split(' ').find(|scope| scope.ends_with("/.default"))?;
    Some(first.trim_end_matches("/.default").trim_end_matches('/').to_owned())
}

fn refused(status: u16, error: &str, code: u64, description: &str) -> Answer {
    (
        status,
        json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {description}"),
            "error_codes": [code],
            "trace_id": "00000000-0000-0000-0000-000000000000",
            "correlation_id": "00000000-0000-0000-0000-000000000000",
        }),
    )
}

fn openid_configuration(issuer: &str, endpoints: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{endpoints}/authorize"),
        "token_endpoint": format!("{endpoints}/token"),
        "device_authorization_endpoint": format!("{endpoints}/devicecode"),
        "jwks_uri": format!("{endpoints}/keys"),
        "response_types_supported": ["code", "id_token", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "tenant_region_scope": "NA",
    })
}

/// The answer that a client gets who asks whether an authority can be trusted.
fn instance_discovery(origin: &str, query: &BTreeMap<String, String>) -> Value {
    let asked = query.get("authorization_endpoint").map(String::as_str).unwrap_or_default();
    let host = asked.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let tenant = asked.split("://").nth(1).and_then(|rest| rest.split('/').nth(1)).unwrap_or("common");
    let host = if host.is_empty() { origin.split("://").nth(1).unwrap_or_default() } else { host };
    json!({
        "tenant_discovery_endpoint": format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}
