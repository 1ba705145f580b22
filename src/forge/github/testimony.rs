//! Who agreed to a pull request, and to what, as far as GitHub proves it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::domain::commit::CommitId;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::domain::pull_request::Review;
use crate::domain::pull_request::Verdict;
use crate::domain::testimony::Contributors;
use crate::domain::testimony::PostedStatus;
use crate::domain::testimony::Testimony;
use crate::forge::MOST_COMMENTS;
use crate::forge::PAGE;
use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::github::READ_PULLS;
use crate::forge::github::WRITE_STATUSES;
use crate::forge::github::account;
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

    async fn reviews(&self, pull: &PullRequest) -> Result<Vec<Review>, ForgeError> {
        let number = pull.number.to_string();
        let purpose = purpose(format!("read the reviews of pull request {number}"), READ_PULLS);
        let (list, is_complete) =
            self.pages(&purpose, (&["pulls", &number, "reviews"], &[]), (None, MOST_COMMENTS)).await?;
        if !is_complete {
            return Err(ForgeError::unexpected(&purpose, format!("there are more than {MOST_COMMENTS}")));
        }
        Ok(last_verdicts(&list))
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

/// The last verdict of each, of reviews from the oldest to the newest. A comment takes none back; one that was dismissed takes
/// back also what the same person said before.
fn last_verdicts(list: &[Json]) -> Vec<Review> {
    let mut verdicts: BTreeMap<String, Review> = BTreeMap::new();
    for json in list {
        let Some(reviewer) = json.get("user").and_then(account) else { continue };
        let verdict = match json::text(json, "/state") {
            Some("APPROVED") => Verdict::Approved,
            Some("CHANGES_REQUESTED") => Verdict::ChangesRequested,
            Some("DISMISSED") => {
                verdicts.remove(&reviewer.id);
                continue;
            }
            _ => continue,
        };
        let commit: Option<CommitId> = json::commit(json, "/commit_id");
        let at = json::text(json, "/submitted_at").and_then(|at| at.parse().ok());
        verdicts.insert(reviewer.id.clone(), Review { reviewer, verdict, commit, at });
    }
    verdicts.into_values().collect()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_verdict_of_each_counts_and_a_dismissed_one_is_none() {
        let review = |login: &str, id: u64, state: &str, commit: char| {
            let commit = commit.to_string().repeat(40);
            json!({"user": {"id": id, "login": login, "type": "User"}, "state": state, "commit_id": commit,
                   "submitted_at": "2026-11-20T10:00:00Z"})
        };
        let list = [
            review("ann", 1, "APPROVED", 'a'),
            review("bob", 2, "APPROVED", 'a'),
            review("ann", 1, "COMMENTED", 'b'),
            review("cy", 3, "CHANGES_REQUESTED", 'a'),
            review("cy", 3, "APPROVED", 'b'),
            review("dan", 4, "APPROVED", 'a'),
            review("dan", 4, "DISMISSED", 'b'),
            review("bob", 2, "CHANGES_REQUESTED", 'b'),
            json!({"user": null, "state": "APPROVED", "commit_id": "a".repeat(40)}),
            review("eve", 5, "PENDING", 'b'),
        ];
        let shown = |own: &Review| {
            let commit = own.commit.as_ref().map(|commit| commit.as_str()[..1].to_owned());
            format!("{} {:?} {}", own.reviewer.name, own.verdict, commit.unwrap_or_default())
        };
        let found: Vec<String> = last_verdicts(&list).iter().map(shown).collect();
        assert_eq!(found, ["ann Approved a", "bob ChangesRequested b", "cy Approved b"]);
    }
}
