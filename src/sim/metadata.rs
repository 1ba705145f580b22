//! `/metadata/endpoints`: how clients learn where this cloud is, in the three shapes that they ask for.

use serde_json::{Value, json};

/// The document for an api-version. `origin` is the address the client used, without a slash at its end.
pub(crate) fn endpoints(origin: &str, api_version: &str, locations: &[String]) -> Value {
    let host = origin.split("://").nth(1).unwrap_or_default();
    match api_version {
        "2018-01-01" => json!({ "cloudEndpoint": { "simulator": { "endpoint": host, "locations": locations } } }),
        "2022-09-01" => cloud(origin),
        // The cloud provider and `ARM_CLOUD_METADATA_URL` ask with 2019-05-01 and expect a list.
        _ => json!([cloud(origin)]),
    }
}

fn cloud(origin: &str) -> Value {
    json!({
        "name": "PrivlinkSimulator",
        "portal": origin,
        "authentication": {
            // Without a slash: Terraform puts one behind it.
            "loginEndpoint": origin,
            "audiences": [format!("{origin}/"), "https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": format!("{origin}/"),
        "graph": format!("{origin}/"),
        "graphAudience": format!("{origin}/"),
        "microsoftGraphResourceId": format!("{origin}/"),
        "gallery": format!("{origin}/"),
        "batch": format!("{origin}/"),
        "media": origin,
        "sqlManagement": format!("{origin}/"),
        "vmImageAliasDoc": format!("{origin}/aliases.json"),
        "activeDirectoryDataLake": format!("{origin}/"),
        "appInsightsResourceId": origin,
        "appInsightsTelemetryChannelResourceId": format!("{origin}/v2/track"),
        "attestationResourceId": origin,
        "synapseAnalyticsResourceId": origin,
        "logAnalyticsResourceId": origin,
        "ossrDbmsResourceId": origin,
        "suffixes": suffixes(),
    })
}

/// Names of services that the simulator does not have; clients only want them to be there.
fn suffixes() -> Value {
    json!({
        "storage": "core.simulator.invalid",
        "keyVaultDns": "vault.simulator.invalid",
        "mhsmDns": "managedhsm.simulator.invalid",
        "acrLoginServer": "azurecr.simulator.invalid",
        "sqlServerHostname": "database.simulator.invalid",
        "azureDataLakeStoreFileSystem": "azuredatalakestore.simulator.invalid",
        "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.simulator.invalid",
        "azureFrontDoorEndpointSuffix": "azurefd.simulator.invalid",
        "storageSyncEndpointSuffix": "afs.simulator.invalid",
        "mysqlServerEndpoint": "mysql.simulator.invalid",
        "postgresqlServerEndpoint": "postgres.simulator.invalid",
        "mariadbServerEndpoint": "mariadb.simulator.invalid",
        "synapseAnalytics": "dev.azuresynapse.simulator.invalid",
        "attestationEndpoint": "attest.simulator.invalid",
    })
}
