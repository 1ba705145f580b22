//! What the readers of annotations make of a Service.

use serde_json::{Value, json};

use super::super::super::annotation::{HA_PORTS, INTERNAL, PLS_AUTO_APPROVAL, PLS_FQDNS};
use super::Case;

/// Reads one thing of the Service of a case.
pub(super) fn read(case: &Case, reader: &str) -> Result<Value, String> {
    let annotations = case.service().annotations;
    let value = match reader {
        "wants-link-service" => json!(annotations.wants_link_service()),
        "tunes-link-service" => json!(annotations.tunes_link_service()),
        "nat-count" => json!(annotations.nat_count()?),
        "nat-addresses" => json!(annotations.nat_addresses()?),
        "nat-subnet" => json!(annotations.nat_subnet()),
        "frontend-subnet" => json!(annotations.frontend_subnet()),
        "fqdns" => json!(annotations.words(PLS_FQDNS)),
        "visibility" => json!(annotations.visibility()),
        "auto-approval" => json!(annotations.words(PLS_AUTO_APPROVAL)),
        "high-availability-ports" => json!(annotations.is_true_in_any_case(HA_PORTS)),
        "is-internal-for-rules" => json!(annotations.is_true_in_any_case(INTERNAL)),
        other => panic!("{}: nothing reads {other}", case.name()),
    };
    Ok(json!({ "value": value }))
}
