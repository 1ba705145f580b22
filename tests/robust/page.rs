//! The page of a running agent, over HTTP: what it shows of a plan and of an apply, to whom, and what it never says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::process::{Machine, Running, Stage, example_with_approval, small, until};

const POLLS: [&str; 4] = ["--interval", "50ms", "--drift-interval", "50ms"];
const BOB: &str = "Bob <bob@example.com>";

/// An agent with a page.
struct Shown {
    agent: Running,
    address: String,
}

/// An answer, whole.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Shown {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let all = [&["agent", "--listen", address.as_str()], arguments].concat();
        let agent = machine.start(&all);
        until("it listens", || TcpStream::connect(&address).is_ok());
        Self { agent, address }
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{request}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost:1234"))
    }

    fn shows(&self, path: &str, text: &str) -> bool {
        self.get(path).body.contains(text)
    }

    fn stop(self) {
        self.agent.signal("TERM");
        self.agent.wait().ends(0);
    }
}

fn quick(files: Vec<(String, String)>) -> Vec<(String, String)> {
    let small = small();
    files.into_iter().filter(|(path, _)| small.iter().any(|(wanted, _)| wanted == path)).collect()
}

/// Approves what waits.
fn approve(stage: &Stage) {
    let page = stage.run(&["plan"]).all();
    let id = page.rsplit("Plan id: ").next().unwrap().split_whitespace().next().unwrap().to_owned();
    stage.run(&["approve", "--as", "bob", "--plan", &id, "--yes", "--author", BOB]).ends(0);
}

#[test]
fn it_shows_the_people_of_a_severing_plan_and_after_the_apply_the_history() {
    let files = example_with_approval();
    let orders = |file: &&(String, String)| file.0 == "privlink.toml" || file.0.ends_with("/orders.yaml");
    let stage = Stage::new(&files.iter().filter(orders).cloned().collect::<Vec<_>>());
    let shown = Shown::start(&stage.machine, &[&["--repo", &stage.url()], POLLS.as_slice()].concat());
    until("a first plan waits", || shown.shows("/environments/prod", "waits for approval"));
    assert!(shown.shows("/environments/prod", "Nothing was applied yet."));
    approve(&stage);
    until("it is applied", || shown.shows("/environments/prod", "as Git says"));
    let page = shown.get("/environments/prod").body;
    let history = &page[page.find("History of applies").unwrap()..];
    assert!(history.contains("done") && history.contains("bob"), "{history}");
    assert!(shown.shows("/", "as Git says"));

    // The edit that every other tool shows as one changed string.
    let (path, text) = files.iter().find(|(path, _)| path.ends_with("services/orders.yaml")).unwrap();
    let edited = (path.clone(), text.replace("10.224.0.200", "10.224.0.201"));
    stage.repo.commit("main", "Carol <carol@example.com>", &[edited]);
    until("a severing plan waits", || shown.shows("/environments/prod", "waits for approval"));
    let page = shown.get("/environments/prod").body;
    let affected = page.find("Who is affected: 1 connection of 1 subscription").expect("who is affected is said");
    assert!(affected < page.find("Changes, the worst first").unwrap());
    assert!(page[affected..].contains("Orders front office") && page.contains("Approved, hit"), "{page}");
    let writes = stage.writes();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/", "/environments/prod", "/anything"] {
            let answer = shown.ask(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0"));
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    assert_eq!(stage.writes(), writes);
    shown.stop();
}

#[test]
fn every_answer_has_the_headers_that_keep_a_browser_in_bounds() {
    let stage = Stage::new(&quick(example_with_approval()));
    let shown = Shown::start(&stage.machine, &[&["--repo", &stage.url()], POLLS.as_slice()].concat());
    until("it knows its environment", || shown.get("/environments/prod").status == 200);
    let paths = [("/", 200), ("/environments/prod", 200), ("/style.css", 200), ("/icon.svg", 200), ("/no", 404)];
    for (path, status) in paths.into_iter().chain([("/environments/qa", 404), ("/environments/%2e%2e%2fx", 404)]) {
        let answer = shown.get(path);
        assert_eq!(answer.status, status, "{path}");
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.head.contains(header), "{path} lacks {header}:\n{}", answer.head);
        }
    }
    let head = shown.ask("HEAD / HTTP/1.1\r\nhost: localhost");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    shown.stop();
}

#[test]
fn another_name_than_loopbacks_is_refused() {
    let stage = Stage::new(&quick(example_with_approval()));
    let shown = Shown::start(&stage.machine, &[&["--repo", &stage.url()], POLLS.as_slice()].concat());
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::2]", ""] {
        let answer = shown.ask(&format!("GET / HTTP/1.1\r\nhost: {host}"));
        assert_eq!(answer.status, 421, "{host}");
        assert!(!answer.body.contains("Environments"));
    }
    assert_eq!(shown.ask("GET http://evil.example/ HTTP/1.1\r\nhost: localhost").status, 421);
    assert_eq!(shown.ask("GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example").status, 421);
    for host in ["localhost", "LOCALHOST:8081", "127.0.0.1:1", "[::1]:8081"] {
        assert_eq!(shown.ask(&format!("GET / HTTP/1.1\r\nhost: {host}")).status, 200, "{host}");
    }
    shown.stop();
}

#[test]
fn what_did_not_change_is_not_sent_again() {
    let stage = Stage::new(&quick(example_with_approval()));
    let still = ["--repo", &stage.url(), "--interval", "1h", "--drift-interval", "1h"];
    let shown = Shown::start(&stage.machine, &still);
    until("a plan waits", || shown.shows("/environments/prod", "waits for approval"));
    // A minute may end between two requests, but not between each two of three.
    let again = (0..3).any(|_| {
        let head = shown.get("/environments/prod").head;
        let mark = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
        let request = format!("GET /environments/prod HTTP/1.1\r\nhost: localhost\r\nif-none-match: {mark}");
        let answer = shown.ask(&request);
        answer.status == 304 && answer.body.is_empty()
    });
    assert!(again);
    shown.stop();
}

#[test]
fn no_secret_and_no_path_of_a_credential_is_on_it() {
    let stage = Stage::new(&quick(example_with_approval()));
    // A kubeconfig that is not there is an error that names it.
    let machine = stage.machine.clone().with("KUBECONFIG", "/nowhere/with-a-secret-name");
    let shown = Shown::start(&machine, &[&["--repo", &stage.url()], POLLS.as_slice()].concat());
    until("a pass has failed", || shown.shows("/environments/prod", "The last pass failed"));
    let pages = [shown.get("/").body, shown.get("/environments/prod").body].concat();
    assert!(!pages.contains("/nowhere"), "{pages}");
    for secret in ["plan-secret", "apply-secret"] {
        assert!(!pages.contains(secret));
    }
    shown.stop();
}

#[test]
fn files_with_errors_are_told_with_their_places() {
    let stage = Stage::new(&quick(example_with_approval()));
    let path = "environments/prod/services/storefront.yaml";
    let text = small().into_iter().find(|(name, _)| name == path).unwrap().1;
    stage.repo.commit("main", BOB, &[(path.to_owned(), text.replace("kind: Service", "kind: Servise"))]);
    let shown = Shown::start(&stage.machine, &[&["--repo", &stage.url()], POLLS.as_slice()].concat());
    until("the error is told", || shown.shows("/environments/prod", "storefront.yaml:"));
    assert!(shown.shows("/", "files have errors"));
    stage.repo.commit("main", BOB, &[("privlink.toml".to_owned(), "version = \n".to_owned())]);
    until("wrong settings are told", || shown.shows("/", "privlink.toml"));
    assert!(shown.shows("/", "The settings have errors"));
    shown.stop();
}
