//! Markdown for pull requests: inert, within its budget.

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
    <!-- privlink:v1 environment=prod plan=8e633888be341cbfa59e19366544cb598b9987606aba9e3ceabc70c322ebe7c0 -->
    ### privlink plan for prod: severing

    `+` 0 to create, `~` 1 to update, `-/+` 0 to replace, `-` 0 to delete

    **Who is affected:** 3 connections of 3 subscriptions

    `service/shop/orders`: consequences not analysed: pls-orders may be deleted and rebuilt, with a new alias and every connection lost (CCM000)

    | Endpoint | State | Consumer | Subscription |
    |---|---|---|---|
    | `orders-pe` | `Approved` | `this environment` | `00000000-0000-0000-0000-000000000001` |
    | `acme-pe` | `Approved` | `ACME trading (net@acme.example)` | `00000000-0000-0000-0000-000000000002` |
    | `beta-pe` | `Approved` | `unknown consumer` | `00000000-0000-0000-0000-000000000003` |

    | | Resource | Action | Risk | Why | Affects |
    |---|---|---|---|---|---|
    | `~` | `service/shop/orders` | update | severing | `environments/prod/orders.yaml` | 3 connections |

    <details><summary><b>1. &#126; service/shop/orders: update</b> (severing)</summary>

    - asked for in `environments/prod/orders.yaml`
    - consequences not analysed: pls-orders may be deleted and rebuilt, with a new alias and every connection lost (CCM000)

    ```diff
    - annotation azure-load-balancer-ipv4: "10.224.10.224"
    + annotation azure-load-balancer-ipv4: "10.224.10.40"
    ```

    </details>

    **Approval**

    - severing (1 change): 2 people who are neither author nor committer must approve

    Plan id: `8e633888be341cbfa59e19366544cb598b9987606aba9e3ceabc70c322ebe7c0`
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
    let details = Details { locate: &|_| Some("environments/`@a`|#2.yaml:3".to_owned()) };
    let markdown = plan(&world.plan(), details, GITHUB_LIMIT);
    assert!(!markdown.contains("\n/close") && markdown.matches("-->").count() <= 3, "{markdown}");
    for line in markdown.lines().filter(|line| line.starts_with('|')) {
        let cells = line.replace("\\|", "").matches('|').count();
        assert!(cells == 5 || cells == 7, "a cell escaped: {line}");
    }
    insta::assert_snapshot!(inert(hostile).replace('\u{200b}', "·"), @r"\`&lt;/details&gt;\` @·team #·1 --&gt; \| \`\`\`\\n/close !·\[x\](http:·//evil) GH-·1 \$·x\$");
    insta::assert_snapshot!(code(hostile), @r"```` `</details>` @team #1 --> | ```\n/close ![x](http://evil) GH-1 $x$ ````");
    insta::assert_snapshot!(cell_code(hostile), @r"```` `</details>` @team #1 --> \| ```\n/close ![x](http://evil) GH-1 $x$ ````");
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
    let markdown = plan(&severing().plan(), Details::default(), 1_800);
    assert!(markdown.contains("acme-pe") && markdown.contains("beta-pe"), "{markdown}");
    assert!(markdown.contains("The fields of 1 change do not fit here"), "{markdown}");
    assert!(markdown.len() <= 1_800 && markdown.contains("Plan id: "), "{}", markdown.len());
}
