//! Who agreed to a pull request, and to what, as far as GitHub proves it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::domain::pull_request::Verdict;
use crate::domain::testimony::Contributors;
use crate::domain::testimony::PostedStatus;
use crate::domain::testimony::Testimony;
use crate::forge::PAGE;
use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::github::READ_PULLS;
use crate::forge::github::WRITE_STATUSES;
use crate::forge::github::account_at;
use crate::forge::github::pull_request;
use crate::forge::github::purpose;
use crate::forge::json;

/// The most commits of a pull request that GitHub lists (REST API, "List commits on a pull request").
const MOST_COMMITS: usize = 250;
/// The most statuses that one commit and context can have (REST API, "Create a commit status").
const MOST_STATUSES: usize = 1_000;

impl GitHub {
    /// The pull requests that were merged into a branch, those that something happened to last.
    pub(crate) async fn merged_pull_requests(&self, base: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let purpose = purpose(format!("list the pull requests that were merged into {base}"), READ_PULLS);
        let query = [("state", "closed"), ("base", base), ("sort", "updated"), ("direction", "desc")];
        let (list, _) = self.pages(&purpose, (&["pulls"], &query), (None, PAGE)).await?;
        let closed = json::read_all(&purpose, &list, ("pull request", pull_request))?;
        Ok(closed.into_iter().filter(|pull| pull.state == PullRequestState::Merged).collect())
    }

    /// One question where nobody approved, four where somebody did.
    pub(crate) async fn testimony(&self, pull: &PullRequest) -> Result<Option<Testimony>, ForgeError> {
        let reviews = self.reviews(pull).await?;
        if !reviews.iter().any(|review| review.verdict == Verdict::Approved) {
            return Ok(None);
        }
        let (me, pull) = (self.me().await?, pull.clone());
        let (statuses, contributors) = (self.every_status(&pull).await?, self.contributors(&pull).await?);
        Ok(Some(Testimony { me, pull, reviews, statuses, contributors }))
    }

    /// Also those that others of the same context came after.
    async fn every_status(&self, pull: &PullRequest) -> Result<Vec<PostedStatus>, ForgeError> {
        let purpose = purpose(format!("read who set the statuses of {}", pull.head.short()), WRITE_STATUSES);
        let path = ["commits", pull.head.as_str(), "statuses"];
        let (list, _) = self.pages(&purpose, (&path, &[]), (None, MOST_STATUSES)).await?;
        json::read_all(&purpose, &list, ("status", posted))
    }

    async fn contributors(&self, pull: &PullRequest) -> Result<Option<Contributors>, ForgeError> {
        let number = pull.number.to_string();
        let purpose = purpose(format!("read the commits of pull request {number}"), READ_PULLS);
        let path = ["pulls", &number, "commits"];
        let (list, _) = self.pages(&purpose, (&path, &[]), (None, MOST_COMMITS)).await?;
        Ok((list.len() < MOST_COMMITS).then(|| contributors(&list)))
    }
}

fn posted(json: &Json) -> Option<PostedStatus> {
    Some(PostedStatus {
        context: json::text(json, "/context")?.to_owned(),
        description: json::text(json, "/description").unwrap_or_default().to_owned(),
        by: account_at(json, "creator"),
        at: json::text(json, "/created_at")?.parse().ok()?,
    })
}

fn contributors(commits: &[Json]) -> Contributors {
    let of = |pointers: [&str; 2]| -> Vec<String> {
        commits.iter().flat_map(|json| pointers.map(|pointer| json::id(json, pointer))).flatten().collect()
    };
    let emails = of(["/commit/author/email", "/commit/committer/email"]);
    let emails: BTreeSet<String> = emails.iter().map(|email| email.to_ascii_lowercase()).collect();
    Contributors { accounts: of(["/author/id", "/committer/id"]).into_iter().collect(), emails }
}
