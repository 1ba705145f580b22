//! Every row of what is known about the cloud provider has its case: a world, an edit, what the plan tells, what happens.
//!
//! The cases are texts in `rows/cases`; the program plans them on the simulator, and what the simulated cloud provider then
//! does is compared with what was told. `PRIVLINK_BLESS=1` writes what is told and what happens into the texts.
#![expect(clippy::panic, reason = "a case that cannot be read is a mistake in the case")]

mod script;
mod seen;
mod stage;
mod table;
mod told;

use std::collections::BTreeSet;

use privlink::cli::Exit;
use similar::TextDiff;

use crate::runner::Ran;
use crate::runner::Stage;
use script::Script;
use seen::Names;
use seen::Seen;

/// How many tests share the cases.
const SHARES: usize = 4;

/// A case as it went.
struct Ended {
    plan: String,
    happens: String,
    wrong: Vec<String>,
}

/// What a person reads: the plan without who must say yes, or the findings that keep it from being made.
fn shown(planned: &Ran) -> String {
    let text = if planned.exit == Exit::Files {
        planned.err.lines().skip_while(|line| line.starts_with("planning ")).collect::<Vec<_>>().join("\n") + "\n"
    } else {
        planned.out.split("\nApproval\n").next().unwrap().to_owned()
    };
    format!("{}\n", text.trim_end())
}

/// Lets the edit happen: as planned, or with kubectl where the plan refuses.
fn carry_out(stage: &Stage, planned: &Ran, before: &std::collections::BTreeMap<String, String>) {
    if planned.exit == Exit::Changes {
        stage.run_on_repo("apply", &["--approve-plan", &planned.plan_id()]).ends(Exit::Done);
    } else if planned.exit != Exit::Done {
        stage::kubectl(stage, before);
    }
    stage.idle();
}

fn run(script: &Script) -> Ended {
    let stage = stage::begin(script);
    let mut names = Names::default();
    let before = Seen::look(&stage, &mut names);
    let files = stage.repo.files("main");
    stage::commit(&stage, &script.edits);
    let planned = stage.plan();
    carry_out(&stage, &planned, &files);
    let after = Seen::look(&stage, &mut names);
    let plan = shown(&planned);
    let wrong =
        if planned.exit == Exit::Files { Vec::new() } else { told::disagreements(&told::read(&plan), &before, &after) };
    Ended { plan: names.clean(&plan), happens: seen::difference(&before, &after), wrong }
}

fn differences(what: &str, expected: &str, is: &str) -> Option<String> {
    let diff =
        || TextDiff::from_lines(expected, is).unified_diff().context_radius(2).header("expected", what).to_string();
    (expected != is).then(diff)
}

/// Runs one share of the cases.
fn share(number: usize) {
    let blesses = std::env::var("PRIVLINK_BLESS").is_ok();
    let only = std::env::var("PRIVLINK_ROW").unwrap_or_default();
    let mut wrong = Vec::new();
    for script in script::all().iter().skip(number).step_by(SHARES) {
        let name = script.path.file_name().unwrap().to_str().unwrap();
        if !name.contains(&only) {
            continue;
        }
        let ended = run(script);
        if blesses {
            script.bless(&ended.plan, &ended.happens);
        } else {
            let found = [
                differences("plan", &script.plan, &ended.plan),
                differences("happens", &script.happens, &ended.happens),
            ];
            wrong.extend(found.into_iter().flatten().map(|found| format!("{name}\n{found}")));
        }
        wrong.extend(ended.wrong.iter().map(|found| format!("{name}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_told_happens_in_the_first_quarter_of_the_cases() {
    share(0);
}

#[test]
fn what_is_told_happens_in_the_second_quarter_of_the_cases() {
    share(1);
}

#[test]
fn what_is_told_happens_in_the_third_quarter_of_the_cases() {
    share(2);
}

#[test]
fn what_is_told_happens_in_the_last_quarter_of_the_cases() {
    share(3);
}

#[test]
fn every_row_has_a_case_and_every_case_a_row() {
    let rows: BTreeSet<&str> = table::ROWS.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows.len(), table::ROWS.len(), "a row stands twice in the table");
    let scripts = script::all();
    let shown: BTreeSet<&str> = scripts.iter().flat_map(|script| &script.rows).map(String::as_str).collect();
    let missing: Vec<_> = rows.difference(&shown).collect();
    let unknown: Vec<_> = shown.difference(&rows).collect();
    assert!(missing.is_empty(), "rows without a case: {missing:?}");
    assert!(unknown.is_empty(), "cases of no row: {unknown:?}");
    for script in &scripts {
        assert!(!script.title.is_empty() && !script.rows.is_empty(), "{} says what it shows", script.path.display());
    }
}
