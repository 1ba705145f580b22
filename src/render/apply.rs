//! An apply while it runs and when it is over: one line per step that ended, then who failed, who is blocked, what waits.

use std::time::Duration;

use crate::apply::report::Outcome;
use crate::apply::report::StepReport;
use crate::domain::key::ResourceKey;
use crate::plan::Plan;
use crate::render::Label;
use crate::render::Text;
use crate::render::count;
use crate::render::shown::one_line;
use crate::render::terminal;

/// Says what an apply did not do because the plan leaves it out; nothing if the plan is whole.
pub fn left_out(plan: &Plan) -> Text {
    let mut text = Text::new();
    if !plan.is_whole() {
        let keys: Vec<String> = plan.unmet().map(|left| one_line(&left.key.to_string())).collect();
        text.push(Label::Error, "left out: ").line(Label::Plain, format!("{}; the plan says why", keys.join(", ")));
    }
    text
}

/// The line of a step that ended.
pub fn line(report: &StepReport) -> Text {
    let StepReport { key, action, outcome, took } = report;
    let mut text = Text::new();
    let name = one_line(&key.to_string());
    let (label, word, after) = match outcome {
        Outcome::Done => (Label::Added, "done", String::new()),
        Outcome::Waiting { reason } => (Label::Notable, "waiting", format!(": {}", one_line(reason))),
        Outcome::Failed { message, .. } => (Label::Error, "failed", format!(": {}", one_line(message))),
        Outcome::Blocked { by } => (Label::Warning, "blocked", format!(" by {}", names(by))),
        Outcome::Cancelled => (Label::Dim, "not begun", ": you asked to stop".to_owned()),
        Outcome::Interrupted { reason } => {
            (Label::Warning, "left", format!(": {}, and you asked to stop", one_line(reason)))
        }
    };
    text.push(label, format!("{word:<8}")).plain(format!(" {action} {name}{after}"));
    // A step that was not begun took no time.
    if matches!(outcome, Outcome::Done | Outcome::Waiting { .. } | Outcome::Failed { .. }) {
        text.push(Label::Dim, format!("  ({})", duration(*took)));
    }
    text.end();
    text
}

/// The whole apply, when it is over.
pub fn summary(reports: &[StepReport]) -> Text {
    let mut text = Text::new();
    text.append(head(reports));
    text.append(block("Failed", Label::Error, reports, |outcome| match outcome {
        Outcome::Failed { message, .. } => Some(one_line(message)),
        _ => None,
    }));
    text.append(block("Blocked", Label::Warning, reports, |outcome| match outcome {
        Outcome::Blocked { by } => Some(format!("waits for {}, which did not end well", names(by))),
        _ => None,
    }));
    text.append(block("Not waited for", Label::Warning, reports, |outcome| match outcome {
        Outcome::Interrupted { reason } => Some(format!("{}, and you asked to stop", one_line(reason))),
        _ => None,
    }));
    text.append(block("Waiting for another party", Label::Notable, reports, |outcome| match outcome {
        Outcome::Waiting { reason } => Some(one_line(reason)),
        _ => None,
    }));
    text
}

/// How many steps ended how, on one line: `Applied: 3 of 4 steps done, 1 waiting`.
pub fn in_a_line(reports: &[StepReport]) -> String {
    terminal::render(&head(reports), false).trim_end().to_owned()
}

fn names(keys: &[ResourceKey]) -> String {
    keys.iter().map(|key| one_line(&key.to_string())).collect::<Vec<_>>().join(", ")
}

fn head(reports: &[StepReport]) -> Text {
    let number = |is: fn(&Outcome) -> bool| reports.iter().filter(|report| is(&report.outcome)).count();
    let done = number(|outcome| matches!(outcome, Outcome::Done));
    let others = [
        (number(|outcome| matches!(outcome, Outcome::Waiting { .. })), "waiting", Label::Notable),
        (number(|outcome| matches!(outcome, Outcome::Failed { .. })), "failed", Label::Error),
        (number(|outcome| matches!(outcome, Outcome::Blocked { .. })), "blocked", Label::Warning),
        (number(|outcome| matches!(outcome, Outcome::Interrupted { .. })), "not waited for", Label::Warning),
        (number(|outcome| matches!(outcome, Outcome::Cancelled)), "not begun", Label::Dim),
    ];
    let mut text = Text::new();
    let whole = reports.iter().all(|report| report.outcome.is_success());
    text.push(Label::Heading, if whole { "Applied: " } else { "Applied in part: " });
    text.plain(format!("{done} of {} done", count(reports.len(), "step")));
    for (number, word, label) in others.into_iter().filter(|(number, ..)| *number > 0) {
        text.plain(", ").push(label, format!("{number} {word}"));
    }
    text.end();
    text
}

fn block(title: &str, label: Label, reports: &[StepReport], told: fn(&Outcome) -> Option<String>) -> Text {
    let mut text = Text::new();
    let told: Vec<(&StepReport, String)> =
        reports.iter().filter_map(|report| Some((report, told(&report.outcome)?))).collect();
    if !told.is_empty() {
        text.end().line(label, title);
    }
    for (report, words) in told {
        let name = one_line(&report.key.to_string());
        text.line(Label::Plain, format!("  {} {name}: {words}", report.action));
    }
    text
}

/// `0.4s`, `12s`, `3m20s`.
fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", took.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        _ => format!("{}m{}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::action::Action;
    use crate::plan::fixture;
    use crate::render::terminal;

    fn report(key: ResourceKey, outcome: Outcome, millis: u64) -> StepReport {
        StepReport { key, action: Action::Create, outcome, took: Duration::from_millis(millis) }
    }

    #[test]
    fn an_apply_in_part_tells_who_is_blocked_by_whom() {
        let failed = Outcome::Failed {
            message: "Azure answered 409: the subnet is busy\nsee its activity log".to_owned(),
            stale: false,
        };
        let waiting = Outcome::Waiting { reason: "the provider has not answered the request".to_owned() };
        let record = ResourceKey::DnsRecord(fixture::record_id());
        let reports = [
            report(fixture::service_key(), Outcome::Done, 12_300),
            report(fixture::link_key(), failed, 400),
            report(record, Outcome::Blocked { by: vec![fixture::link_key()] }, 0),
            report(fixture::endpoint_key(), waiting, 95_000),
        ];
        let mut text = Text::new();
        for report in &reports {
            text.append(line(report));
        }
        text.end().append(summary(&reports));
        insta::assert_snapshot!(terminal::render(&text, false), @r"
        done     create service/shop/orders  (12s)
        failed   create privatelinkservice/shop/orders: Azure answered 409: the subnet is busy\nsee its activity log  (0.4s)
        blocked  create dnsrecord/api.orders.internal by privatelinkservice/shop/orders
        waiting  create privateendpoint/orders-pe: the provider has not answered the request  (1m35s)

        Applied in part: 1 of 4 steps done, 1 waiting, 1 failed, 1 blocked

        Failed
          create privatelinkservice/shop/orders: Azure answered 409: the subnet is busy\nsee its activity log

        Blocked
          create dnsrecord/api.orders.internal: waits for privatelinkservice/shop/orders, which did not end well

        Waiting for another party
          create privateendpoint/orders-pe: the provider has not answered the request
        ");
    }

    #[test]
    fn a_whole_apply_is_one_line() {
        let text = summary(&[report(fixture::service_key(), Outcome::Done, 1)]);
        assert_eq!(terminal::render(&text, false), "Applied: 1 of 1 step done\n");
    }
}
