//! Azure DevOps: pull requests, threads, statuses of pull requests. Source: Azure DevOps Services REST API 7.1, Git.

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
use crate::forge::MOST_PULL_REQUESTS;
use crate::forge::OpenPullRequests;
use crate::forge::PAGE;
use crate::forge::StatusSet;
use crate::forge::Statuses;
use crate::forge::address::ApiUrl;
use crate::forge::error::ForgeError;
use crate::forge::error::Purpose;
use crate::forge::json;
use crate::forge::send::Repeat;
use crate::forge::send::Sender;

const READ: &str = "the permission Read of the repository (scope Code: Read)";
const WRITE: &str = "the permission Contribute to pull requests of the repository (scope Code: Read & Write)";

/// The version of the API.
const VERSION: &str = "7.1";

/// A repository of Azure DevOps.
#[derive(Debug)]
pub(crate) struct AzureDevOps {
    pub(crate) sender: Sender,
    pub(crate) collection: ApiUrl,
    pub(crate) project: String,
    pub(crate) repository: String,
}

fn purpose(what: String, right: &'static str) -> Purpose {
    Purpose { forge: ForgeKind::AzureDevOps, what, right }
}

impl AzureDevOps {
    /// Something of the repository, with the version that is asked for.
    fn url(&self, path: &[&str]) -> Url {
        let base = [self.project.as_str(), "_apis", "git", "repositories", &self.repository];
        let mut url = self.collection.join(&[&base, path].concat());
        url.query_pairs_mut().append_pair("api-version", VERSION);
        url
    }

    fn of(&self, number: u64, path: &[&str]) -> Url {
        self.url(&[&["pullRequests", number.to_string().as_str()], path].concat())
    }

    async fn get(&self, purpose: &Purpose, url: Url) -> Result<Json, ForgeError> {
        Ok(self.sender.get(purpose, url).await?.json)
    }

    /// A list that comes whole.
    async fn list(&self, purpose: &Purpose, url: Url) -> Result<Vec<Json>, ForgeError> {
        self.sender.get(purpose, url).await?.list(purpose, Some("value"))
    }

    pub(crate) async fn me(&self) -> Result<Account, ForgeError> {
        let purpose = purpose("find out whose token it is".to_owned(), READ);
        let mut url = self.collection.join(&["_apis", "connectionData"]);
        // There never was but a preview of it.
        url.query_pairs_mut().append_pair("api-version", "7.1-preview.1");
        let json = self.get(&purpose, url).await?;
        json::read(&purpose, &json, "account", |json| {
            let user = json.get("authenticatedUser")?;
            let name = json::text(user, "/providerDisplayName").or_else(|| json::text(user, "/customDisplayName"));
            let is_bot = json::text(user, "/subjectDescriptor").is_some_and(is_service);
            Some(Account { id: json::id(user, "/id")?, name: name.unwrap_or("the token's account").to_owned(), is_bot })
        })
    }

    async fn read(&self, number: u64) -> Result<Json, ForgeError> {
        self.get(&purpose(format!("read pull request {number}"), READ), self.of(number, &[])).await
    }

    pub(crate) async fn pull_request(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let purpose = purpose(format!("read pull request {number}"), READ);
        json::read(&purpose, &self.read(number).await?, "pull request", |json| self.of_json(json))
    }

    fn of_json(&self, json: &Json) -> Option<PullRequest> {
        let number = json.get("pullRequestId")?.as_u64()?;
        let page = self.collection.join(&[&self.project, "_git", &self.repository, "pullrequest", &number.to_string()]);
        pull_request(json, number, page.to_string())
    }

    pub(crate) async fn open_pull_requests(&self, base: &str) -> Result<OpenPullRequests, ForgeError> {
        let purpose = purpose(format!("list the pull requests for {base}"), READ);
        let target = format!("refs/heads/{base}");
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let mut url = self.url(&["pullRequests"]);
            url.query_pairs_mut()
                .append_pair("searchCriteria.status", "active")
                .append_pair("searchCriteria.targetRefName", &target)
                .append_pair("$top", &PAGE.to_string())
                .append_pair("$skip", &read.to_string());
            let page = self.list(&purpose, url).await?;
            let is_last = page.len() < PAGE;
            read += page.len();
            // One whose merge was not tried yet has no head.
            let has_head = |json: &&Json| json::text(json, "/lastMergeSourceCommit/commitId").is_some();
            let page: Vec<Json> = page.iter().filter(has_head).cloned().collect();
            found.extend(json::read_all(&purpose, &page, ("pull request", |json: &Json| self.of_json(json)))?);
            if is_last || read >= MOST_PULL_REQUESTS {
                found.sort_by_key(|pull| std::cmp::Reverse(pull.number));
                return Ok(OpenPullRequests { found, is_complete: is_last });
            }
        }
    }

    pub(crate) async fn comments(&self, pull: &PullRequest) -> Result<Vec<Comment>, ForgeError> {
        let purpose = purpose(format!("read the comments of pull request {}", pull.number), READ);
        let mut threads = self.list(&purpose, self.of(pull.number, &["threads"])).await?;
        threads.sort_by_key(|thread| thread.get("id").and_then(Json::as_u64));
        Ok(threads.iter().flat_map(|thread| comments_of(thread, pull)).collect())
    }

    pub(crate) async fn create_comment(&self, pull: &PullRequest, body: &str) -> Result<Comment, ForgeError> {
        let purpose = purpose(format!("write a comment on pull request {}", pull.number), WRITE);
        // Without a status the thread is no question that somebody must resolve before the merge.
        let thread = json!({"comments": [{"parentCommentId": 0, "content": body, "commentType": "text"}]});
        let to = (Method::POST, self.of(pull.number, &["threads"]), Repeat::Never);
        let made = self.sender.write(&purpose, to, thread).await?;
        json::read(&purpose, &made, "thread", |thread| comments_of(thread, pull).into_iter().next())
    }

    pub(crate) async fn update_comment(&self, number: u64, id: &str, body: &str) -> Result<(), ForgeError> {
        let purpose = purpose(format!("edit the comment {id} of pull request {number}"), WRITE);
        let (thread, comment) =
            id.split_once('/').ok_or_else(|| ForgeError::unexpected(&purpose, "a comment is <thread>/<comment>"))?;
        let url = self.of(number, &["threads", thread, "comments", comment]);
        self.sender.write(&purpose, (Method::PATCH, url, Repeat::Safe), json!({"content": body})).await.map(drop)
    }

    /// The number of the push that brought the head.
    async fn push(&self, pull: &PullRequest) -> Result<u64, ForgeError> {
        let purpose = purpose(format!("read the pushes of pull request {}", pull.number), READ);
        let list = self.list(&purpose, self.of(pull.number, &["iterations"])).await?;
        let is_it = |own: &&Json| json::commit(own, "/sourceRefCommit/commitId").as_ref() == Some(&pull.head);
        let number = list.iter().filter(is_it).filter_map(|own| own.get("id")?.as_u64()).max();
        number.ok_or_else(|| ForgeError::unexpected(&purpose, format!("none of them brought {}", pull.head.short())))
    }

    /// The last of each context, of those of the push that brought the head.
    pub(crate) async fn statuses(&self, pull: &PullRequest) -> Result<Statuses, ForgeError> {
        let push = self.push(pull).await?;
        let purpose = purpose(format!("read the statuses of pull request {}", pull.number), READ);
        let mut list = self.list(&purpose, self.of(pull.number, &["statuses"])).await?;
        list.retain(|own| own.get("iterationId").and_then(Json::as_u64) == Some(push));
        let status = |json: &Json| {
            let (genre, name) = (json::text(json, "/context/genre")?, json::text(json, "/context/name")?);
            Some((format!("{genre}/{name}"), told(json)))
        };
        Ok(Statuses { last: json::last_of_each(&list, status), project: None, push: Some(push) })
    }

    pub(crate) async fn set_status(
        &self,
        pull: &PullRequest,
        (before, status): (&Statuses, &CommitStatus),
    ) -> Result<StatusSet, ForgeError> {
        let (genre, name) = status.context.split_once('/').unwrap_or(("privlink", &status.context));
        let state = match status.state {
            StatusState::Pending => "pending",
            StatusState::Success => "succeeded",
            StatusState::Failure => "failed",
        };
        let mut body = json!({
            "iterationId": before.push,
            "state": state,
            "description": shortened(&status.description),
            "context": {"genre": genre, "name": name},
        });
        if let Some(url) = &status.target_url {
            body["targetUrl"] = json!(url);
        }
        let what = purpose(format!("set the status {} of pull request {}", status.context, pull.number), WRITE);
        // Set twice, it is set: the last one counts.
        self.sender.write(&what, (Method::POST, self.of(pull.number, &["statuses"]), Repeat::Safe), body).await?;
        Ok(StatusSet::Set)
    }
}

/// True for the account of a service, such as that of builds.
fn is_service(descriptor: &str) -> bool {
    descriptor.starts_with("svc.")
}

fn account(json: &Json) -> Option<Account> {
    let name = json::text(json, "/displayName").unwrap_or_default().to_owned();
    let is_bot = json::text(json, "/descriptor").is_some_and(is_service);
    Some(Account { id: json::id(json, "/id")?, name, is_bot })
}

/// The comments of a thread that people can read. One is found again by thread and number.
fn comments_of(thread: &Json, pull: &PullRequest) -> Vec<Comment> {
    let is_gone = |json: &Json| json.get("isDeleted").and_then(Json::as_bool) == Some(true);
    let Some(number) = json::id(thread, "/id").filter(|_| !is_gone(thread)) else { return Vec::new() };
    let read = |json: &Json| {
        let is_written = !is_gone(json) && json::text(json, "/commentType") != Some("system");
        let body = json::text(json, "/content").filter(|_| is_written)?.to_owned();
        let id = format!("{number}/{}", json::id(json, "/id")?);
        let url = format!("{}?discussionId={number}", pull.url);
        Some(Comment { id, body, author: account(json.get("author")?)?, url })
    };
    thread.get("comments").and_then(Json::as_array).into_iter().flatten().filter_map(read).collect()
}

fn pull_request(json: &Json, number: u64, url: String) -> Option<PullRequest> {
    let is_fork = json.get("forkSource").is_some_and(|own| !own.is_null());
    // The base's repository serves the branch of a fork only as what the merge is made of.
    let head_ref =
        if is_fork { format!("refs/pull/{number}/merge") } else { json::text(json, "/sourceRefName")?.to_owned() };
    let state = match json::text(json, "/status")? {
        "completed" => PullRequestState::Merged,
        "abandoned" => PullRequestState::Closed,
        _ => PullRequestState::Open,
    };
    Some(PullRequest {
        number,
        title: json::text(json, "/title")?.to_owned(),
        url,
        state,
        author: account(json.get("createdBy")?)?,
        base_branch: json::text(json, "/targetRefName")?.strip_prefix("refs/heads/")?.to_owned(),
        head: json::commit(json, "/lastMergeSourceCommit/commitId")?,
        head_ref,
        is_fork,
        updated_at: None,
        // Of one that is open it is a merge to try, which is on no branch.
        merged_as: json::commit(json, "/lastMergeCommit/commitId").filter(|_| state == PullRequestState::Merged),
    })
}

fn told(json: &Json) -> json::Told {
    let state = match json::text(json, "/state") {
        Some("pending") => Some(StatusState::Pending),
        Some("succeeded") => Some(StatusState::Success),
        Some("failed") => Some(StatusState::Failure),
        _ => None,
    };
    json::Told::of(json, state, "/targetUrl")
}
