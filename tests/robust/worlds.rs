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
    told.add(&stage, "a cloud that is none", machine().with("PRIVLINK_CLOUD_SIMULATOR", "https://a/b").run(&plan));
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
    let dead = std::fs::read_to_string(stage.folder().join("kubeconfig")).unwrap();
    let server = &stage.simulator().endpoints().clusters["myAKSCluster"].server;
    std::fs::write(&broken, dead.replace(server.as_str(), &format!("https://{}", dead_address()))).unwrap();
    told.add(&stage, "a dead cluster", machine().with("KUBECONFIG", broken.to_str().unwrap()).run(&plan));
    let logged_out = std::fs::read_to_string(stage.folder().join("kubeconfig")).unwrap();
    let token = &stage.simulator().endpoints().clusters["myAKSCluster"].token;
    std::fs::write(&broken, logged_out.replace(token.as_str(), "another-token")).unwrap();
    let run = machine().with("KUBECONFIG", broken.to_str().unwrap()).run(&plan).ends(6);
    assert!(run.out.contains("Could not be read") && run.out.contains("sign in to the cluster again"), "{}", run.out);
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

/// The example, applied; then a document less, so that a plan wants to delete.
fn with_a_wish_to_delete() -> Stage {
    let stage = Stage::new(&example());
    stage.apply().ends(0);
    let gone = ["environments/prod/consume/orders.yaml", "environments/prod/services/reporting.yaml"];
    let mut edits: Vec<_> = gone.iter().map(|path| ((*path).to_owned(), None)).collect();
    let settings = &example()[0].1.replace("prune = true", "prune = true\nmax-deletes = 9");
    edits.push(("privlink.toml".to_owned(), Some(settings.clone().into_bytes())));
    stage.repo.edit("main", "alice <alice@example.com>", &edits);
    let plan = stage.run(&["plan"]).ends(0);
    assert!(plan.out.contains("- privateendpoint/myOrdersPE: delete"), "{}", plan.out);
    stage
}

#[test]
fn what_cannot_be_read_in_part_is_said_and_never_deleted() {
    let stage = with_a_wish_to_delete();
    let writes = stage.writes();
    for (path, hidden) in [
        (
            "*/subscriptions/00000000-0000-0000-0000-000000000002/providers/Microsoft.Network/privateEndpoints",
            "privateendpoint/myOrdersPE: delete",
        ),
        ("/api/v1/services", "service/default/reporting: delete"),
        ("/privateDnsZones", "dnsrecord/api.orders.internal: delete"),
    ] {
        let fault = Fault {
            client: Some("privlink".to_owned()),
            path: path.to_owned(),
            status: 403,
            code: "AuthorizationFailed".to_owned(),
            ..Fault::default()
        };
        stage.simulator().add_fault(fault);
        let plan = stage.run(&["plan"]).ends(6).says("Could not be read").says("Plan for prod");
        assert!(!plan.out.contains(hidden), "{path}: {}", plan.out);
        stage.run(&["apply", "--yes"]).ends(6).says("this plan is not applied");
        stage.run(&["agent", "--once"]).ends(6);
        stage.simulator().clear_faults();
        assert_eq!(stage.writes(), writes, "{path}");
    }
}

/// A fault of the writes of the binary at paths that contain this.
fn write_fault(method: &str, path: &str, status: u16, code: &str) -> Fault {
    Fault {
        client: Some("privlink".to_owned()),
        method: Some(method.to_owned()),
        path: path.to_owned(),
        status,
        code: code.to_owned(),
        message: format!("The simulator says {code}."),
        ..Fault::default()
    }
}

#[test]
fn transient_faults_in_mid_apply_are_tried_again_until_it_converges() {
    let stage = Stage::new(&example());
    let once = |method: &str, path: &str, status: u16, code: &str| {
        stage.simulator().add_fault(Fault { times: Some(2), ..write_fault(method, path, status, code) });
    };
    once("PUT", "/privateEndpoints/", 503, "ServiceUnavailable");
    once("PUT", "/privateLinkServices/", 429, "TooManyRequests");
    once("PATCH", "/services/", 500, "InternalError");
    once("GET", "/privateEndpoints/", 502, "BadGateway");
    once("PUT", "/privateDnsZones/", 409, "AnotherOperationInProgress");
    once("GET", "/operations/", 500, "InternalServerError");
    stage.simulator().add_fault(Fault {
        times: Some(1),
        drop_connection: true,
        ..write_fault("PUT", "/subnets/", 0, "")
    });
    let run = stage.apply().ends(0);
    assert!(run.err.contains("retries"), "{}", run.err);
    stage.assert_converged();
    stage.assert_no_secret_on_disk();
}

#[test]
fn a_permanent_fault_fails_its_step_and_blocks_what_waits_for_it_and_nothing_else() {
    let stage = Stage::new(&example());
    stage.simulator().add_fault(write_fault(
        "PUT",
        "/privateLinkServices/pls-payments",
        403,
        "RequestDisallowedByPolicy",
    ));
    let run = stage.apply().ends(5);
    insta::assert_snapshot!(run.out[run.out.find("Applied in part").unwrap()..]);
    let files = stage.repo.files("privlink/status/prod");
    let text: String = files
        .iter()
        .filter(|(path, _)| path.ends_with("/README.md") || path.contains("/applied/"))
        .map(|(_, text)| text.as_str())
        .collect();
    assert!(text.contains("RequestDisallowedByPolicy"), "the status says why:\n{text}");
    assert!(
        text.contains("outcome: Blocked") && text.contains("outcome: Done") && text.contains("outcome: Partial"),
        "{text}"
    );
    stage.simulator().clear_faults();
    stage.apply().ends(0);
    stage.assert_converged();
    stage.assert_no_secret_on_disk();
}

#[test]
fn an_operation_that_fails_or_is_cancelled_is_told_and_a_second_run_converges() {
    for code in ["InternalServerError", "CanceledAndSupersededDueToAnotherOperation", "PrivateEndpointQuotaExceeded"] {
        let stage = Stage::new(&example());
        let fault =
            Fault { in_operation: true, times: Some(1), ..write_fault("PUT", "/privateEndpoints/myOrdersPE", 0, code) };
        stage.simulator().add_fault(fault);
        let run = stage.apply();
        let run = run.ends(5).says("1 failed, 1 blocked").says(code);
        assert!(run.out.contains("the operation "), "{}", run.out);
        stage.run(&["plan"]).ends(0).says("provisioningState  \"Failed\" -> \"Succeeded\"");
        stage.apply().ends(0);
        stage.assert_converged();
    }
}

#[test]
fn a_world_that_dies_in_mid_apply_still_gets_its_status() {
    let stage = Stage::new(&example());
    // Nothing answers any more once an endpoint is written.
    stage
        .simulator()
        .add_fault(Fault { after: 1, ..write_fault("PUT", "/privateEndpoints/", 403, "AuthorizationFailed") });
    let look = Fault {
        client: Some("privlink".to_owned()),
        method: Some("GET".to_owned()),
        path: "/providers/Microsoft.ContainerService".to_owned(),
        after: 1,
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        ..Fault::default()
    };
    stage.simulator().add_fault(look.clone());
    for path in ["/privateLinkServices?", "privateLinkServices", "privateEndpoints", "privateDnsZones"] {
        stage.simulator().add_fault(Fault {
            path: format!("*/providers/Microsoft.Network/{path}"),
            after: 2,
            ..look.clone()
        });
    }
    let run = stage.apply();
    assert!(matches!(run.code, Some(5 | 1)), "{}", run.all());
    let files = stage.repo.files("privlink/status/prod");
    assert!(
        files.iter().any(|(path, text)| path.contains("/applied/") && text.contains("outcome: Done")),
        "{}\n{:?}",
        run.all(),
        files.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
    stage.simulator().clear_faults();
    stage.apply().ends(0);
    stage.assert_converged();
}

#[test]
fn a_saved_plan_holds_no_password_of_the_address_it_came_from() {
    let stage = Stage::new(&small());
    let Some(server) = crate::git::server::Server::start(stage.folder().to_owned()) else { return };
    let url = server.url("config.git").replace("http://", "http://user:good@");
    let file = stage.folder().join("plan.json");
    let machine = stage.machine.clone().without("PRIVLINK_GIT_TOKEN");
    let run = machine.run(&["plan", "--repo", &url, "--out", file.to_str().unwrap()]).ends(0);
    let saved = std::fs::read_to_string(file).unwrap();
    assert!(!saved.contains("good@") && !run.all().contains("good@"), "{saved}");
    stage.assert_no_secret_on_disk();
}

#[test]
fn a_request_that_is_not_answered_is_given_up_after_its_time_and_made_again() {
    let stage = Stage::new(&small());
    let silence = |path: &str, times| Fault { path: path.to_owned(), hang: true, times, ..Fault::default() };
    stage.simulator().add_fault(silence("/privateLinkServices", Some(1)));
    stage.simulator().add_fault(silence("/api/v1/services", Some(1)));
    let plan = ["plan", "--request-timeout", "300ms"];
    stage.run(&plan).ends(0).says("to create");
    stage.simulator().add_fault(silence("/api/v1/services", None));
    stage.run(&plan).ends(1).says("there was no answer within 0.3 s");
}
