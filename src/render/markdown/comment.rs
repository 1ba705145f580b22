//! A plan as the comment of a pull request: who is affected, why, a smaller edit, and what it takes to be applied.
//!
//! A reader can stop at any line. The three forges draw tables, folds and fences alike: GitHub and GitLab by their Markdown
//! references, Azure DevOps by its Markdown guidance (tables and code in pull requests; HTML such as `<details>` with an empty
//! line after the summary, which the others take as well). They differ in pictures alone, see [`picture`].

use crate::desired::policy::Consent;
use crate::domain::commit::CommitId;
use crate::domain::pull_request::ForgeKind;
use crate::plan::Plan;
use crate::plan::Step;
use crate::plan::risk::Risk;
use crate::render::left_out as omissions;
use crate::render::markdown::block;
use crate::render::markdown::fitting;
use crate::render::markdown::folded;
use crate::render::markdown::head;
use crate::render::markdown::inert::command;
use crate::render::markdown::inert::inert;
use crate::render::markdown::inert::shell_word;
use crate::render::markdown::left_out;
use crate::render::markdown::modes;
use crate::render::markdown::notes;
use crate::render::markdown::people;
use crate::render::markdown::picture;
use crate::render::markdown::rules;
use crate::render::markdown::smaller_edits;
use crate::render::markdown::table;
use crate::render::markdown::troubles;
use crate::render::plan as words;
use crate::render::shown;
use crate::render::shown::Details;
use crate::review::foot;
use crate::review::status;
use crate::review::sticky::marker;

/// What a forge or a reader adds to a comment: a history of earlier plans, a signature.
const SPARE: usize = 4096;

/// The lines that say what was cut.
const CUT: usize = 600;

/// What a comment says beside its plan.
#[derive(Clone)]
pub struct Frame<'a> {
    /// Whose Markdown it is.
    pub forge: ForgeKind,
    /// What tells this comment from an earlier one, for the marker.
    pub key: &'a str,
    /// How places are told.
    pub details: Details<'a>,
    /// What was merged.
    pub commits: Commits,
    /// How many objects were read.
    pub objects: usize,
    /// What there is to say about the change as a whole, each a sentence.
    pub remarks: &'a [String],
    /// What other pull requests want as well, each a sentence.
    pub others: &'a [String],
    /// The flags by which a person finds the change again, such as `--repo`, `URL`, `--ref`, `BRANCH`.
    pub source: &'a [String],
    /// For how many hours a review in the forge counts as an approval, where it does.
    pub reviews_hold: Option<i64>,
}

/// The two ends of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commits {
    /// What it is merged into.
    pub base: CommitId,
    /// Its last commit.
    pub head: CommitId,
}

/// How long a comment may be, in bytes of UTF-8.
///
/// A forge counts characters or UTF-16 units, and no text has more of either than it has bytes.
pub const fn budget(forge: ForgeKind) -> usize {
    forge.comment_limit() - SPARE
}

/// One line that says it all, inert.
pub fn headline(plan: &Plan) -> String {
    inert(&format!("{} (plan {})", status::verdict(plan), &plan.id.as_str()[..10]))
}

/// Writes a plan as a comment of at most [`budget`] bytes.
pub fn comment(plan: &Plan, frame: &Frame<'_>) -> String {
    let details = frame.details;
    let head = format!("{}\n{}", marker(&plan.policy.mark.environment, frame.key), head(plan, &verdict(plan)));
    let closing = format!("{}{}", closing(plan, frame), foot(plan, frame));
    let mut budget = budget(frame.forge).saturating_sub(head.len() + closing.len() + CUT);
    let about = block("About this change", sentences(frame.remarks));
    let about = fitting(about, "this change", &mut budget);
    let rules = fitting(rules(plan), "loosened rules", &mut budget);
    let people = people::affected(plan, details, budget);
    let people = fitting(people, "who is affected", &mut budget);
    let smaller = fitting(smaller_edits(plan), "smaller edits", &mut budget);
    let others = block("Other pull requests want the same", sentences(frame.others));
    let others = fitting(others, "other pull requests", &mut budget);
    let left_out = fitting(left_out(plan, details), "what is left out", &mut budget);
    let troubles = fitting(troubles(plan), "what stands in the way", &mut budget);
    let modes = fitting(modes(plan), "how Private Link Services were made", &mut budget);
    let table = fitting(table(plan, details), "changes", &mut budget);
    let picture = fitting(picture::picture(plan, frame.forge), "the picture", &mut budget);
    let notes = fitting(notes(plan), "what to know", &mut budget);
    let folded = folded(plan, details, &mut budget, |step| !step.change.is_drift());
    let drift = drift(plan, details, &mut budget);
    let parts = [head, about, rules, people, smaller, others, left_out, troubles, table, folded, drift, picture];
    parts.concat() + &modes + &notes + &closing
}

/// The verdict, of which the word for the worst risks is written large.
fn verdict(plan: &Plan) -> String {
    match plan.risk() {
        risk @ (Risk::Severing | Risk::Exposing) => {
            words::verdict(plan).replacen(&risk.to_string(), &risk.to_string().to_uppercase(), 1)
        }
        _ => words::verdict(plan),
    }
}

fn sentences(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| format!("- {}", inert(line))).collect()
}

/// What somebody else changed: of interest, and not what is reviewed here.
fn drift(plan: &Plan, details: Details<'_>, budget: &mut usize) -> String {
    let is_drift = |step: &Step| step.change.is_drift();
    let number = plan.steps.iter().filter(|step| is_drift(step)).count();
    if number == 0 {
        return String::new();
    }
    let open = format!("\n<details><summary>Drift that this change did not cause ({number})</summary>\n");
    let close = "\n</details>\n";
    *budget = budget.saturating_sub(open.len() + close.len());
    format!("{open}{}{close}", folded(plan, details, budget, is_drift))
}

/// What it takes to be applied.
fn closing(plan: &Plan, frame: &Frame<'_>) -> String {
    if !plan.has_changes() || !plan.may_run() {
        let help = "Nothing of it can be applied as it is, and so nothing is to be approved yet.";
        return if plan.has_changes() || !omissions::groups(plan)[0].1.is_empty() {
            format!("\n**Approval**\n\n{help}\n")
        } else {
            String::new()
        };
    }
    let asked = words::consents(plan);
    let needs_people = asked.iter().any(|asked| matches!(asked.consent, Consent::People(number) if number > 0));
    let merges = if needs_people {
        "Merging alone does **not** apply it."
    } else {
        "Merging applies it: nobody has to say yes besides."
    };
    let mut lines: Vec<String> = vec![format!("- {merges}")];
    lines.extend(asked.iter().map(|asked| format!("- {}", asked.line())));
    if needs_people {
        lines.push(format!("- {}", who_may(plan)));
        lines.extend(frame.reviews_hold.and_then(|hours| by_review(plan, hours)).map(|line| format!("- {line}")));
    }
    lines.extend(words::remarks(plan).into_iter().map(|remark| format!("- {}", inert(&remark))));
    let mut text = block("Approval", lines).join("\n") + "\n";
    if needs_people {
        text.push('\n');
        text.push_str(&command(&approve(plan, frame)));
    }
    text
}

fn who_may(plan: &Plan) -> String {
    let newcomers = &plan.policy.newcomers;
    let known = plan.policy.approvers.keys().filter(|name| !newcomers.contains(*name));
    let known: Vec<String> = known.map(|name| inert(name.as_str())).collect();
    if known.is_empty() {
        return "nobody may approve: `[approvers]` of privlink.toml is empty".to_owned();
    }
    format!("who may: {}; never somebody who wrote or committed the change", known.join(", "))
}

/// Whose review says yes.
fn by_review(plan: &Plan, hours: i64) -> Option<String> {
    let approvers = plan.policy.approvers.iter().filter(|(_, approver)| approver.github_id.is_some());
    let names: Vec<String> = approvers.map(|(name, _)| inert(name.as_str())).collect();
    (!names.is_empty()).then(|| {
        format!(
            "a review that approves the head, by {}, is one person's approval of this plan for {hours} hours; it counts for the plan \
             that the status names when it is given",
            names.join(" or ")
        )
    })
}

/// The command that approves this plan and no other.
fn approve(plan: &Plan, frame: &Frame<'_>) -> String {
    let own = ["-e", plan.policy.mark.environment.as_str(), "--as", "YOUR-NAME", "--plan", plan.id.as_str()];
    let source = frame.source.iter().map(String::as_str);
    let words = ["privlink", "approve"].into_iter().chain(source).chain(own);
    words.map(|word| shell_word(&shown::one_line(word))).collect::<Vec<_>>().join(" ")
}

fn foot(plan: &Plan, frame: &Frame<'_>) -> String {
    let Commits { base, head } = &frame.commits;
    format!("\nplan `{}` - {}\n", plan.id, foot::foot(base, head, Some(frame.objects)))
}
