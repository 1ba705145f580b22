//! Azure DevOps, as version 7.1 of its REST API is documented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
    Answer::new(status, json!({"$id": "1", "message": message, "typeKey": "GitException", "errorCode": 0}))
}

fn id(user: u64) -> String {
    format!("00000000-0000-0000-0000-{user:012}")
}

fn user(user: &User) -> Json {
    let kind = if user.is_bot { "svc" } else { "aad" };
    json!({"id": id(user.id), "displayName": user.login, "uniqueName": format!("{}@acme.example", user.login),
           "descriptor": format!("{kind}.{}", user.id)})
}

fn pull_request(world: &World, pull: &Pull) -> Json {
    let status = match pull.state {
        "open" => "active",
        "merged" => "completed",
        _ => "abandoned",
    };
    let mut json = json!({"pullRequestId": pull.number, "title": "Move orders", "status": status,
        "createdBy": user(world.user(pull.author)), "sourceRefName": "refs/heads/change",
        "targetRefName": format!("refs/heads/{}", pull.base), "lastMergeSourceCommit": pull.heads.last().map(|head| json!({"commitId": head})),
        "repository": {"id": "r", "webUrl": "https://dev.azure.example/acme/net/_git/config"}});
    if pull.is_fork {
        json["forkSource"] = json!({"name": "refs/heads/change"});
    }
    json
}

fn comment(world: &World, note: &Note) -> Json {
    json!({"id": 1, "parentCommentId": 0, "author": user(world.user(note.author)), "content": note.body, "commentType": "text",
           "publishedDate": WHEN})
}

fn thread(world: &World, note: &Note) -> Json {
    json!({"id": note.id, "comments": [comment(world, note)], "isDeleted": false, "properties": null})
}

fn status(status: &Status) -> Json {
    let (genre, name) = status.context.split_once('/').unwrap();
    json!({"id": status.id, "state": status.state, "description": status.description, "targetUrl": status.target,
           "context": {"genre": genre, "name": name}, "iterationId": status.of.2})
}

fn list(list: &[Json]) -> Answer {
    Answer::new(200, json!({"count": list.len(), "value": list}))
}

pub(crate) fn answer(world: &mut World, asked: &Asked) -> Answer {
    let given = asked.header("authorization");
    let is_of = |user: &&User| {
        given == format!("Bearer {}", user.token)
            || given == format!("Basic {}", STANDARD.encode(format!(":{}", user.token)))
    };
    let Some(me) = world.users.iter().find(is_of).cloned() else {
        // The page to sign in at, unless it is told not to.
        let status = if asked.header("x-tfs-fedauthredirect") == "Suppress" { 401 } else { 203 };
        return refused(status, "TF400813: The user is not authorized to access this resource.");
    };
    let version = asked.param("api-version");
    let (method, path) = asked.route();
    match (method, &path[..]) {
        ("GET", ["acme", "_apis", "connectionData"]) if version == "7.1-preview.1" => {
            let is_bot = if me.is_bot { "svc" } else { "aad" };
            let user = json!({"id": id(me.id), "providerDisplayName": me.login, "subjectDescriptor": format!("{is_bot}.{}", me.id)});
            Answer::new(200, json!({"authenticatedUser": user}))
        }
        _ if version != "7.1" => refused(400, "No api-version was supplied or it is not known."),
        (_, ["acme", "net work", "_apis", "git", "repositories", "config", first, rest @ ..])
            if first.eq_ignore_ascii_case("pullrequests") =>
        {
            if method != "GET" && !me.rights.contains("contribute") {
                return refused(
                    403,
                    "TF401027: You need the Git 'PullRequestContribute' permission to perform this action.",
                );
            }
            pulls(world, asked, (&me, rest))
        }
        _ => refused(404, "TF200016: The following project does not exist."),
    }
}

fn set_status(world: &mut World, asked: &Asked, pull: u64) -> Answer {
    let text = |pointer: &str| asked.body.as_ref().and_then(|body| body.pointer(pointer)?.as_str());
    let iteration = asked.body.as_ref().and_then(|body| body.get("iterationId")?.as_u64()).unwrap_or(0);
    let is_state =
        matches!(text("/state"), Some("pending" | "succeeded" | "failed" | "error" | "notApplicable" | "notSet"));
    let (Some(genre), Some(name), true) = (text("/context/genre"), text("/context/name"), is_state) else {
        return refused(400, "a status has a state and a context");
    };
    let (id, at) = (world.fresh_id(), world.now());
    let made = Status {
        id,
        of: (String::new(), pull, iteration),
        context: format!("{genre}/{name}"),
        state: text("/state").unwrap().to_owned(),
        description: text("/description").map_or(Json::Null, Json::from),
        target: text("/targetUrl").map_or(Json::Null, Json::from),
        by: ME,
        at,
    };
    world.statuses.push(made.clone());
    Answer::new(200, status(&made))
}

fn pulls(world: &mut World, asked: &Asked, (me, path): (&User, &[&str])) -> Answer {
    if path.is_empty() {
        let target = asked.param("searchCriteria.targetRefName");
        let is_asked =
            |own: &&Pull| own.state == "open" && (target.is_empty() || format!("refs/heads/{}", own.base) == target);
        let number = |name: &str, default: usize| asked.param(name).parse().unwrap_or(default);
        // The newest first.
        let found: Vec<Json> = world.pulls.iter().rev().filter(is_asked).map(|own| pull_request(world, own)).collect();
        let page: Vec<Json> = found.into_iter().skip(number("$skip", 0)).take(number("$top", 101)).collect();
        return list(&page);
    }
    let found = path[0].parse::<u64>().ok().and_then(|n| world.pull(n)).cloned();
    let Some(pull) = found else { return refused(404, "TF401180: The requested pull request was not found.") };
    match (asked.method.as_str(), &path[1..]) {
        ("GET", []) => Answer::new(200, pull_request(world, &pull)),
        ("GET", ["iterations"]) => {
            let own = pull.heads.iter().enumerate();
            list(
                &own.map(|(at, head)| json!({"id": at + 1, "sourceRefCommit": {"commitId": head}})).collect::<Vec<_>>(),
            )
        }
        ("GET", ["threads"]) => {
            let mut found: Vec<Json> = world.seen_notes(pull.number).map(|own| thread(world, own)).collect();
            let vote = json!({"id": 1, "comments": [{"id": 1, "author": user(me), "content": "voted", "commentType": "system"}]});
            found.push(vote);
            found.reverse();
            list(&found)
        }
        ("POST", ["threads"]) => {
            let body = asked.body.as_ref().and_then(|body| body.pointer("/comments/0/content")?.as_str());
            let Some(body) = body else { return refused(400, "VS403684: a thread has a comment") };
            if body.encode_utf16().count() > 150_000 {
                return refused(400, "The comment is longer than 150000 characters.");
            }
            let id = world.write_note(pull.number, me.id, body);
            let made = world.notes.iter().find(|own| own.id == id).unwrap();
            Answer::new(200, thread(world, made))
        }
        ("PATCH", ["threads", id, "comments", "1"]) => {
            let own = world.notes.iter_mut().find(|own| own.id.to_string() == *id);
            let Some(own) = own else { return refused(404, "the thread is not there") };
            own.body = asked.text("content").unwrap().to_owned();
            own.edits += 1;
            let own = own.clone();
            Answer::new(200, comment(world, &own))
        }
        ("GET", ["statuses"]) => {
            list(&world.statuses.iter().filter(|own| own.of.1 == pull.number).map(status).collect::<Vec<_>>())
        }
        ("POST", ["statuses"]) => set_status(world, asked, pull.number),
        _ => refused(404, "the resource is not there"),
    }
}
