//! The language and the answers, over the example world.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::parser::parse;
use super::*;
use crate::sim::arm::Arm;
use crate::sim::clock::Clock;
use crate::sim::world::World;

const PROVIDER: &str = "00000000-0000-0000-0000-000000000001";

fn example() -> Arm {
    let world = World::parse(include_str!("../../../../examples/world.yaml")).unwrap();
    crate::sim::resource_manager(&world, &Clock::start()).unwrap()
}

fn ask(arm: &Arm, body: Value) -> Reply {
    arm.call("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01", &[], Some(body))
}

#[track_caller]
fn rows(query: &str) -> Vec<Value> {
    let reply = ask(&example(), json!({ "query": query, "options": { "$top": 1000 } }));
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    reply.body["data"].as_array().unwrap().clone()
}

#[track_caller]
fn names(query: &str) -> Vec<String> {
    rows(query).iter().map(|row| row["name"].as_str().unwrap_or("none").to_owned()).collect()
}

#[test]
fn rows_have_the_columns_of_the_table_in_azures_spelling() {
    let found = rows("Resources | where type =~ 'Microsoft.Network/VirtualNetworks' and name == 'aks-vnet'");
    let [network] = found.as_slice() else { panic!("{found:?}") };
    for (column, value) in [
        ("type", json!("microsoft.network/virtualnetworks")),
        ("resourceGroup", json!("mc_myresourcegroup_myakscluster_eastus2")),
        ("subscriptionId", json!(PROVIDER)),
        ("tenantId", json!("11111111-1111-1111-1111-111111111111")),
        ("kind", json!("")),
        ("managedBy", json!("")),
        ("zones", Value::Null),
    ] {
        assert_eq!(network[column], value, "{column}");
    }
    assert!(network["id"].as_str().unwrap().contains("/resourceGroups/MC_myResourceGroup"));
    assert_eq!(network["properties"]["subnets"][0]["name"], "aks-subnet");
    assert_eq!(network.as_object().unwrap().len(), 15);
}

#[test]
fn conditions_mean_what_they_mean_in_azure() {
    let networks = "resources | where type == 'microsoft.network/virtualnetworks'";
    let all = ["aks-vnet", "myOtherVNET", "ledger-vnet"];
    for (condition, expected) in [
        ("name == 'AKS-vnet'", &[][..]),
        ("name =~ 'AKS-vnet'", &all[..1]),
        ("name != 'aks-vnet'", &all[1..]),
        ("name !~ 'AKS-VNET'", &all[1..]),
        ("name contains 'OTHER'", &all[1..2]),
        ("name startswith 'LED'", &all[2..]),
        ("name has 'vnet'", &["aks-vnet", "ledger-vnet"]),
        ("name has 'led'", &[]),
        ("id has 'resourcegroups'", &all),
        ("name in ('aks-vnet', 'LEDGER-VNET')", &all[..1]),
        ("name in~ ('aks-vnet', \"LEDGER-VNET\")", &["aks-vnet", "ledger-vnet"]),
        ("not(name in~ ('aks-vnet', @'ledger-vnet'))", &all[1..2]),
        ("name == 'aks-vnet' or name == 'ledger-vnet' and name == 'x'", &all[..1]),
        ("(name == 'aks-vnet' or name == 'ledger-vnet') and location == 'eastus2'", &["aks-vnet", "ledger-vnet"]),
        ("properties.provisioningState == 'Succeeded'", &all),
        ("properties['enableDdosProtection'] == false", &all),
        ("properties.enableDdosProtection", &[]),
        ("properties.subnets[0].properties.addressPrefix == '10.50.1.0/24'", &all[1..2]),
        ("tags['team'] == 'shop'", &[]),
        ("tags.team != 'shop'", &all),
        ("tostring(tags.team) == ''", &all),
        ("tolower(name) == 'myothervnet'", &all[1..2]),
    ] {
        assert_eq!(names(&format!("{networks} | where {condition} // told apart")), expected, "{condition}");
    }
}

#[test]
fn steps_choose_rename_order_and_count() {
    let networks = "where type =~ 'microsoft.network/virtualnetworks'";
    assert_eq!(names(&format!("{networks} | order by name asc | take 2")), ["aks-vnet", "ledger-vnet"]);
    assert_eq!(names(&format!("{networks} | sort by name"))[0], "myOtherVNET", "descending unless told otherwise");
    let projected = rows(&format!(
        "{networks} | extend state = properties.provisioningState | project n = name, tostring(properties.subnets), state \
         | where n == 'aks-vnet'"
    ));
    assert_eq!(projected[0]["state"], "Succeeded");
    assert!(projected[0]["properties_subnets"].as_str().unwrap().starts_with('['), "{projected:?}");
    assert_eq!(projected[0].as_object().unwrap().len(), 3);
    assert_eq!(rows(&format!("{networks} | distinct location")), [json!({ "location": "eastus2" })]);
    assert_eq!(rows(&format!("{networks} | count")), [json!({ "Count": 3 })]);
    assert_eq!(rows("resources | where type == 'nothing' | count"), [json!({ "Count": 0 })]);
    let groups = "resourcecontainers | where type == 'microsoft.resources/subscriptions/resourcegroups'";
    assert_eq!(rows(&format!("{groups} | count")), [json!({ "Count": 6 })]);
    assert_eq!(names("ResourceContainers | where properties.state == 'Enabled'").len(), 3);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    for (query, code, token) in [
        ("resources | summarize count() by type", "InvalidQueryLanguage", "summarize"),
        ("resources | project-away id", "InvalidQueryLanguage", "project-away"),
        ("resources | where isnotempty(name)", "InvalidQueryLanguage", "isnotempty"),
        ("advisorresources", "DisallowedLogicalTableName", "advisorresources"),
        ("resources | where nmae == 'x'", "UnresolvedName", "nmae"),
        ("resources | project name | where id == 'x'", "UnresolvedName", "id"),
        ("resources | where name == 'x", "ParserFailure", "'x"),
        ("resources | where name !contains 'x'", "ParserFailure", "!"),
        ("resources where name == 'x'", "ParserFailure", "where"),
        ("resources | where name ==", "ParserFailure", "<EOF>"),
        ("resources | where (name == 'x'", "ParserFailure", "<EOF>"),
        ("resources | where name in (id)", "ParserFailure", "id"),
        ("resources | where name == 'a' name", "ParserFailure", "name"),
        ("resources | take 1d", "ParserFailure", "1d"),
        ("resources | take 'a'", "ParserFailure", "'a'"),
        ("resources | project 1", "ParserFailure", "1"),
        ("resources | project name, name", "ParserFailure", "name"),
        ("resources | order name", "ParserFailure", "name"),
        ("resources |", "ParserFailure", "<EOF>"),
    ] {
        assert_eq!(parse(query).unwrap_err().reason(), (code.to_owned(), token.to_owned()), "{query}");
    }
    let reply = ask(&example(), json!({ "query": "resources\n| where name == 'a' b" }));
    let error = &reply.body["error"];
    assert_eq!(
        (reply.status, reply.error_code(), &error["details"][0]["code"]),
        (400, "BadRequest", &json!("InvalidQuery"))
    );
    let detail = &error["details"][1];
    assert_eq!(
        (&detail["line"], &detail["characterPositionInLine"], &detail["token"]),
        (&json!(2), &json!(20), &json!("b"))
    );
}

#[test]
fn pages_follow_each_other_by_token_while_rows_have_an_id() {
    let arm = example();
    let mut seen = Vec::new();
    let mut options = json!({ "$top": 4 });
    loop {
        let page = ask(&arm, json!({ "query": "resources | project id", "options": options })).body;
        let data = page["data"].as_array().unwrap();
        assert_eq!(page["count"], data.len());
        seen.extend(data.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(token) = page["$skipToken"].as_str() else {
            assert_eq!((&page["resultTruncated"], &page["totalRecords"]), (&json!("false"), &json!(seen.len())));
            break;
        };
        assert_eq!(page["resultTruncated"], "true");
        options["$skipToken"] = token.into();
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert!(seen.len() > 8 && distinct.len() == seen.len());
    for query in ["resources | project name", "resources | take 5"] {
        let page = ask(&arm, json!({ "query": query, "options": { "$top": 2 } })).body;
        assert_eq!((&page["resultTruncated"], &page["$skipToken"]), (&json!("true"), &Value::Null), "{query}");
    }
    let skipped = ask(&arm, json!({ "query": "resources | project id", "options": { "$skip": 3, "$top": 1 } })).body;
    assert_eq!(skipped["data"][0]["id"], seen[3].as_str());
}

#[test]
fn rows_come_as_objects_or_as_a_table() {
    let arm = example();
    let query = "resources | where name == 'aks-vnet' | project name, properties, n = 1";
    let table = ask(&arm, json!({ "query": query, "options": { "resultFormat": "table" } })).body;
    let kinds: Vec<&Value> = table["data"]["columns"].as_array().unwrap().iter().map(|own| &own["type"]).collect();
    assert_eq!(kinds, ["string", "object", "integer"]);
    assert_eq!(table["data"]["rows"][0][0], "aks-vnet");
    let old = "/providers/Microsoft.ResourceGraph/resources?api-version=2019-04-01";
    let old = arm.call("POST", old, &[], Some(json!({ "query": query }))).body;
    assert_eq!(old["data"], table["data"], "a table was the default once");
}

#[test]
fn a_request_is_about_the_subscriptions_that_it_names() {
    let arm = example();
    let count = |body: Value| ask(&arm, body).body["data"][0]["Count"].as_u64();
    let query = "resources | where type == 'microsoft.network/virtualnetworks' | count";
    assert_eq!(count(json!({ "query": query })), Some(3));
    assert_eq!(count(json!({ "query": query, "subscriptions": [PROVIDER] })), Some(1));
    let root = "11111111-1111-1111-1111-111111111111";
    assert_eq!(count(json!({ "query": query, "managementGroups": [root] })), Some(3));
    for (body, code) in [
        (
            json!({ "query": query, "subscriptions": ["00000000-0000-0000-0000-0000000000ff"] }),
            "NoValidSubscriptionsInQueryRequest",
        ),
        (json!({ "query": " " }), "QueryIsNullOrEmpty"),
        (json!({ "query": query, "options": { "$top": 1001 } }), "InvalidOptions"),
        (json!({ "query": query, "options": { "$skipToken": "bm90aGluZw==" } }), "InvalidOptions"),
        (json!({ "query": query, "options": { "resultFormat": 1 } }), "InvalidOptions"),
    ] {
        assert_eq!(ask(&arm, body.clone()).body["error"]["details"][0]["code"], code, "{body}");
    }
}

#[test]
fn nesting_has_a_limit_and_no_query_exhausts_the_stack() {
    let nested = |depth: usize| format!("where {}name == 'x'{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(50)).is_ok());
    assert_eq!(parse(&nested(100_000)).unwrap_err().reason().0, "ParserFailure");
    assert_eq!(parse(&format!("where {}", "not(".repeat(100_000))).unwrap_err().reason().0, "ParserFailure");
    assert_eq!(parse(&format!("where {}", "tolower(".repeat(100_000))).unwrap_err().reason().0, "ParserFailure");
}

/// Texts that look like queries, more or less.
fn almost_query() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "resources",
        "|",
        "where",
        "project",
        "extend",
        "order by",
        "take",
        "count",
        "distinct",
        "name",
        "properties",
        ".",
        "[",
        "]",
        "(",
        ")",
        ",",
        "=",
        "==",
        "=~",
        "!=",
        "in",
        "in~",
        "has",
        "contains",
        "and",
        "or",
        "not",
        "'x'",
        "\"y\"",
        "@'z'",
        "0",
        "1.5",
        "tostring",
        "tolower",
        "asc",
        "nulls first",
        "\\",
        "'",
        "//",
        "\n",
        "é",
        "~",
        "!",
    ]);
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn what_parses_can_be_evaluated(text in almost_query()) {
        if let Ok(query) = parse(&format!("resources | where {text}")).or_else(|_| parse(&text)) {
            let row = json!({ "id": "/a/é", "name": "x", "properties": { "x": [1, null, { "y": "İ" }] } });
            let row = row.as_object().unwrap().clone();
            let left = evaluate::run(&query, vec![row.clone(), row]);
            let page = Page::read(&Value::Null, "2021-03-01", 0).unwrap();
            prop_assert_eq!(&page.cut(&query, left)["facets"], &json!([]));
        }
    }
}
