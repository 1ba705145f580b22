//! Rights over real HTTP: given with the calls that `az` makes, and counted from the next request on.

use super::*;

const OWNER: (&str, &str) = ("00000000-0000-0000-0000-0000000000b1", "owner-secret");
const GUEST: (&str, &str) = ("00000000-0000-0000-0000-0000000000b2", "guest-secret");
const PROVIDER: &str = "/subscriptions/00000000-0000-0000-0000-000000000001";
const GRAPH: &str = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";

/// The example world with an owner of the provider's subscription, and with a guest who has no role.
async fn start_with_owner_and_guest() -> Running {
    let identities = format!(
        "identities:\n  - {{ name: owner, client-id: {}, secret: {}, assignments: [{{ role: Owner, scope: {PROVIDER} }}] \
         }}\n  - {{ name: guest, client-id: {}, secret: {} }}\n",
        OWNER.0, OWNER.1, GUEST.0, GUEST.1
    );
    start_in(&include_str!("../../examples/world.yaml").replace("identities:\n", &identities)).await
}

impl Running {
    async fn get_as(&self, path: &str, identity: (&str, &str)) -> (u16, Value) {
        answer(self.request(Method::GET, path, identity).await).await
    }

    async fn send(&self, method: Method, path: &str, identity: (&str, &str), body: Value) -> (u16, Value) {
        answer(self.request(method, path, identity).await.json(&body)).await
    }

    /// What `az role assignment create --assignee <guest> --role <role> --scope <scope>` does; the assignment's path.
    async fn give_guest(&self, role: &str, scope: &str, name: u8) -> String {
        let filter = format!("$filter=servicePrincipalNames/any(c:c eq '{}')", GUEST.0);
        let (status, found) = self.get_as(&format!("/v1.0/servicePrincipals?{filter}"), OWNER).await;
        let principal = found["value"][0]["id"].clone();
        assert!(status == 200 && principal.is_string(), "{found}");
        let authorization = format!("{scope}/providers/Microsoft.Authorization");
        let filter = format!("api-version=2022-05-01-preview&$filter=roleName eq '{role}'");
        let (_, roles) = self.get_as(&format!("{authorization}/roleDefinitions?{filter}"), OWNER).await;
        let path = format!(
            "{authorization}/roleAssignments/99999999-0000-0000-0000-0000000000{name:02}?api-version=2022-04-01"
        );
        let body = json!({ "properties": {
            "roleDefinitionId": roles["value"][0]["id"],
            "principalId": principal,
            "principalType": "ServicePrincipal",
        } });
        let (status, made) = self.send(Method::PUT, &path, OWNER, body).await;
        assert_eq!(status, 201, "{made}");
        path
    }
}

#[track_caller]
fn refused((status, body): (u16, Value), expected: u16, code: &str) -> String {
    assert_eq!((status, &body["error"]["code"]), (expected, &json!(code)), "{body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_guest_publishes_as_soon_as_it_has_every_right_that_it_takes() {
    let world = start_with_owner_and_guest().await;
    let network = format!("{NODE_GROUP}/providers/Microsoft.Network");
    let subnet = format!("{network}/virtualNetworks/aks-vnet/subnets/pls-subnet");
    let nodes = format!("{network}/virtualNetworks/aks-vnet/subnets/aks-subnet");
    let sim = world.sim.arm();
    let open =
        json!({ "properties": { "addressPrefix": "10.225.1.0/24", "privateLinkServiceNetworkPolicies": "Disabled" } });
    sim.settle(&sim.call("PUT", &subnet, &[], Some(open)));
    let frontend = json!({ "name": "a", "properties": { "subnet": { "id": nodes } } });
    let balancer = json!({ "location": "eastus2", "properties": { "frontendIPConfigurations": [frontend] } });
    sim.settle(&sim.call("PUT", &load_balancer(), &[], Some(balancer)));
    let service = format!("{PROVIDER}/resourceGroups/rg-pls/providers/Microsoft.Network/privateLinkServices/orders");
    let frontend = format!("{}/frontendIPConfigurations/a", load_balancer());
    let body = json!({ "location": "eastus2", "properties": {
        "loadBalancerFrontendIpConfigurations": [{ "id": frontend }],
        "ipConfigurations": [{ "name": "nat", "properties": { "subnet": { "id": subnet } } }],
    } });
    let publish = || world.send(Method::PUT, &service, GUEST, body.clone());
    refused(publish().await, 404, "SubscriptionNotFound");
    world.give_guest("Reader", PROVIDER, 1).await;
    assert!(
        refused(publish().await, 403, "AuthorizationFailed").contains("Microsoft.Network/privateLinkServices/write")
    );
    world.give_guest("Network Contributor", &format!("{PROVIDER}/resourceGroups/rg-pls"), 2).await;
    let message = refused(publish().await, 403, "LinkedAuthorizationFailed");
    assert!(message.contains(&subnet) && message.contains(&frontend), "{message}");
    world.give_guest("Network Contributor", &subnet, 3).await;
    let message = refused(publish().await, 403, "LinkedAuthorizationFailed");
    assert!(!message.contains(&subnet) && message.contains(&frontend), "{message}");
    let last = world.give_guest("Network Contributor", &load_balancer(), 4).await;
    let (status, made) = publish().await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(world.send(Method::DELETE, &last, OWNER, Value::Null).await.0, 200);
    refused(publish().await, 403, "LinkedAuthorizationFailed");
}

#[tokio::test]
async fn the_directory_needs_a_token_and_knows_service_principals() {
    let world = start_with_owner_and_guest().await;
    let url = world.url(&format!("/v1.0/servicePrincipals?$filter=appId eq '{}'", GUEST.0));
    assert_eq!(answer(world.client.get(&url)).await.0, 401);
    let (_, found) = answer(world.client.get(&url).bearer_auth(world.token(GUEST).await)).await;
    let id = found["value"][0]["id"].as_str().unwrap();
    assert_eq!(found["value"][0]["displayName"], "guest");
    let (_, kinds) = world.send(Method::POST, "/v1.0/directoryObjects/getByIds", GUEST, json!({ "ids": [id] })).await;
    assert_eq!(kinds["value"][0]["id"], id);
    assert_eq!(world.get_as(&format!("/v1.0/servicePrincipals/{id}"), GUEST).await.1["appId"], GUEST.0);
    assert!(world.sim.writes().is_empty(), "looking somebody up is a read");
}

#[tokio::test]
async fn resource_graph_shows_what_the_caller_may_read_within_its_quota() {
    let world = start_with_owner_and_guest().await;
    let query = json!({ "query": "Resources | where type =~ 'Microsoft.Network/virtualNetworks' | project id, name" });
    let ask = |identity: (&'static str, &'static str)| world.send(Method::POST, GRAPH, identity, query.clone());
    assert_eq!(ask(OWNER).await.1["data"][0]["name"], "aks-vnet");
    let (status, refusal) = ask(GUEST).await;
    assert_eq!((status, &refusal["error"]["details"][0]["code"]), (400, &json!("NoValidSubscriptionsInQueryRequest")));
    let both = ask(PLAN).await.1;
    assert_eq!(
        (&both["totalRecords"], &both["count"], &both["resultTruncated"]),
        (&json!(2), &json!(2), &json!("false"))
    );
    let token = world.token(APPLY).await;
    let again = || world.client.post(world.url(GRAPH)).bearer_auth(&token).json(&query);
    let first = again().send().await.unwrap();
    let header = |name: &str| first.headers()[name].to_str().unwrap();
    assert_eq!((header("x-ms-user-quota-remaining"), header("x-ms-user-quota-resets-after")), ("14", "00:00:05"));
    let mut served = 1;
    // A slow machine may get more than one quota; none gets so many that this ends without a refusal.
    let refused = loop {
        let response = again().send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        served += 1;
        assert!(served < 1000);
    };
    assert!(served >= 15);
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-ms-user-quota-remaining"]),
        (429, &"0".parse().unwrap())
    );
    assert!(refused.headers().contains_key("retry-after"));
    world.sim.advance(Duration::from_secs(5));
    assert_eq!(again().send().await.unwrap().status(), 200);
    assert!(world.sim.writes().is_empty(), "a query is a read");
}
