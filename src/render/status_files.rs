//! The files of the status branch: documents to bytes, and back.
//!
//! The same documents give the same bytes. A pending plan keeps the bytes it was first written with, because its envelope
//! holds a time.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::domain::commit::RepoPath;
use crate::domain::name::EnvironmentName;
use crate::plan::Plan;
use crate::render::count;
use crate::render::markdown;
use crate::render::markdown::cell_code;
use crate::render::markdown::inert;
use crate::render::saved_plan;
use crate::render::saved_plan::Provenance;
use crate::render::shown::Details;
use crate::render::status::broken_glass;
use crate::render::yaml;
use crate::render::yaml::YamlError;
use crate::status::StatusDocument;
use crate::status::document::AppliedRecord;
use crate::status::document::EnvironmentStatus;
use crate::status::document::Overview;
use crate::status::document::OverviewRow;
use crate::status::document::SinceApproved;
use crate::status::path;

/// Files by path, as text.
pub type Files = BTreeMap<RepoPath, String>;

/// What the files of a pending plan are made of.
#[derive(Clone)]
pub struct Pending<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How its places are told.
    pub details: Details<'a>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Writes every document; `previous` are the files of last time.
pub fn files(documents: &BTreeMap<RepoPath, StatusDocument>, pending: &Pending<'_>, previous: &Files) -> Files {
    let bytes = |(path, document): (&RepoPath, &StatusDocument)| {
        let text = match document {
            StatusDocument::Service(status) => yaml::write(status),
            StatusDocument::PrivateLinkService(status) => yaml::write(status),
            StatusDocument::PrivateEndpoint(status) => yaml::write(status),
            StatusDocument::Environment(status) => yaml::write(status),
            StatusDocument::Applied(record) => yaml::write(record),
            StatusDocument::Overview(overview) => self::overview(overview),
            StatusDocument::SavedPlan(id) => {
                let kept = previous
                    .get(path)
                    .filter(|text| saved_plan::read_saved_plan(text).is_ok_and(|saved| saved.id == *id));
                kept.cloned().unwrap_or_else(|| saved_plan::saved_plan(pending.plan, pending.provenance.clone()))
            }
            StatusDocument::PendingPlanText(_) => {
                let whole = usize::MAX;
                markdown::plan(pending.plan, pending.details, whole)
            }
        };
        (path.clone(), text)
    };
    documents.iter().map(bytes).collect()
}

/// The file of one record.
pub fn applied(environment: &EnvironmentName, record: &AppliedRecord) -> (RepoPath, String) {
    (path::applied(environment, &record.plan), yaml::write(record))
}

/// Reads files of the status branch back. What privlink does not know is passed over; what it knows and cannot read is
/// told, and then counts as absent.
pub fn read(files: &Files) -> (BTreeMap<RepoPath, StatusDocument>, Vec<YamlError>) {
    let mut documents = BTreeMap::new();
    let mut errors = Vec::new();
    for (path, text) in files {
        match read_one(path, text) {
            Ok(Some(document)) => {
                documents.insert(path.clone(), document);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    (documents, errors)
}

fn read_one(path: &RepoPath, text: &str) -> Result<Option<StatusDocument>, YamlError> {
    fn of<T: DeserializeOwned>(path: &RepoPath, text: &str) -> Result<T, YamlError> {
        yaml::read(path.as_str(), text)
    }
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let document = match parts.as_slice() {
        ["status", _, "service", _, file] if file.ends_with(".yaml") => StatusDocument::Service(of(path, text)?),
        ["status", _, "privatelinkservice", file] if file.ends_with(".yaml") => {
            StatusDocument::PrivateLinkService(of(path, text)?)
        }
        ["status", _, "privateendpoint", file] if file.ends_with(".yaml") => {
            StatusDocument::PrivateEndpoint(of(path, text)?)
        }
        ["status", _, "environment.yaml"] => StatusDocument::Environment(of(path, text)?),
        ["status", _, "applied", file] if file.ends_with(".yaml") => StatusDocument::Applied(of(path, text)?),
        ["status", _, "plans", file] => return Ok(saved_plan(file, text)),
        _ => return Ok(None),
    };
    Ok(Some(document))
}

/// What is new since somebody approved another plan, as a list.
fn since_approved(news: &SinceApproved) -> String {
    let head = format!("New since {} approved plan `{}`:\n", inert(&news.approver), news.plan);
    let differences = news.differences.iter().map(|difference| format!("\n- {}", inert(difference)));
    std::iter::once(head).chain(differences).collect()
}

/// A plan that was saved under its id. What is not the plan that it says is nobody's: its file goes.
fn saved_plan(file: &str, text: &str) -> Option<StatusDocument> {
    let saved = saved_plan::read_saved_plan(text).ok()?;
    let is_own = file.strip_suffix(".json") == Some(saved.id.as_str());
    is_own.then_some(StatusDocument::SavedPlan(saved.id))
}

/// The table for people, as `README.md`.
fn overview(overview: &Overview) -> String {
    let Overview { environment, rows } = overview;
    let mut out = format!("<!-- written by privlink; do not edit -->\n# Status of {}\n\n", environment.environment);
    out.push_str(&summary(environment, rows));
    if rows.is_empty() {
        out.push_str("\nNothing is asked for.\n");
        return out;
    }
    out.push_str("\n| | Kind | Name | State | Address, alias | Consumers |\n|---|---|---|---|---|---|\n");
    for row in rows {
        out.push_str(&table_row(row));
    }
    out
}

fn summary(environment: &EnvironmentStatus, rows: &[OverviewRow]) -> String {
    let ready = rows.iter().filter(|row| row.troubles.is_empty()).count();
    let mut lines = vec![format!("{ready} of {} ready.", count(rows.len(), "document"))];
    if let Some(commit) = &environment.applied_commit {
        lines.push(format!("Applied commit: `{commit}`"));
    }
    if let Some(pending) = &environment.pending {
        let changes = count(pending.changes, "change");
        let link = format!("[`{}`](plans/{}.md)", pending.id, pending.id);
        lines.push(format!("Waiting since {}: {changes}, {}, plan {link}", pending.since, inert(&pending.risk)));
    }
    let news = environment.pending.iter().flat_map(|pending| &pending.since_approved);
    lines.extend(news.map(since_approved));
    if let Some(glass) = &environment.break_glass {
        lines.push(format!("**Break-glass**: {}", inert(&broken_glass(glass))));
    }
    let told = |title: &str, text: String| format!("- {title}: {text}");
    let gaps = environment.gaps.iter();
    let gaps = gaps.map(|gap| told("could not be read", format!("{}: {}", inert(&gap.area), inert(&gap.reason))));
    let blockers = environment.blockers.iter();
    let blockers = blockers.map(|it| told("in the way", format!("{}: {}", inert(&it.subject), inert(&it.problem))));
    let failing = environment.failing.iter();
    let failing = failing.map(|step| told("failed", format!("{}: {}", inert(&step.key), inert(&step.error))));
    let list: Vec<String> = gaps.chain(blockers).chain(failing).collect();
    if !list.is_empty() {
        lines.push(list.join("\n"));
    }
    format!("{}\n", lines.join("\n\n"))
}

fn table_row(row: &OverviewRow) -> String {
    let OverviewRow { kind, name, troubles, outputs, connections, file } = row;
    let state = if troubles.is_empty() {
        "Ready".to_owned()
    } else {
        let trouble =
            |it: &crate::status::document::Condition| format!("{}: {} since {}", it.kind, inert(&it.reason), it.since);
        troubles.iter().map(trouble).collect::<Vec<_>>().join("<br>")
    };
    let mark = if troubles.is_empty() { "+" } else { "!" };
    let output = outputs.iter().map(|text| cell_code(text)).collect::<Vec<_>>().join("<br>");
    let connections = connections.map(|number| number.to_string()).unwrap_or_default();
    format!("| `{mark}` | {kind} | [{}]({file}) | {state} | {output} | {connections} |\n", inert(name))
}
