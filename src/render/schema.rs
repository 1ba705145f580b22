//! JSON Schemas of everything that programs read or people write by hand here, generated from the frozen structs.

use std::collections::BTreeMap;

use schemars::Schema;
use schemars::schema_for;

use crate::approval::file::ApprovalFile;
use crate::render::findings::FindingsV1;
use crate::render::json::PlanV1;
use crate::render::review::ReviewV1;
use crate::render::saved_plan::SavedPlan;
use crate::status::document::AppliedRecord;
use crate::status::document::EnvironmentStatus;
use crate::status::document::PrivateEndpointStatus;
use crate::status::document::PrivateLinkServiceStatus;
use crate::status::document::ServiceStatus;

/// The schemas by the kind they describe.
pub fn schemas() -> BTreeMap<&'static str, Schema> {
    BTreeMap::from([
        ("Plan", schema_for!(PlanV1)),
        ("SavedPlan", schema_for!(SavedPlan)),
        ("Approval", schema_for!(ApprovalFile)),
        ("ServiceStatus", schema_for!(ServiceStatus)),
        ("PrivateLinkServiceStatus", schema_for!(PrivateLinkServiceStatus)),
        ("PrivateEndpointStatus", schema_for!(PrivateEndpointStatus)),
        ("EnvironmentStatus", schema_for!(EnvironmentStatus)),
        ("Review", schema_for!(ReviewV1)),
        ("Findings", schema_for!(FindingsV1)),
        ("AppliedRecord", schema_for!(AppliedRecord)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_says_what_its_fields_mean() {
        for (kind, schema) in schemas() {
            let properties = schema.get("properties").and_then(|properties| properties.as_object()).unwrap();
            for (name, property) in properties {
                // A reference carries its description where it points to.
                let described = property.get("description").is_some() || property.get("$ref").is_some();
                assert!(described, "{kind}.{name} has no description");
            }
        }
    }
}
