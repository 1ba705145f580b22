//! Whose review in the forge counts as an approval of a plan, why that of others does not, and the status that says so.
//!
//! A forge's review is of a commit. It is not signed, and it knows no plan id: the same commit can have another plan an hour
//! later. So it counts for less than an approval file:
//!
//! - It counts only if it is of the head as it is now, as the forge itself says (`Review::commit`). GitLab and Azure DevOps do
//!   not say it, so there none counts.
//! - It counts only for the plan that the comment said when it was given, and so only if it is not older than that.
//! - It counts only if its account is, by its id, that of an approver of the authority. A bot, whoever opened the pull request,
//!   and whoever wrote or committed something of it never count. The last is told by the addresses that the authority gives
//!   for the approver: who commits under another one is not recognised, as with unsigned approval files.
//! - It counts as one person at most, as every approval without a signature does (design of `approval`). Where two or more
//!   people are asked for, it counts nothing; there it takes signed files.
//! - As long as an approver asks for changes, no review counts: that is the plain sense of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::name::ApproverName;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::Review;
use crate::domain::pull_request::StatusState;
use crate::domain::pull_request::Verdict;

/// Someone who may approve, as far as reviews need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewer {
    /// The forge's id of the account; a name may be given to somebody else some day.
    pub account: Option<String>,
    /// Addresses under which the person commits, in lower case.
    pub emails: BTreeSet<String>,
}

/// What reviews are judged by.
#[derive(Clone, Debug)]
pub struct Basis<'a> {
    /// The pull request as it is now.
    pub pull: &'a PullRequest,
    /// The approvers of the authority: of the base, never of the change itself.
    pub approvers: &'a BTreeMap<ApproverName, Reviewer>,
    /// Addresses of the authors and committers of the change, in lower case.
    pub authors: &'a BTreeSet<String>,
    /// Since when the comment says the plan that is to be approved; `None` if nobody knows.
    pub told_at: Option<Timestamp>,
}

/// Reviews, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Whose count.
    pub approvers: BTreeSet<ApproverName>,
    /// The accounts whose do not, each with the reason as half a sentence after "its review".
    pub refused: Vec<(String, String)>,
    /// The approvers who ask for changes.
    pub against: BTreeSet<ApproverName>,
}

/// Sorts the last verdicts of a pull request.
pub fn count(reviews: &[Review], basis: &Basis<'_>) -> Counted {
    let mut counted = Counted::default();
    for review in reviews {
        let found = approver(review, basis);
        if review.verdict == Verdict::ChangesRequested {
            counted.against.extend(found.map(|(name, _)| name.clone()));
            continue;
        }
        match (objection(review, found.map(|(_, own)| own), basis), found) {
            (None, Some((name, _))) => {
                counted.approvers.insert(name.clone());
            }
            (reason, _) => {
                let reason = reason.unwrap_or("is of nobody who may approve").to_owned();
                counted.refused.push((review.reviewer.name.clone(), reason));
            }
        }
    }
    if !counted.against.is_empty() {
        let names: Vec<String> = counted.against.iter().map(ToString::to_string).collect();
        let reason = format!("does not count while {} asks for changes", names.join(", "));
        let silenced = std::mem::take(&mut counted.approvers);
        counted.refused.extend(silenced.into_iter().map(|name| (name.to_string(), reason.clone())));
    }
    counted
}

fn approver<'a>(review: &Review, basis: &Basis<'a>) -> Option<(&'a ApproverName, &'a Reviewer)> {
    let id = &review.reviewer.id;
    // The account of somebody who left has no id, and is nobody's.
    basis.approvers.iter().find(|(_, own)| !id.is_empty() && own.account.as_ref() == Some(id))
}

fn objection(review: &Review, found: Option<&Reviewer>, basis: &Basis<'_>) -> Option<&'static str> {
    let Some(own) = found else { return Some("is of an account that privlink.toml of the base names for no approver") };
    if review.reviewer.is_bot {
        return Some("is a bot's");
    }
    if review.reviewer.id == basis.pull.author.id {
        return Some("is by who opened the pull request");
    }
    if own.emails.iter().any(|email| basis.authors.contains(email)) {
        return Some("is by an author or committer of the change");
    }
    match &review.commit {
        None => return Some("is of a commit that this forge does not tell"),
        Some(commit) if *commit != basis.pull.head => return Some("is of another commit than the head"),
        Some(_) => {}
    }
    match (review.at, basis.told_at) {
        (Some(at), Some(told)) if at >= told => None,
        (Some(_), Some(_)) => Some("is older than what the comment says now"),
        _ => Some("cannot be compared with the plan: nobody knows which was first"),
    }
}

/// The status `privlink/approved/<environment>`.
///
/// It has to say what an apply would say. An apply that cannot ask the forge knows no reviews, and asks for a file: whoever shows
/// this for such an environment gives no reviews (`Counted::default()`).
///
/// `needed` is how many people the change that needs most of them needs: 0 where a merge is enough. `files` are those whose
/// approval files count for the plan.
pub fn status(
    environment: &EnvironmentName,
    needed: u32,
    (files, reviews): (&BTreeSet<ApproverName>, &Counted),
    target_url: Option<&str>,
) -> CommitStatus {
    let people: BTreeSet<&ApproverName> = match needed {
        0 | 1 => files.union(&reviews.approvers).collect(),
        _ => files.iter().collect(),
    };
    let have = u32::try_from(people.len()).unwrap_or(u32::MAX);
    let (state, description) = match needed.saturating_sub(have) {
        0 if needed == 0 => (StatusState::Success, "nobody has to approve this: what is merged may run".to_owned()),
        0 if people.len() == 1 => (StatusState::Success, "1 approval, as many as are needed".to_owned()),
        0 => (StatusState::Success, format!("{} approvals, as many as are needed", people.len())),
        1 if needed == 1 => {
            (StatusState::Pending, "1 approval is missing: a review of the head by an approver, or a file".to_owned())
        }
        missing => {
            let are = if missing == 1 { "approval is" } else { "approvals are" };
            (StatusState::Pending, format!("{missing} signed {are} missing of {needed}; a review is not signed"))
        }
    };
    CommitStatus {
        context: format!("privlink/approved/{environment}"),
        state,
        description,
        target_url: target_url.map(ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::pull_request::Account;
    use crate::domain::pull_request::PullRequestState;

    const TOLD: i64 = 1_000;

    fn account(id: &str) -> Account {
        Account { id: id.to_owned(), name: format!("@{id}"), is_bot: false }
    }

    fn pull() -> PullRequest {
        PullRequest {
            number: 7,
            title: "Move orders".to_owned(),
            url: "https://forge.example/7".to_owned(),
            state: PullRequestState::Open,
            author: account("1"),
            base_branch: "main".to_owned(),
            head: "a".repeat(40).parse().unwrap(),
            head_ref: "refs/pull/7/head".to_owned(),
            is_fork: false,
            updated_at: None,
            merged_as: None,
        }
    }

    /// A review that counts: by bob, of the head, after the plan was told.
    fn review() -> Review {
        let at = Some(Timestamp::from_second(TOLD).unwrap());
        Review { reviewer: account("2"), verdict: Verdict::Approved, commit: Some(pull().head), at }
    }

    fn counted(reviews: &[Review], authors: &[&str], told_at: Option<i64>) -> Counted {
        let person = |name: &str, id: Option<&str>| {
            let emails = BTreeSet::from([format!("{name}@acme.example")]);
            (name.parse::<ApproverName>().unwrap(), Reviewer { account: id.map(ToOwned::to_owned), emails })
        };
        let approvers = BTreeMap::from([
            person("ann", Some("1")),
            person("bob", Some("2")),
            person("cy", Some("3")),
            person("dan", None),
        ]);
        let authors = authors.iter().map(|own| (*own).to_owned()).collect();
        let told_at = told_at.map(|at| Timestamp::from_second(at).unwrap());
        count(reviews, &Basis { pull: &pull(), approvers: &approvers, authors: &authors, told_at })
    }

    fn names(counted: &Counted) -> Vec<&str> {
        counted.approvers.iter().map(ApproverName::as_str).collect()
    }

    #[test]
    fn a_review_of_the_head_by_another_approver_counts() {
        assert_eq!(names(&counted(&[review()], &["ann@acme.example"], Some(TOLD))), ["bob"]);
    }

    #[test]
    fn every_other_review_says_why_it_does_not() {
        let told = Some(TOLD);
        let but = |change: fn(&mut Review)| {
            let mut review = review();
            change(&mut review);
            review
        };
        let found = [
            counted(&[but(|own| own.reviewer = account("9"))], &[], told),
            counted(&[but(|own| own.reviewer.id = String::new())], &[], told),
            counted(&[but(|own| own.reviewer.is_bot = true)], &[], told),
            counted(&[but(|own| own.reviewer = account("1"))], &[], told),
            counted(&[review()], &["bob@acme.example"], told),
            counted(&[but(|own| own.commit = None)], &[], told),
            counted(&[but(|own| own.commit = Some("b".repeat(40).parse().unwrap()))], &[], told),
            counted(&[review()], &[], Some(TOLD + 1)),
            counted(&[review()], &[], None),
            counted(&[but(|own| own.at = None)], &[], told),
            counted(
                &[
                    review(),
                    but(|own| {
                        own.reviewer = account("3");
                        own.verdict = Verdict::ChangesRequested;
                    }),
                ],
                &[],
                told,
            ),
        ];
        assert!(found.iter().all(|own| own.approvers.is_empty()));
        let line =
            |own: &Counted| own.refused.iter().map(|(who, why)| format!("{who}: its review {why}")).collect::<String>();
        insta::assert_snapshot!(found.iter().map(line).collect::<Vec<_>>().join("\n"), @"
        @9: its review is of an account that privlink.toml of the base names for no approver
        @2: its review is of an account that privlink.toml of the base names for no approver
        @2: its review is a bot's
        @1: its review is by who opened the pull request
        @2: its review is by an author or committer of the change
        @2: its review is of a commit that this forge does not tell
        @2: its review is of another commit than the head
        @2: its review is older than what the comment says now
        @2: its review cannot be compared with the plan: nobody knows which was first
        @2: its review cannot be compared with the plan: nobody knows which was first
        bob: its review does not count while cy asks for changes
        ");
    }

    #[test]
    fn only_approvers_stand_against() {
        let stranger = Review { reviewer: account("9"), verdict: Verdict::ChangesRequested, ..review() };
        assert_eq!(names(&counted(&[stranger, review()], &[], Some(TOLD))), ["bob"]);
    }

    #[test]
    fn a_review_is_one_person_at_most_and_none_where_two_are_needed() {
        let environment = "prod".parse().unwrap();
        let reviews = counted(&[review(), Review { reviewer: account("3"), ..review() }], &[], Some(TOLD));
        assert_eq!(names(&reviews), ["bob", "cy"]);
        let file = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<ApproverName>>();
        let none = Counted::default();
        let said = [
            (0, file(&[]), &none),
            (1, file(&[]), &none),
            (1, file(&[]), &reviews),
            (1, file(&["dan"]), &none),
            (2, file(&[]), &reviews),
            (2, file(&["dan"]), &reviews),
            (2, file(&["dan", "eve"]), &none),
        ];
        let line = |(needed, files, reviews): &(u32, BTreeSet<ApproverName>, &Counted)| {
            let CommitStatus { context, state, description, .. } =
                status(&environment, *needed, (files, reviews), None);
            format!("{context}, {needed} needed: {state:?}, {description}")
        };
        insta::assert_snapshot!(said.iter().map(line).collect::<Vec<_>>().join("\n"), @"
        privlink/approved/prod, 0 needed: Success, nobody has to approve this: what is merged may run
        privlink/approved/prod, 1 needed: Pending, 1 approval is missing: a review of the head by an approver, or a file
        privlink/approved/prod, 1 needed: Success, 2 approvals, as many as are needed
        privlink/approved/prod, 1 needed: Success, 1 approval, as many as are needed
        privlink/approved/prod, 2 needed: Pending, 2 signed approvals are missing of 2; a review is not signed
        privlink/approved/prod, 2 needed: Pending, 1 signed approval is missing of 2; a review is not signed
        privlink/approved/prod, 2 needed: Success, 2 approvals, as many as are needed
        ");
    }

    proptest! {
        #[test]
        fn no_review_lifts_what_asks_for_two(needed in 2_u32..9, files in 0_usize..9, ids in prop::collection::vec(1_u8..5, 0..6)) {
            let reviews: Vec<Review> =
                ids.iter().map(|id| Review { reviewer: account(&id.to_string()), ..review() }).collect();
            let counted = counted(&reviews, &[], Some(TOLD));
            let files: BTreeSet<ApproverName> = (0..files).map(|n| format!("person-{n}").parse().unwrap()).collect();
            let environment = "prod".parse().unwrap();
            let with = status(&environment, needed, (&files, &counted), None);
            let without = status(&environment, needed, (&files, &Counted::default()), None);
            prop_assert!(with.description.chars().count() <= 140);
            prop_assert_eq!(with, without);
        }
    }
}
