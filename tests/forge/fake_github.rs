//! GitHub, as its REST API is documented.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value as Json;
use serde_json::json;

use super::fake::Answer;
use super::fake::Asked;
use super::fake::Check;
use super::fake::Note;
use super::fake::Status;
use super::fake::User;
use super::fake::Verdict;
use super::fake::WHEN;
use super::fake::World;

/// The key of the app; it was made for tests and opens nothing.
const KEY: &str = include_str!("../data/certificate.pem");
pub(crate) const KEY_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/certificate.pem");
const REPOSITORY: u64 = 77;

fn refused(status: u16, message: &str) -> Answer {
    Answer::new(
        status,
        json!({"message": message, "documentation_url": "https://docs.github.example/rest", "status": status.to_string()}),
    )
}

fn user(user: &User) -> Json {
    let kind = if user.is_bot { "Bot" } else { "User" };
    let url = format!("https://github.example/users/{}", user.id);
    let mut json = json!({"login": user.login, "id": user.id, "node_id": format!("U_{}", user.id), "type": kind,
                          "site_admin": false, "gravatar_id": "", "url": url});
    let addresses = [
        "avatar_url",
        "html_url",
        "followers_url",
        "following_url",
        "gists_url",
        "starred_url",
        "subscriptions_url",
        "organizations_url",
        "repos_url",
        "events_url",
        "received_events_url",
    ];
    addresses.iter().for_each(|name| json[*name] = json!(format!("{url}/{name}")));
    json
}

fn pull(world: &World, number: u64) -> Json {
    let pull = world.pull(number).unwrap();
    let state = if pull.state == "open" { "open" } else { "closed" };
    let merged = (pull.state == "merged").then_some(WHEN);
    let written =
        world.verdicts.iter().filter(|verdict| verdict.pull == number).map(|verdict| verdict.at.as_str()).max();
    let repository = |id: u64| json!({"id": id, "name": "config", "full_name": "acme/config"});
    let from = if pull.is_fork { 78 } else { REPOSITORY };
    json!({
        "number": number, "title": "Move orders", "state": state, "merged_at": merged,
        "merge_commit_sha": world.merges.get(&number).map_or(pull.head(), String::as_str), "updated_at": written.unwrap_or(WHEN),
        "html_url": format!("https://github.example/acme/config/pull/{number}"),
        "user": user(world.user(pull.author)),
        "base": {"ref": pull.base, "sha": "0".repeat(40), "label": "acme:main", "repo": repository(REPOSITORY)},
        "head": {"ref": "change", "sha": pull.head(), "label": "acme:change", "repo": repository(from)},
    })
}

fn comment(world: &World, note: &Note) -> Json {
    json!({"id": note.id, "node_id": format!("IC_{}", note.id), "body": note.body, "user": user(world.user(note.author)),
           "created_at": WHEN, "updated_at": WHEN, "url": "https://github.example/c",
           "html_url": format!("https://github.example/acme/config/pull/{}#issuecomment-{}", note.pull, note.id),
           "issue_url": "https://github.example/i"})
}

fn status(status: &Status) -> Json {
    json!({"id": status.id, "node_id": format!("S_{}", status.id), "url": "https://github.example/s", "state": status.state,
           "context": status.context, "description": status.description, "target_url": status.target, "avatar_url": null,
           "created_at": status.at, "updated_at": status.at})
}

fn check(check: &Check) -> Json {
    json!({"id": check.id, "head_sha": check.sha, "node_id": format!("CR_{}", check.id), "external_id": check.external_id,
           "name": check.name, "app": {"id": 12, "slug": check.app, "name": check.app}, "status": "completed", "conclusion": check.conclusion,
           "output": {"annotations_count": check.annotations.len()}})
}

fn review(world: &World, verdict: &Verdict) -> Json {
    json!({"id": 1, "user": user(world.user(verdict.user)), "body": "", "state": verdict.state, "commit_id": verdict.commit,
           "submitted_at": verdict.at})
}

/// A page of a list, by documented parameters: 30 entries unless more are asked for, 100 at most.
fn page(asked: &Asked, list: &[Json], key: Option<&str>) -> Answer {
    let number = |name: &str, default: usize| asked.param(name).parse().unwrap_or(default);
    let (size, page) = (number("per_page", 30).min(100), number("page", 1));
    let shown: Vec<&Json> = list.iter().skip((page - 1) * size).take(size).collect();
    let body = match key {
        Some(key) => json!({"total_count": list.len(), key: shown}),
        None => json!(shown),
    };
    let mut answer = Answer::new(200, body);
    if list.len() > page * size {
        answer.headers.push(("link", format!("<https://elsewhere.example/?page={}>; rel=\"next\"", page + 1)));
    }
    answer
}

/// The app's own assertion, if that is what came.
fn is_assertion(token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return false };
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap()).unwrap();
    let public = key.public_key().unwrap();
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let (_, verifiers) =
        algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signed = format!("{header}.{claims}");
    let is_signed = verifiers[0].verify_signature(&public.as_ref()[24..], signed.as_bytes(), &signature).is_ok();
    let claims: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    is_signed && claims["iss"] == "12" && life <= 600
}

pub(crate) fn answer(world: &mut World, asked: &Asked) -> Answer {
    if asked.header("user-agent").is_empty() {
        return refused(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
        );
    }
    if asked.header("x-github-api-version") != "2022-11-28" || asked.header("accept") != "application/vnd.github+json" {
        return refused(400, "the version of the API is not the one that was asked for");
    }
    let Some(token) = asked.header("authorization").strip_prefix("Bearer ") else {
        return refused(401, "Requires authentication");
    };
    if is_assertion(token) {
        return answer_app(world, asked);
    }
    let is_of = |user: &&User| user.token == token;
    let is_installed = world.installation_tokens.contains(token);
    let found = world
        .users
        .iter()
        .find(is_of)
        .or_else(|| world.users.iter().find(|user| is_installed && user.login == "planner[bot]"));
    let Some(me) = found.cloned() else { return refused(401, "Bad credentials") };
    let (method, path) = asked.route();
    match (method, &path[..]) {
        ("GET", ["user"]) if me.is_bot => refused(403, "Resource not accessible by integration"),
        ("GET", ["user"]) => Answer::new(200, user(&me)),
        ("GET", ["users", login]) => match world.users.iter().find(|user| user.login == *login) {
            Some(found) => Answer::new(200, user(found)),
            None => refused(404, "Not Found"),
        },
        ("POST", ["graphql"]) => {
            let is_viewer =
                asked.text("query").is_some_and(|query| query.contains("viewer") && query.contains("databaseId"));
            assert!(is_viewer, "{asked:?}");
            Answer::new(200, json!({"data": {"viewer": {"login": me.login, "databaseId": me.id}}}))
        }
        (_, ["repos", "acme", "config", rest @ ..]) => repository(world, asked, (&me, rest)),
        _ => refused(404, "Not Found"),
    }
}

fn answer_app(world: &mut World, asked: &Asked) -> Answer {
    let (method, path) = asked.route();
    match (method, &path[..]) {
        ("GET", ["app"]) => {
            Answer::new(200, json!({"id": 12, "slug": "planner", "name": "Planner", "node_id": "A_12"}))
        }
        ("GET", ["repos", "acme", "config", "installation"]) => {
            Answer::new(200, json!({"id": 34, "app_id": 12, "app_slug": "planner"}))
        }
        ("POST", ["app", "installations", "34", "access_tokens"]) => {
            let token = format!("ghs_{}", world.installation_tokens.len());
            world.installation_tokens = BTreeSet::from([token.clone()]);
            Answer::new(201, json!({"token": token, "expires_at": world.expires_at}))
        }
        _ => refused(401, "A JSON web token could not be decoded"),
    }
}

fn repository(world: &mut World, asked: &Asked, (me, path): (&User, &[&str])) -> Answer {
    let number = |text: &str| text.parse::<u64>().ok();
    let may = |right: &str| me.rights.contains(right);
    let denied = || refused(403, "Resource not accessible by integration");
    let gone = || refused(404, "Not Found");
    match (asked.method.as_str(), path) {
        ("GET", ["pulls"]) => {
            let is_asked = |own: &&super::fake::Pull| {
                let state = if own.state == "open" { "open" } else { "closed" };
                let is_state = match asked.param("state") {
                    "all" => true,
                    "" => state == "open",
                    asked => state == asked,
                };
                is_state && (asked.param("base").is_empty() || own.base == asked.param("base"))
            };
            let mut list: Vec<Json> = world.pulls.iter().filter(is_asked).map(|own| pull(world, own.number)).collect();
            // The newest first, unless it is asked for otherwise.
            if asked.param("direction") != "asc" {
                list.reverse();
            }
            page(asked, &list, None)
        }
        ("GET", ["pulls", n]) if number(n).is_some_and(|n| world.pull(n).is_some()) => {
            Answer::new(200, pull(world, number(n).unwrap()))
        }
        ("GET", ["pulls", n, "reviews"]) => {
            let of = |own: &&Verdict| Some(own.pull) == number(n);
            let list: Vec<Json> = world.verdicts.iter().filter(of).map(|own| review(world, own)).collect();
            page(asked, &list, None)
        }
        ("GET", ["pulls", n, "commits"]) if number(n).is_some_and(|n| world.pull(n).is_some()) => {
            let pull = world.pull(number(n).unwrap()).unwrap();
            let author = world.user(pull.author);
            let person = json!({"name": author.login, "email": format!("{}@example.com", author.login), "date": WHEN});
            let commit = |sha: &String| {
                json!({"sha": sha, "node_id": format!("C_{sha}"), "url": "https://github.example/c", "parents": [],
                       "html_url": "https://github.example/c", "comments_url": "https://github.example/c",
                       "author": user(author), "committer": user(author),
                       "commit": {"author": person, "committer": person, "message": "Move orders", "comment_count": 0,
                                  "url": "https://github.example/c", "tree": {"sha": sha, "url": "https://github.example/t"}}})
            };
            page(asked, &pull.heads.iter().map(commit).collect::<Vec<_>>(), None)
        }
        ("GET", ["issues", n, "comments"]) => {
            let list: Vec<Json> = world.seen_notes(number(n).unwrap_or(0)).map(|note| comment(world, note)).collect();
            page(asked, &list, None)
        }
        ("POST", ["issues", n, "comments"]) => match (asked.text("body"), may("pull_requests")) {
            (_, false) => denied(),
            (Some(body), true) if body.chars().count() > 65_536 => {
                refused(422, "Body is too long (maximum is 65536 characters)")
            }
            (Some(body), true) if number(n).is_some_and(|n| world.pull(n).is_some()) => {
                let id = world.write_note(number(n).unwrap(), me.id, body);
                let note = world.notes.iter().find(|note| note.id == id).unwrap();
                Answer::new(201, comment(world, note))
            }
            _ => gone(),
        },
        ("PATCH", ["issues", "comments", id]) => {
            if !may("pull_requests") {
                return denied();
            }
            let Some(note) = world.notes.iter_mut().find(|note| Some(note.id) == number(id)) else { return gone() };
            note.body = asked.text("body").unwrap().to_owned();
            note.edits += 1;
            let note = note.clone();
            Answer::new(200, comment(world, &note))
        }
        ("GET" | "POST", ["commits" | "statuses", ..]) if path.last() != Some(&"check-runs") => {
            statuses(world, asked, (me, path))
        }
        _ => checks(world, asked, (me, path)),
    }
}

fn statuses(world: &mut World, asked: &Asked, (me, path): (&User, &[&str])) -> Answer {
    match (asked.method.as_str(), path) {
        ("GET", ["commits", sha, "status"]) => {
            let mut latest: Vec<&Status> = Vec::new();
            for own in world.statuses.iter().filter(|own| own.of.0 == *sha) {
                latest.retain(|other| other.context != own.context);
                latest.push(own);
            }
            let list: Vec<Json> = latest.into_iter().map(status).collect();
            page(asked, &list, Some("statuses"))
        }
        ("GET", ["commits", sha, "statuses"]) => {
            let own = world.statuses.iter().rev().filter(|own| own.of.0 == *sha);
            let with_creator = |own: &Status| {
                let mut json = status(own);
                json["creator"] = user(world.user(own.by));
                json
            };
            page(asked, &own.map(with_creator).collect::<Vec<_>>(), None)
        }
        ("POST", ["statuses", sha]) => {
            let is_known = world.pulls.iter().any(|own| own.heads.iter().any(|head| head == sha));
            let is_state = matches!(asked.text("state"), Some("error" | "failure" | "pending" | "success"));
            let is_short = asked.text("description").is_none_or(|text| text.chars().count() <= 140);
            if !me.rights.contains("statuses") {
                return refused(403, "Resource not accessible by integration");
            }
            if !is_known || !is_state || !is_short {
                return refused(422, "Validation Failed");
            }
            let made = Status {
                id: world.fresh_id(),
                of: ((*sha).to_owned(), 0, 0),
                context: asked.text("context").unwrap_or("default").to_owned(),
                state: asked.text("state").unwrap().to_owned(),
                description: asked.text("description").map_or(Json::Null, Json::from),
                target: asked.text("target_url").map_or(Json::Null, Json::from),
                by: me.id,
                at: world.now(),
            };
            world.statuses.push(made.clone());
            Answer::new(201, status(&made))
        }
        _ => refused(404, "Not Found"),
    }
}

fn checks(world: &mut World, asked: &Asked, (me, path): (&User, &[&str])) -> Answer {
    if !me.rights.contains("checks") {
        return refused(
            403,
            if me.is_bot {
                "Resource not accessible by integration"
            } else {
                "You must authenticate via a GitHub App."
            },
        );
    }
    let annotations = || {
        let list = asked.body.as_ref().and_then(|body| body.pointer("/output/annotations")?.as_array().cloned());
        list.unwrap_or_default()
    };
    if annotations().len() > 50 {
        return refused(422, "Invalid request. No more than 50 items are allowed; more were supplied.");
    }
    match (asked.method.as_str(), path) {
        ("GET", ["commits", sha, "check-runs"]) => {
            let mut latest: Vec<&Check> = Vec::new();
            for own in world.checks.iter().filter(|own| own.sha == *sha) {
                if asked.param("filter") != "all" {
                    latest.retain(|other| (&other.name, &other.app) != (&own.name, &own.app));
                }
                latest.push(own);
            }
            page(asked, &latest.into_iter().map(check).collect::<Vec<_>>(), Some("check_runs"))
        }
        ("POST", ["check-runs"]) => {
            let made = Check {
                id: world.fresh_id(),
                name: asked.text("name").unwrap().to_owned(),
                app: me.login.trim_end_matches("[bot]").to_owned(),
                sha: asked.text("head_sha").unwrap().to_owned(),
                external_id: asked.text("external_id").map_or(Json::Null, Json::from),
                conclusion: asked.text("conclusion").map_or(Json::Null, Json::from),
                annotations: annotations(),
            };
            world.checks.push(made.clone());
            Answer::new(201, check(&made))
        }
        ("PATCH", ["check-runs", id]) => {
            let Some(own) = world.checks.iter_mut().find(|own| own.id.to_string() == *id) else {
                return refused(404, "Not Found");
            };
            own.annotations.extend(annotations());
            if let Some(id) = asked.text("external_id") {
                own.external_id = Json::from(id);
            }
            Answer::new(200, check(own))
        }
        _ => refused(404, "Not Found"),
    }
}
