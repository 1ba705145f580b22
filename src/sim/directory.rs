//! The directory's graph API, as far as role assignments need it: which principal is meant by a name or an id.
//!
//! `az role assignment create --assignee X` looks for a service principal called X, and if there is none asks which kind
//! of object has the id X. Only service principals exist here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sim::entra::Answer;
use crate::sim::world::Identity;

/// Answers what follows `/v1.0/`.
pub(crate) fn answer(
    (identities, tenant): (&[Identity], &str),
    (method, path): (&str, &str),
    (query, body): (&BTreeMap<String, String>, Option<&Value>),
    origin: &str,
) -> Answer {
    let show = |own: &Identity| show(own, tenant);
    let folded = path.to_ascii_lowercase();
    match (method, folded.trim_end_matches('/')) {
        ("GET", "serviceprincipals") => {
            let filter = query.get("$filter").map(String::as_str).unwrap_or_default();
            let Some(wanted) = Wanted::parse(filter) else {
                let message = format!("Unsupported or invalid query filter clause: {filter}");
                return problem(400, "Request_UnsupportedQuery", &message);
            };
            let found = identities.iter().filter(|own| wanted.fits(own)).map(show);
            (200, page(origin, "servicePrincipals", found.collect()))
        }
        ("GET", one) if one.starts_with("serviceprincipals") => {
            let key = &one["serviceprincipals".len()..];
            let found = identities.iter().find(|own| is_addressed(own, key)).map(show);
            match found {
                Some(mut body) => {
                    body["@odata.context"] = format!("{origin}/v1.0/$metadata#servicePrincipals/$entity").into();
                    (200, body)
                }
                None => unknown(key.trim_matches('/')),
            }
        }
        ("POST", "directoryobjects/getbyids") => {
            let ids = body.and_then(|body| body["ids"].as_array()).into_iter().flatten();
            let ids: Vec<&str> = ids.filter_map(Value::as_str).collect();
            let is_asked = |own: &&Identity| ids.iter().any(|id| id.eq_ignore_ascii_case(&own.object_id()));
            let found = identities.iter().filter(is_asked).map(|own| {
                let mut body = show(own);
                body["@odata.type"] = "#microsoft.graph.servicePrincipal".into();
                body
            });
            (200, page(origin, "directoryObjects", found.collect()))
        }
        // There are none, which is an answer and not an error.
        ("GET", kind @ ("users" | "groups" | "applications")) => (200, page(origin, kind, Vec::new())),
        _ => problem(404, "Request_ResourceNotFound", &format!("Resource '{path}' does not exist.")),
    }
}

/// `/{object id}` or `(appId='…')`.
fn is_addressed(own: &Identity, key: &str) -> bool {
    let by_application = key.strip_prefix("(appid='").and_then(|rest| rest.strip_suffix("')"));
    match (by_application, key.strip_prefix('/')) {
        (Some(id), _) => own.client_id.as_str().eq_ignore_ascii_case(id),
        (None, Some(id)) => own.object_id() == id,
        (None, None) => false,
    }
}

/// What a filter asks for.
enum Wanted {
    All,
    Application(String),
    Object(String),
    DisplayName(String),
    /// `servicePrincipalNames/any(…)`: the application id is the only name that they have.
    Name(String),
}

impl Wanted {
    fn parse(filter: &str) -> Option<Self> {
        let filter = filter.trim();
        if filter.is_empty() {
            return Some(Self::All);
        }
        if let Some(rest) = filter.strip_prefix("servicePrincipalNames/any(") {
            let (variable, rest) = rest.strip_suffix(')')?.split_once(':')?;
            return equals(rest.strip_prefix(variable)?.trim()).map(Self::Name);
        }
        let (field, rest) = filter.split_once(' ')?;
        let value = equals(rest.trim())?;
        match field.to_ascii_lowercase().as_str() {
            "appid" => Some(Self::Application(value)),
            "id" => Some(Self::Object(value)),
            "displayname" => Some(Self::DisplayName(value)),
            _ => None,
        }
    }

    fn fits(&self, own: &Identity) -> bool {
        match self {
            Self::All => true,
            Self::Application(id) | Self::Name(id) => own.client_id.as_str().eq_ignore_ascii_case(id),
            Self::Object(id) => own.object_id().eq_ignore_ascii_case(id),
            Self::DisplayName(name) => own.name.eq_ignore_ascii_case(name),
        }
    }
}

/// The text of `eq '…'`.
fn equals(text: &str) -> Option<String> {
    let quoted = text.strip_prefix("eq ")?.trim();
    Some(quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

fn show(own: &Identity, tenant: &str) -> Value {
    let kind = if own.managed { "ManagedIdentity" } else { "Application" };
    json!({
        "id": own.object_id(),
        "appId": own.client_id,
        "displayName": own.name,
        "appDisplayName": own.name,
        "servicePrincipalType": kind,
        "servicePrincipalNames": [own.client_id],
        "accountEnabled": true,
        "appOwnerOrganizationId": own.tenant.as_ref().map_or(tenant, |own| own.as_str()),
    })
}

fn page(origin: &str, what: &str, value: Vec<Value>) -> Value {
    json!({ "@odata.context": format!("{origin}/v1.0/$metadata#{what}"), "value": value })
}

fn unknown(id: &str) -> Answer {
    let message =
        format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
    problem(404, "Request_ResourceNotFound", &message)
}

fn problem(status: u16, code: &str, message: &str) -> Answer {
    (status, json!({ "error": { "code": code, "message": message } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::world::World;

    const TENANT: &str = "11111111-1111-1111-1111-111111111111";
    const PLAN: &str = "00000000-0000-0000-0000-0000000000a1";

    fn ask(method: &str, path: &str, filter: &str, body: Option<Value>) -> Answer {
        let world = World::parse(include_str!("../../examples/world.yaml")).unwrap();
        let query = BTreeMap::from([("$filter".to_owned(), filter.to_owned())]);
        answer((&world.identities, TENANT), (method, path), (&query, body.as_ref()), "https://x")
    }

    #[test]
    fn a_service_principal_is_found_by_any_of_its_names() {
        let (_, all) = ask("GET", "servicePrincipals", &format!("servicePrincipalNames/any(c:c eq '{PLAN}')"), None);
        let id = all["value"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(
            (&all["value"][0]["displayName"], all["value"].as_array().unwrap().len()),
            (&json!("privlink-plan"), 1)
        );
        for filter in
            [format!("appId eq '{PLAN}'"), format!("id eq '{id}'"), "displayName eq 'privlink-plan'".to_owned()]
        {
            assert_eq!(ask("GET", "servicePrincipals", &filter, None).1["value"][0]["appId"], PLAN, "{filter}");
        }
        for path in [format!("servicePrincipals/{id}"), format!("servicePrincipals(appId='{PLAN}')")] {
            assert_eq!(ask("GET", &path, "", None).1["id"], id.as_str(), "{path}");
        }
        let (_, kinds) = ask("POST", "directoryObjects/getByIds", "", Some(json!({ "ids": [id, "x"] })));
        assert_eq!(kinds["value"][0]["@odata.type"], "#microsoft.graph.servicePrincipal");
        assert_eq!(kinds["value"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_the_directory_does_not_have_is_an_empty_list_or_a_404() {
        let none = ask("GET", "servicePrincipals", "servicePrincipalNames/any(c:c eq 'http://nobody')", None);
        assert_eq!((none.0, &none.1["value"]), (200, &json!([])));
        assert_eq!(ask("GET", "servicePrincipals/nobody", "", None).0, 404);
        assert_eq!(ask("GET", "servicePrincipals", "startswith(displayName,'a')", None).0, 400);
        assert_eq!(ask("GET", "users", "userPrincipalName eq 'a@b'", None).1["value"], json!([]));
    }
}
