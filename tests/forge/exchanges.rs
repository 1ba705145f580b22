//! Everything that is said to GitHub, on record: `tests/forge/run` judges it by GitHub's own description of its API.
//! `PRIVLINK_BLESS=1` writes the record.

use std::fs;
use std::path::Path;

use privlink::domain::pull_request::ForgeKind;
use serde_json::Value as Json;
use serde_json::json;

use super::fake::Exchange;
use super::fake::Verdict;
use super::fake::WHEN;
use super::fake_github;
use super::stage::BOB;
use super::stage::NUMBER;
use super::stage::Stage;
use super::stage::head;
use super::stage::remark;
use super::stage::waiting;
use super::stage::way;

fn shown(exchange: &Exchange) -> Json {
    let Exchange { method, path, query, body, status, answer } = exchange;
    json!({"method": method, "path": path, "query": query, "body": body, "status": status, "answer": answer})
}

/// Every call of the adapter, with what refuses it.
async fn everything() -> Vec<Exchange> {
    let mut stage = Stage::empty(ForgeKind::GitHub).await;
    let (state, at) = ("APPROVED", WHEN.to_owned());
    stage.fake.world().verdicts.push(Verdict { pull: NUMBER, user: BOB, state, commit: head(1), at });
    stage.post(&waiting("a1")).await;
    let mut many = waiting("b2");
    many.annotations = (1..=51).map(remark).collect();
    stage.post(&many).await;
    let pull = stage.forge.pull_request(NUMBER).await.unwrap();
    stage.forge.testimony(&pull).await.unwrap().unwrap();
    stage.forge.merged_pull_requests("main").await.unwrap();
    stage.forge.open_pull_requests("main").await.unwrap();
    stage.forge.pull_request(99).await.unwrap_err();
    stage.fake.world().users[0].rights.clear();
    stage.post(&waiting("c3")).await;
    let variables = [("PRIVLINK_GITHUB_APP_ID", "12"), ("PRIVLINK_GITHUB_APP_KEY_FILE", fake_github::KEY_FILE)];
    stage.forge = way(ForgeKind::GitHub, &stage.fake.address, &variables);
    stage.forge.me().await.unwrap();
    std::mem::take(&mut stage.fake.world().log)
}

#[tokio::test]
async fn the_record_of_github_is_fresh() {
    let record = everything().await;
    let text: String = record.iter().map(|own| format!("{}\n", shown(own))).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forge/github.jsonl");
    if std::env::var("PRIVLINK_BLESS").is_ok() {
        fs::write(&file, &text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "PRIVLINK_BLESS=1 cargo test the_record_of_github_is_fresh writes tests/forge/github.jsonl");
}

/// Where a number or a hash stands in a path, any other could.
fn kind_of(exchange: &Exchange) -> String {
    let is_id = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let part = |part| if is_id(part) { "*" } else { part };
    let path: Vec<&str> = exchange.path.split('/').map(part).collect();
    format!("{} {}", exchange.method, path.join("/"))
}

#[tokio::test]
async fn the_record_has_every_call() {
    let mut kinds: Vec<String> = everything().await.iter().map(kind_of).collect();
    kinds.sort();
    kinds.dedup();
    insta::assert_snapshot!(kinds.join("\n"), @"
    GET /app
    GET /repos/acme/config/commits/*/check-runs
    GET /repos/acme/config/commits/*/status
    GET /repos/acme/config/commits/*/statuses
    GET /repos/acme/config/installation
    GET /repos/acme/config/issues/*/comments
    GET /repos/acme/config/pulls
    GET /repos/acme/config/pulls/*
    GET /repos/acme/config/pulls/*/commits
    GET /repos/acme/config/pulls/*/reviews
    GET /user
    GET /users/planner[bot]
    PATCH /repos/acme/config/check-runs/*
    PATCH /repos/acme/config/issues/comments/*
    POST /app/installations/*/access_tokens
    POST /graphql
    POST /repos/acme/config/check-runs
    POST /repos/acme/config/issues/*/comments
    POST /repos/acme/config/statuses/*
    ");
}
