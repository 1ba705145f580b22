//! GitLab: merge requests, notes, pipeline statuses. Source: GitLab's description of its REST API, version 4.

use http::Method;
use reqwest::Url;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::pull_request::Account;
use crate::domain::pull_request::Comment;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::domain::pull_request::StatusState;
use crate::domain::pull_request::shortened;
use crate::forge::MOST_COMMENTS;
use crate::forge::MOST_CONTEXTS;
use crate::forge::MOST_PULL_REQUESTS;
use crate::forge::OpenPullRequests;
use crate::forge::StatusSet;
use crate::forge::Statuses;
use crate::forge::address::ApiUrl;
use crate::forge::error::ForgeError;
use crate::forge::error::Purpose;
use crate::forge::json;
use crate::forge::send::Repeat;
use crate::forge::send::Sender;

const READ: &str = "the scope read_api and the role Reporter";
const WRITE: &str = "the scope api and the role Developer";
/// A commit of a fork has its pipelines, and its statuses, in the fork.
const FORK: &str = "the scope api and the role Developer in the fork, where GitLab keeps the statuses of its commits";

/// A project of GitLab.
#[derive(Debug)]
pub(crate) struct GitLab {
    pub(crate) sender: Sender,
    pub(crate) api: ApiUrl,
    pub(crate) project: String,
}

fn purpose(what: String, right: &'static str) -> Purpose {
    Purpose { forge: ForgeKind::GitLab, what, right }
}

impl GitLab {
    fn url(&self, path: &[&str]) -> Url {
        self.of_project(&self.project, path)
    }

    fn of_project(&self, project: &str, path: &[&str]) -> Url {
        self.api.join(&[&["projects", project], path].concat())
    }

    pub(crate) async fn me(&self) -> Result<Account, ForgeError> {
        let purpose = purpose("find out whose token it is".to_owned(), READ);
        let answer = self.sender.get(&purpose, self.api.join(&["user"])).await?;
        json::read(&purpose, &answer.json, "account", account)
    }

    async fn merge_request(&self, number: u64) -> Result<Json, ForgeError> {
        let purpose = purpose(format!("read merge request {number}"), READ);
        Ok(self.sender.get(&purpose, self.url(&["merge_requests", &number.to_string()])).await?.json)
    }

    pub(crate) async fn pull_request(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let purpose = purpose(format!("read merge request {number}"), READ);
        json::read(&purpose, &self.merge_request(number).await?, "merge request", pull_request)
    }

    pub(crate) async fn open_pull_requests(&self, base: &str) -> Result<OpenPullRequests, ForgeError> {
        let purpose = purpose(format!("list the merge requests for {base}"), READ);
        let query = [("state", "opened"), ("target_branch", base), ("order_by", "created_at"), ("sort", "desc")];
        let (list, is_complete) =
            self.sender.pages(&purpose, (self.url(&["merge_requests"]), &query), (None, MOST_PULL_REQUESTS)).await?;
        // One that was opened a moment ago has no head yet.
        let has_head = |json: &&Json| json::text(json, "/sha").is_some();
        let list: Vec<Json> = list.iter().filter(has_head).cloned().collect();
        let found = json::read_all(&purpose, &list, ("merge request", pull_request))?;
        Ok(OpenPullRequests { found, is_complete })
    }

    fn notes(&self, number: u64) -> Url {
        self.url(&["merge_requests", &number.to_string(), "notes"])
    }

    pub(crate) async fn comments(&self, pull: &PullRequest) -> Result<Vec<Comment>, ForgeError> {
        let purpose = purpose(format!("read the comments of merge request {}", pull.number), READ);
        let query = [("order_by", "created_at"), ("sort", "asc")];
        let (list, is_complete) =
            self.sender.pages(&purpose, (self.notes(pull.number), &query), (None, MOST_COMMENTS)).await?;
        if !is_complete {
            return Err(ForgeError::unexpected(&purpose, format!("there are more than {MOST_COMMENTS}")));
        }
        // What GitLab itself notes, such as a push, is no comment.
        let is_written = |json: &&Json| json.get("system").and_then(Json::as_bool) != Some(true);
        let list: Vec<Json> = list.iter().filter(is_written).cloned().collect();
        json::read_all(&purpose, &list, ("note", |json: &Json| comment(json, pull)))
    }

    pub(crate) async fn create_comment(&self, pull: &PullRequest, body: &str) -> Result<Comment, ForgeError> {
        let purpose = purpose(format!("write a comment on merge request {}", pull.number), WRITE);
        let to = (Method::POST, self.notes(pull.number), Repeat::Never);
        let made = self.sender.write(&purpose, to, json!({"body": body})).await?;
        json::read(&purpose, &made, "note", |json| comment(json, pull))
    }

    pub(crate) async fn update_comment(&self, number: u64, id: &str, body: &str) -> Result<(), ForgeError> {
        let purpose = purpose(format!("edit the comment {id} of merge request {number}"), WRITE);
        let url = self.url(&["merge_requests", &number.to_string(), "notes", id]);
        self.sender.write(&purpose, (Method::PUT, url, Repeat::Safe), json!({"body": body})).await.map(drop)
    }

    /// The last of each name. GitLab says the last of a pipeline, and one commit can have several.
    pub(crate) async fn statuses(&self, pull: &PullRequest) -> Result<Statuses, ForgeError> {
        let project = match pull.is_fork {
            true => json::id(&self.merge_request(pull.number).await?, "/source_project_id"),
            false => None,
        };
        let right = if pull.is_fork { FORK } else { READ };
        let purpose = purpose(format!("read the statuses of {}", pull.head.short()), right);
        let home = project.as_ref().unwrap_or(&self.project);
        let url = self.of_project(home, &["repository", "commits", pull.head.as_str(), "statuses"]);
        let (list, _) = self.sender.pages(&purpose, (url, &[]), (None, MOST_CONTEXTS)).await?;
        let status = |json: &Json| Some((json::text(json, "/name")?.to_owned(), told(json)));
        Ok(Statuses { last: json::last_of_each(&list, status), project, push: None })
    }

    pub(crate) async fn set_status(
        &self,
        pull: &PullRequest,
        (before, status): (&Statuses, &CommitStatus),
    ) -> Result<StatusSet, ForgeError> {
        let context = &status.context;
        // GitLab's states are those of a job, and a job that waits cannot begin to wait.
        let waits = before.last.get(context).is_some_and(|last| last.state == Some(StatusState::Pending));
        if waits && status.state == StatusState::Pending {
            let why = "GitLab takes no new words for a status that is pending already".to_owned();
            return Ok(StatusSet::Kept { why });
        }
        let state = match status.state {
            StatusState::Pending => "pending",
            StatusState::Success => "success",
            StatusState::Failure => "failed",
        };
        let mut body = json!({"state": state, "name": context, "description": shortened(&status.description)});
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        let what = purpose(
            format!("set the status {context} of {}", pull.head.short()),
            if pull.is_fork { FORK } else { WRITE },
        );
        let home = before.project.as_ref().unwrap_or(&self.project);
        let url = self.of_project(home, &["statuses", pull.head.as_str()]);
        self.sender.write(&what, (Method::POST, url, Repeat::Never), body).await?;
        Ok(StatusSet::Set)
    }
}

fn account(json: &Json) -> Option<Account> {
    let name = json::text(json, "/username")?.to_owned();
    // The accounts behind tokens of projects and groups are named by a rule.
    let is_bot = json.get("bot").and_then(Json::as_bool).unwrap_or_else(|| {
        name.strip_prefix("project_").or_else(|| name.strip_prefix("group_")).is_some_and(|rest| rest.contains("_bot"))
    });
    Some(Account { id: json::id(json, "/id")?, name, is_bot })
}

fn comment(json: &Json, pull: &PullRequest) -> Option<Comment> {
    let (id, body) = (json::id(json, "/id")?, json::text(json, "/body")?.to_owned());
    let url = format!("{}#note_{id}", pull.url);
    Some(Comment { id, body, author: account(json.get("author")?)?, url })
}

fn pull_request(json: &Json) -> Option<PullRequest> {
    let number = json.get("iid")?.as_u64()?;
    Some(PullRequest {
        number,
        title: json::text(json, "/title")?.to_owned(),
        url: json::text(json, "/web_url")?.to_owned(),
        state: match json::text(json, "/state")? {
            "merged" => PullRequestState::Merged,
            "closed" => PullRequestState::Closed,
            // While it is being merged it is "locked".
            _ => PullRequestState::Open,
        },
        author: account(json.get("author")?)?,
        base_branch: json::text(json, "/target_branch")?.to_owned(),
        head: json::commit(json, "/sha")?,
        head_ref: format!("refs/merge-requests/{number}/head"),
        is_fork: json::id(json, "/source_project_id") != json::id(json, "/target_project_id"),
        updated_at: json::text(json, "/updated_at").and_then(|at| at.parse().ok()),
        // Which of them there is depends on how the project merges; without either the head itself was.
        merged_as: json::commit(json, "/merge_commit_sha").or_else(|| json::commit(json, "/squash_commit_sha")),
    })
}

fn told(json: &Json) -> json::Told {
    let state = match json::text(json, "/status") {
        Some("pending" | "running") => Some(StatusState::Pending),
        Some("success") => Some(StatusState::Success),
        Some("failed") => Some(StatusState::Failure),
        _ => None,
    };
    json::Told::of(json, state, "/target_url")
}
