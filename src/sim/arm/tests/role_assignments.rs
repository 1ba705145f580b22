//! Roles and assignments over HTTP.

use super::*;

const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
const NAME: &str = "88888888-0000-0000-0000-000000000001";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// `owner` owns the provider's subscription; `guest` can sign in.
fn azure() -> Azure {
    Azure::with(&format!(
        "  - {{ name: owner, client-id: 00000000-0000-0000-0000-0000000000b1, assignments: [{{ role: Owner, scope: \
         {SUBSCRIPTION} }}] }}\n  - {{ name: guest, client-id: 00000000-0000-0000-0000-0000000000b2 }}\n"
    ))
}

fn assignment(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn giving(azure: &Azure, role: &str, to: &str) -> Value {
    let role = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({ "properties": { "roleDefinitionId": role, "principalId": azure.object_id(to) } })
}

#[test]
fn an_assignment_counts_from_the_next_request_until_it_is_deleted() {
    let azure = azure();
    let network_id = network(NODE_GROUP, "virtualNetworks/aks-vnet");
    refused(&azure.call("guest", ("GET", &network_id), None), 404, "SubscriptionNotFound");
    let spelled = network_id.replace("aks-vnet", "AKS-VNET");
    let made = azure.call("owner", ("PUT", &assignment(&spelled, NAME)), Some(giving(&azure, READER, "guest")));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["properties"]["scope"], network_id.as_str(), "in Azure's spelling");
    assert_eq!(made.body["properties"]["principalType"], "ServicePrincipal");
    assert_eq!(made.body["properties"]["createdBy"], azure.object_id("owner").as_str());
    assert!(made.body["properties"]["createdOn"].as_str().unwrap().ends_with('Z'));
    azure.get("guest", &network_id);
    azure.get("guest", &subnet("aks-subnet"));
    refused(&azure.call("guest", ("GET", &format!("{PROVIDER}/rg-pls")), None), 403, "AuthorizationFailed");
    let gone = azure.call("owner", ("DELETE", &assignment(&network_id, NAME)), None);
    assert_eq!((gone.status, &gone.body["name"]), (200, &json!(NAME)));
    refused(&azure.call("guest", ("GET", &network_id), None), 404, "SubscriptionNotFound");
    assert_eq!(azure.call("owner", ("DELETE", &assignment(&network_id, NAME)), None).status, 204);
    refused(&azure.call("owner", ("GET", &assignment(&network_id, NAME)), None), 404, "RoleAssignmentNotFound");
}

#[test]
fn the_same_assignment_is_accepted_again_and_a_twin_is_a_conflict() {
    let azure = azure();
    let scope = format!("{PROVIDER}/rg-pls");
    let put = |scope: &str, name: &str, body: Value| azure.call("owner", ("PUT", &assignment(scope, name)), Some(body));
    let reader = giving(&azure, READER, "guest");
    assert_eq!(put(&scope, NAME, reader.clone()).status, 201);
    assert_eq!(put(&scope, NAME, reader.clone()).status, 200);
    let other = "88888888-0000-0000-0000-000000000002";
    refused(&put(&scope, other, reader.clone()), 409, "RoleAssignmentExists");
    refused(&put(&scope, NAME, giving(&azure, OWNER, "guest")), 400, "RoleAssignmentUpdateNotPermitted");
    refused(&put(SUBSCRIPTION, NAME, reader.clone()), 400, "RoleAssignmentUpdateNotPermitted");
    refused(&put(&scope, "mine", reader.clone()), 400, "InvalidRoleAssignmentId");
    refused(&put(&scope, other, giving(&azure, other, "guest")), 400, "RoleDefinitionDoesNotExist");
    refused(&put(&scope, other, json!({ "properties": {} })), 400, "BadRequestFormat");
    refused(&put(&format!("{PROVIDER}/nowhere"), other, reader.clone()), 404, "ResourceGroupNotFound");
    refused(&put(&service("nothing"), other, reader), 404, "ResourceNotFound");
    let mut stranger = giving(&azure, READER, "guest");
    stranger["properties"]["principalId"] = other.into();
    refused(&put(&scope, other, stranger.clone()), 400, "PrincipalNotFound");
    stranger["properties"]["principalType"] = "ServicePrincipal".into();
    assert_eq!(put(&scope, other, stranger).status, 201, "whose kind is said, is not looked up");
}

#[test]
fn only_who_may_give_rights_gives_them() {
    let azure = azure();
    let path = assignment(&format!("{PROVIDER}/rg-pls"), NAME);
    let reply = azure.call("privlink-apply", ("PUT", &path), Some(giving(&azure, READER, "guest")));
    refused(&reply, 403, "AuthorizationFailed");
    let message = reply.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("'Microsoft.Authorization/roleAssignments/write'"), "{message}");
}

#[test]
fn assignments_are_listed_around_a_scope_and_filtered() {
    let azure = azure();
    let group = format!("{PROVIDER}/rg-pls");
    azure.call("owner", ("PUT", &assignment(&group, NAME)), Some(giving(&azure, READER, "guest")));
    let scopes = |scope: &str, filter: &str| {
        let path = assignment(scope, "").trim_end_matches('/').to_owned();
        let filter = filter.replace(' ', "%20");
        let listed = azure.get("owner", &format!("{path}?api-version=2022-04-01&$filter={filter}"));
        let listed = listed["value"].as_array().unwrap().clone();
        listed.iter().map(|own| own["properties"]["scope"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let guest = azure.object_id("guest");
    assert_eq!(scopes(SUBSCRIPTION, &format!("principalId eq '{guest}'")), [group.as_str()]);
    assert_eq!(scopes(&service("orders"), &format!("assignedTo('{guest}')")), [group.as_str()]);
    assert!(scopes(SUBSCRIPTION, &format!("atScope() and principalId eq '{guest}'")).is_empty());
    assert_eq!(scopes(&group, &format!("atScope() and assignedTo('{guest}')")), [group.as_str()]);
    assert!(scopes(SUBSCRIPTION, "atScope()").iter().all(|scope| scope == SUBSCRIPTION));
    assert!(scopes(&group, "").len() > 3, "those above count too");
    let path = assignment(&group, "").trim_end_matches('/').to_owned();
    let reply = azure.call("owner", ("GET", &format!("{path}?api-version=2022-04-01&$filter=x%20eq%20'y'")), None);
    refused(&reply, 400, "UnsupportedQuery");
}

#[test]
fn an_assignment_goes_with_what_it_was_made_for() {
    let azure = azure();
    put(&azure.arm, &balancer(), with_frontends(&[frontend("a", "aks-subnet", None)]));
    policies_off(&azure.arm);
    put(&azure.arm, &service("orders"), service_on("a", json!({})));
    azure.call("owner", ("PUT", &assignment(&service("orders"), NAME)), Some(giving(&azure, READER, "guest")));
    azure.get("guest", &service("orders"));
    delete(&azure.arm, &service("orders"));
    refused(&azure.call("guest", ("GET", &service("orders")), None), 404, "SubscriptionNotFound");
}

#[test]
fn roles_are_found_by_name_type_and_id() {
    let azure = azure();
    let base = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions");
    let list = |filter: &str| {
        let filter = filter.replace(' ', "%20");
        let path = format!("{base}?api-version=2022-05-01-preview&$filter={filter}");
        azure.get("owner", &path)["value"].as_array().unwrap().clone()
    };
    let found = list("roleName eq 'Network Contributor'");
    let [role] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(role["id"], format!("{base}/4d97b98b-1d4f-4787-a291-c67834d212e7"));
    assert_eq!(role["properties"]["type"], "BuiltInRole");
    assert!(list("type eq 'CustomRole'").is_empty() && list("").len() == list("type eq 'BuiltInRole'").len());
    assert_eq!(azure.get("owner", &format!("{base}/{READER}"))["properties"]["roleName"], "Reader");
    let tenant = format!("/providers/Microsoft.Authorization/roleDefinitions/{READER}");
    assert_eq!(azure.get("guest", &tenant)["id"], tenant);
    refused(&azure.call("owner", ("GET", &format!("{base}/{NAME}")), None), 404, "RoleDefinitionDoesNotExist");
    refused(&azure.call("owner", ("PUT", &format!("{base}/{NAME}")), Some(json!({}))), 405, "MethodNotAllowed");
}
