//! Deliveries of each forge, in the shapes of their documentation: good, forged, replayed, and about something else.

use base64::Engine as _;
use hmac::{Hmac, Mac as _};
use http::HeaderMap;
use privlink::agent::webhook::{Hook, SecretSource, Verdict};
use privlink::domain::secret::Secret;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "a secret of the webhook";
const MAIN: &str = "refs/heads/main";

type Headers = Vec<(&'static str, String)>;

/// A forge: the address of its repository, and how it delivers a push.
struct Forge {
    name: &'static str,
    url: &'static str,
    headers: fn(id: &str, secret: &str, body: &[u8]) -> Headers,
    body: fn(id: &str, url: &str, reference: &str) -> Value,
}

fn hmac(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn branch(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").unwrap()
}

const FORGES: [Forge; 7] = [
    Forge {
        name: "GitHub",
        url: "https://github.com/acme/config",
        headers: |id, secret, body| {
            vec![
                ("x-github-event", "push".to_owned()),
                ("x-github-delivery", id.to_owned()),
                ("x-hub-signature-256", format!("sha256={}", hmac(secret, body))),
            ]
        },
        body: |id, url, reference| json!({"ref": reference, "after": id, "repository": {"full_name": "acme/config", "clone_url": format!("{url}.git")}}),
    },
    Forge {
        name: "GitLab",
        url: "git@gitlab.com:acme/net/config.git",
        headers: |id, secret, _| {
            vec![
                ("x-gitlab-event", "Push Hook".to_owned()),
                ("idempotency-key", id.to_owned()),
                ("x-gitlab-token", secret.to_owned()),
            ]
        },
        body: |id, url, reference| {
            json!({"object_kind": "push", "after": id, "ref": reference, "project": {
                "git_ssh_url": url, "git_http_url": "https://gitlab.example/acme/net/config.git"}})
        },
    },
    Forge {
        name: "Azure DevOps",
        url: "https://dev.azure.com/acme/net/_git/config",
        headers: |_, secret, _| {
            let credentials = base64::engine::general_purpose::STANDARD.encode(format!("hook:{secret}"));
            vec![("authorization", format!("Basic {credentials}"))]
        },
        body: |id, url, reference| {
            json!({"subscriptionId": "s", "notificationId": id, "eventType": "git.push", "resource": {
                "refUpdates": [{"name": reference, "oldObjectId": "a", "newObjectId": "b"}],
                "repository": {"name": "config", "remoteUrl": url}}})
        },
    },
    Forge {
        name: "Bitbucket Cloud",
        url: "https://bitbucket.org/acme/config",
        headers: |id, secret, body| {
            vec![
                ("x-event-key", "repo:push".to_owned()),
                ("x-request-uuid", id.to_owned()),
                ("x-hub-signature", format!("sha256={}", hmac(secret, body))),
            ]
        },
        body: |id, url, reference| {
            json!({"repository": {"links": {"html": {"href": url}}}, "push": {"changes": [
                {"new": {"type": "branch", "name": branch(reference), "target": {"hash": id}}, "old": null}]}})
        },
    },
    Forge {
        name: "Bitbucket Data Center",
        url: "ssh://git@bitbucket.example:7999/net/config.git",
        headers: |id, secret, body| {
            vec![
                ("x-event-key", "repo:refs_changed".to_owned()),
                ("x-request-id", id.to_owned()),
                ("x-hub-signature", format!("sha256={}", hmac(secret, body))),
            ]
        },
        body: |id, url, reference| {
            json!({"repository": {"slug": "config", "links": {"clone": [{"href": url, "name": "ssh"}]}},
                "changes": [{"ref": {"id": reference, "type": "BRANCH"}, "toHash": id, "type": "UPDATE"}]})
        },
    },
    Forge {
        name: "Gitea",
        url: "https://gitea.example/acme/config",
        headers: |id, secret, body| {
            let signature = hmac(secret, body);
            vec![
                ("x-gitea-event", "push".to_owned()),
                ("x-github-event", "push".to_owned()),
                ("x-gitea-delivery", id.to_owned()),
                ("x-hub-signature-256", format!("sha256={signature}")),
                ("x-gitea-signature", signature),
            ]
        },
        body: |id, url, reference| json!({"ref": reference, "after": id, "repository": {"html_url": url}}),
    },
    Forge {
        name: "Forgejo",
        url: "https://codeberg.org/acme/config",
        headers: |id, secret, body| {
            vec![
                ("x-forgejo-event", "push".to_owned()),
                ("x-forgejo-delivery", id.to_owned()),
                ("x-forgejo-signature", hmac(secret, body)),
            ]
        },
        body: |id, url, reference| json!({"ref": reference, "after": id, "repository": {"clone_url": url}}),
    },
];

impl Forge {
    fn hook(&self) -> Hook {
        Hook::new(SecretSource::Given(Secret::new(SECRET.to_owned())), self.url, Some("main"))
    }

    /// Delivers a push, with the headers changed by a test.
    fn deliver(&self, hook: &Hook, (id, secret): (&str, &str), body: &Value) -> Verdict {
        let body = body.to_string().into_bytes();
        hook.judge(&map((self.headers)(id, secret, &body)), &body)
    }

    fn push(&self, id: &str, reference: &str) -> Value {
        (self.body)(id, self.url, reference)
    }
}

fn map(headers: Headers) -> HeaderMap {
    headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
}

#[test]
fn a_push_to_the_config_branch_wakes_once() {
    for forge in FORGES {
        let hook = forge.hook();
        let push = forge.push("1", MAIN);
        assert_eq!(forge.deliver(&hook, ("1", SECRET), &push), Verdict::Wakes, "{}", forge.name);
        assert_eq!(forge.deliver(&hook, ("1", SECRET), &push), Verdict::Replayed, "{}", forge.name);
        // The id is in a header, which nobody signed: the body is what was seen.
        assert_eq!(forge.deliver(&hook, ("2", SECRET), &push), Verdict::Replayed, "{}", forge.name);
        assert_eq!(forge.deliver(&hook, ("3", SECRET), &forge.push("3", MAIN)), Verdict::Wakes, "{}", forge.name);
    }
}

#[test]
fn a_push_to_something_else_wakes_nobody() {
    for forge in FORGES {
        let hook = forge.hook();
        let deliver = |id: &str, body: Value| forge.deliver(&hook, (id, SECRET), &body);
        assert_eq!(deliver("1", forge.push("1", "refs/heads/feature")), Verdict::Ignored, "{}", forge.name);
        // Our own status must not wake us, or every pass would follow one.
        assert_eq!(
            deliver("2", forge.push("2", "refs/heads/privlink/status/prod")),
            Verdict::Ignored,
            "{}",
            forge.name
        );
        let elsewhere = (forge.body)("3", "https://github.com/acme/other", MAIN);
        let verdict = deliver("3", elsewhere);
        assert!(verdict == Verdict::Ignored, "{}: {verdict:?}", forge.name);
        assert_eq!(
            deliver("4", forge.push("4", "refs/heads/privlink/approvals/prod")),
            Verdict::Wakes,
            "{}",
            forge.name
        );
    }
}

#[test]
fn a_delivery_that_is_not_signed_or_not_with_our_secret_is_refused_and_uses_nothing_up() {
    for forge in FORGES {
        let hook = forge.hook();
        let push = forge.push("1", MAIN);
        let body = push.to_string().into_bytes();
        for wrong in ["another secret of somebody", "", "a secret of the webhool", "a secret of the webhook "] {
            let verdict = forge.deliver(&hook, ("1", wrong), &push);
            assert_eq!(verdict, Verdict::Refused, "{} with {wrong:?}", forge.name);
        }
        let bare =
            ["x-hub-signature-256", "x-hub-signature", "x-gitea-signature", "x-forgejo-signature", "x-gitlab-token"];
        let mut headers = map((forge.headers)("1", SECRET, &body));
        for name in bare {
            headers.remove(name);
        }
        if forge.name != "Azure DevOps" {
            assert_eq!(hook.judge(&headers, &body), Verdict::Refused, "{} without its proof", forge.name);
            let changed = [&body[..], b" "].concat();
            let signed = map((forge.headers)("1", SECRET, &body));
            if forge.name != "GitLab" {
                assert_eq!(hook.judge(&signed, &changed), Verdict::Refused, "{} with another body", forge.name);
            }
        }
        assert_eq!(forge.deliver(&hook, ("1", SECRET), &push), Verdict::Wakes, "{}", forge.name);
    }
}

#[test]
fn what_is_no_push_or_no_json_is_nothing_and_a_stranger_is_nobody() {
    for forge in FORGES {
        let hook = forge.hook();
        let body = b"payload=%7B%7D";
        assert_eq!(hook.judge(&map((forge.headers)("1", SECRET, body)), body), Verdict::Refused, "{}", forge.name);
        let ping = json!({"zen": "Keep it logically awesome.", "subscriptionId": "s", "notificationId": 2});
        assert_eq!(forge.deliver(&hook, ("2", SECRET), &ping), Verdict::Ignored, "{}", forge.name);
    }
    let hook = FORGES[0].hook();
    assert_eq!(hook.judge(&HeaderMap::new(), b"{}"), Verdict::Refused);
}

#[test]
fn a_secret_in_a_file_is_read_for_each_delivery() {
    let file = std::env::temp_dir().join(format!("privlink-webhook-{}", std::process::id()));
    let forge = &FORGES[0];
    let hook = Hook::new(SecretSource::File(file.clone()), forge.url, None);
    assert_eq!(forge.deliver(&hook, ("1", SECRET), &forge.push("1", MAIN)), Verdict::Refused, "there is none");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    assert_eq!(forge.deliver(&hook, ("1", SECRET), &forge.push("1", MAIN)), Verdict::Wakes);
    std::fs::write(&file, "short").unwrap();
    assert_eq!(forge.deliver(&hook, ("2", "short"), &forge.push("2", MAIN)), Verdict::Refused, "it can be guessed");
    std::fs::remove_file(&file).unwrap();
}
