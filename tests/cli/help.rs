//! The whole reference of the command line, as `--help` prints it: a change of it is a change for users.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use privlink::cli::Exit;

use crate::runner::run;

const COMMANDS: [&str; 10] =
    ["demo", "init", "check", "plan", "apply", "approve", "status", "agent", "schema", "simulate"];

#[test]
fn the_reference_of_the_command_line_is_this() {
    let environment = BTreeMap::new();
    let mut reference = run(&["--help"], &environment).ends(Exit::Done).out;
    let (_, global) = reference.split_once("\nGlobal options:\n").unwrap();
    let global = global.to_owned();
    for command in COMMANDS {
        let help = run(&[command, "--help"], &environment).ends(Exit::Done).out;
        let (own, same) = help.split_once("\nGlobal options:\n").unwrap();
        assert_eq!(same, global, "every command has the same global options");
        write!(reference, "\n======== privlink {command} --help\n\n{own}").unwrap();
    }
    // Blanks at line ends are clap's and nobody sees them.
    let reference: Vec<&str> = reference.lines().map(str::trim_end).collect();
    let reference = reference.join("\n");
    insta::assert_snapshot!(reference, @r#"
    Declarative private exposure of AKS services: internal load balancers, Private Link Services,
    private endpoints.

    A Git repository says what there should be. privlink compares it with Azure and the cluster, says
    what will happen and to whom, and applies it on approval.

    Usage: privlink [OPTIONS] <COMMAND>

    Commands:
      demo      See privlink do its whole job on a simulated Azure; needs nothing
      init      Write a starter config repository
      check     Check the files of a config repository; needs no network
      plan      Show what would happen, and to whom
      apply     Plan, show, ask, and apply
      approve   Approve a plan: look at it, say yes, and commit the approval
      status    Show what the last pass found
      agent     Reconcile a config repository: plan, wait for approval, apply, commit the status
      schema    Print the JSON Schemas of documents, settings, plans, approvals and status
      simulate  Run Azure, Entra ID and AKS clusters on this machine
      help      Print this message or the help of the given subcommand(s)

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
          --color <WHEN>
              When to colour [env: PRIVLINK_COLOR]

              Possible values:
              - auto:   Where a person reads, and `NO_COLOR` is not set
              - always: Always
              - never:  Never

              [default: auto]

          --kubeconfig <FILE>
              The kubeconfig whose contexts environments name; also KUBECONFIG [env:
              PRIVLINK_KUBECONFIG]

          --cache-dir <DIR>
              Where mirrors of config repositories are kept [env: PRIVLINK_CACHE_DIR]

          --state-dir <DIR>
              Where locks and first sights are kept [env: PRIVLINK_STATE_DIR]

          --poll-interval <TIME>
              The shortest time between two looks at an operation, such as 500ms or 2s [env:
              PRIVLINK_POLL_INTERVAL]

              [default: 1s]

          --log <FILTER>
              What to log on stderr, such as info or privlink=debug [env: PRIVLINK_LOG]

    ======== privlink demo --help

    See privlink do its whole job on a simulated Azure; needs nothing

    Usage: privlink demo [OPTIONS]

    Options:
      -y, --yes
              Ask nothing [env: PRIVLINK_YES]

          --keep <DIR>
              Leave everything in this folder [env: PRIVLINK_KEEP]

          --serve
              Keep simulator and agent running [env: PRIVLINK_SERVE]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink init --help

    Write a starter config repository

    Usage: privlink init [OPTIONS] [FOLDER]

    Arguments:
      [FOLDER]
              Where; nothing that exists is overwritten

              [default: .]

    Options:
      -e, --environment <NAME>
              The name of the first environment [env: PRIVLINK_ENVIRONMENT]

              [default: prod]

          --subscription <ID>
              Its subscription [env: PRIVLINK_SUBSCRIPTION]

              [default: 00000000-0000-0000-0000-000000000000]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink check --help

    Check the files of a config repository; needs no network

    Usage: privlink check [OPTIONS] [FOLDER]

    Arguments:
      [FOLDER]
              The config repository

              [default: .]

    Options:
      -h, --help
              Print help (see a summary with '-h')

    ======== privlink plan --help

    Show what would happen, and to whom

    Usage: privlink plan [OPTIONS] [FOLDER]

    Arguments:
      [FOLDER]
              The config repository

              [default: .]

    Options:
          --repo <URL>
              A remote config repository (file, https or ssh URL), instead of a folder [env:
              PRIVLINK_REPO]

          --ref <BRANCH>
              The branch of it; default: its main branch [env: PRIVLINK_REF]

          --base <REF>
              The reviewed branch: believe its privlink.toml, and plan the change merged into it [env:
              PRIVLINK_BASE]

          --authority <FILE>
              Believe this privlink.toml, from outside the folder [env: PRIVLINK_AUTHORITY]

          --trust-working-tree
              Believe the folder's own privlink.toml (implied at a terminal outside CI) [env:
              PRIVLINK_TRUST_WORKING_TREE]

      -e, --environment <NAME>
              An environment; may be repeated; default: all [env: PRIVLINK_ENVIRONMENT]

          --out <FILE>
              Save the plan for `privlink apply FILE`; needs a single environment [env: PRIVLINK_OUT]

          --format <FORMAT>
              How to print [env: PRIVLINK_FORMAT]

              Possible values:
              - text:     For a terminal
              - markdown: For a pull request
              - json:     For programs

              [default: text]

          --detailed-exitcode
              Exit with 2 if changes are pending [env: PRIVLINK_DETAILED_EXITCODE]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink apply --help

    Plan, show, ask, and apply

    Usage: privlink apply [OPTIONS] [FOLDER or PLAN]

    Arguments:
      [FOLDER or PLAN]
              The config repository, or a plan saved by `privlink plan --out`

              [default: .]

    Options:
          --repo <URL>
              A remote config repository (file, https or ssh URL), instead of a folder [env:
              PRIVLINK_REPO]

          --ref <BRANCH>
              The branch of it; default: its main branch [env: PRIVLINK_REF]

          --base <REF>
              The reviewed branch: believe its privlink.toml, and plan the change merged into it [env:
              PRIVLINK_BASE]

          --authority <FILE>
              Believe this privlink.toml, from outside the folder [env: PRIVLINK_AUTHORITY]

          --trust-working-tree
              Believe the folder's own privlink.toml (implied at a terminal outside CI) [env:
              PRIVLINK_TRUST_WORKING_TREE]

      -e, --environment <NAME>
              An environment; may be repeated; default: all [env: PRIVLINK_ENVIRONMENT]

      -y, --yes
              Ask nothing: apply what the rules let be automatic or merged [env: PRIVLINK_YES]

          --approve-plan <ID>
              Approve this plan, by its full id; counts as one person [env: PRIVLINK_APPROVE_PLAN]

          --allow-uncommitted
              Apply the folder as it is, though it is not the committed tip of the config branch; never
              prunes [env: PRIVLINK_ALLOW_UNCOMMITTED]

          --wait
              Hold on for what others have to do, such as approving a connection [env: PRIVLINK_WAIT]

          --deadline <TIME>
              How long a step may take to become ready [env: PRIVLINK_DEADLINE]

              [default: 15m]

          --parallelism <N>
              How many steps may run at the same time [env: PRIVLINK_PARALLELISM]

              [default: 8]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink approve --help

    Approve a plan: look at it, say yes, and commit the approval

    Usage: privlink approve [OPTIONS] --as <NAME> [FOLDER]

    Arguments:
      [FOLDER]
              A clone of the config repository; its remote `origin` gets the approval

              [default: .]

    Options:
          --repo <URL>
              A remote config repository (file, https or ssh URL), instead of a folder [env:
              PRIVLINK_REPO]

          --ref <BRANCH>
              The branch of it; default: its main branch [env: PRIVLINK_REF]

          --base <REF>
              The reviewed branch: believe its privlink.toml, and plan the change merged into it [env:
              PRIVLINK_BASE]

          --authority <FILE>
              Believe this privlink.toml, from outside the folder [env: PRIVLINK_AUTHORITY]

          --trust-working-tree
              Believe the folder's own privlink.toml (implied at a terminal outside CI) [env:
              PRIVLINK_TRUST_WORKING_TREE]

      -e, --environment <NAME>
              The environment [env: PRIVLINK_ENVIRONMENT]

          --as <NAME>
              Who approves: a key of [approvers] [env: PRIVLINK_AS]

          --plan <ID>
              The plan you looked at, by its full id; refused if the plan now is another [env:
              PRIVLINK_PLAN]

      -y, --yes
              Ask nothing; needs --plan [env: PRIVLINK_YES]

          --expires-in <TIME>
              How long the approval is good for [env: PRIVLINK_EXPIRES_IN]

              [default: 24h]

          --reason <TEXT>
              Why [env: PRIVLINK_REASON]

          --author <NAME <ADDRESS>>
              The author of the commit; default: as git is configured [env: PRIVLINK_AUTHOR]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink status --help

    Show what the last pass found

    Usage: privlink status [OPTIONS] [FOLDER]

    Arguments:
      [FOLDER]
              A clone of the config repository

              [default: .]

    Options:
          --repo <URL>
              A remote config repository (file, https or ssh URL), instead of a folder [env:
              PRIVLINK_REPO]

          --ref <BRANCH>
              The branch of it; default: its main branch [env: PRIVLINK_REF]

          --base <REF>
              The reviewed branch: believe its privlink.toml, and plan the change merged into it [env:
              PRIVLINK_BASE]

          --authority <FILE>
              Believe this privlink.toml, from outside the folder [env: PRIVLINK_AUTHORITY]

          --trust-working-tree
              Believe the folder's own privlink.toml (implied at a terminal outside CI) [env:
              PRIVLINK_TRUST_WORKING_TREE]

      -e, --environment <NAME>
              An environment; may be repeated; default: all [env: PRIVLINK_ENVIRONMENT]

          --live
              Look at Azure and the cluster instead of the status branch [env: PRIVLINK_LIVE]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink agent --help

    Reconcile a config repository: plan, wait for approval, apply, commit the status

    Usage: privlink agent [OPTIONS] --repo <URL>

    Options:
          --repo <URL>
              The config repository (file, https or ssh URL) [env: PRIVLINK_REPO]

          --ref <BRANCH>
              Its config branch; default: its main branch [env: PRIVLINK_REF]

      -e, --environment <NAME>
              An environment; may be repeated; default: all [env: PRIVLINK_ENVIRONMENT]

          --once
              Make one pass and end [env: PRIVLINK_ONCE]

          --interval <TIME>
              The time between two passes [env: PRIVLINK_INTERVAL]

              [default: 1m]

          --deadline <TIME>
              How long a step may take to become ready [env: PRIVLINK_DEADLINE]

              [default: 15m]

      -h, --help
              Print help (see a summary with '-h')

    ======== privlink schema --help

    Print the JSON Schemas of documents, settings, plans, approvals and status

    Usage: privlink schema [OPTIONS] [NAME]

    Arguments:
      [NAME]
              One of them; without it the names are printed

    Options:
      -h, --help
              Print help (see a summary with '-h')

    ======== privlink simulate --help

    Run Azure, Entra ID and AKS clusters on this machine

    Usage: privlink simulate [OPTIONS] --world <FILE>

    Options:
          --world <FILE>
              The world to start with [env: PRIVLINK_WORLD]

          --dir <DIR>
              Where to write certificate, kubeconfig, admin token and env.sh; default: a folder in the
              state folder [env: PRIVLINK_DIR]

          --port <PORT>
              The port of Azure over HTTPS; 0 is any [env: PRIVLINK_PORT]

              [default: 0]

          --kubernetes-port <PORT>
              The port of the first cluster; 0 is any [env: PRIVLINK_KUBERNETES_PORT]

              [default: 0]

      -h, --help
              Print help (see a summary with '-h')
    "#);
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
}
