//! The webhook of a running agent, over HTTP: a push is seen at once, and strangers learn nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use hmac::{Hmac, Mac as _};
use privlink::agent::webhook::LARGEST;
use sha2::Sha256;

use super::process::{Stage, small, until};

const SECRET: &str = "a secret of the webhook";

fn signed(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a request of this head and body, and answers everything that comes back.
fn send(address: &str, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{head}host: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
    // Who refuses need not read to the end.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_delivery_wakes_the_agent_and_nothing_else_does() {
    let stage = Stage::new(&small());
    let Some(server) = crate::git::server::Server::start(stage.folder().to_owned()) else { return };
    let url = server.url("config.git");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let machine = stage.machine.clone().with("PRIVLINK_GIT_TOKEN", "good").with("PRIVLINK_WEBHOOK_SECRET", SECRET);
    let still = ["--interval", "1h", "--drift-interval", "1h", "--debounce", "10ms"];
    let mut arguments = vec!["agent", "--repo", url.as_str(), "--webhook", address.as_str()];
    arguments.extend(still);
    let agent = machine.start(&arguments);
    until("it has applied", || stage.repo.count("privlink/status/prod") == 1);
    let path = "environments/prod/services/storefront.yaml";
    let text = small().into_iter().find(|(name, _)| name == path).unwrap().1;
    let writes = stage.writes();
    let changed = (path.to_owned(), text.replace("app: storefront", "app: shop"));
    stage.repo.commit("main", "alice <alice@example.com>", &[changed]);

    let body = format!(r#"{{"ref":"refs/heads/main","repository":{{"clone_url":"{url}"}}}}"#);
    let head = |id: u32, signature: &str| {
        format!(
            "POST / HTTP/1.1\r\nx-gitea-event: push\r\nx-gitea-delivery: {id}\r\nx-gitea-signature: {signature}\r\n"
        )
    };
    let forged = send(&address, &head(1, &"0".repeat(64)), body.as_bytes());
    assert!(forged.starts_with("HTTP/1.1 403") && forged.ends_with("\r\n\r\n"), "{forged}");
    let large = send(&address, &head(1, &signed(&body)), &vec![b' '; LARGEST + 1]);
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 413"), "{large}");
    assert!(send(&address, "GET / HTTP/1.1\r\n", b"").starts_with("HTTP/1.1 405"));
    assert_eq!(stage.writes(), writes, "nobody woke it");

    let taken = send(&address, &head(1, &signed(&body)), body.as_bytes());
    assert!(taken.starts_with("HTTP/1.1 202") && taken.ends_with("\r\n\r\n"), "{taken}");
    until("the change is applied", || stage.writes() > writes);
    assert!(send(&address, &head(2, &signed(&body)), body.as_bytes()).starts_with("HTTP/1.1 403"), "a replay");
    agent.signal("TERM");
    let run = agent.wait().ends(0);
    assert!(!run.all().contains(SECRET));
}

#[test]
fn a_webhook_without_a_secret_that_is_worth_its_name_is_not_served() {
    let stage = Stage::new(&small());
    stage.run(&["agent", "--webhook", "0"]).ends(1).says("PRIVLINK_WEBHOOK_SECRET");
    let machine = stage.machine.clone().with("PRIVLINK_WEBHOOK_SECRET", "short");
    machine.run(&["agent", "--repo", &stage.url(), "--webhook", "0"]).ends(1).says("can be guessed");
}
