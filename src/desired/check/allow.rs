//! Exceptions that people grant beside a line: who did, why, and until when.
//!
//! ```text
//! # privlink: allow(PLS023) alice: the partner's subscriptions are not known yet, until 2027-01-31
//! ```
//!
//! The comment stands on the line it is about, or on a line of its own above it.

use jiff::civil::Date;

use crate::desired::check::rules;
use crate::desired::code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::diagnostic::Place;
use crate::domain::commit::RepoPath;
use crate::repo::source::Sources;

/// How a comment begins that grants an exception.
const START: &str = "# privlink: allow(";
const FORM: &str = "write `# privlink: allow(RULE) owner: reason, until 2027-01-31`";

/// One exception.
struct Allow<'a> {
    file: &'a FileName,
    /// The line it is about, from 1.
    line: usize,
    /// The comment's bytes.
    span: std::ops::Range<usize>,
    rule: &'a str,
    until: Date,
}

/// Takes out what is allowed in the files below a folder, and says which exceptions are malformed, over or not needed.
pub fn apply(found: Diagnostics, sources: &Sources, (folder, today): (&RepoPath, Date)) -> Diagnostics {
    let mut told = Diagnostics::new();
    let files =
        sources.iter().filter(|(file, _)| file.as_str().parse::<RepoPath>().is_ok_and(|it| it.is_under(folder)));
    let allows: Vec<Allow<'_>> = files.flat_map(|(file, source)| read(file, &source.text, &mut told)).collect();
    if allows.is_empty() {
        told.extend(found);
        return told;
    }
    let mut used = vec![false; allows.len()];
    for diagnostic in found {
        match allows.iter().position(|allow| is_about(allow, &diagnostic, sources)) {
            Some(at) => {
                used[at] = true;
                if allows[at].until < today {
                    told.push(diagnostic);
                }
            }
            None => told.push(diagnostic),
        }
    }
    for (allow, used) in allows.iter().zip(used) {
        told.extend(complaint(allow, used, today));
    }
    told
}

fn is_about(allow: &Allow<'_>, diagnostic: &Diagnostic, sources: &Sources) -> bool {
    let at =
        |place: &Place| place.file == *allow.file && sources.line_column(place).is_some_and(|at| at.0 == allow.line);
    diagnostic.code.as_str() == allow.rule && diagnostic.place().is_some_and(at)
}

fn complaint(allow: &Allow<'_>, used: bool, today: Date) -> Option<Diagnostic> {
    let place = || Place::bytes(allow.file.clone(), allow.span.clone());
    if !used {
        let message = format!("nothing has to be allowed here: {} is not broken", allow.rule);
        return Some(Diagnostic::warning(code::ALLOW_UNNEEDED, message).label(place(), "not needed").help("remove it"));
    }
    (allow.until < today).then(|| {
        let message = format!("the exception from {} ended on {}", allow.rule, allow.until);
        Diagnostic::warning(code::ALLOW_OVER, message)
            .label(place(), "over")
            .help("repair what it was about, or have it granted again")
    })
}

fn read<'a>(file: &'a FileName, text: &'a str, told: &mut Diagnostics) -> Vec<Allow<'a>> {
    let mut allows = Vec::new();
    if !text.contains(START) {
        return allows;
    }
    let mut offset = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += line.len();
        let Some(at) = line.find(START) else { continue };
        let comment = line[at..].trim_end();
        let span = start + at..start + at + comment.len();
        let own_line = line[..at].trim().is_empty();
        match parse(&comment[START.len()..]) {
            Ok((rules, until)) => {
                let line = if own_line { number + 2 } else { number + 1 };
                allows.extend(rules.into_iter().map(|rule| Allow { file, line, span: span.clone(), rule, until }));
            }
            Err(problem) => {
                let diagnostic =
                    Diagnostic::error(code::ALLOW_FORM, format!("this exception is not granted: {problem}"))
                        .label(Place::bytes(file.clone(), span), "")
                        .help(FORM);
                told.push(diagnostic);
            }
        }
    }
    allows
}

// What follows `allow(`.
fn parse(text: &str) -> Result<(Vec<&str>, Date), String> {
    let (rules_text, rest) = text.split_once(')').ok_or("the ) is missing")?;
    let names: Vec<&str> = rules_text.split(',').map(str::trim).collect();
    for name in &names {
        let rule = rules().find(|rule| rule.code.as_str() == *name);
        if !rule.ok_or_else(|| format!("{name} is not a rule"))?.has_level() {
            return Err(format!("{name} cannot be passed over: without it the document has no meaning"));
        }
    }
    let (owner, rest) = rest.split_once(':').ok_or("the owner is missing")?;
    let (reason, date) = rest.rsplit_once("until ").ok_or("its end is missing")?;
    if owner.trim().is_empty() {
        return Err("the owner is missing".to_owned());
    }
    if reason.trim().trim_end_matches(',').trim().len() < 4 {
        return Err("the reason is missing".to_owned());
    }
    let date = date.trim();
    let until = date.parse().map_err(|_| format!("{date:?} is not a day such as 2027-01-31"))?;
    Ok((names, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, problem: &str) {
        assert_eq!(parse(text).unwrap_err(), problem);
    }

    #[test]
    fn an_exception_has_an_owner_a_reason_and_an_end() {
        let (names, until) = parse("PLS023, PLS022) alice: partners join daily, until 2027-01-31").unwrap();
        assert_eq!((names, until.to_string().as_str()), (vec!["PLS023", "PLS022"], "2027-01-31"));
        refused("PLS023) : partners join daily, until 2027-01-31", "the owner is missing");
        refused("PLS023) alice: until 2027-01-31", "the reason is missing");
        refused("PLS023) alice: partners join daily", "its end is missing");
        refused("PLS023) alice: partners join daily, until soon", "\"soon\" is not a day such as 2027-01-31");
        refused("PLS99) alice: partners join daily, until 2027-01-31", "PLS99 is not a rule");
        refused(
            "PLS005) a: why not, until 2027-01-31",
            "PLS005 cannot be passed over: without it the document has no meaning",
        );
    }
}
