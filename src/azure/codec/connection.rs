//! Private endpoint connections, as children of a Private Link Service.

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::codec::Malformed;
use crate::azure::codec::base;
use crate::azure::codec::parsed;
use crate::azure::codec::required;
use crate::azure::codec::seen;
use crate::azure::codec::text;
use crate::domain::resource::Seen;
use crate::domain::resource::connection::ConnectionStatus;
use crate::domain::resource::connection::LiveConnection;
use crate::domain::resource::connection::Verdict;

const STATE: &str = "/properties/privateLinkServiceConnectionState";

/// Reads a connection.
pub(crate) fn decode(body: &Json) -> Result<LiveConnection, Malformed> {
    Ok(LiveConnection {
        id: required(body, "/id")?,
        // What cannot be read as an endpoint is as good as not told; the connection itself must be seen all the same.
        endpoint: parsed(body, "/properties/privateEndpoint/id").unwrap_or_default(),
        status: status(body, STATE),
        description: description(body, STATE).to_owned(),
        link_identifier: text(body, "/properties/linkIdentifier").map(ToOwned::to_owned),
        seen: seen(body)?,
    })
}

/// The status in a connection state; one that is not told is pending.
pub(crate) fn status(body: &Json, state: &str) -> ConnectionStatus {
    ConnectionStatus::parse(text(body, &format!("{state}/status")).unwrap_or("Pending"))
}

/// What somebody wrote beside it.
pub(crate) fn description<'a>(body: &'a Json, state: &str) -> &'a str {
    text(body, &format!("{state}/description")).unwrap_or_default()
}

/// Writes the provider's answer.
pub(crate) fn encode(verdict: Verdict, seen: &Seen) -> Json {
    let mut body = base(Some(seen), &["linkIdentifier", "privateEndpoint", "privateEndpointLocation"]);
    body["properties"]["privateLinkServiceConnectionState"] = json!({
        "status": verdict.to_string(),
        "description": format!("{verdict} by privlink"),
        "actionsRequired": "None",
    });
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_state_alone() {
        let id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/\
                  Microsoft.Network/privateLinkServices/pls/privateEndpointConnections/pe.guid";
        let pe = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg/providers/\
                  Microsoft.Network/privateEndpoints/pe";
        let body = json!({"id": id, "etag": "W/\"1\"", "properties": {"provisioningState": "Succeeded",
            "privateEndpoint": {"id": pe}, "linkIdentifier": "7",
            "privateLinkServiceConnectionState": {"status": "Pending", "description": "please"}}});
        let live = decode(&body).unwrap();
        assert_eq!(live.status, ConnectionStatus::Pending);
        assert_eq!(live.endpoint.unwrap().name(), "pe");
        assert_eq!(
            encode(Verdict::Approved, &live.seen),
            json!({"id": id, "properties": {"privateLinkServiceConnectionState":
                {"status": "Approved", "description": "Approved by privlink", "actionsRequired": "None"}}})
        );
    }
}
