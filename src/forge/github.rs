//! GitHub, and GitHub Enterprise Server. Source: GitHub's description of its REST API, `api.github.com`.

mod checks;
mod testimony;

use http::Method;
use reqwest::Url;
use serde_json::Value as Json;
use serde_json::json;

use crate::domain::failure::ErrorClass;
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
use crate::forge::send::Call;
use crate::forge::send::Repeat;
use crate::forge::send::Sender;
use crate::forge::sign::Signer;

const READ_PULLS: &str = "the permission pull-requests: read";
const WRITE_PULLS: &str = "the permission pull-requests: write";
const WRITE_STATUSES: &str = "the permission statuses: write";

/// A repository of GitHub.
#[derive(Debug)]
pub(crate) struct GitHub {
    pub(crate) sender: Sender,
    pub(crate) api: ApiUrl,
    pub(crate) owner: String,
    pub(crate) repository: String,
}

fn purpose(what: String, right: &'static str) -> Purpose {
    Purpose { forge: ForgeKind::GitHub, what, right }
}

impl GitHub {
    fn url(&self, path: &[&str]) -> Url {
        self.api.join(&[&["repos", &self.owner, &self.repository], path].concat())
    }

    async fn write(
        &self,
        purpose: &Purpose,
        (method, path, repeat): (Method, &[&str], Repeat),
        body: Json,
    ) -> Result<Json, ForgeError> {
        self.sender.write(purpose, (method, self.url(path), repeat), body).await
    }

    async fn pages(
        &self,
        purpose: &Purpose,
        (path, query): (&[&str], &[(&str, &str)]),
        limits: (Option<&str>, usize),
    ) -> Result<(Vec<Json>, bool), ForgeError> {
        self.sender.pages(purpose, (self.url(path), query), limits).await
    }

    /// The account of a person's token is asked for; an installation's may not ask that, but who it is by GraphQL.
    pub(crate) async fn me(&self) -> Result<Account, ForgeError> {
        let purpose = purpose("find out whose token it is".to_owned(), READ_PULLS);
        if let Signer::App(app) = &self.sender.signer {
            let login = format!("{}[bot]", app.slug(&self.sender).await?);
            let answer = self.sender.get(&purpose, self.api.join(&["users", &login])).await?;
            return json::read(&purpose, &answer.json, "account", account);
        }
        match self.sender.get(&purpose, self.api.join(&["user"])).await {
            Ok(answer) => json::read(&purpose, &answer.json, "account", account),
            Err(error) if error.class() == ErrorClass::Denied && !is_of_nobody(&error) => self.viewer(&purpose).await,
            Err(error) => Err(error),
        }
    }

    async fn viewer(&self, purpose: &Purpose) -> Result<Account, ForgeError> {
        let body = Some(json!({"query": "query { viewer { login databaseId } }"}));
        let url = graphql(&self.api);
        let call = Call { purpose: purpose.clone(), method: Method::POST, url, body, repeat: Repeat::Safe };
        let answer = self.sender.send(&call).await?;
        json::read(purpose, &answer.json, "account", |json| {
            Some(Account {
                id: json::id(json, "/data/viewer/databaseId")?,
                name: json::text(json, "/data/viewer/login")?.to_owned(),
                // A person's token may ask for its account.
                is_bot: true,
            })
        })
    }

    pub(crate) async fn pull_request(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let purpose = purpose(format!("read pull request {number}"), READ_PULLS);
        let answer = self.sender.get(&purpose, self.url(&["pulls", &number.to_string()])).await?;
        json::read(&purpose, &answer.json, "pull request", pull_request)
    }

    pub(crate) async fn open_pull_requests(&self, base: &str) -> Result<OpenPullRequests, ForgeError> {
        let purpose = purpose(format!("list the pull requests for {base}"), READ_PULLS);
        let query = [("state", "open"), ("base", base), ("sort", "created"), ("direction", "desc")];
        let (list, is_complete) = self.pages(&purpose, (&["pulls"], &query), (None, MOST_PULL_REQUESTS)).await?;
        let found = json::read_all(&purpose, &list, ("pull request", pull_request))?;
        Ok(OpenPullRequests { found, is_complete })
    }

    pub(crate) async fn comments(&self, pull: &PullRequest) -> Result<Vec<Comment>, ForgeError> {
        let purpose = purpose(format!("read the comments of pull request {}", pull.number), READ_PULLS);
        let path = ["issues", &pull.number.to_string(), "comments"];
        let (list, is_complete) = self.pages(&purpose, (&path, &[]), (None, MOST_COMMENTS)).await?;
        if !is_complete {
            return Err(ForgeError::unexpected(&purpose, format!("there are more than {MOST_COMMENTS}")));
        }
        json::read_all(&purpose, &list, ("comment", comment))
    }

    pub(crate) async fn create_comment(&self, pull: &PullRequest, body: &str) -> Result<Comment, ForgeError> {
        let purpose = purpose(format!("write a comment on pull request {}", pull.number), WRITE_PULLS);
        let path = ["issues", &pull.number.to_string(), "comments"];
        let made = self.write(&purpose, (Method::POST, &path, Repeat::Never), json!({"body": body})).await?;
        json::read(&purpose, &made, "comment", comment)
    }

    pub(crate) async fn update_comment(&self, id: &str, body: &str) -> Result<(), ForgeError> {
        let purpose = purpose(format!("edit the comment {id}"), WRITE_PULLS);
        let path = ["issues", "comments", id];
        self.write(&purpose, (Method::PATCH, &path, Repeat::Safe), json!({"body": body})).await.map(drop)
    }

    /// The last of each context, as GitHub itself puts them together.
    pub(crate) async fn statuses(&self, pull: &PullRequest) -> Result<Statuses, ForgeError> {
        let purpose = purpose(format!("read the statuses of {}", pull.head.short()), WRITE_STATUSES);
        let path = ["commits", pull.head.as_str(), "status"];
        let (list, _) = self.pages(&purpose, (&path, &[]), (Some("statuses"), MOST_CONTEXTS)).await?;
        let status = |json: &Json| Some((json::text(json, "/context")?.to_owned(), told(json)));
        Ok(Statuses { last: json::last_of_each(&list, status), project: None, push: None })
    }

    pub(crate) async fn set_status(&self, pull: &PullRequest, status: &CommitStatus) -> Result<StatusSet, ForgeError> {
        let context = &status.context;
        let what = format!("set the status {context} of {}", pull.head.short());
        let state = match status.state {
            StatusState::Pending => "pending",
            StatusState::Success => "success",
            StatusState::Failure => "failure",
        };
        let mut body = json!({"state": state, "context": context, "description": shortened(&status.description)});
        if let Some(url) = &status.target_url {
            body["target_url"] = json!(url);
        }
        // Set twice, it is set: the last one counts.
        let path = ["statuses", pull.head.as_str()];
        self.write(&purpose(what, WRITE_STATUSES), (Method::POST, &path, Repeat::Safe), body).await?;
        Ok(StatusSet::Set)
    }
}

/// True if the token was refused as such.
fn is_of_nobody(error: &ForgeError) -> bool {
    matches!(error, ForgeError::Refused { refusal, .. } if refusal.status == 401)
}

/// `https://api.github.com/graphql`, or `https://<host>/api/graphql` of an Enterprise Server.
fn graphql(api: &ApiUrl) -> Url {
    let mut url = api.join(&[]);
    let path = api.url().path().trim_end_matches('/');
    url.set_path(&format!("{}/graphql", path.strip_suffix("/v3").unwrap_or(path)));
    url
}

fn account(json: &Json) -> Option<Account> {
    let name = json::text(json, "/login")?.to_owned();
    Some(Account { id: json::id(json, "/id")?, name, is_bot: json::text(json, "/type") != Some("User") })
}

/// The account at a field. That of somebody who left GitHub is null.
fn account_at(json: &Json, field: &str) -> Account {
    let ghost = || Account { id: String::new(), name: "ghost".to_owned(), is_bot: false };
    json.get(field).and_then(account).unwrap_or_else(ghost)
}

fn comment(json: &Json) -> Option<Comment> {
    let body = json::text(json, "/body").unwrap_or_default().to_owned();
    let url = json::text(json, "/html_url")?.to_owned();
    Some(Comment { id: json::id(json, "/id")?, body, author: account_at(json, "user"), url })
}

fn pull_request(json: &Json) -> Option<PullRequest> {
    let number = json.get("number")?.as_u64()?;
    let state = match json::text(json, "/state")? {
        "open" => PullRequestState::Open,
        _ if json::text(json, "/merged_at").is_some() => PullRequestState::Merged,
        _ => PullRequestState::Closed,
    };
    let base = json::id(json, "/base/repo/id")?;
    // Of one that is open it is a merge to try, which is on no branch.
    let merged_as = json::commit(json, "/merge_commit_sha").filter(|_| state == PullRequestState::Merged);
    Some(PullRequest {
        number,
        title: json::text(json, "/title")?.to_owned(),
        url: json::text(json, "/html_url")?.to_owned(),
        state,
        author: account_at(json, "user"),
        base_branch: json::text(json, "/base/ref")?.to_owned(),
        head: json::commit(json, "/head/sha")?,
        head_ref: format!("refs/pull/{number}/head"),
        // The repository of a fork that was deleted is null.
        is_fork: json::id(json, "/head/repo/id") != Some(base),
        updated_at: json::text(json, "/updated_at").and_then(|at| at.parse().ok()),
        merged_as,
    })
}

fn told(json: &Json) -> json::Told {
    let state = match json::text(json, "/state") {
        Some("pending") => Some(StatusState::Pending),
        Some("success") => Some(StatusState::Success),
        Some("failure") => Some(StatusState::Failure),
        _ => None,
    };
    json::Told::of(json, state, "/target_url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphql_is_beside_the_rest() {
        let of = |text: &str| graphql(&ApiUrl::parse(text).unwrap()).to_string();
        assert_eq!(of("https://api.github.com"), "https://api.github.com/graphql");
        assert_eq!(of("https://ghe.example/api/v3/"), "https://ghe.example/api/graphql");
    }
}
