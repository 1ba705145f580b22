//! Whose review counts, and for which plan.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::pull_request::Account;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::domain::testimony::Contributors;
use crate::plan::fixture::World;

fn account(id: u64) -> Account {
    Account { id: id.to_string(), name: format!("@{id}"), is_bot: false }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn plan_id(letter: &str) -> PlanId {
    letter.repeat(64).parse().unwrap()
}

/// bob's account is 2, cy's is 3; dan has none.
fn policy() -> Policy {
    let approver = |github_id, email: &str| Approver {
        github_id,
        emails: [format!("{email}@acme.example")].into(),
        ..Approver::default()
    };
    let approvers = [("bob", Some(2)), ("cy", Some(3)), ("dan", None)];
    let approvers: BTreeMap<_, _> =
        approvers.into_iter().map(|(name, id)| (name.parse().unwrap(), approver(id, name))).collect();
    let mut policy = Policy { approvers, ..World::converged().plan().policy };
    policy.approval.signatures_required = false;
    policy
}

fn said(plan: &str, second: i64, by: u64) -> PostedStatus {
    PostedStatus {
        context: status::approved_context(&policy().mark.environment),
        description: format!("severing: 0 of 1 approvals; plan {}", plan_id(plan)),
        by: account(by),
        at: at(second),
    }
}

/// ann (1) opened it, we (9) said plan a at 100 and plan b at 200, and bob approved at 300.
fn testimony() -> Testimony {
    let pull = PullRequest {
        number: 7,
        title: "Move orders".to_owned(),
        url: "https://github.example/acme/config/pull/7".to_owned(),
        state: PullRequestState::Merged,
        author: account(1),
        base_branch: "main".to_owned(),
        head: "a".repeat(40).parse().unwrap(),
        head_ref: "refs/pull/7/head".to_owned(),
        is_fork: false,
        updated_at: None,
        merged_as: None,
    };
    Testimony {
        me: account(9),
        reviews: vec![Review {
            reviewer: account(2),
            verdict: Verdict::Approved,
            commit: Some(pull.head.clone()),
            at: Some(at(300)),
        }],
        pull,
        statuses: vec![said("b", 200, 9), said("a", 100, 9)],
        contributors: Some(Contributors {
            accounts: ["1".to_owned()].into(),
            emails: ["ann@acme.example".to_owned()].into(),
        }),
    }
}

fn judged(change: impl FnOnce(&mut Testimony)) -> Judged {
    let mut testimony = testimony();
    change(&mut testimony);
    judge(&testimony, &policy())
}

/// Who approves which plan, and whose review says nothing.
fn line(judged: &Judged) -> String {
    let yes =
        judged.evidence.iter().map(|own| format!("{} approves {}", own.file.approver, &own.file.plan.as_str()[..1]));
    let no = judged.refused.iter().map(|own| format!("{}: it {}", own.approver, own.reason));
    yes.chain(no).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_review_approves_the_plan_that_our_status_named_when_it_was_given() {
    assert_eq!(line(&judged(|_| {})), "bob approves b");
    assert_eq!(line(&judged(|own| own.reviews[0].at = Some(at(150)))), "bob approves a");
    // Plan b came and went again.
    assert_eq!(line(&judged(|own| own.statuses.insert(0, said("a", 250, 9)))), "bob approves a");
    // Two statuses within a second.
    assert_eq!(line(&judged(|own| own.statuses.insert(0, said("c", 200, 9)))), "bob approves c");
    let file = judged(|_| {}).evidence.swap_remove(0).file;
    assert_eq!((file.approved_at, file.expires_at), (at(300), at(300 + 24 * 3_600)));
    assert_eq!(file.reason.as_deref(), Some("review of https://github.example/acme/config/pull/7"));
}

#[test]
fn a_review_that_proves_nothing_says_why() {
    let all = [
        judged(|own| own.reviews[0].reviewer = account(8)),
        judged(|own| own.reviews[0].reviewer.id = String::new()),
        judged(|own| own.reviews[0].reviewer.is_bot = true),
        judged(|own| own.pull.author = account(2)),
        judged(|own| own.contributors = None),
        judged(|own| own.contributors.as_mut().unwrap().accounts = ["2".to_owned()].into()),
        judged(|own| own.contributors.as_mut().unwrap().emails = ["bob@acme.example".to_owned()].into()),
        judged(|own| own.reviews[0].commit = None),
        judged(|own| own.reviews[0].commit = Some("b".repeat(40).parse().unwrap())),
        judged(|own| own.reviews[0].at = None),
        judged(|own| own.reviews[0].at = Some(at(100))),
        judged(|own| own.statuses.iter_mut().for_each(|status| status.by = account(1))),
        judged(|own| {
            own.statuses.iter_mut().for_each(|status| status.context = "privlink/approved/another".to_owned());
        }),
        judged(|own| own.statuses[0].description = "there is no plan to approve".to_owned()),
        judged(|own| {
            let review = own.reviews[0].clone();
            own.reviews.push(Review { reviewer: account(3), verdict: Verdict::ChangesRequested, ..review });
        }),
    ];
    insta::assert_snapshot!(all.iter().map(line).collect::<Vec<_>>().join("\n"), @"


    bob: it is a bot's review
    bob: it is a review by who opened the pull request
    bob: it is a review of more commits than the forge tells: nobody knows who made them
    bob: it is a review by an author or committer of the change
    bob: it is a review by an author or committer of the change
    bob: it is a review of another commit than the head
    bob: it is a review of another commit than the head
    bob: it is a review without a time
    bob: it is a review that is older than any plan in the pull request
    bob: it is a review that is older than any plan in the pull request
    bob: it is a review that is older than any plan in the pull request
    bob: it is a review that is older than any plan in the pull request
    bob: it is a review, and none counts while cy asks for changes
    ");
}

#[test]
fn who_is_no_approver_stands_against_nothing() {
    let stranger = judged(|own| {
        let review = own.reviews[0].clone();
        own.reviews.push(Review { reviewer: account(8), verdict: Verdict::ChangesRequested, ..review });
    });
    assert_eq!(line(&stranger), "bob approves b");
}

#[test]
fn where_signatures_are_required_no_review_counts() {
    let mut policy = policy();
    policy.approval.signatures_required = true;
    assert_eq!((count(&policy), line(&judge(&testimony(), &policy))), (false, String::new()));
}

proptest! {
    /// Whatever others set as statuses, and whenever: what a review approves is said by us alone.
    #[test]
    fn nobody_else_says_what_a_review_approves(
        planted in prop::collection::vec((0_usize..4, 0_i64..400, 0_u64..9), 0..8),
    ) {
        let letters = ["c", "d", "e", "f"];
        let judged = judged(|own| {
            own.statuses.extend(planted.iter().map(|(plan, second, by)| said(letters[*plan], *second, *by)));
        });
        prop_assert_eq!(line(&judged), "bob approves b");
    }
}
