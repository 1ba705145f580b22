//! Remarks at lines: the annotations of a check run of the head, one run for each environment.

use http::Method;
use serde_json::Value as Json;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;

use crate::domain::failure::ErrorClass;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::Account;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::AnnotationLevel;
use crate::domain::pull_request::PullRequest;
use crate::forge::Annotated;
use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::github::purpose;
use crate::forge::json;
use crate::forge::send::Repeat;

const WRITE_CHECKS: &str = "the permission checks: write";

/// The most annotations that one request may bring.
const BATCH: usize = 50;
/// The longest message of an annotation, in bytes: GitHub takes 64 KB.
const LONGEST_MESSAGE: usize = 60_000;
/// The longest title of an annotation, in characters.
const LONGEST_TITLE: usize = 255;
/// The most check runs of one commit that are read.
const MOST_RUNS: usize = 1_000;

impl GitHub {
    /// Writes the annotations of each environment that are not there already. One that has none, and had none, gets no check run.
    pub(crate) async fn annotate(
        &self,
        (pull, me): (&PullRequest, &Account),
        remarks: &[(&EnvironmentName, Vec<Annotation>)],
    ) -> Result<Annotated, ForgeError> {
        match self.check_runs((pull, me), remarks).await {
            Err(ForgeError::Refused { refusal, .. })
                if refusal.class() == ErrorClass::Denied && refusal.status == 403 =>
            {
                let why = format!(
                    "GitHub takes remarks at lines only from apps and workflows, with {WRITE_CHECKS} ({})",
                    refusal.message
                );
                Ok(Annotated::NotTaken { why })
            }
            done => done,
        }
    }

    async fn check_runs(
        &self,
        (pull, me): (&PullRequest, &Account),
        remarks: &[(&EnvironmentName, Vec<Annotation>)],
    ) -> Result<Annotated, ForgeError> {
        let reading = purpose(format!("read the check runs of {}", pull.head.short()), WRITE_CHECKS);
        let path = ["commits", pull.head.as_str(), "check-runs"];
        let (list, _) = self.pages(&reading, (&path, &[("filter", "latest")]), (Some("check_runs"), MOST_RUNS)).await?;
        let (mut annotated, mut failed) = (Annotated::Unchanged, None);
        for (environment, annotations) in remarks {
            let (name, digest) = (name(environment), digest(annotations));
            let last = last_own(&list, me, &name);
            let is_same = last.is_some_and(|own| json::text(own, "/external_id") == Some(digest.as_str()));
            if is_same || (last.is_none() && annotations.is_empty()) {
                continue;
            }
            match self.write_run(pull, (&name, &digest), annotations).await {
                Ok(()) => annotated = Annotated::Posted,
                // What is wrong with one need not be wrong with the others.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(annotated), Err)
    }

    /// Writes a check run. Its `external_id` is the digest of all annotations, by which it is found out that they are there.
    async fn write_run(
        &self,
        pull: &PullRequest,
        (name, digest): (&str, &str),
        annotations: &[Annotation],
    ) -> Result<(), ForgeError> {
        let writing = purpose(format!("write remarks at lines of {}", pull.head.short()), WRITE_CHECKS);
        let (first, rest) = annotations.split_at(annotations.len().min(BATCH));
        let mut body = json!({
            "name": name,
            "head_sha": pull.head.as_str(),
            "status": "completed",
            "conclusion": conclusion(annotations),
            "output": output(annotations.len(), first),
        });
        // The digest comes with the last batch, so that a run that stopped half way is not taken for a whole one.
        if rest.is_empty() {
            body["external_id"] = json!(digest);
        }
        let made = self.write(&writing, (Method::POST, &["check-runs"], Repeat::Never), body).await?;
        let id = json::read(&writing, &made, "check run", |json| json::id(json, "/id"))?;
        let mut batches = rest.chunks(BATCH).peekable();
        while let Some(batch) = batches.next() {
            // An update adds its annotations to those that are there.
            let mut body = json!({"output": output(annotations.len(), batch)});
            if batches.peek().is_none() {
                body["external_id"] = json!(digest);
            }
            self.write(&writing, (Method::PATCH, &["check-runs", &id], Repeat::Never), body).await?;
        }
        Ok(())
    }
}

/// The name of the check run of an environment. Each has its own, so that whoever looks after some leaves the others alone.
fn name(environment: &EnvironmentName) -> String {
    format!("privlink/{environment}")
}

/// The newest check run of this name that our own app made: any app, and any workflow that may, can use the name.
fn last_own<'a>(list: &'a [Json], me: &Account, name: &str) -> Option<&'a Json> {
    let app = me.name.strip_suffix("[bot]").unwrap_or(&me.name);
    let is_own = |own: &&Json| json::text(own, "/name") == Some(name) && json::text(own, "/app/slug") == Some(app);
    list.iter().filter(is_own).max_by_key(|own| own.get("id").and_then(Json::as_u64))
}

/// The part of a check run that people see; `count` is of all batches.
fn output(count: usize, batch: &[Annotation]) -> Json {
    let noun = if count == 1 { "remark" } else { "remarks" };
    json!({
        "title": format!("{count} {noun} at lines"),
        "summary": "The comment on the pull request says what will happen, and to whom.",
        "annotations": batch.iter().map(wire).collect::<Vec<_>>(),
    })
}

fn conclusion(annotations: &[Annotation]) -> &'static str {
    match annotations.iter().map(|own| own.level).max() {
        Some(AnnotationLevel::Failure) => "failure",
        Some(AnnotationLevel::Warning | AnnotationLevel::Notice) => "neutral",
        None => "success",
    }
}

fn level(level: AnnotationLevel) -> &'static str {
    match level {
        AnnotationLevel::Notice => "notice",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Failure => "failure",
    }
}

fn wire(annotation: &Annotation) -> Json {
    let Annotation { path, line, level: how, title, message } = annotation;
    let end = message.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_MESSAGE).last();
    json!({
        "path": path.as_str(),
        "start_line": line,
        "end_line": line,
        "annotation_level": level(*how),
        "title": title.chars().take(LONGEST_TITLE).collect::<String>(),
        "message": &message[..end.unwrap_or(0)],
    })
}

/// What tells two sets of annotations apart.
fn digest(annotations: &[Annotation]) -> String {
    let text = Json::from_iter(annotations.iter().map(wire)).to_string();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_letters() {
        let annotation = Annotation {
            path: "a/b.yaml".parse().unwrap(),
            line: 3,
            level: AnnotationLevel::Warning,
            title: "t".repeat(300),
            message: "é".repeat(40_000),
        };
        let wire = wire(&annotation);
        assert_eq!(json::text(&wire, "/message").map(str::len), Some(60_000));
        assert_eq!(json::text(&wire, "/title").map(str::len), Some(255));
    }

    #[test]
    fn only_a_run_of_this_name_and_of_our_own_app_is_believed() {
        let run = |id: u64, name: &str, app: &str| json!({"id": id, "name": name, "app": {"slug": app}});
        let list = [
            run(1, "privlink/prod", "planner"),
            run(2, "privlink/prod", "mallory"),
            run(3, "privlink/test", "planner"),
            json!({"id": 4, "name": "privlink/prod", "app": null}),
        ];
        let me = |name: &str| Account { id: "1".to_owned(), name: name.to_owned(), is_bot: true };
        let found = |who: &str| last_own(&list, &me(who), "privlink/prod").map(|own| own["id"].clone());
        assert_eq!((found("planner[bot]"), found("github-actions[bot]")), (Some(json!(1)), None));
    }
}
