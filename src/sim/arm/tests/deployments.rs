//! Deployments.

use super::*;

fn deployment(name: &str) -> String {
    format!("{PROVIDER}/rg-pls/providers/Microsoft.Resources/deployments/{name}")
}

/// A network with a subnet, and a load balancer in it that comes first in the text.
fn template(address: &str) -> Value {
    let subnet = "[resourceId('Microsoft.Network/virtualNetworks/subnets', parameters('network'), 'front')]";
    json!({
        "parameters": { "network": { "type": "string", "defaultValue": "own-vnet" }, "key": { "type": "securestring" } },
        "resources": [
            {
                "type": "Microsoft.Network/loadBalancers", "apiVersion": "2025-05-01", "name": "lb",
                "location": "[resourceGroup().location]", "sku": { "name": "Standard" },
                "dependsOn": ["[concat('Microsoft.Network/virtualNetworks/', parameters('network'))]"],
                "properties": { "frontendIPConfigurations": [{ "name": "web", "properties": {
                    "privateIPAllocationMethod": "Static", "privateIPAddress": address, "subnet": { "id": subnet },
                } }] },
            },
            {
                "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2025-05-01",
                "name": "[parameters('network')]", "location": "eastus2",
                "properties": {
                    "addressSpace": { "addressPrefixes": ["10.90.0.0/16"] },
                    "subnets": [{ "name": "front", "properties": { "addressPrefix": "10.90.0.0/24" } }],
                },
            },
            { "type": "Microsoft.Network/routeTables", "name": "none", "condition": false },
        ],
        "outputs": { "loadBalancer": { "type": "object", "value": "[reference('lb')]" } },
    })
}

fn body(template: &Value) -> Value {
    let parameters = json!({ "key": { "value": "hidden" } });
    json!({ "properties": { "mode": "Incremental", "template": template, "parameters": parameters } })
}

#[test]
fn a_deployment_writes_its_resources_in_order_and_tells_its_outputs() {
    let arm = example();
    let accepted = arm.call("PUT", &deployment("first"), &[], Some(body(&template("10.90.0.10"))));
    assert_eq!((accepted.status, &accepted.body["properties"]["provisioningState"]), (201, &json!("Running")));
    let url = accepted.header("Azure-AsyncOperation").unwrap();
    assert!(url.contains("/deployments/first/operationStatuses/"), "{url}");
    arm.settle(&accepted);
    let settled = get(&arm, &deployment("first"));
    let properties = &settled["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    let output = &properties["outputs"]["loadBalancer"];
    assert_eq!(output["type"], "Object");
    assert_eq!(output["value"]["frontendIPConfigurations"][0]["properties"]["privateIPAddress"], "10.90.0.10");
    assert_eq!(properties["parameters"], json!({ "network": { "type": "String", "value": "own-vnet" } }));
    assert_eq!(properties["outputResources"].as_array().unwrap().len(), 2);
    assert_eq!(get(&arm, &network("rg-pls", "loadBalancers/lb"))["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn a_deployment_ends_with_the_error_of_its_resource() {
    let arm = example();
    let accepted = arm.call("PUT", &deployment("outside"), &[], Some(body(&template("10.99.0.10"))));
    let settled = arm.settle(&accepted);
    refused(&settled, 400, "DeploymentFailed");
    assert!(settled.body.to_string().contains("PrivateIPAddressNotInSubnet"), "{settled:?}");
    assert_eq!(get(&arm, &deployment("outside"))["properties"]["provisioningState"], "Failed");
}

#[test]
fn a_template_that_is_not_served_is_refused_before_anything_is_written() {
    let arm = example();
    let mut loops = template("10.90.0.10");
    loops["resources"][1]["copy"] = json!({ "name": "many", "count": 2 });
    let mut circle = template("10.90.0.10");
    circle["resources"][1]["dependsOn"] = json!(["lb"]);
    let mut unknown = template("10.90.0.10");
    unknown["resources"][1]["name"] = json!("[newGuid()]");
    for template in [loops, circle, unknown] {
        let answer = arm.call("PUT", &deployment("refused"), &[], Some(body(&template)));
        refused(&answer, 400, "InvalidTemplate");
    }
    let complete = json!({ "properties": { "mode": "Complete", "template": {} } });
    refused(&arm.call("PUT", &deployment("refused"), &[], Some(complete)), 400, "InvalidTemplate");
    let valid =
        arm.call("POST", &format!("{}/validate", deployment("trial")), &[], Some(body(&template("10.90.0.10"))));
    assert_eq!(valid.body["properties"]["validatedResources"].as_array().unwrap().len(), 2);
    assert_eq!(arm.call("GET", &network("rg-pls", "virtualNetworks/own-vnet"), &[], None).status, 404);
}
