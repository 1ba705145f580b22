//! The identity of the machine: App Service by two variables, virtual machines by the metadata service (IMDS).
//!
//! IMDS is looked for with a short deadline, because elsewhere nobody answers at its address; it is never reached by a
//! proxy. What answers there and is not IMDS (other clouds have theirs at the same address) means: not here.

use std::time::Duration;

use http::HeaderName;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value as Json;

use crate::azure::identity::NotHere;
use crate::azure::identity::Refusal;
use crate::azure::identity::SignIn;
use crate::azure::identity::entra::text_of;
use crate::azure::identity::means::Lack;
use crate::azure::identity::means::near;
use crate::azure::operation::retry_after;
use crate::azure::send::read_capped;
use crate::domain::azure::ClientId;
use crate::domain::failure::ErrorClass;
use crate::domain::secret::Secret;

/// Where IMDS is, on every virtual machine of Azure.
const IMDS: &str = "http://169.254.169.254";
/// Moves IMDS, as for Microsoft's own clients: in clusters with a proxy of their own before it.
const IMDS_VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
/// How long a connection to it may take: it is on the same host.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// How long its answer may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);

/// Who gives out the tokens of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    AppService { endpoint: Url, header: Secret<String> },
    Imds { endpoint: Url },
}

/// A token as it was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) text: Secret<String>,
    pub(crate) expires: Timestamp,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Answered {
    Token(Given),
    NotHere(NotHere),
    Refused(Refusal),
}

impl Place {
    /// Finds it by the variables that Azure's hosts set.
    pub(crate) fn of(sign_in: &SignIn) -> Result<Self, Lack> {
        let unknown = |what: &str| {
            let reason = format!("this is {what}, whose managed identity privlink does not know");
            Lack::NotHere(near(reason, "use another way to sign in"))
        };
        let url = |name: &str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            url.ok_or_else(|| Lack::Mistaken(format!("{name} is not a URL")))
        };
        let endpoint = sign_in.variable("IDENTITY_ENDPOINT");
        match (endpoint, sign_in.variable("IDENTITY_HEADER")) {
            (Some(_), Some(_)) if sign_in.variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
                return Err(unknown("Service Fabric"));
            }
            (Some(endpoint), Some(header)) => {
                let header = Secret::new(header.to_owned());
                return Ok(Self::AppService { endpoint: url("IDENTITY_ENDPOINT", endpoint)?, header });
            }
            (Some(_), None) if sign_in.variable("IMDS_ENDPOINT").is_some() => return Err(unknown("Azure Arc")),
            _ if sign_in.variable("MSI_ENDPOINT").is_some() => return Err(unknown("Cloud Shell or Azure ML")),
            _ => {}
        }
        let host = sign_in.variable(IMDS_VARIABLE).unwrap_or(IMDS);
        let mut endpoint = url(IMDS_VARIABLE, host)?;
        endpoint.set_path("/metadata/identity/oauth2/token");
        Ok(Self::Imds { endpoint })
    }

    /// The request for a token.
    fn request(&self, resource: &str, client: Option<&ClientId>) -> (Url, HeaderName, Secret<String>) {
        let (mut url, version, name, value) = match self {
            Self::AppService { endpoint, header } => {
                (endpoint.clone(), "2019-08-01", HeaderName::from_static("x-identity-header"), header.clone())
            }
            Self::Imds { endpoint } => {
                let value = Secret::new("true".to_owned());
                (endpoint.clone(), "2018-02-01", HeaderName::from_static("metadata"), value)
            }
        };
        url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", resource);
        if let Some(client) = client {
            url.query_pairs_mut().append_pair("client_id", client.as_str());
        }
        (url, name, value)
    }

    /// Asks for a token. `direct` is a client without a proxy and with [`CONNECT`] and [`ANSWER`] as its patience.
    pub(crate) async fn ask(&self, direct: &reqwest::Client, resource: &str, client: Option<&ClientId>) -> Answered {
        let (url, name, value) = self.request(resource, client);
        let sent = direct.get(url).header(name, value.expose()).send().await;
        let response = match (sent, self) {
            (Ok(response), _) => response,
            (Err(error), Self::Imds { endpoint }) if error.is_connect() => {
                let address = endpoint.host_str().unwrap_or_default();
                return Answered::NotHere(absent(format!(
                    "nobody answers at {address}: this is no virtual machine of Azure"
                )));
            }
            (Err(error), _) => {
                let reason = format!("it did not answer ({}); try again", cause_of(&error));
                return Answered::Refused(Refusal::no_answer(reason, &error));
            }
        };
        let status = response.status().as_u16();
        let wait = retry_after(response.headers());
        let body = read_capped(response).await.ok().flatten().unwrap_or_default();
        read(self, (status, &body), (client, wait))
    }
}

fn absent(reason: String) -> NotHere {
    let next = "give the virtual machine, scale set or App Service an identity, and run privlink there";
    NotHere { reason, next: next.to_owned(), is_near: false }
}

/// The last cause of a failed request, which says most.
pub(crate) fn cause_of(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let cause = std::iter::successors(std::error::Error::source(first), |error| error.source()).last();
    cause.map(ToString::to_string).unwrap_or_default()
}

/// Reads an answer.
fn read(
    place: &Place,
    (status, body): (u16, &[u8]),
    (client, wait): (Option<&ClientId>, Option<Duration>),
) -> Answered {
    let json: Option<Json> = serde_json::from_slice(body).ok().filter(Json::is_object);
    let Some(json) = json else {
        return match place {
            Place::Imds { .. } => Answered::NotHere(absent("what answers at its address is not Azure's".to_owned())),
            Place::AppService { .. } => {
                let reason = format!("it answered with status {status} and no JSON; check IDENTITY_ENDPOINT");
                Answered::Refused(Refusal::new(reason, ErrorClass::Unknown))
            }
        };
    };
    let said = text_of(&json, "error_description").or_else(|| text_of(&json, "message"));
    let said =
        said.or_else(|| text_of(&json, "error")).unwrap_or("without a reason").lines().next().unwrap_or_default();
    match status {
        200 => token(&json),
        // Both say so: the machine has no such identity.
        400 | 404 => {
            let whom = client.map_or_else(|| "no identity".to_owned(), |client| format!("no identity {client}"));
            let next = "assign the identity to the machine, or name it by AZURE_CLIENT_ID or in privlink.toml";
            Answered::NotHere(near(format!("this machine has {whom} ({})", said.trim_end_matches('.')), next))
        }
        410 | 429 | 500..=599 => {
            let reason = format!("it answered with status {status}; try again");
            Answered::Refused(Refusal::new(reason, ErrorClass::Transient { retry_after: wait }))
        }
        _ => Answered::Refused(Refusal::new(format!("it answered with status {status}: {said}"), ErrorClass::Denied)),
    }
}

fn token(json: &Json) -> Answered {
    // A number in some places, its digits in others.
    let expires = json.get("expires_on").and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
    let expires = expires.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match (text_of(json, "access_token"), expires) {
        (Some(text), Some(expires)) => Answered::Token(Given { text: Secret::new(text.to_owned()), expires }),
        _ => Answered::Refused(Refusal::new("the answer holds no token that ends", ErrorClass::Unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Place, Lack> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Place::of(&SignIn { tenant: None, client: None, prefix: "P_", environment: Secret::new(variables) })
    }

    #[test]
    fn hosts_are_known_by_their_variables() {
        let (url, name, _) = place(&[]).unwrap().request("https://a", None);
        assert_eq!(name, "metadata");
        let expected =
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fa";
        assert_eq!(url.as_str(), expected);
        let service = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token"), ("IDENTITY_HEADER", "h")];
        let client = "00000000-0000-0000-0000-0000000000a1".parse().unwrap();
        let (url, name, value) = place(&service).unwrap().request("r", Some(&client));
        assert_eq!((name.as_str(), value.expose().as_str()), ("x-identity-header", "h"));
        assert!(
            url.as_str().ends_with(
                "/msi/token?api-version=2019-08-01&resource=r&client_id=00000000-0000-0000-0000-0000000000a1"
            )
        );
        let fabric = [&service[..], &[("IDENTITY_SERVER_THUMBPRINT", "x")]].concat();
        assert!(matches!(place(&fabric), Err(Lack::NotHere(_))));
        assert!(matches!(place(&[("IDENTITY_ENDPOINT", "x"), ("IDENTITY_HEADER", "h")]), Err(Lack::Mistaken(_))));
    }

    #[test]
    fn only_what_azure_says_counts_as_its_answer() {
        let imds = place(&[]).unwrap();
        let answered = |status: u16, body: &str| match read(&imds, (status, body.as_bytes()), (None, None)) {
            Answered::Token(_) => "token".to_owned(),
            Answered::NotHere(lack) => format!("not here: {}", lack.reason),
            Answered::Refused(refusal) => format!("refused: {refusal}"),
        };
        insta::assert_snapshot!(
            [
                answered(200, r#"{"access_token":"t","expires_on":"1800000000"}"#),
                answered(200, r#"{"access_token":"t","expires_on":1800000000}"#),
                answered(200, r#"{"access_token":""}"#),
                answered(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
                answered(404, "<html>"),
                answered(429, "{}"),
                answered(403, r#"{"error":"forbidden"}"#),
            ]
            .join("\n"),
            @"
        token
        token
        refused: the answer holds no token that ends
        not here: this machine has no identity (Identity not found)
        not here: what answers at its address is not Azure's
        refused: it answered with status 429; try again
        refused: it answered with status 403: forbidden
        "
        );
    }
}
