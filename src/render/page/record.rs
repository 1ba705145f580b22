//! What the status says of an environment: what is wrong, what drifted, every document with its conditions, what was applied.

use std::collections::BTreeMap;

use crate::domain::commit::RepoPath;
use crate::render::count;
use crate::render::page::html::Element;
use crate::render::page::html::Html;
use crate::render::page::html::el;
use crate::render::page::tables::table;
use crate::render::page::tone::Tone;
use crate::render::page::tone::badge;
use crate::render::page::tone::time;
use crate::render::page::topology;
use crate::status::StatusDocument;
use crate::status::document::AppliedRecord;
use crate::status::document::AppliedStep;
use crate::status::document::ApplyOutcome;
use crate::status::document::Condition;
use crate::status::document::EnvironmentStatus;
use crate::status::document::Head;
use crate::status::document::StepOutcome;

type Documents = BTreeMap<RepoPath, StatusDocument>;

/// The most applies that are shown, the newest first.
const MOST_APPLIES: usize = 50;

/// The status of the environment as a whole.
pub(super) fn environment(documents: &Documents) -> Option<&EnvironmentStatus> {
    documents.values().find_map(|document| match document {
        StatusDocument::Environment(status) => Some(status),
        _ => None,
    })
}

/// True if all is as it shall be with a document.
pub(super) fn is_ready(head: &Head) -> bool {
    head.conditions.iter().all(|condition| Tone::of_condition(condition) == Tone::Good)
}

/// What differs from Git without a commit that asks for it, by document.
pub(super) fn drifted(documents: &Documents) -> impl Iterator<Item = (&Head, &String)> {
    documents.values().filter_map(StatusDocument::head).flat_map(|head| head.drift.iter().map(move |text| (head, text)))
}

/// What could not be read, what is in the way, what failed; nothing where nothing is wrong.
pub(super) fn troubles(documents: &Documents) -> Html {
    let Some(status) = environment(documents) else { return Html::default() };
    let gaps = status.gaps.iter().map(|gap| {
        let item = el("li").child(el("strong").text(&gap.area)).text(format!(": {}, since ", gap.reason));
        item.child(time(gap.since))
    });
    let blockers = status.blockers.iter().map(|it| {
        let item = el("li").child(el("code").text(&it.subject)).text(format!(": {}", it.problem));
        item.child(el("p").child(el("strong").text("Help: ")).text(&it.help))
    });
    let failing = status.failing.iter();
    let failing = failing.map(|it| el("li").child(el("code").text(&it.key)).text(format!(": {}", it.error)));
    [
        panel("Could not be read", Tone::Warn, gaps.collect()),
        panel("In the way of the plan", Tone::Warn, blockers.collect()),
        panel("Failed in the last apply", Tone::Bad, failing.collect()),
    ]
    .into_iter()
    .collect()
}

fn panel(title: &str, tone: Tone, items: Vec<Element>) -> Html {
    if items.is_empty() {
        return Html::default();
    }
    let panel = el("section").class(format!("panel {}", tone.class()));
    panel.child(el("h2").text(title)).child(el("ul").children(items)).into()
}

/// What differs from Git without a commit that asks for it.
pub(super) fn drift(documents: &Documents) -> Element {
    let items = drifted(documents).map(|(head, text)| {
        let name = format!("{} {}", kind(head), topology::title(head));
        el("li").child(el("code").text(name)).text(format!(": {text}"))
    });
    let items: Vec<Element> = items.collect();
    let section = el("section").attr("aria-labelledby", "drift").child(el("h2").attr("id", "drift").text("Drift"));
    if items.is_empty() {
        return section.child(el("p").text("Nothing differs from Git but what a commit asks for."));
    }
    let text = el("p").text("Differs from Git, and no commit asks for it:");
    section.child(text).child(el("ul").children(items))
}

fn kind(head: &Head) -> &str {
    head.kind.trim_end_matches("Status")
}

/// Every document with its conditions, those that are not ready first.
pub(super) fn documents(documents: &Documents) -> Element {
    let section = el("section").attr("aria-labelledby", "documents");
    let section = section.child(el("h2").attr("id", "documents").text("Documents and their conditions"));
    let mut rows: Vec<&StatusDocument> = documents.values().filter(|document| document.head().is_some()).collect();
    if rows.is_empty() {
        return section.child(el("p").text("The repository asks for nothing."));
    }
    rows.sort_by_key(|document| document.head().is_some_and(is_ready));
    let heads = ["Document", "State", "Address, alias", "Consumers", "Pending"];
    section.child(table("Documents", &heads, rows.into_iter().filter_map(row)))
}

fn row(document: &StatusDocument) -> Option<Vec<Element>> {
    let head = document.head()?;
    let (outputs, consumers) = match document {
        StatusDocument::Service(status) => {
            let link = status.link_service.as_ref();
            let alias = link.and_then(|link| link.alias.clone());
            let outputs = status.outputs.addresses.iter().cloned().chain(alias).collect();
            (outputs, link.map(|link| link.connections.len()))
        }
        StatusDocument::PrivateLinkService(status) => {
            (Vec::from_iter(status.outputs.alias.clone()), Some(status.outputs.connections.len()))
        }
        StatusDocument::PrivateEndpoint(status) => (Vec::from_iter(status.outputs.address.clone()), None),
        StatusDocument::Environment(_)
        | StatusDocument::Applied(_)
        | StatusDocument::Overview(_)
        | StatusDocument::SavedPlan(_)
        | StatusDocument::PendingPlanText(_) => return None,
    };
    let name = el("th").attr("scope", "row").text(topology::title(head));
    let source = head.source.as_ref().map(|source| el("div").class("dim").text(source));
    Some(vec![
        name.child(el("div").class("dim").text(kind(head))).children(source),
        state(head),
        el("td").children(outputs.iter().map(|output| el("div").class("value").text(output))),
        el("td").text(consumers.map(|number| number.to_string()).unwrap_or_default()),
        el("td").children(head.pending.iter().map(|text| el("div").text(text))),
    ])
}

/// What is not as it shall be stands open, the rest folds.
fn state(head: &Head) -> Element {
    let (good, bad): (Vec<&Condition>, Vec<&Condition>) =
        head.conditions.iter().partition(|condition| Tone::of_condition(condition) == Tone::Good);
    let state = el("td").children(bad.into_iter().map(condition));
    let word = if is_ready(head) { badge(Tone::Good, "Ready") } else { el("span").text("Holds") };
    if good.is_empty() {
        return if is_ready(head) { state.child(word) } else { state };
    }
    let number = el("span").class("dim").text(count(good.len(), "condition"));
    let summary = el("summary").child(word).text(" ").child(number);
    state.child(el("details").child(summary).children(good.into_iter().map(condition)))
}

fn condition(condition: &Condition) -> Element {
    let Condition { kind, status, reason, message, since } = condition;
    let word = format!("{kind} {status}: {reason}");
    let told = if message.is_empty() { String::new() } else { format!(" {message},") };
    let line = el("div").class("condition").child(badge(Tone::of_condition(condition), word));
    line.child(el("span").text(format!("{told} since "))).child(time(*since))
}

/// What was applied, the newest first.
pub(super) fn history(documents: &Documents) -> Element {
    let records = documents.values().filter_map(|document| match document {
        StatusDocument::Applied(record) => Some(record),
        _ => None,
    });
    let mut records: Vec<&AppliedRecord> = records.collect();
    records.sort_by(|a, b| b.applied_at.cmp(&a.applied_at).then_with(|| a.plan.cmp(&b.plan)));
    let section = el("section").attr("aria-labelledby", "history");
    let section = section.child(el("h2").attr("id", "history").text("History of applies"));
    if records.is_empty() {
        return section.child(el("p").text("Nothing was applied yet."));
    }
    let heads = ["When", "How it ended", "Plan", "Commit", "Who said yes"];
    let shown = table("Applies", &heads, records.iter().take(MOST_APPLIES).map(|record| apply(record)));
    let older = records.len().saturating_sub(MOST_APPLIES);
    let rest = (older > 0).then(|| {
        let text = format!("{} on the status branch.", count(older, "older record"));
        el("p").class("dim").text(text)
    });
    section.child(shown).children(rest)
}

fn apply(record: &AppliedRecord) -> Vec<Element> {
    let (tone, word) = match record.outcome {
        ApplyOutcome::Done => (Tone::Good, "done"),
        ApplyOutcome::Partial => (Tone::Warn, "in part"),
        ApplyOutcome::Failed => (Tone::Bad, "failed"),
    };
    let summary = el("summary").child(badge(tone, word)).text(format!(" {}", count(record.steps.len(), "step")));
    let steps = el("ul").children(record.steps.iter().map(step));
    let commit = record.commit.as_ref().map(|commit| el("code").text(commit.short())).into_iter();
    let approvers = if record.approvers.is_empty() { "the rules".to_owned() } else { record.approvers.join(", ") };
    vec![
        el("th").attr("scope", "row").child(time(record.applied_at)),
        el("td").child(el("details").child(summary).child(steps)),
        el("td").child(
            el("code").attr("title", record.plan.as_str()).text(record.plan.as_str().get(..12).unwrap_or_default()),
        ),
        el("td").children(commit),
        el("td").text(approvers),
    ]
}

fn step(step: &AppliedStep) -> Element {
    let AppliedStep { key, action, digest: _, healed: _, outcome, message } = step;
    let (tone, word) = match outcome {
        StepOutcome::Done => (Tone::Good, "done"),
        StepOutcome::Waiting => (Tone::Warn, "waiting"),
        StepOutcome::Failed => (Tone::Bad, "failed"),
        StepOutcome::Blocked => (Tone::Warn, "blocked"),
        StepOutcome::Cancelled => (Tone::Warn, "cancelled"),
        StepOutcome::Interrupted => (Tone::Warn, "interrupted"),
    };
    let told = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    el("li").child(badge(tone, word)).text(format!(" {action} ")).child(el("code").text(key)).text(told)
}
