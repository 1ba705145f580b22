//! Annotations that are misspelt: the cloud provider passes over them without a word.

use crate::desired::check::rule::Findings;
use crate::desired::check::rule::Look;
use crate::desired::check::rule::Rule;
use crate::desired::check::subject::Note;
use crate::desired::check::subject::Subject;
use crate::desired::check::subject::short;
use crate::diagnostic::Fix;
use crate::diagnostic::Severity;
use crate::diagnostic::closest;
use crate::domain::annotation;

pub(super) const RULES: &[Rule] = &[
    Rule::error("ANN001", "the value of an annotation is not text", Look::Before).because(
        "The API server refuses the object before any controller sees it.",
        "Put the value in quotes: `\"true\"`, `\"8\"`.",
    ),
    Rule::warning("ANN002", "an annotation that nothing reads", Look::Each(unknown_key)).because(
        "Keys are compared letter by letter. A misspelt one is passed over without an event, and the default holds: a \
         misspelt azure-load-balancer-internal is a public load balancer.",
        "Correct the key. Near a key that decides about exposure this is an error.",
    ),
    Rule::error("ANN003", "the internal flag is spelled so that the load balancer is public", Look::Each(truthy))
        .because(
            "Only `true`, byte for byte, makes a load balancer internal. `True`, `yes` or `true ` gives a public load \
             balancer with a public IP address, while other parts of the cloud provider take the Service for an internal one.",
            "Write service.beta.kubernetes.io/azure-load-balancer-internal: \"true\".",
        ),
    Rule::warning("ANN004", "the internal flag is neither true nor false", Look::Each(neither)).because(
        "Everything but `true` means a public load balancer.",
        "Write `\"true\"` or `\"false\"`.",
    ),
    Rule::warning("ANN005", "a flag is neither true nor false", Look::Each(flags)).because(
        "A flag that is not `true`, in any case and without blanks, is off. There is no event.",
        "Write `\"true\"` or `\"false\"` without blanks.",
    ),
    Rule::warning("ANN006", "azure-pls-create is neither true nor false", Look::Each(create)).because(
        "Any other text means that no Private Link Service is built. There is no event.",
        "Write `\"true\"` or `\"false\"`.",
    ),
    Rule::error("ANN007", "a flag of the Private Link Service has blanks around it", Look::Each(blanks)).because(
        "The Private Link Service is built with the flag on, but the choice of health probes takes it for off: with \
         externalTrafficPolicy Local all probes fail.",
        "Remove the blanks.",
    ),
];

fn unknown_key(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in subject.all_written().filter(|note| !is_known(note.key)) {
        let Some(meant) = meant(&note) else { continue };
        let help = match &meant {
            Some(key) => format!("did you mean `{key}`?"),
            None => "remove it, or correct it".to_owned(),
        };
        let decides = |key: &str| key.contains("azure-pls-") || key.contains("azure-load-balancer-internal");
        let severity = if meant.as_deref().is_some_and(decides) { Severity::Error } else { Severity::Warning };
        let message = format!("nothing reads the annotation {}", note.key);
        // Where the right key stands beside it, one of the two has to go: a person decides which.
        let fix = meant.filter(|key| subject.written(key).is_none()).map(|key| Fix::key(note.key_place(), key));
        findings.as_bad_as(severity).with(fix).say(
            message,
            (note.key_place(), "not a key of the cloud provider"),
            help,
        );
    }
}

fn is_known(key: &str) -> bool {
    annotation::KNOWN.contains(&key)
        || key.eq_ignore_ascii_case(annotation::CONFIGURATIONS)
        || annotation::port_key(key)
            .is_some_and(|(number, rest)| number.parse::<u16>().is_ok() && annotation::PORT_SUFFIXES.contains(&rest))
}

/// What a key probably means: `None` if it is somebody else's, `Some(None)` if it is meant for us and not like any.
fn meant(note: &Note<'_>) -> Option<Option<String>> {
    let full = |name: &str| format!("{}{name}", annotation::PREFIX);
    let names = || annotation::KNOWN.iter().map(|key| short(key));
    let (prefix, name) = note.key.split_once('/')?;
    let folded = name.to_ascii_lowercase();
    if format!("{prefix}/") != annotation::PREFIX {
        let near = closest(prefix, [annotation::PREFIX.trim_end_matches('/')]).is_some();
        let ours = names().find(|known| *known == folded && folded.starts_with("azure-"));
        return match (ours, near) {
            (Some(known), _) => Some(Some(full(known))),
            (None, true) => closest(&folded, names()).map(|known| Some(full(known))),
            (None, false) => None,
        };
    }
    if let Some((number, rest)) = annotation::port_key(note.key) {
        let suffix = closest(rest, annotation::PORT_SUFFIXES).filter(|_| number.parse::<u16>().is_ok());
        return Some(suffix.map(|suffix| full(&format!("port_{number}_{suffix}"))));
    }
    let with_azure = format!("azure-{folded}");
    let near = names().find(|known| *known == with_azure).or_else(|| closest(&folded, names()));
    (near.is_some() || folded.starts_with("azure-") || folded.starts_with("port_")).then(|| near.map(full))
}

fn truthy(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::INTERNAL) else { return };
    if annotation::is_misspelt_internal(&note.text) {
        let message = format!("the load balancer of {} is public", subject.key);
        let help = format!("write {}: \"true\"", annotation::INTERNAL);
        let label = "not `true` to the cloud provider, and so public";
        findings.with(Fix::value(note.place(), "true")).say(message, (note.place(), label), help);
    }
}

fn neither(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::INTERNAL) else { return };
    let is_false = note.text.trim().eq_ignore_ascii_case("false");
    if !is_false && !annotation::is_true_exact(&note.text) && !annotation::is_misspelt_internal(&note.text) {
        let message = format!("{} is neither true nor false", note.short());
        findings.say(message, (note.place(), "the load balancer is public"), "write \"true\" or \"false\"");
    }
}

/// Flags that are on when they are `true` in any case, without blanks.
const FLAGS: [&str; 5] = [
    annotation::HA_PORTS,
    annotation::DISABLE_FLOATING_IP,
    annotation::DISABLE_TCP_RESET,
    annotation::DENY_ALL,
    annotation::DISABLE_NSG_RULE,
];

fn is_flag(key: &str) -> bool {
    let of_port = |(_, rest)| matches!(rest, "no_lb_rule" | "no_probe_rule");
    FLAGS.contains(&key) || annotation::port_key(key).is_some_and(of_port)
}

fn flags(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for note in subject.all_written() {
        // Blanks are another rule's matter for this one.
        let trimmed = note.key == annotation::PLS_PROXY_PROTOCOL;
        let text = if trimmed { note.text.trim() } else { &*note.text };
        if (is_flag(note.key) || trimmed) && !annotation::is_boolean_folded(text) {
            let message = format!("{} is neither true nor false", note.short());
            let trimmed = text.trim().to_ascii_lowercase();
            let fix = annotation::is_boolean_folded(&trimmed).then(|| Fix::value(note.place(), trimmed));
            let help = "write \"true\" or \"false\", without blanks";
            findings.with(fix).say(message, (note.place(), "taken for false"), help);
        }
    }
}

fn create(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let Some(note) = subject.written(annotation::PLS_CREATE) else { return };
    if !annotation::is_boolean_folded(note.text.trim()) {
        let message = format!("{} gets no Private Link Service", subject.key);
        findings.say(message, (note.place(), "taken for false"), "write \"true\" or \"false\"");
    }
}

fn blanks(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    for key in [annotation::PLS_CREATE, annotation::PLS_PROXY_PROTOCOL] {
        let Some(note) = subject.written(key) else { continue };
        if annotation::is_true_trimmed(&note.text) && !annotation::is_true_folded(&note.text) {
            let message = format!("{} is on for the Private Link Service and off for its probes", note.short());
            let fix = Fix::value(note.place(), "true");
            findings.with(fix).say(message, (note.place(), "blanks around it"), "write \"true\" without blanks");
        }
    }
}
