//! What others will do or suffer, and who they are.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::change::Consequence;
use crate::plan::change::Party;
use crate::render::affected;
use crate::render::shown::Details;

/// What another party will do or suffer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Consequence")]
pub struct ConsequenceV1 {
    /// The rule that predicts it.
    pub rule: String,
    /// The entry of the catalogue for the kind of edit that brings it about; null where it is none of those.
    pub edit: Option<&'static str>,
    /// The prediction.
    pub text: String,
    /// Who is affected.
    pub parties: Vec<PartyV1>,
}

/// Somebody with a connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Party")]
pub struct PartyV1 {
    /// The endpoint, or the connection where Azure does not tell the endpoint.
    pub endpoint: String,
    /// Its subscription.
    pub subscription: String,
    /// The state of the connection.
    pub status: String,
    /// True if a document of this repository asks for the endpoint: then its repair is a step of the plan.
    pub declared: bool,
    /// Who is behind the subscription.
    pub consumer: Option<String>,
    /// Their Microsoft Entra tenant, where the settings say it.
    pub tenant: Option<String>,
    /// When privlink first saw the connection (RFC 3339), where the status branch says it.
    pub first_seen: Option<String>,
}

pub(super) fn consequence(consequence: &Consequence, details: Details<'_>) -> ConsequenceV1 {
    let party = |party: &Party| PartyV1 {
        endpoint: party.endpoint.to_string(),
        subscription: party.subscription().to_string(),
        status: party.status.clone(),
        declared: party.is_declared,
        consumer: party.consumer.as_ref().map(affected::consumer),
        tenant: party.consumer.as_ref().and_then(|consumer| consumer.tenant.clone()),
        first_seen: details.first_seen.and_then(|seen| seen.get(&party.endpoint)).map(ToString::to_string),
    };
    ConsequenceV1 {
        rule: consequence.rule.to_owned(),
        edit: consequence.edit,
        text: consequence.text.clone(),
        parties: consequence.parties.iter().map(party).collect(),
    }
}
