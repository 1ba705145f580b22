//! `privlink simulate` as a process: what it prints, what it writes, and what is left of it after a kill.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::process::{Folder, Machine, Run, Running, until, world_text};

/// A folder with a world, a state file to come, and the simulator's own folder.
struct Place {
    folder: Folder,
    machine: Machine,
}

impl Place {
    fn new(world: &str) -> Self {
        let folder = Folder::new();
        let machine = Machine::bare(&folder.path().join("home"));
        std::fs::write(folder.path().join("world.yaml"), world).unwrap();
        Self { folder, machine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts the simulator and waits until it serves.
    fn start(&self, arguments: &[&str]) -> Running {
        let ready = self.path("sim/env.sh");
        let _ = std::fs::remove_file(&ready);
        let mut running = self.machine.start(&self.arguments(arguments));
        until("the simulator serves", || ready.exists() || running.is_over());
        running
    }

    fn arguments<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        let folder: &'static str = Box::leak(self.path("sim").display().to_string().into_boxed_str());
        [&["simulate", "--dir", folder], arguments].concat()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.machine.run(&self.arguments(arguments))
    }

    fn ctl(&self, arguments: &[&str]) -> Run {
        let folder = self.path("sim").display().to_string();
        self.machine.run(&[&["simulate", "ctl", "--dir", &folder], arguments].concat())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const NETWORK: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/myOtherResourceGroup/providers/\
                       Microsoft.Network/virtualNetworks/myOtherVNET";

#[test]
fn a_state_survives_a_kill_with_its_ports_and_its_authority() {
    let place = Place::new(&world_text());
    let (world, state) = (place.path("world.yaml"), place.path("state.json"));
    let (world, state) = (world.to_str().unwrap(), state.to_str().unwrap());
    let first = place.start(&["--world", world, "--state", state]);
    let files = ["sim/ca.pem", "sim/kubeconfig", "sim/admin-url"];
    let before = files.map(|name| place.text(name));
    for name in ["sim/admin-token", "sim/env.sh", "sim/kubeconfig", "state.json"] {
        assert_eq!(mode(&place.path(name)), 0o600, "{name}");
    }
    place.ctl(&["patch", NETWORK, r#"{"tags": {"kept": "across-a-kill"}}"#]).ends(0);
    place.ctl(&["annotate", "service/default/kubernetes", "kept=in-the-cluster"]).ends(0);
    place.ctl(&["fault", "add", "--path", "nothing-has-this", "--status", "503"]).ends(0);
    place.ctl(&["advance", "1h"]).ends(0);
    until("the changes are saved", || {
        let saved = place.text("state.json");
        ["across-a-kill", "in-the-cluster", "nothing-has-this", "\"ahead\":{\"nanos\":0,\"secs\":3600}"]
            .iter()
            .all(|word| saved.contains(word))
    });
    first.kill();

    let second = place.start(&["--state", state]);
    assert_eq!(files.map(|name| place.text(name)), before, "clients find what they knew");
    place.ctl(&["get", NETWORK]).ends(0).says("across-a-kill");
    place.ctl(&["get", "service/default/kubernetes"]).ends(0).says("in-the-cluster");
    place.ctl(&["fault", "list"]).ends(0).says("nothing-has-this");
    place.ctl(&["clock"]).ends(0).says("3600.0 s ahead");
    place.ctl(&["patch", NETWORK, r#"{"tags": {"kept": "by-a-farewell"}}"#]).ends(0);
    second.signal("TERM");
    second.wait().ends(0);
    assert!(place.text("state.json").contains("by-a-farewell"), "the end saves what no pause has");
    place.ctl(&["clock"]).ends(1).says("has it ended?");
}

#[test]
fn a_state_of_another_world_or_version_is_refused() {
    let place = Place::new(&world_text());
    let (world, other, state) = (place.path("world.yaml"), place.path("other.yaml"), place.path("state.json"));
    let (world, other, state) = (world.to_str().unwrap(), other.to_str().unwrap(), state.to_str().unwrap());
    place.run(&["--state", state]).ends(1).says("say which world to start with");
    let first = place.start(&["--world", world, "--state", state]);
    first.signal("INT");
    first.wait().ends(0);
    std::fs::write(other, world_text() + "\n# changed\n").unwrap();
    place.run(&["--world", other, "--state", state]).ends(1).says("is the state of another world than");
    let saved = place.text("state.json");
    std::fs::write(state, saved.replace("\"version\":1,\"world\"", "\"version\":9,\"world\"")).unwrap();
    place.run(&["--state", state]).ends(1).says("has version 9");
    std::fs::write(state, "{}").unwrap();
    place.run(&["--state", state]).ends(1).says("not the state of a simulator");
}

/// Replaces what differs from run to run.
fn redacted(text: &str, folder: &Path) -> String {
    let text = text.replace(folder.to_str().unwrap(), "<dir>");
    let mut out = String::new();
    for (index, piece) in text.split("127.0.0.1:").enumerate() {
        let digits = if index == 0 { 0 } else { piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len()) };
        out.push_str(if index == 0 { "" } else { "127.0.0.1:<port>" });
        out.push_str(&piece[digits..]);
    }
    out
}

#[test]
fn print_env_prints_lines_for_a_shell_and_nothing_else() {
    let place = Place::new(include_str!("../../examples/world.yaml"));
    let world = place.path("world.yaml");
    let running = place.start(&["--world", world.to_str().unwrap(), "--print-env"]);
    let file = place.text("sim/env.sh");
    running.signal("TERM");
    let run = running.wait().ends(0);
    assert_eq!(run.out, file, "env.sh has the same lines");
    assert!(run.err.contains("Kubernetes API of myAKSCluster"), "people are told on stderr: {}", run.err);
    insta::assert_snapshot!("print_env", redacted(&run.out, place.folder.path()));
}
