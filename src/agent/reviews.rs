//! Open pull requests, looked at by the agent itself: what each would do once merged is written into it, without inbound
//! network and without a CI system that may sign in to Azure.
//!
//! ```text
//! poll ─▶ open pull requests ─ docket ─▶ those that are due ─▶ review, post
//!                                └─▶ those that are not open any more ─▶ one last edit
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;

use crate::agent::Agent;
use crate::agent::branch::Contents;
use crate::agent::leader::Standing;
use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::PullRequest;
use crate::reconcile::attending::AttendError;
use crate::reconcile::attending::Attendant;
use crate::reconcile::attending::OpenPullRequests;
use crate::reconcile::error_chain;
use crate::reconcile::source::Loaded;

/// How often pull requests are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// The time between two looks at the list: one small request if nothing moved.
    pub interval: Duration,
    /// The time after which one that did not move is planned again, because the world may have.
    pub again: Duration,
}

/// What a review was made of: if none of it moved, only the world may have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    base: CommitId,
    head: CommitId,
    /// The heads of the other open ones, which are told where both want the same.
    others: Vec<(u64, CommitId)>,
}

/// Which pull requests are due. A pure value: the time is passed in.
#[derive(Debug, Default)]
struct Docket {
    seen: BTreeMap<u64, (Sight, Duration)>,
}

impl Docket {
    /// The open pull requests that are due, the oldest first.
    fn due<'a>(
        &self,
        base: &CommitId,
        open: &'a [PullRequest],
        (now, again): (Duration, Duration),
    ) -> Vec<&'a PullRequest> {
        let is_due = |pull: &&PullRequest| {
            let known = self.seen.get(&pull.number);
            known.is_none_or(|(sight, at)| *sight != Sight::of(base, pull, open) || now >= *at + again)
        };
        open.iter().filter(is_due).collect()
    }

    /// Those that were open, and are not any more.
    fn ended(&self, open: &[PullRequest]) -> Vec<u64> {
        let is_open = |number: &u64| open.iter().any(|pull| pull.number == *number);
        self.seen.keys().filter(|number| !is_open(number)).copied().collect()
    }

    fn reviewed(&mut self, number: u64, sight: Sight, now: Duration) {
        self.seen.insert(number, (sight, now));
    }
}

impl Sight {
    fn of(base: &CommitId, pull: &PullRequest, open: &[PullRequest]) -> Self {
        let others = open.iter().filter(|other| other.number != pull.number);
        let others = others.map(|other| (other.number, other.head.clone())).collect();
        Self { base: base.clone(), head: pull.head.clone(), others }
    }
}

/// Looks at pull requests until it is told to stop. What fails is said in the log, and tried again at the next look.
pub async fn serve(
    agent: Arc<Agent>,
    attendant: Attendant,
    rhythm: Rhythm,
    (standing, mut stop): (watch::Receiver<Standing>, watch::Receiver<bool>),
) {
    let mut desk = Desk { agent, attendant, docket: Docket::default(), began: Instant::now() };
    loop {
        // What is said here changes nothing in the world, so it may be cut off at any point.
        tokio::select! {
            () = desk.round(rhythm, &standing) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(rhythm.interval) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

struct Desk {
    agent: Arc<Agent>,
    attendant: Attendant,
    docket: Docket,
    began: Instant,
}

impl Desk {
    async fn round(&mut self, rhythm: Rhythm, standing: &watch::Receiver<Standing>) {
        if !standing.borrow().works(Instant::now()) {
            return;
        }
        if let Err(error) = self.look(rhythm).await {
            tracing::error!(error = format!("{error:#}"), "the pull requests cannot be looked at");
        }
    }

    async fn look(&mut self, rhythm: Rhythm) -> anyhow::Result<()> {
        let look = self.agent.branch.look().await?;
        // What is wrong with the settings is told by the passes.
        let Contents::Loaded(loaded) = &look.contents else { return Ok(()) };
        let Some(upstream) = &loaded.source.upstream else { return Ok(()) };
        let base = upstream.branch.as_str().trim_start_matches("refs/heads/");
        let open = self.attendant.open(base).await?;
        for number in self.docket.ended(&open.found) {
            self.end(number, loaded).await?;
        }
        let now = self.began.elapsed();
        for pull in self.docket.due(&upstream.tip, &open.found, (now, rhythm.again)) {
            if self.review(pull, &open).await {
                let sight = Sight::of(&upstream.tip, pull, &open.found);
                self.docket.reviewed(pull.number, sight, self.began.elapsed());
            }
        }
        Ok(())
    }

    /// Reviews one and writes into it; true if that came to an end.
    async fn review(&self, pull: &PullRequest, open: &OpenPullRequests) -> bool {
        let number = pull.number;
        let share = &self.agent.share;
        let is_wanted = |name: &EnvironmentName| share.of(std::iter::once(name)).contains(name);
        match self.attendant.attend(self.agent.branch.remote(), (pull, open), &is_wanted).await {
            Ok(posted) => {
                let failures = posted.failures();
                if failures.is_empty() {
                    tracing::info!(number, head = %pull.head.short(), "told a pull request: {}", one_line(&posted.to_string()));
                } else {
                    tracing::error!(number, error = failures.join("; "), "a pull request was told in part");
                }
                failures.is_empty()
            }
            Err(AttendError::Moved { .. }) => false,
            Err(error) => {
                tracing::error!(number, error = error_chain(&error), "a pull request cannot be reviewed");
                false
            }
        }
    }

    async fn end(&mut self, number: u64, loaded: &Loaded) -> anyhow::Result<()> {
        let pull = self.attendant.pull_request(number).await?;
        let environments = self.agent.share.of(loaded.settings.environments.keys());
        let posted = self.attendant.end(&pull, environments).await;
        let failures = posted.failures();
        if failures.is_empty() {
            self.docket.seen.remove(&number);
        } else {
            tracing::error!(number, error = failures.join("; "), "a pull request was not told how it ended");
        }
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pull_request::Account;
    use crate::domain::pull_request::PullRequestState;

    const MINUTE: Duration = Duration::from_secs(60);

    fn commit(number: u8) -> CommitId {
        format!("{number:040x}").parse().unwrap()
    }

    fn pull(number: u64, head: u8) -> PullRequest {
        PullRequest {
            number,
            title: String::new(),
            url: String::new(),
            state: PullRequestState::Open,
            author: Account { id: "1".to_owned(), name: "ann".to_owned(), is_bot: false },
            base_branch: "main".to_owned(),
            head: commit(head),
            head_ref: format!("refs/pull/{number}/head"),
            is_fork: false,
        }
    }

    fn numbers(due: &[&PullRequest]) -> Vec<u64> {
        due.iter().map(|pull| pull.number).collect()
    }

    #[test]
    fn a_pull_request_is_due_when_it_or_what_it_is_compared_with_moved_and_after_a_while() {
        let open = [pull(7, 1), pull(8, 2)];
        let mut docket = Docket::default();
        let due = |docket: &Docket, base: u8, open: &[PullRequest], now: Duration| {
            numbers(&docket.due(&commit(base), open, (now, 30 * MINUTE)))
        };
        assert_eq!(due(&docket, 9, &open, MINUTE), [7, 8], "nobody looked at them yet");
        for pull in &open {
            docket.reviewed(pull.number, Sight::of(&commit(9), pull, &open), MINUTE);
        }
        assert_eq!(due(&docket, 9, &open, 2 * MINUTE), [0; 0]);
        assert_eq!(due(&docket, 10, &open, 2 * MINUTE), [7, 8], "the base moved");
        assert_eq!(due(&docket, 9, &[pull(7, 3), pull(8, 2)], 2 * MINUTE), [7, 8], "8 is compared with 7");
        assert_eq!(due(&docket, 9, &open, 31 * MINUTE), [7, 8], "the world may have moved");
        assert_eq!(due(&docket, 9, &[pull(7, 1)], 2 * MINUTE), [7], "8 wants nothing any more");
        assert_eq!((docket.ended(&open), docket.ended(&[pull(7, 1)])), (vec![], vec![8]));
    }
}
