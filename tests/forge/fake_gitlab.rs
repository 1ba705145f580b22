//! GitLab, as version 4 of its REST API is documented.

use serde_json::Value as Json;
use serde_json::json;

use super::fake::Answer;
use super::fake::Asked;
use super::fake::Note;
use super::fake::Pull;
use super::fake::Status;
use super::fake::User;
use super::fake::WHEN;
use super::fake::World;
use super::stage::ME;

fn refused(status: u16, message: &str) -> Answer {
    Answer::new(status, json!({"message": message}))
}

fn user(user: &User) -> Json {
    json!({"id": user.id, "username": user.login, "name": user.login, "state": "active", "web_url": "https://gitlab.example/u"})
}

fn merge_request(world: &World, pull: &Pull) -> Json {
    let state = if pull.state == "open" { "opened" } else { pull.state };
    json!({"id": 9000 + pull.number, "iid": pull.number, "title": "Move orders", "state": state, "author": user(world.user(pull.author)),
           "target_branch": pull.base, "source_branch": "change", "sha": pull.heads.last(), "project_id": 7, "target_project_id": 7,
           "source_project_id": if pull.is_fork { 8 } else { 7 },
           "web_url": format!("https://gitlab.example/acme/config/-/merge_requests/{}", pull.number)})
}

fn note(world: &World, note: &Note) -> Json {
    json!({"id": note.id, "body": note.body, "author": user(world.user(note.author)), "created_at": WHEN, "system": false,
           "noteable_type": "MergeRequest"})
}

fn status(status: &Status) -> Json {
    json!({"id": status.id, "sha": status.of.0, "ref": "change", "status": status.state, "name": status.context,
           "target_url": status.target, "description": status.description, "created_at": WHEN})
}

/// A page: 20 entries unless more are asked for, 100 at most. The newest comes first unless `sort` says otherwise.
fn page(asked: &Asked, mut list: Vec<Json>) -> Answer {
    if asked.param("sort") != "asc" {
        list.reverse();
    }
    let number = |name: &str, default: usize| asked.param(name).parse().unwrap_or(default);
    let (size, page) = (number("per_page", 20).min(100), number("page", 1));
    let next = if list.len() > page * size { (page + 1).to_string() } else { String::new() };
    let shown: Vec<&Json> = list.iter().skip((page - 1) * size).take(size).collect();
    let mut answer = Answer::new(200, json!(shown));
    answer.headers.push(("x-next-page", next));
    answer
}

pub(crate) fn answer(world: &mut World, asked: &Asked) -> Answer {
    let token = asked.header("private-token");
    let Some(me) = world.users.iter().find(|user| user.token == token).cloned() else {
        return refused(401, "401 Unauthorized");
    };
    let (method, path) = asked.route();
    if method != "GET" && !me.rights.contains("api") {
        return Answer::new(
            403,
            json!({"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.", "scope": "api"}),
        );
    }
    match (method, &path[..]) {
        ("GET", ["api", "v4", "user"]) => Answer::new(200, with_bot(&me)),
        // The project by its path, escaped into one segment, or by its number; 8 is the fork, of somebody else.
        (_, ["api", "v4", "projects", "acme/config" | "7", rest @ ..]) => project(world, asked, (&me, rest)),
        (_, ["api", "v4", "projects", "8", ..]) => refused(403, "403 Forbidden"),
        _ => refused(404, "404 Project Not Found"),
    }
}

fn with_bot(own: &User) -> Json {
    let mut json = user(own);
    json["bot"] = json!(own.is_bot);
    json
}

fn project(world: &mut World, asked: &Asked, (me, path): (&User, &[&str])) -> Answer {
    let number = |text: &str| text.parse::<u64>().ok();
    let find = |world: &World, text: &str| number(text).and_then(|n| world.pull(n)).cloned();
    match (asked.method.as_str(), path) {
        ("GET", ["merge_requests"]) => {
            let is_asked = |own: &&Pull| {
                (asked.param("state") != "opened" || own.state == "open")
                    && (asked.param("target_branch").is_empty() || own.base == asked.param("target_branch"))
            };
            page(asked, world.pulls.iter().filter(is_asked).map(|own| merge_request(world, own)).collect())
        }
        (_, ["merge_requests", n, ..]) if find(world, n).is_none() => refused(404, "404 Not found"),
        ("GET", ["merge_requests", n]) => Answer::new(200, merge_request(world, &find(world, n).unwrap())),
        ("GET", ["merge_requests", n, "notes"]) => {
            let mut list: Vec<Json> = world.seen_notes(number(n).unwrap()).map(|own| note(world, own)).collect();
            let pushed =
                json!({"id": 1, "body": "added 1 commit", "author": user(me), "system": true, "created_at": WHEN});
            list.insert(0, pushed);
            page(asked, list)
        }
        ("POST", ["merge_requests", n, "notes"]) => {
            let Some(body) = asked.text("body") else { return refused(400, "400 Bad request - body is missing") };
            let id = world.write_note(number(n).unwrap(), me.id, body);
            let made = world.notes.iter().find(|own| own.id == id).unwrap();
            Answer::new(201, note(world, made))
        }
        ("PUT", ["merge_requests", _, "notes", id]) => {
            let own = world.notes.iter_mut().find(|own| own.id.to_string() == *id);
            let Some(own) = own else { return refused(404, "404 Note Not Found") };
            if own.author != me.id {
                return refused(403, "403 Forbidden");
            }
            own.body = asked.text("body").unwrap().to_owned();
            own.edits += 1;
            let own = own.clone();
            Answer::new(200, note(world, &own))
        }
        ("GET", ["repository", "commits", sha, "statuses"]) => {
            let named = asked.param("name");
            let is_asked = |own: &&Status| own.of.0 == *sha && (named.is_empty() || own.context == named);
            // The last of each name.
            let mut latest: Vec<&Status> = Vec::new();
            for own in world.statuses.iter().filter(is_asked) {
                latest.retain(|other| other.context != own.context);
                latest.push(own);
            }
            page(asked, latest.into_iter().map(status).collect())
        }
        ("POST", ["statuses", sha]) => set_status(world, asked, sha),
        _ => refused(404, "404 Not Found"),
    }
}

/// A status is a job: one that has not ended goes on, one that has ended is followed by a new one.
fn set_status(world: &mut World, asked: &Asked, sha: &str) -> Answer {
    let Some(state @ ("pending" | "running" | "success" | "failed" | "canceled" | "skipped")) = asked.text("state")
    else {
        return refused(400, "state does not have a valid value");
    };
    let context = asked.text("name").or_else(|| asked.text("context")).unwrap_or("default").to_owned();
    let is_waiting = |own: &&mut Status| {
        own.of.0 == sha && own.context == context && matches!(own.state.as_str(), "pending" | "running")
    };
    let description = asked.text("description").map_or(Json::Null, Json::from);
    let target = asked.text("target_url").map_or(Json::Null, Json::from);
    if let Some(own) = world.statuses.iter_mut().find(is_waiting) {
        if state == "pending" {
            let message = format!(
                "Cannot transition status via :enqueue from :{} (Reason(s): Status cannot transition via \"enqueue\")",
                own.state
            );
            return refused(400, &message);
        }
        (own.state, own.description, own.target) = (state.to_owned(), description, target);
        return Answer::new(201, status(own));
    }
    let id = world.fresh_id();
    let made = Status {
        id,
        of: (sha.to_owned(), 0, 0),
        context,
        state: state.to_owned(),
        description,
        target,
        by: ME,
        at: world.now(),
    };
    world.statuses.push(made.clone());
    Answer::new(201, status(&made))
}
