//! What `privlink doctor` found, for people and for programs.

use serde_json::Value as Json;
use serde_json::json;

use crate::azure::identity::Holder;
use crate::azure::identity::NotHere;
use crate::azure::identity::Outcome;
use crate::cli::doctor::auth::Ways;
use crate::reconcile::doctor::Finding;
use crate::reconcile::doctor::State;
use crate::render::Label;
use crate::render::Text;

/// How wide the names of ways are.
const WAY: usize = 21;

/// The ways to sign in of one purpose.
pub(super) fn ways(ways: &Ways) -> Text {
    let mut text = Text::new();
    let named = ways.named.as_ref().map_or_else(|| "whoever runs it".to_owned(), ToString::to_string);
    text.push(Label::Heading, format!("{}: signing in to {}", ways.environment, ways.purpose));
    text.plain(format!(", as {named}")).end();
    for tried in &ways.tried {
        let name = format!("  {:WAY$}", tried.link.name());
        match &tried.outcome {
            Outcome::SignedIn(holder) => {
                text.push(Label::Plain, name).line(Label::Safe, "signed in");
                for line in about(holder) {
                    text.line(Label::Dim, format!("  {:WAY$}{line}", ""));
                }
            }
            Outcome::Refused { reason } => {
                text.push(Label::Plain, name).line(Label::Error, format!("refused: {reason}"));
            }
            Outcome::NotHere(NotHere { reason, next, is_near }) => {
                let label = if *is_near { Label::Warning } else { Label::Dim };
                text.push(Label::Plain, name).line(label, format!("not here: {reason}"));
                text.push(Label::Hint, format!("  {:WAY$}help: ", "")).line(Label::Plain, next);
            }
            Outcome::NotAsked => {
                text.push(Label::Plain, name).line(Label::Dim, "not asked: an earlier one answered");
            }
        }
    }
    text.line(Label::Plain, "");
    text
}

/// Who it is, as far as the token tells.
fn about(holder: &Holder) -> Vec<String> {
    let Holder { tenant, application, object, is_person, name, expires } = holder;
    let who = if *is_person { "through application" } else { "application" };
    let mut lines: Vec<String> = Vec::new();
    lines.extend(name.as_ref().map(|name| format!("person       {name}")));
    lines.extend(application.as_ref().map(|id| format!("{who:<13}{id}")));
    lines.extend(object.as_ref().map(|id| format!("object       {id}")));
    lines.extend(tenant.as_ref().map(|id| format!("tenant       {id}")));
    lines.extend(expires.as_ref().map(|until| format!("until        {until}")));
    lines
}

/// The same for programs.
pub(super) fn ways_json(ways: &Ways) -> Json {
    let link = |tried: &crate::azure::identity::Tried| {
        let mut link = json!({ "way": tried.link.name() });
        let (outcome, more) = match &tried.outcome {
            Outcome::SignedIn(holder) => ("signed-in", holder_json(holder)),
            Outcome::Refused { reason } => ("refused", json!({ "reason": reason })),
            Outcome::NotHere(NotHere { reason, next, is_near: _ }) => {
                ("not-here", json!({ "reason": reason, "help": next }))
            }
            Outcome::NotAsked => ("not-asked", json!({})),
        };
        link["outcome"] = outcome.into();
        for (name, value) in more.as_object().into_iter().flatten() {
            link[name] = value.clone();
        }
        link
    };
    json!({
        "environment": ways.environment.as_str(),
        "purpose": ways.purpose,
        "clientId": ways.named.as_ref().map(ToString::to_string),
        "ways": ways.tried.iter().map(link).collect::<Vec<_>>(),
    })
}

fn holder_json(holder: &Holder) -> Json {
    let Holder { tenant, application, object, is_person, name, expires } = holder;
    json!({
        "tenant": tenant.as_ref().map(ToString::to_string),
        "clientId": application.as_ref().map(ToString::to_string),
        "objectId": object.as_ref().map(ToString::to_string),
        "isPerson": is_person,
        "name": name,
        "expiresAt": expires.as_ref().map(ToString::to_string),
    })
}

/// What was looked at in one environment.
pub(super) fn findings(environment: &str, findings: &[Finding]) -> Text {
    let mut text = Text::new();
    text.line(Label::Heading, environment);
    for Finding { subject, state, text: said, help } in findings {
        let (mark, label) = match state {
            State::Fine => ("  ok       ", Label::Safe),
            State::Open => ("  unknown  ", Label::Dim),
            State::Lacking => ("  missing  ", Label::Warning),
            State::Failed => ("  FAILED   ", Label::Error),
        };
        text.push(label, mark).plain(format!("{subject}: {said}")).end();
        for line in help {
            text.push(Label::Hint, "           help: ").line(Label::Plain, line);
        }
    }
    text.line(Label::Plain, "");
    text
}

/// The same for programs.
pub(super) fn findings_json(environment: &str, findings: &[Finding]) -> Json {
    let finding = |finding: &Finding| {
        let state = match finding.state {
            State::Fine => "ok",
            State::Open => "unknown",
            State::Lacking => "missing",
            State::Failed => "failed",
        };
        json!({ "subject": finding.subject, "state": state, "text": finding.text, "help": finding.help })
    };
    json!({ "environment": environment, "findings": findings.iter().map(finding).collect::<Vec<_>>() })
}

/// All of them as one document.
pub(super) fn document(environments: Vec<Json>) -> String {
    let document = json!({ "version": 1, "environments": environments });
    format!("{}\n", serde_json::to_string_pretty(&document).expect("it is JSON"))
}
