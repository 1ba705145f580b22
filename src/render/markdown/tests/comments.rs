//! Comments: what they take, what is never cut, and that nothing of others is alive in them.

use serde_json::json;

use super::severing;
use crate::desired::policy::Approver;
use crate::domain::key::ResourceKey;
use crate::domain::pull_request::ForgeKind;
use crate::plan::Plan;
use crate::plan::change::Note;
use crate::plan::fixture;
use crate::plan::fixture::World;
use crate::render::markdown::Commits;
use crate::render::markdown::Frame;
use crate::render::markdown::comment;
use crate::render::markdown::inert::shell_word;
use crate::render::shown::Details;

const FORGES: [ForgeKind; 3] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::AzureDevOps];

fn frame<'a>(forge: ForgeKind, source: &'a [String], said: &'a [String]) -> Frame<'a> {
    let commit = |digit: &str| digit.repeat(40).parse().unwrap();
    Frame {
        reviews_hold: None,
        forge,
        key: "k",
        details: Details::default(),
        commits: Commits { base: commit("1"), head: commit("2") },
        objects: 7,
        remarks: said,
        others: said,
        source,
    }
}

fn told(plan: &Plan, forge: ForgeKind) -> String {
    comment(plan, &frame(forge, &[], &[]))
}

#[test]
fn a_comment_says_whose_review_is_an_approval_where_one_can_be() {
    let mut plan = severing().plan();
    for (name, github_id) in [("ann", None), ("bob", Some(583_231))] {
        plan.policy.approvers.insert(name.parse().unwrap(), Approver { github_id, ..Approver::default() });
    }
    let with = |reviews_hold| comment(&plan, &Frame { reviews_hold, ..frame(ForgeKind::GitHub, &[], &[]) });
    let line = |told: &str| told.lines().find(|line| line.contains("a review")).map(ToOwned::to_owned);
    assert_eq!(line(&with(None)), None);
    assert_eq!(
        line(&with(Some(24))).unwrap(),
        "- a review that approves the head, by bob, is one person's approval of this plan for 24 hours; it counts for the plan \
         that the status names when it is given"
    );
}

#[test]
fn a_comment_says_what_it_takes_and_that_merging_is_not_enough() {
    let told = told(&severing().plan(), ForgeKind::GitHub);
    let (first, rest) = told.split_once('\n').unwrap();
    assert_eq!(first, "<!-- privlink:v1 environment=prod key=k -->");
    assert!(rest.starts_with("### privlink plan for prod: SEVERING\n"), "{rest}");
    let closing = told.split("**Approval**").nth(1).unwrap();
    insta::assert_snapshot!(closing, @r"


    - Merging alone does **not** apply it.
    - severing (3 changes): 2 people who are neither author nor committer must approve
    - disruptive (1 change): 1 person who is neither author nor committer must approve
    - nobody may approve: `[approvers]` of privlink.toml is empty

    ```sh
    privlink approve -e prod --as YOUR-NAME --plan 14e33f33c17efe972fa0ac80c5fbdc26d3454b1c60672350eb4d310401607e2e
    ```

    plan `14e33f33c17efe972fa0ac80c5fbdc26d3454b1c60672350eb4d310401607e2e` - base `1111111111` + head `2222222222` - 7 objects read
    ");
}

#[test]
fn a_change_that_needs_nobody_says_that_merging_applies_it() {
    let mut world = World::converged();
    world.endpoint().tags.insert("team".to_owned(), "orders".to_owned());
    let told = told(&world.plan(), ForgeKind::GitLab);
    assert!(told.contains("- Merging applies it: nobody has to say yes besides.\n"), "{told}");
    assert!(!told.contains("privlink approve"), "{told}");
}

#[test]
fn drift_is_folded_apart_from_what_is_reviewed() {
    let mut world = World::converged();
    world.live_endpoint().endpoint.tags.insert("team".to_owned(), "nobody".to_owned());
    let told = told(&world.plan_of_drift(), ForgeKind::GitHub);
    assert!(told.contains("<details><summary>Drift that this change did not cause (1)</summary>"), "{told}");
    assert_eq!(told.matches("<details>").count(), told.matches("</details>").count(), "{told}");
}

/// A plan with thousands of changes that cuts hundreds of consumers.
fn huge() -> Plan {
    let mut world = severing();
    let link = world.observed.private_link_services.values_mut().next().unwrap();
    let model = link.connections.last().unwrap().clone();
    for number in 0_u16..600 {
        let id = |kind: &str| format!("{kind}/endpoint-of-some-team-with-a-long-name-{number}");
        let mut connection = model.clone();
        connection.id = fixture::id(1, "MC_prod", &id("privateLinkServices/pls-orders/privateEndpointConnections"));
        let consumer =
            format!("/subscriptions/00000000-0000-0000-0000-{:012}/resourceGroups/rg-apps", 4 + number % 200);
        let endpoint = format!("{consumer}/providers/Microsoft.Network/{}", id("privateEndpoints"));
        connection.endpoint = Some(endpoint.parse().unwrap());
        link.connections.push(connection);
    }
    let plan = world.plan();
    let calm = plan.steps.last().unwrap().clone();
    let more = (0..5_000).map(|number| {
        let mut step = calm.clone();
        step.after.clear();
        let id = fixture::id(1, "rg-dns", &format!("privateDnsZones/z.example/A/record-{number}"));
        step.change.key = ResourceKey::DnsRecord(id);
        step
    });
    let steps = plan.steps.iter().cloned().chain(more).collect();
    Plan { steps, ..plan }
}

#[test]
fn with_thousands_of_changes_nobody_who_is_cut_is_left_out_and_the_comment_fits() {
    let plan = huge();
    for forge in FORGES {
        let told = told(&plan, forge);
        // In no unit that a forge may count is it longer.
        let longest = told.len().max(told.encode_utf16().count()).max(told.chars().count());
        assert!(longest <= forge.comment_limit() - 4096, "{forge}: {longest}");
        assert!(told.contains("**Who is affected:** 603 connections of "), "{forge}");
        assert!(!told.contains("more lines about who is affected"), "{forge}");
        let number = |line: &str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells.len() == 5).then(|| cells[3].parse::<usize>().ok()).flatten()
        };
        let counted: usize = told.lines().filter_map(number).sum();
        let named = told.matches("| `endpoint-of-some-team-with-a-long-name-").count();
        assert!(counted == 603 || named == 600, "{forge}: {counted} counted, {named} named");
        assert!(told.contains("privlink approve") && told.ends_with(" objects read\n"), "{forge}");
        assert_eq!(told.matches("<details>").count(), told.matches("</details>").count(), "{forge}");
        assert_eq!(told.lines().filter(|line| line.starts_with("```")).count() % 2, 0, "{forge}");
    }
    let told = told(&plan, ForgeKind::GitHub);
    assert!(told.contains(" more lines about changes: see the whole plan"), "the table is cut after the people");
}

/// What would be alive in one of the forges.
const HOSTILE: &str = "`</details>` @all @<8c8c7d32-6b1b-47f4-b2e9-30b477b5ab3d> #1 !2 AB#3 --> ]]> ::: <script>x</script> \
     <details> %%{init: {}}%% click end \" #quot; https://evil.example www.evil.example \
     ![x](http://evil.example/x.png)\n/approve\n/merge\n::: mermaid\n``` ~~~ $x$ ##vso[task.setvariable variable=x]y";

/// A plan in which everything that people may write is hostile.
fn hostile() -> Plan {
    let mut world = severing();
    world.manifest()["metadata"]["annotations"]["example.com/note"] = json!(HOSTILE);
    world.manifest()["metadata"]["annotations"][HOSTILE] = json!("x");
    for consumer in world.desired.policy.consumers.values_mut() {
        consumer.name = HOSTILE.to_owned();
        consumer.contact = Some(HOSTILE.to_owned());
        consumer.tenant = Some(HOSTILE.to_owned());
    }
    world.desired.policy.loosening = vec![HOSTILE.to_owned()];
    world.blind(crate::observed::Area::Events);
    let mut plan = world.plan();
    let note = Note { subject: HOSTILE.to_owned(), text: HOSTILE.to_owned() };
    plan.notes.push(note.clone());
    plan.smaller_edits.push(note);
    plan.gaps.iter_mut().for_each(|gap| gap.reason = HOSTILE.to_owned());
    plan.steps.iter_mut().for_each(|step| step.change.reason = Some(HOSTILE.to_owned()));
    plan
}

/// The comment of the hostile plan; one that may run has a command in it.
fn hostile_comment(forge: ForgeKind, may_run: bool) -> String {
    let mut plan = hostile();
    if may_run {
        plan.gaps.clear();
    }
    let said = [HOSTILE.to_owned()];
    let source = ["--ref".to_owned(), "refs/heads/a;$(touch${IFS}/tmp/x)`id`'".to_owned()];
    let locate = |_: &crate::diagnostic::Place| Some("environments/`@a`|#2<b>.yaml:3".to_owned());
    let details = Details { locate: &locate, ..Details::default() };
    comment(&plan, &Frame { details, ..frame(forge, &source, &said) })
}

/// The folds that are opened, and those that are closed: in code both are text.
fn folds(told: &str) -> (usize, usize) {
    let count = |is: fn(&str) -> bool| told.lines().filter(|line| is(line)).count();
    (count(|line| line.starts_with("<details>")), count(|line| line == "</details>"))
}

#[test]
fn no_line_of_any_dialect_begins_with_text_of_others() {
    for (forge, may_run) in FORGES.into_iter().flat_map(|forge| [(forge, false), (forge, true)]) {
        let told = hostile_comment(forge, may_run);
        // GitLab obeys lines that begin with a slash, Azure DevOps ends a picture at `:::`, and builds obey `##`.
        assert!(!told.lines().any(|line| line.trim_start().starts_with('/')), "{told}");
        let fences = told.lines().filter(|line| line.trim_start().starts_with(":::")).count();
        assert_eq!(fences, if forge == ForgeKind::AzureDevOps { 2 } else { 0 }, "{told}");
        assert!(!told.contains("##v") && !told.contains("@<"), "{told}");
        let (open, closed) = folds(&told);
        assert_eq!(open, closed, "{told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("<!--")).count(), 1, "{told}");
    }
    let told = hostile_comment(ForgeKind::GitHub, true);
    let word = r"--ref 'refs/heads/a;$(touch${IFS}/tmp/x)`id`'\'''";
    assert!(told.contains(word), "a branch is one word to a shell: {told}");
}

#[test]
fn hostile_comments_are_as_other_programs_look_at_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/comments/hostile");
    for (forge, name) in FORGES.into_iter().zip(["github", "gitlab", "azure-devops"]) {
        let file = folder.join(format!("{name}.md"));
        let is = hostile_comment(forge, true);
        if std::env::var("PRIVLINK_BLESS").is_ok() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &is).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(written == is, "PRIVLINK_BLESS=1 writes {}", file.display());
    }
}

proptest::proptest! {
    #[test]
    fn a_comment_has_one_marker_and_closed_folds_whatever_people_write(
        text in "\\PC{0,80}|[`<>/@#:!|\\\\\n\r ~*_()\\[\\]-]{0,60}",
    ) {
        let mut plan = severing().plan();
        let note = Note { subject: text.clone(), text: text.clone() };
        plan.notes = vec![note.clone()];
        plan.smaller_edits = vec![note];
        plan.policy.loosening = vec![text.clone()];
        let said = [text];
        for forge in FORGES {
            let told = comment(&plan, &frame(forge, &said, &said));
            proptest::prop_assert_eq!(told.lines().filter(|line| line.starts_with("<!--")).count(), 1);
            proptest::prop_assert!(told.lines().all(|line| !line.trim_start().starts_with('/')), "{}", told);
            let (open, closed) = folds(&told);
            proptest::prop_assert_eq!(open, closed);
        }
    }

    #[test]
    fn a_word_of_a_command_is_one_word_to_a_shell(text in "\\PC{0,30}") {
        let word = shell_word(&text);
        match word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            // Quotes end only to let a quote in.
            Some(inside) => proptest::prop_assert!(!inside.replace(r"'\''", "").contains('\''), "{}", word),
            None => proptest::prop_assert!(word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:".contains(c))),
        }
    }
}
