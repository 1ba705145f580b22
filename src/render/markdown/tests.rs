//! Markdown for pull requests: inert, within its budget.

mod comments;

use serde_json::json;

use super::*;
use crate::plan::fixture::World;

fn severing() -> World {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
        json!("10.224.10.40");
    world
}

#[test]
fn a_pull_request_shows_who_is_affected_first() {
    insta::assert_snapshot!(plan(&severing().plan(), Details::default(), GITHUB_LIMIT), @r#"
    <!-- privlink:v1 environment=prod plan=14e33f33c17efe972fa0ac80c5fbdc26d3454b1c60672350eb4d310401607e2e -->
    ### privlink plan for prod: severing

    `+` 0 to create, `~` 2 to update, `-/+` 2 to replace, `-` 0 to delete

    **Who is affected:** 3 connections of 3 subscriptions

    `service/shop/orders`: the frontend moves from 10.224.10.224 to 10.224.10.40: pls-orders is deleted with every connection and built anew with another alias (CCM-FIP-ADDRESS, DIF001)

    **Why:** environments/prod/orders.yaml changes annotation azure-load-balancer-ipv4 from "10.224.10.224" to "10.224.10.40"

    | Endpoint | State | Consumer | Subscription |
    |---|---|---|---|
    | `orders-pe` | `Approved` | `declared here, repaired by step 3` | `00000000-0000-0000-0000-000000000001` |
    | `acme-pe` | `Approved` | `ACME trading (net@acme.example)` | `00000000-0000-0000-0000-000000000002` |
    | `beta-pe` | `Approved` | `unknown consumer` | `00000000-0000-0000-0000-000000000003` |

    **Private Link Services on a frontend that changes**

    - `pls-orders`: made by the cloud provider: it goes with its frontend, and another one is built (CCM-FIP-ADDRESS, observed)

    **A smaller edit**

    - `service/shop/orders`: keep the address as it is ("10.224.10.224"): then nobody is cut and nothing fails

    | | Resource | Action | Risk | Why | Affects |
    |---|---|---|---|---|---|
    | `~` | `service/shop/orders` | update | severing | `environments/prod/orders.yaml` | 3 connections |
    | `-/+` | `privatelinkservice/shop/orders` | replace by the cloud provider | severing | deleted with its frontend and built anew |  |
    | `-/+` | `privateendpoint/orders-pe` | replace | severing | replaced because target cannot change in place |  |
    | `~` | `dnsrecord/api.orders.internal` | update | disruptive | `environments/prod/consumer.yaml` |  |

    <details><summary><b>1. &#126; service/shop/orders: update</b> (severing)</summary>

    - asked for in `environments/prod/orders.yaml`
    - the frontend moves from 10.224.10.224 to 10.224.10.40: pls-orders is deleted with every connection and built anew with another alias (CCM-FIP-ADDRESS, DIF001)

    ```diff
    - annotation azure-load-balancer-ipv4: "10.224.10.224"
    + annotation azure-load-balancer-ipv4: "10.224.10.40"
    ```

    </details>

    <details><summary><b>2. -/&#43; privatelinkservice/shop/orders: replace by the cloud provider</b> (severing)</summary>

    - asked for in `environments/prod/orders.yaml`
    - deleted with its frontend and built anew
    - waits for `service/shop/orders`

    ```diff
    - alias: "pls-orders.8f0c6a1e-0000-4000-8000-000000000001.eastus2.azure.privatelinkservice"
    + alias: <alias: known after privatelinkservice/shop/orders>
    ```

    </details>

    <details><summary><b>3. -/&#43; privateendpoint/orders-pe: replace</b> (severing)</summary>

    - asked for in `environments/prod/consumer.yaml`
    - replaced because target cannot change in place
    - waits for `service/shop/orders`, `privatelinkservice/shop/orders`

    ```diff
    - target: …/MC_prod/privateLinkServices/pls-orders  (forces the replacement)
    + target: <id: known after privatelinkservice/shop/orders>  (forces the replacement)
    ```

    </details>

    <details><summary><b>4. &#126; dnsrecord/api.orders.internal: update</b> (disruptive)</summary>

    - asked for in `environments/prod/consumer.yaml`
    - waits for `privateendpoint/orders-pe`

    ```diff
    - addresses: {10.50.1.4}
    + addresses: <address: known after privateendpoint/orders-pe>
    ```

    </details>

    **Approval**

    - severing (3 changes): 2 people who are neither author nor committer must approve
    - disruptive (1 change): 1 person who is neither author nor committer must approve

    Plan id: `14e33f33c17efe972fa0ac80c5fbdc26d3454b1c60672350eb4d310401607e2e`
    "#);
}

#[test]
fn nothing_of_the_user_is_alive() {
    let hostile = "`</details>` @team #1 --> | ```\n/close ![x](http://evil) GH-1 $x$";
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["example.com/note"] = json!(hostile);
    let acme = world.desired.policy.consumers.values_mut().next().unwrap();
    acme.name = hostile.to_owned();
    world.desired.intents.values_mut().for_each(|intent| intent.adopt = Some(hostile.to_owned()));
    let details = Details { locate: &|_| Some("environments/`@a`|#2.yaml:3".to_owned()), ..Details::default() };
    let markdown = plan(&world.plan(), details, GITHUB_LIMIT);
    assert!(!markdown.contains("\n/close") && markdown.matches("-->").count() <= 3, "{markdown}");
    for line in markdown.lines().filter(|line| line.starts_with('|')) {
        let cells = line.replace("\\|", "").matches('|').count();
        assert!(cells == 5 || cells == 7, "a cell escaped: {line}");
    }
    insta::assert_snapshot!(inert(hostile).replace('\u{200b}', "·"), @r"\`&lt;/details&gt;\` @·team #·1 --&gt; \| \`\`\`\\n/close !·\[x\](http:·//evil) GH-·1 \$·x\$");
    insta::assert_snapshot!(code(hostile).replace('\u{200b}', "·"), @r"```` `</details>` @team #·1 --> | ```\n/close ![x](http://evil) GH-1 $x$ ````");
    insta::assert_snapshot!(cell_code(hostile).replace('\u{200b}', "·"), @r"```` `</details>` @team #·1 --> \| ```\n/close ![x](http://evil) GH-1 $x$ ````");
}

proptest::proptest! {
    #[test]
    fn no_text_closes_its_code_span_or_begins_a_line(text in ".{0,40}|[`|@\n\r -]{0,12}") {
        let span = code(&text);
        let ticks = span.len() - span.trim_start_matches('`').len();
        let inside = &span[ticks..span.len() - ticks];
        proptest::prop_assert!(inside.split(|c| c != '`').all(|run| run.len() != ticks) && !span.contains('\n'));
        let prose = inert(&text);
        proptest::prop_assert!(!prose.contains(['\n', '\r', '<', '>']), "{prose}");
        proptest::prop_assert!(!prose.contains("@a") && !prose.contains("#1"), "{prose}");
    }
}

#[test]
fn a_small_budget_drops_fields_before_people() {
    let markdown = plan(&severing().plan(), Details::default(), 2_100);
    assert!(markdown.contains("acme-pe") && markdown.contains("beta-pe"), "{markdown}");
    assert!(markdown.contains(" do not fit here: see the whole plan"), "{markdown}");
    assert!(markdown.len() <= 2_100 && markdown.contains("Plan id: "), "{}", markdown.len());
}

#[test]
fn more_people_than_fit_are_told_by_consumer_and_nobody_is_left_out() {
    let mut world = World::converged();
    world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
        json!("10.224.10.40");
    let link = world.observed.private_link_services.values_mut().next().unwrap();
    let model = link.connections.last().unwrap().clone();
    for number in 0_u16..900 {
        let id = |kind: &str| format!("{kind}/endpoint-of-some-team-with-a-long-name-{number}");
        let mut connection = model.clone();
        connection.id =
            crate::plan::fixture::id(1, "MC_prod", &id("privateLinkServices/pls-orders/privateEndpointConnections"));
        connection.endpoint =
            Some(crate::plan::fixture::id(4 + u8::try_from(number % 6).unwrap(), "rg-apps", &id("privateEndpoints")));
        link.connections.push(connection);
    }
    let markdown = plan(&world.plan(), Details::default(), GITHUB_LIMIT);
    assert!(markdown.len() <= GITHUB_LIMIT, "{}", markdown.len());
    assert!(markdown.contains("**Who is affected:** 903 connections of 9 subscriptions"), "{markdown}");
    assert!(!markdown.contains("more lines about who is affected"), "{markdown}");
    let numbers = markdown.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells.len() == 5).then(|| cells[3].parse::<usize>().ok()).flatten()
    });
    assert_eq!(numbers.sum::<usize>(), 903, "{markdown}");
}
