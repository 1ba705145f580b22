//! `privlink check --fix` and `--watch`, as people run them.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use privlink::cli::Exit;

use crate::runner::Ran;
use crate::runner::Scratch;
use crate::runner::run;
use crate::runner::worlds;

const WEB: &str = "environments/prod/web.yaml";

/// A Service with two mistakes that need nobody, and one that somebody has to decide about.
const WRONG: &str = "apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    # The shop is internal.
    service.beta.kubernetes.io/azure-load-balancer-internal: 'True' # since May
    service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: \"500\"
spec:
  type: LoadBalancer
  ports:
  - { name: http, port: 80, protocol: TCP }
";

fn folder(manifest: &str) -> Scratch {
    let home = Scratch::new();
    write(home.path(), "privlink.toml", &worlds::settings());
    write(home.path(), WEB, manifest);
    home
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn read(home: &Scratch) -> String {
    std::fs::read_to_string(home.path().join(WEB)).unwrap()
}

fn check(home: &Scratch, arguments: &[&str]) -> Ran {
    run(&[&["check", home.path().to_str().unwrap()], arguments].concat(), &BTreeMap::new())
}

#[test]
fn the_summary_says_how_many_findings_need_nobody() {
    let ran = check(&folder(WRONG), &[]).ends(Exit::Files);
    assert!(ran.err.ends_with("2 errors in 1 file; 1 fixable with `privlink check --fix`\n"), "{}", ran.err);
}

#[test]
fn a_dry_run_shows_a_diff_and_writes_nothing() {
    let home = folder(WRONG);
    let ran = check(&home, &["--fix", "--dry-run"]).ends(Exit::Files);
    insta::assert_snapshot!(ran.out, @r#"
    --- a/environments/prod/web.yaml
    +++ b/environments/prod/web.yaml
    @@ -4,7 +4,7 @@
       name: web
       annotations:
         # The shop is internal.
    -    service.beta.kubernetes.io/azure-load-balancer-internal: 'True' # since May
    +    service.beta.kubernetes.io/azure-load-balancer-internal: 'true' # since May
         service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: "500"
     spec:
       type: LoadBalancer
    "#);
    insta::assert_snapshot!(ran.err, @"1 file would be repaired, and nothing was written; 1 finding would be left");
    assert_eq!(read(&home), WRONG);
    check(&home, &["--dry-run"]).ends(Exit::Failed);
}

#[test]
fn a_repair_is_written_and_the_rest_is_told() {
    let home = folder(WRONG);
    let ran = check(&home, &["--fix"]).ends(Exit::Files);
    insta::assert_snapshot!(ran.err, @r#"
    repaired environments/prod/web.yaml
    error[RUL001]: "500" is not an idle timeout
     --> environments/prod/web.yaml:8:70
      |
    8 |     service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: "500"
      |                                                                      ^^^^^ whole minutes from 4 to 100
      |
      = help: write for example "4"

    1 error in 1 file
    "#);
    assert_eq!(read(&home), WRONG.replace("'True'", "'true'"));
    write(home.path(), WEB, &WRONG.replace("\"500\"", "5"));
    let ran = check(&home, &["--fix"]).ends(Exit::Done);
    insta::assert_snapshot!(ran.err, @"
    repaired environments/prod/web.yaml
    1 document in 1 environment: no errors
    ");
    assert_eq!(read(&home), WRONG.replace("'True'", "'true'").replace("\"500\"", "\"5\""));
    check(&home, &["--fix"]).ends(Exit::Done);
}

#[test]
fn programs_get_the_repair_with_its_finding() {
    let home = folder(&WRONG.replace("\"500\"", "\"5\""));
    let ran = check(&home, &["--format", "json"]).ends(Exit::Files);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    insta::assert_snapshot!(found["findings"][0]["fix"], @r#"{"column":62,"endColumn":68,"file":"environments/prod/web.yaml","line":7,"text":"'true'"}"#);
    let ran = check(&home, &["--format", "sarif"]).ends(Exit::Files);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    insta::assert_snapshot!(found["runs"][0]["results"][0]["fixes"], @r#"[{"artifactChanges":[{"artifactLocation":{"uri":"environments/prod/web.yaml"},"replacements":[{"deletedRegion":{"endColumn":68,"endLine":7,"startColumn":62,"startLine":7},"insertedContent":{"text":"'true'"}}]}],"description":{"text":"as `privlink check --fix` does"}}]"#);
}

/// `privlink check --watch` of a folder, and the lines that it prints.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    fn start(home: &Scratch, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_privlink")), home, arguments)
    }

    /// The same where the kernel gives nobody signs of saves; `None` if it lets nobody say so.
    fn without_signs(home: &Scratch) -> Option<Self> {
        const NONE: &str = "echo 0 > /proc/sys/user/max_inotify_instances";
        let namespace = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "sh", "-c", script]);
            command
        };
        let is_possible = namespace(NONE).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let mut command = namespace(&format!("{NONE} && exec \"$0\" \"$@\""));
        command.arg(env!("CARGO_BIN_EXE_privlink"));
        is_possible.then(|| Self::spawn(command, home, &[]))
    }

    fn spawn(mut command: Command, home: &Scratch, arguments: &[&str]) -> Self {
        command.args(["check", home.path().to_str().unwrap(), "--watch"]).args(arguments).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || err.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// What is printed until it waits again.
    fn round(&self) -> Vec<String> {
        let mut round = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).ok();
            assert!(line.is_some(), "silent after {round:?}");
            let line = line.unwrap_or_default();
            let is_last = line.contains("waiting for the next save");
            round.push(line);
            if is_last {
                return round;
            }
        }
    }

    /// Ends as Ctrl-C does; what was printed beyond the rounds that were read.
    fn interrupt(mut self) -> (Option<i32>, Vec<String>) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let code = self.child.wait().unwrap().code();
        (code, self.lines.iter().collect())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_save_is_checked_until_somebody_stops() {
    let home = folder(WRONG);
    let watching = Watching::start(&home, &[]);
    let first = watching.round();
    assert!(
        first[0].starts_with("── ") && first.last().unwrap().contains("1 environment: 2 errors in 1 file"),
        "{first:?}"
    );
    // The same bytes again are no change: the round after it is that of the next real one.
    write(home.path(), WEB, WRONG);
    write(home.path(), WEB, &WRONG.replace("'True'", "'true'").replace("\"500\"", "\"5\""));
    let second = watching.round();
    assert!(second.last().unwrap().contains("1 environment: nothing found"), "{second:?}");
    assert_eq!(watching.interrupt(), (Some(0), Vec::new()));
}

#[test]
fn saves_are_found_where_the_kernel_gives_no_signs_of_them() {
    let home = folder(WRONG);
    let Some(watching) = Watching::without_signs(&home) else {
        assert!(std::env::var_os("CI").is_none(), "this needs `unshare` and user namespaces");
        return;
    };
    let first = watching.round();
    assert!(first[0].contains("no sign of saves here (") && first[0].ends_with("the folder is read once a second"));
    assert!(first.last().unwrap().contains("1 environment: 2 errors in 1 file"), "{first:?}");
    write(home.path(), WEB, &WRONG.replace("'True'", "'true'").replace("\"500\"", "\"5\""));
    let second = watching.round();
    assert!(second.last().unwrap().contains("1 environment: nothing found"), "{second:?}");
    assert_eq!(watching.interrupt(), (Some(0), Vec::new()));
}

#[test]
fn its_own_repairs_are_no_saves() {
    let home = folder(&WRONG.replace("\"500\"", "\"5\""));
    let watching = Watching::start(&home, &["--fix"]);
    let first = watching.round();
    assert!(first.iter().any(|line| line == &format!("repaired {WEB}")), "{first:?}");
    write(home.path(), WEB, &read(&home).replace("'true'", "\"True\""));
    let second = watching.round();
    assert!(second.iter().any(|line| line == &format!("repaired {WEB}")), "{second:?}");
    assert!(read(&home).contains("internal: \"true\" # since May"));
    assert_eq!(watching.interrupt(), (Some(0), Vec::new()));
}
