//! The whole reference of the command line, as `--help` prints it: a change of it is a change for users.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use privlink::cli::Exit;

use crate::runner::run;

const COMMANDS: [&str; 32] = [
    "demo",
    "init",
    "check",
    "plan",
    "apply",
    "approve",
    "status",
    "import",
    "migrate",
    "agent",
    "doctor",
    "doctor auth",
    "explain",
    "review",
    "rbac",
    "schema",
    "simulate",
    "simulate ctl",
    "simulate ctl requests",
    "simulate ctl get",
    "simulate ctl list",
    "simulate ctl put",
    "simulate ctl patch",
    "simulate ctl annotate",
    "simulate ctl delete",
    "simulate ctl fault",
    "simulate ctl fault add",
    "simulate ctl fault clear",
    "simulate ctl advance",
    "simulate ctl clock",
    "simulate ctl resync",
    "simulate ctl state",
];

#[test]
fn the_reference_of_the_command_line_is_this() {
    let environment = BTreeMap::new();
    let mut reference = run(&["--help"], &environment).ends(Exit::Done).out;
    let (_, global) = reference.split_once("\nGlobal options:\n").unwrap();
    let global = global.to_owned();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&arguments, &environment).ends(Exit::Done).out;
        let (own, same) = help.split_once("\nGlobal options:\n").unwrap();
        assert_eq!(same, global, "every command has the same global options");
        write!(reference, "\n======== privlink {command} --help\n\n{own}").unwrap();
    }
    // Blanks at line ends are clap's and nobody sees them.
    let reference: Vec<&str> = reference.lines().map(str::trim_end).collect();
    let reference = reference.join("\n");
    insta::assert_snapshot!("reference", reference);
}

#[test]
fn wrong_usage_fails_with_1_and_says_what_is_right() {
    let environment = BTreeMap::new();
    for wrong in [&["plan", "--fromat", "json"][..], &["aply"], &["plan", "--format", "yaml"], &["approve"], &[]] {
        let ran = run(wrong, &environment).ends(Exit::Failed);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?}: {ran:?}");
    }
    run(&["plan", "--fromat", "json"], &environment).says("--format");
    run(&["approve", "--as", "alice", "--plan", "abc"], &environment)
        .ends(Exit::Failed)
        .says("64 lower-case hex digits");
}

#[test]
fn every_flag_has_a_variable() {
    let environment = BTreeMap::from([("PRIVLINK_REPO".to_owned(), "file:///nowhere/at/all.git".to_owned())]);
    run(&["plan"], &environment).ends(Exit::Failed).says("/nowhere/at/all.git");
    // A flag that has to be given may be given like this, too.
    run(&["agent", "--once"], &environment).ends(Exit::Failed).says("/nowhere/at/all.git");
}
