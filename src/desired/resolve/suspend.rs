//! `privlink.dev/suspend`: documents that are left alone for a while, each with its reason and, if it has one, its end.

use jiff::Timestamp;

use crate::desired::code;
use crate::desired::resolve::Resolver;
use crate::desired::resolve::mark;
use crate::diagnostic::Diagnostic;
use crate::domain::mark::SUSPEND_ANNOTATION;
use crate::domain::mark::SUSPEND_UNTIL_ANNOTATION;
use crate::domain::suspension::Suspension;
use crate::repo::document::Body;
use crate::repo::document::Document;

pub(super) fn resolve(resolver: &mut Resolver<'_>, documents: &[&Document]) {
    let now = resolver.source.now;
    for document in documents {
        match suspension(document) {
            Ok(None) => {}
            Ok(Some(suspension)) if suspension.holds(now) => {
                resolver.suspended.insert(mark(document), suspension);
            }
            Ok(Some(_)) => {
                let message = format!("the suspension of {} {} is over", document.kind(), document.name());
                let diagnostic = Diagnostic::warning(code::SUSPENSION_OVER, message)
                    .label(document.annotation(SUSPEND_UNTIL_ANNOTATION), "passed")
                    .label(document.annotation(SUSPEND_ANNOTATION), "its reason")
                    .help("remove both annotations, or write a later end");
                resolver.say(diagnostic);
            }
            Err(diagnostic) => resolver.say(*diagnostic),
        }
    }
}

/// What a document says about its own suspension, whether it is over or not.
fn suspension(document: &Document) -> Result<Option<Suspension>, Box<Diagnostic>> {
    let (reason, until) = annotations(document);
    let Some(reason) = reason else {
        let Some(_) = until else { return Ok(None) };
        let message = format!("{SUSPEND_UNTIL_ANNOTATION} suspends nothing without {SUSPEND_ANNOTATION}");
        let diagnostic = Diagnostic::error(code::SUSPENSION, message)
            .label(document.annotation(SUSPEND_UNTIL_ANNOTATION), "the end of what?")
            .help(format!("add {SUSPEND_ANNOTATION} with the reason, or remove this"));
        return Err(Box::new(diagnostic));
    };
    // One line: it stands in plans and in the status.
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        let diagnostic = Diagnostic::error(code::SUSPENSION, "a suspension needs a reason")
            .label(document.annotation(SUSPEND_ANNOTATION), "empty")
            .help("say why, for whoever finds it: the text stands in every plan and in the status");
        return Err(Box::new(diagnostic));
    }
    let until = until.map(str::parse::<Timestamp>).transpose().map_err(|_| {
        let diagnostic = Diagnostic::error(code::SUSPENSION, "the end of a suspension is not a time")
            .label(document.annotation(SUSPEND_UNTIL_ANNOTATION), "not a time of RFC 3339")
            .help("write date, time and offset, such as \"2026-12-24T08:00:00+01:00\"");
        Box::new(diagnostic)
    })?;
    Ok(Some(Suspension { reason, until }))
}

/// The texts of both annotations.
fn annotations(document: &Document) -> (Option<&str>, Option<&str>) {
    match &document.body {
        Body::Service(service) => {
            let text = |key: &str| service.annotations.get(key).map(String::as_str);
            (text(SUSPEND_ANNOTATION), text(SUSPEND_UNTIL_ANNOTATION))
        }
        Body::PrivateLinkService(service) => service.metadata.annotations.suspension(),
        Body::PrivateEndpoint(endpoint) => endpoint.metadata.annotations.suspension(),
    }
}
