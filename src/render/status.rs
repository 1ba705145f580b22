//! The status of an environment as the tools of the field print it: Services as `kubectl`, Private Link Services as `az`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::commit::RepoPath;
use crate::render::Label;
use crate::render::Text;
use crate::render::age::age;
use crate::render::count;
use crate::render::shown::one_line;
use crate::render::table;
use crate::status::StatusDocument;
use crate::status::document::BrokenGlass;
use crate::status::document::Condition;
use crate::status::document::ConditionStatus;
use crate::status::document::ConnectionRecord;
use crate::status::document::EnvironmentStatus;
use crate::status::document::LinkService;
use crate::status::document::PrivateEndpointStatus;
use crate::status::document::RecordOutput;
use crate::status::document::Replaces;
use crate::status::document::ServiceStatus;

/// When, and how old.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When the data was written.
    pub as_of: Timestamp,
    /// The time.
    pub now: Timestamp,
}

/// Writes the status of one environment.
pub fn status(environment: &str, documents: &BTreeMap<RepoPath, StatusDocument>, clock: Clock) -> Text {
    let mut text = head(environment, documents, clock);
    text.append(services(documents, clock));
    text.append(link_services(documents));
    text.append(migrations(documents));
    text.append(endpoints(documents));
    text.append(troubles(documents, clock));
    text
}

fn head(environment: &str, documents: &BTreeMap<RepoPath, StatusDocument>, clock: Clock) -> Text {
    let mut text = Text::new();
    text.push(Label::Heading, format!("Status of {environment}"));
    text.plain(format!(" as of {} ({} ago)", clock.as_of, age(clock.as_of, clock.now))).end();
    let status = documents.values().find_map(|document| match document {
        StatusDocument::Environment(status) => Some(status),
        _ => None,
    });
    let Some(status) = status else {
        text.line(Label::Dim, "No pass has written a status yet.");
        return text;
    };
    text.append(state(status));
    text
}

fn state(status: &EnvironmentStatus) -> Text {
    let mut text = Text::new();
    if let Some(commit) = &status.applied_commit {
        text.line(Label::Dim, format!("applied commit {commit}"));
    }
    if let Some(glass) = &status.break_glass {
        text.line(Label::Warning, one_line(&broken_glass(glass)));
    }
    if let Some(pending) = &status.pending {
        let waiting =
            format!("{} waiting ({}) since {}", count(pending.changes, "change"), pending.risk, pending.since);
        text.push(Label::Notable, waiting).plain(": plan ").line(Label::Id, pending.id.as_str());
        for news in &pending.since_approved {
            let whose = format!("  new since {} approved plan {}:", one_line(&news.approver), news.plan);
            text.line(Label::Notable, whose);
            for difference in &news.differences {
                text.push(Label::Notable, "    ").line(Label::Plain, one_line(difference));
            }
        }
    }
    for gap in &status.gaps {
        let (area, reason) = (one_line(&gap.area), one_line(&gap.reason));
        text.line(Label::Warning, format!("could not be read since {}: {area}: {reason}", gap.since));
    }
    for blocker in &status.blockers {
        text.line(Label::Error, format!("in the way: {}: {}", one_line(&blocker.subject), one_line(&blocker.problem)));
        text.push(Label::Hint, "  help: ").line(Label::Plain, one_line(&blocker.help));
    }
    for step in &status.failing {
        text.line(Label::Error, format!("failed: {}: {}", one_line(&step.key), one_line(&step.error)));
    }
    text
}

/// How often the glass was broken, and by whom last.
pub(super) fn broken_glass(glass: &BrokenGlass) -> String {
    let BrokenGlass { uses, plan, at, by, reason } = glass;
    format!(
        "the glass was broken {}, the last time at {at} by {by}: {reason} (plan {}…)",
        count(*uses as usize, "time"),
        &plan.as_str()[..10]
    )
}

/// Exactly the columns of `kubectl get service`; with a NAMESPACE column if there are several.
fn services(documents: &BTreeMap<RepoPath, StatusDocument>, clock: Clock) -> Text {
    let services = documents.values().filter_map(|document| match document {
        StatusDocument::Service(status) => Some(status),
        _ => None,
    });
    let services: Vec<&ServiceStatus> = services.collect();
    let mut text = Text::new();
    if services.is_empty() {
        return text;
    }
    let namespace = |status: &ServiceStatus| status.head.metadata.namespace.clone().unwrap_or_default();
    let namespaces: BTreeSet<String> = services.iter().map(|status| namespace(status)).collect();
    let several = namespaces.len() > 1;
    let row = |status: &&ServiceStatus| {
        let mut row = if several { vec![one_line(&namespace(status))] } else { Vec::new() };
        row.extend(service_row(status, clock));
        row
    };
    let rows: Vec<Vec<String>> = services.iter().map(row).collect();
    let mut header = vec!["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"];
    if several {
        header.insert(0, "NAMESPACE");
    }
    let title = if several { "Services" } else { "Services in namespace " };
    let only = namespaces.first().filter(|_| !several).map(|namespace| one_line(namespace)).unwrap_or_default();
    text.end().line(Label::Heading, format!("{title}{only}"));
    lines(&mut text, table::kubectl(&header, &rows));
    text
}

fn service_row(status: &ServiceStatus, clock: Clock) -> Vec<String> {
    let outputs = &status.outputs;
    let or = |text: &Option<String>, absent: &str| text.as_deref().map_or_else(|| absent.to_owned(), one_line);
    let waits = outputs.kind.as_deref() == Some("LoadBalancer");
    let external = match outputs.addresses.as_slice() {
        [] if waits => "<pending>".to_owned(),
        [] => "<none>".to_owned(),
        addresses => one_line(&addresses.join(",")),
    };
    let ports = if outputs.ports.is_empty() { "<none>".to_owned() } else { one_line(&outputs.ports.join(",")) };
    vec![
        one_line(&status.head.metadata.name),
        or(&outputs.kind, "<unknown>"),
        or(&outputs.cluster_ip, "<none>"),
        external,
        ports,
        outputs.created_at.map_or_else(|| "<unknown>".to_owned(), |created| age(created, clock.now)),
    ]
}

/// Name and alias as `az network private-link-service list` shows them, then every connection.
fn link_services(documents: &BTreeMap<RepoPath, StatusDocument>) -> Text {
    let links = documents.values().filter_map(|document| match document {
        StatusDocument::PrivateLinkService(status) => Some((&status.head.metadata.name, &status.outputs)),
        StatusDocument::Service(status) => Some((&status.head.metadata.name, status.link_service.as_ref()?)),
        _ => None,
    });
    let links: Vec<(&String, &LinkService)> = links.collect();
    let mut text = Text::new();
    if links.is_empty() {
        return text;
    }
    let name = |(document, link): &(&String, &LinkService)| {
        let azure = link.id.as_deref().and_then(|id| id.rsplit('/').next());
        one_line(azure.unwrap_or(document))
    };
    let row = |link: &(&String, &LinkService)| vec![name(link), one_line(link.1.alias.as_deref().unwrap_or_default())];
    let rows: Vec<Vec<String>> = links.iter().map(row).collect();
    text.end().line(Label::Heading, "Private Link Services");
    lines(&mut text, table::az(&["Name", "Alias"], &rows));
    let connection = |link: &(&String, &LinkService)| -> Vec<Vec<String>> {
        let name = name(link);
        link.1.connections.iter().map(|connection| connection_row(&name, connection)).collect()
    };
    let rows: Vec<Vec<String>> = links.iter().flat_map(connection).collect();
    if !rows.is_empty() {
        text.end().line(Label::Heading, "Connections");
        lines(
            &mut text,
            table::az(&["Service", "Endpoint", "State", "Consumer", "Subscription", "LinkId", "FirstSeen"], &rows),
        );
    }
    text
}

fn connection_row(service: &str, connection: &ConnectionRecord) -> Vec<String> {
    let ConnectionRecord { name, consumer, endpoint: _, subscription, status, link_id, first_seen } = connection;
    vec![
        service.to_owned(),
        one_line(name),
        one_line(status),
        one_line(consumer.as_deref().unwrap_or_default()),
        one_line(subscription),
        one_line(link_id.as_deref().unwrap_or_default()),
        first_seen.to_string(),
    ]
}

/// How far consumers have moved, and whom to call.
fn migrations(documents: &BTreeMap<RepoPath, StatusDocument>) -> Text {
    let mut text = Text::new();
    for document in documents.values() {
        let StatusDocument::PrivateLinkService(status) = document else { continue };
        let Some(Replaces { name, moved, consumers, missing }) = &status.replaces else { continue };
        if text.is_empty() {
            text.end().line(Label::Heading, "Migrations");
        }
        let end =
            if missing.is_empty() { format!("; {name} can go") } else { format!(" (missing: {})", missing.join(", ")) };
        let noun = if *consumers == 1 { "consumer" } else { "consumers" };
        let line = format!("{} replaces {name}: {moved} of {consumers} {noun} moved{end}", status.head.metadata.name);
        text.line(Label::Plain, one_line(&line));
    }
    text
}

fn endpoints(documents: &BTreeMap<RepoPath, StatusDocument>) -> Text {
    let endpoints = documents.values().filter_map(|document| match document {
        StatusDocument::PrivateEndpoint(status) => Some(status),
        _ => None,
    });
    let endpoints: Vec<&PrivateEndpointStatus> = endpoints.collect();
    let mut text = Text::new();
    if endpoints.is_empty() {
        return text;
    }
    let or_none = |text: &Option<String>| one_line(text.as_deref().unwrap_or_default());
    let row = |status: &&PrivateEndpointStatus| {
        let outputs = &status.outputs;
        let target = outputs.target.as_deref().unwrap_or_default();
        let target = if target.starts_with('/') { target.rsplit('/').next().unwrap_or(target) } else { target };
        let name = one_line(&status.head.metadata.name);
        vec![name, or_none(&outputs.address), or_none(&outputs.connection_state), one_line(target)]
    };
    let rows: Vec<Vec<String>> = endpoints.iter().map(row).collect();
    text.end().line(Label::Heading, "Private endpoints");
    lines(&mut text, table::az(&["Name", "Address", "Connection", "Target"], &rows));
    let records = endpoints.iter().flat_map(|status| &status.outputs.dns);
    let rows: Vec<Vec<String>> = records.map(|record| vec![one_line(&record.name), answers(record)]).collect();
    if !rows.is_empty() {
        text.end().line(Label::Heading, "DNS records");
        lines(&mut text, table::az(&["Name", "Addresses"], &rows));
    }
    text
}

fn answers(record: &RecordOutput) -> String {
    if record.addresses.is_empty() { "<none>".to_owned() } else { one_line(&record.addresses.join(",")) }
}

/// Every condition that is not true, and what is to do or differs.
fn troubles(documents: &BTreeMap<RepoPath, StatusDocument>, clock: Clock) -> Text {
    let mut text = Text::new();
    for document in documents.values() {
        let Some(head) = document.head() else { continue };
        // A service that nobody wants any more and that still serves is true, and trouble.
        let is_trouble = |it: &&Condition| it.status != ConditionStatus::True || !it.message.is_empty();
        let conditions: Vec<&Condition> = head.conditions.iter().filter(is_trouble).collect();
        if conditions.is_empty() && head.pending.is_empty() && head.drift.is_empty() {
            continue;
        }
        let namespace = head.metadata.namespace.as_deref().map(|text| format!("{text}/")).unwrap_or_default();
        let kind = head.kind.trim_end_matches("Status");
        text.end().line(Label::Heading, one_line(&format!("{kind} {namespace}{}", head.metadata.name)));
        for condition in conditions {
            text.append(trouble(condition, clock));
        }
        for pending in &head.pending {
            text.push(Label::Notable, "  pending  ").line(Label::Plain, one_line(pending));
        }
        for drift in &head.drift {
            text.push(Label::Warning, "  drift    ").line(Label::Plain, one_line(drift));
        }
    }
    text
}

fn trouble(condition: &Condition, clock: Clock) -> Text {
    let Condition { kind, status, reason, message, since } = condition;
    let label = match status {
        ConditionStatus::True | ConditionStatus::Unknown => Label::Warning,
        ConditionStatus::False => Label::Error,
    };
    let mut text = Text::new();
    text.push(label, format!("  {kind} {status}: {}", one_line(reason)));
    text.push(Label::Dim, format!(" for {}", age(*since, clock.now)));
    if !message.is_empty() {
        text.plain(format!(": {}", one_line(message)));
    }
    text.end();
    text
}

fn lines(text: &mut Text, lines: Vec<String>) {
    for line in lines {
        text.line(Label::Plain, line);
    }
}

#[cfg(test)]
mod tests;
