//! Failing worlds: one clear sentence that names the thing and the next step, and nothing lost.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use privlink::sim::fault::Fault;

use super::process::{Run, Stage, example, small};

/// What a run says is wrong, without what differs between two runs: ports, folders, times.
fn sentence(stage: &Stage, run: &Run) -> String {
    let text = run.errors().replace(&stage.folder().display().to_string(), "<folder>");
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        match word.find("127.0.0.1:") {
            Some(at) => {
                let tail = &word[at + "127.0.0.1:".len()..];
                let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
                out.push_str(&format!("{}<address>{rest}", &word[..at]));
            }
            None => out.push_str(word),
        }
    }
    out
}

/// A port of this machine at which nobody answers.
fn dead_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A web server that gives everybody the same answer.
fn parrot(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// Collects sentences under their headings.
#[derive(Default)]
struct Sentences(String);

impl Sentences {
    fn add(&mut self, stage: &Stage, what: &str, run: Run) {
        assert_eq!(run.code, Some(1), "{what}:\n{}", run.all());
        let sentence = sentence(stage, &run);
        assert!(!sentence.is_empty(), "{what} says nothing:\n{}", run.all());
        assert_eq!(stage.writes(), 0, "{what}");
        self.0.push_str(&format!("{what}\n{sentence}\n\n"));
    }
}

#[test]
fn a_remote_that_cannot_be_read_is_one_sentence() {
    let stage = Stage::new(&small());
    let mut told = Sentences::default();
    let plan = |url: &str| stage.machine.run(&["plan", "--repo", url]);
    told.add(&stage, "a folder that is not there", plan("file:///nowhere/config.git"));
    told.add(&stage, "nobody listens", plan(&format!("http://{}/config.git", dead_address())));
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    told.add(&stage, "refused credentials", plan(&format!("http://{}/config.git", parrot(unauthorized))));
    let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    told.add(&stage, "no such repository", plan(&format!("http://{}/config.git", parrot(missing))));
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
    told.add(&stage, "a login page", plan(&format!("http://{}/config.git", parrot(page))));
    told.add(&stage, "an address without a scheme", plan("config.git"));
    told.add(&stage, "another scheme", plan("ftp://example.com/config.git"));
    told.add(&stage, "http to a stranger", plan("http://user:g1t-t0ken-c0ffee@example.com/config.git"));
    told.add(&stage, "a missing branch", stage.run(&["plan", "--ref", "feature"]));
    told.add(&stage, "a missing base", stage.run(&["plan", "--base", "trunk"]));
    told.add(&stage, "a missing environment", stage.run(&["plan", "--environment", "prdo"]));
    insta::assert_snapshot!(told.0);
}

#[test]
fn a_runner_that_lacks_something_is_told_what() {
    let stage = Stage::new(&small());
    let mut told = Sentences::default();
    let url = stage.url();
    let plan = ["plan", "--repo", url.as_str()];
    let machine = || stage.machine.clone();
    told.add(&stage, "no cloud", machine().without("PRIVLINK_CLOUD_SIMULATOR").run(&plan));
    told.add(&stage, "a cloud that is none", machine().with("PRIVLINK_CLOUD_SIMULATOR", "https://a").run(&plan));
    told.add(&stage, "no client secret", machine().without("PRIVLINK_PLAN_CLIENT_SECRET").run(&plan));
    told.add(&stage, "no kubeconfig", machine().without("KUBECONFIG").run(&plan));
    told.add(&stage, "a kubeconfig that is not there", machine().with("KUBECONFIG", "/nowhere/kubeconfig").run(&plan));
    let broken = stage.folder().join("broken");
    std::fs::write(&broken, "apiVersion: [").unwrap();
    told.add(&stage, "a broken kubeconfig", machine().with("KUBECONFIG", broken.to_str().unwrap()).run(&plan));
    let other = std::fs::read_to_string(stage.folder().join("kubeconfig")).unwrap().replace("myAKSCluster", "other");
    std::fs::write(&broken, other).unwrap();
    told.add(&stage, "no such context", machine().with("KUBECONFIG", broken.to_str().unwrap()).run(&plan));
    told.add(&stage, "a certificate that is not there", machine().with("SSL_CERT_FILE", "/nowhere.pem").run(&plan));
    let unknown = machine().with("PRIVLINK_PLAN_CLIENT_SECRET", "wr0ng-s3cret");
    told.add(&stage, "a wrong client secret", unknown.run(&plan));
    let nobody = format!("https://{0},https://{0}", dead_address());
    told.add(&stage, "a dead Azure", machine().with("PRIVLINK_CLOUD_SIMULATOR", &nobody).run(&plan));
    insta::assert_snapshot!(told.0);
}

/// Makes every look at Azure's networks fail in the same way.
fn every_azure_read_fails(stage: &Stage, status: u16, code: &str) -> Run {
    let fault = |path: &str| Fault {
        client: Some("privlink".to_owned()),
        path: path.to_owned(),
        status,
        code: code.to_owned(),
        message: format!("The simulator says {code}."),
        ..Fault::default()
    };
    stage.simulator().clear_faults();
    stage.simulator().add_fault(fault("/subscriptions/"));
    stage.simulator().add_fault(fault("/api/v1/"));
    stage.run(&["plan"])
}

#[test]
fn a_world_of_which_nothing_can_be_read_is_one_sentence() {
    let stage = Stage::new(&small());
    let mut told = Sentences::default();
    for (status, code) in [
        (401, "InvalidAuthenticationToken"),
        (403, "AuthorizationFailed"),
        (404, "SubscriptionNotFound"),
        (409, "Conflict"),
        (412, "PreconditionFailed"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
    ] {
        let run = every_azure_read_fails(&stage, status, code);
        told.add(&stage, &format!("{status}"), run);
    }
    stage.simulator().clear_faults();
    let page = Fault {
        client: Some("privlink".to_owned()),
        status: 200,
        body: Some("<html>Sign in</html>".to_owned()),
        ..Fault::default()
    };
    stage.simulator().add_fault(Fault { path: "/subscriptions/".to_owned(), ..page.clone() });
    stage.simulator().add_fault(Fault { path: "/api/v1/".to_owned(), ..page });
    told.add(&stage, "a body that is not JSON", stage.run(&["plan"]));
    insta::assert_snapshot!(told.0);
}
