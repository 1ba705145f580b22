//! Which pull requests are due. Pure values: the time is passed in.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::agent::reviews::Rhythm;
use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::PullRequest;

/// What a review was made of: if none of it moved, only the world may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    base: CommitId,
    head: CommitId,
    /// The branches of signed approvals.
    approvals: BTreeMap<EnvironmentName, CommitId>,
    /// When somebody wrote into it last, where reviews may count as approvals.
    written_at: Option<Timestamp>,
    /// The heads of the other open ones about the same environments, which are told where both want the same.
    others: BTreeMap<u64, CommitId>,
}

/// What there is to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scene {
    pub(super) base: CommitId,
    pub(super) approvals: BTreeMap<EnvironmentName, CommitId>,
    /// True if a review may count as an approval.
    pub(super) reviews_count: bool,
    pub(super) open: Vec<PullRequest>,
}

/// The commit of each compared pull request, and the environments that it is about.
pub(super) type Concerns = BTreeMap<u64, (CommitId, BTreeSet<EnvironmentName>)>;

/// What was looked at, and when that is to be done again.
#[derive(Debug, Default)]
pub(super) struct Docket {
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    sight: Sight,
    next: Duration,
    failures: u32,
    /// True if it is not open any more, and was not told so yet.
    is_ending: bool,
}

impl Rhythm {
    /// How long to wait after so many failures, one after the other; after none, until the world may have moved.
    fn wait(&self, failures: u32) -> Duration {
        match failures {
            0 => self.again,
            _ => self.interval.saturating_mul(2_u32.saturating_pow(failures)).min(self.again),
        }
    }
}

impl Docket {
    /// True if the time alone makes nothing due.
    pub(super) fn is_quiet(&self, now: Duration) -> bool {
        self.entries.values().all(|entry| now < entry.next)
    }

    /// The open pull requests that are due, each with what there is to see of it. One that failed waits for its time, unless
    /// something of it moved.
    pub(super) fn due<'a>(
        &self,
        scene: &'a Scene,
        concerns: &Concerns,
        now: Duration,
    ) -> Vec<(&'a PullRequest, Sight)> {
        let with_sight = scene.open.iter().map(|pull| (pull, Sight::of(pull, scene, concerns)));
        let is_due = |(pull, sight): &(&PullRequest, Sight)| {
            let known = self.entries.get(&pull.number).filter(|entry| !entry.is_ending);
            known.is_none_or(|entry| entry.sight != *sight || now >= entry.next)
        };
        with_sight.filter(is_due).collect()
    }

    /// Those that were open, are not any more, and are to be told so now.
    pub(super) fn ended(&mut self, open: &[PullRequest], now: Duration) -> Vec<u64> {
        let open: BTreeSet<u64> = open.iter().map(|pull| pull.number).collect();
        let mut ended = Vec::new();
        for (number, entry) in self.entries.iter_mut().filter(|(number, _)| !open.contains(number)) {
            if !entry.is_ending {
                (entry.is_ending, entry.failures, entry.next) = (true, 0, now);
            }
            if now >= entry.next {
                ended.push(*number);
            }
        }
        ended
    }

    /// Notes that one was looked at, and whether everything there was to say could be said.
    pub(super) fn looked_at(&mut self, number: u64, sight: Sight, (went_well, now): (bool, Duration), rhythm: &Rhythm) {
        let before = self.entries.get(&number).filter(|entry| !entry.is_ending).map_or(0, |entry| entry.failures);
        let failures = if went_well { 0 } else { before.saturating_add(1) };
        let next = now.saturating_add(rhythm.wait(failures));
        self.entries.insert(number, Entry { sight, next, failures, is_ending: false });
    }

    /// Notes that one that ended was told so, or is not there any more.
    pub(super) fn closed(&mut self, number: u64) {
        self.entries.remove(&number);
    }

    /// Notes that one could not be told that it ended.
    pub(super) fn not_closed(&mut self, number: u64, now: Duration, rhythm: &Rhythm) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.failures = entry.failures.saturating_add(1);
            entry.next = now.saturating_add(rhythm.wait(entry.failures));
        }
    }
}

impl Sight {
    fn of(pull: &PullRequest, scene: &Scene, concerns: &Concerns) -> Self {
        let own = concerns.get(&pull.number).map(|(_, environments)| environments);
        let is_shared = |theirs: &BTreeSet<EnvironmentName>| own.is_some_and(|own| !own.is_disjoint(theirs));
        let others = concerns.iter().filter(|(number, (_, theirs))| **number != pull.number && is_shared(theirs));
        Self {
            base: scene.base.clone(),
            head: pull.head.clone(),
            approvals: scene.approvals.clone(),
            written_at: pull.updated_at.filter(|_| scene.reviews_count),
            others: others.map(|(number, (head, _))| (*number, head.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pull_request::Account;
    use crate::domain::pull_request::PullRequestState;

    const MINUTE: Duration = Duration::from_secs(60);
    const RHYTHM: Rhythm = Rhythm { interval: MINUTE, again: Duration::from_secs(30 * 60), forks: false };

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
            updated_at: Some(Timestamp::UNIX_EPOCH),
            merged_as: None,
        }
    }

    /// 7 and 8 are about prod, 9 is about test.
    fn scene() -> Scene {
        let approvals = BTreeMap::from([("prod".parse().unwrap(), commit(90))]);
        Scene { base: commit(100), approvals, reviews_count: true, open: vec![pull(7, 1), pull(8, 2), pull(9, 3)] }
    }

    fn concerns(scene: &Scene) -> Concerns {
        let of = |pull: &PullRequest| {
            let environment = if pull.number == 9 { "test" } else { "prod" };
            (pull.number, (pull.head.clone(), BTreeSet::from([environment.parse().unwrap()])))
        };
        scene.open.iter().map(of).collect()
    }

    fn due(docket: &Docket, scene: &Scene, now: Duration) -> Vec<u64> {
        docket.due(scene, &concerns(scene), now).into_iter().map(|(pull, _)| pull.number).collect()
    }

    /// Everything was looked at in the first minute.
    fn settled() -> Docket {
        let (mut docket, scene) = (Docket::default(), scene());
        for (pull, sight) in docket.due(&scene, &concerns(&scene), MINUTE) {
            docket.looked_at(pull.number, sight, (true, MINUTE), &RHYTHM);
        }
        docket
    }

    fn with(change: impl FnOnce(&mut Scene)) -> Scene {
        let mut scene = scene();
        change(&mut scene);
        scene
    }

    #[test]
    fn a_pull_request_is_due_when_something_of_it_moved_and_after_a_while() {
        assert_eq!(due(&Docket::default(), &scene(), MINUTE), [7, 8, 9], "nobody looked at them yet");
        let docket = settled();
        let later = 2 * MINUTE;
        assert!(due(&docket, &scene(), later).is_empty() && docket.is_quiet(later));
        assert_eq!(due(&docket, &with(|scene| scene.base = commit(101)), later), [7, 8, 9]);
        let approved = with(|scene| scene.approvals = BTreeMap::from([("prod".parse().unwrap(), commit(91))]));
        assert_eq!(due(&docket, &approved, later), [7, 8, 9]);
        assert_eq!(due(&docket, &with(|scene| scene.open[1].head = commit(4)), later), [7, 8], "8 is compared with 7");
        assert_eq!(
            due(&docket, &with(|scene| scene.open[2].head = commit(4)), later),
            [9],
            "9 is about something else"
        );
        assert_eq!(due(&docket, &with(|scene| drop(scene.open.remove(1))), later), [7], "8 wants nothing any more");
        let reviewed = with(|scene| scene.open[0].updated_at = Some(Timestamp::MAX));
        assert_eq!(due(&docket, &reviewed, later), [7]);
        assert_eq!(due(&docket, &scene(), 31 * MINUTE), [7, 8, 9], "the world may have moved");
        assert!(!docket.is_quiet(31 * MINUTE));
    }

    #[test]
    fn where_no_review_counts_a_comment_is_no_reason_to_plan_again() {
        let (mut docket, scene) = (Docket::default(), with(|scene| scene.reviews_count = false));
        for (pull, sight) in docket.due(&scene, &concerns(&scene), MINUTE) {
            docket.looked_at(pull.number, sight, (true, MINUTE), &RHYTHM);
        }
        let written =
            Scene { open: vec![PullRequest { updated_at: None, ..pull(7, 1) }, pull(8, 2), pull(9, 3)], ..scene };
        assert!(due(&docket, &written, 2 * MINUTE).is_empty());
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_at_once_when_it_moves() {
        let (mut docket, scene) = (settled(), with(|scene| scene.open[0].head = commit(5)));
        let mut tries = Vec::new();
        for minute in 2..80 {
            let now = minute * MINUTE;
            for (pull, sight) in docket.due(&scene, &concerns(&scene), now) {
                docket.looked_at(pull.number, sight, (pull.number != 7, now), &RHYTHM);
                if pull.number == 7 {
                    tries.push(minute);
                }
            }
        }
        assert_eq!(tries, [2, 4, 8, 16, 32, 62]);
        let pushed = with(|scene| scene.open[0].head = commit(6));
        assert!(due(&docket, &pushed, 80 * MINUTE).contains(&7));
    }

    #[test]
    fn one_that_ended_is_told_so_until_that_succeeds_and_is_forgotten() {
        let (mut docket, open) = (settled(), vec![pull(7, 1), pull(9, 3)]);
        assert!(docket.ended(&scene().open, 2 * MINUTE).is_empty());
        assert_eq!(docket.ended(&open, 2 * MINUTE), [8]);
        docket.not_closed(8, 2 * MINUTE, &RHYTHM);
        assert!(docket.ended(&open, 3 * MINUTE).is_empty());
        assert_eq!(docket.ended(&open, 4 * MINUTE), [8]);
        docket.closed(8);
        assert!(docket.ended(&open, 40 * MINUTE).is_empty());
    }

    #[test]
    fn one_that_is_opened_again_is_looked_at_again() {
        let mut docket = settled();
        assert_eq!(docket.ended(&[pull(7, 1), pull(9, 3)], 2 * MINUTE), [8]);
        assert_eq!(due(&docket, &scene(), 2 * MINUTE), [8]);
    }
}
