//! Exceptions that people grant beside a line: who did, why, and until when.
//!
//! ```text
//! # privlink: allow(PLS023) alice: the partner's subscriptions are not known yet, until 2027-01-31
//! ```
//!
//! The comment stands on the line it is about, or on a line of its own above it. Under review it counts for warnings and
//! remarks at once, and for an error only if the base has the same comment at the same line: a change does not excuse its
//! own errors.

use jiff::civil::Date;

use crate::desired::check::rules;
use crate::desired::code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::diagnostic::Place;
use crate::diagnostic::Severity;
use crate::domain::commit::File;
use crate::domain::commit::RepoPath;
use crate::domain::commit::Snapshot;
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
    /// The comment, and the line it is about: what has to be in the base, word for word.
    words: (&'a str, &'a str),
}

/// What exceptions have to go by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The folder whose files count.
    pub folder: &'a RepoPath,
    /// The day.
    pub today: Date,
    /// The files of the base, if a change to them is under review.
    pub base: Option<&'a Snapshot>,
}

/// How an exception was used; of several findings, the last of these counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// Nothing it is about was found.
    None,
    /// It silenced what was found.
    Silenced,
    /// It is about an error, and is new itself.
    Refused,
}

/// Takes out what is allowed in the files below a folder, and says which exceptions are malformed, over, not needed or
/// too new.
pub fn apply(found: Diagnostics, sources: &Sources, terms: Terms<'_>) -> Diagnostics {
    let mut told = Diagnostics::new();
    let files =
        sources.iter().filter(|(file, _)| file.as_str().parse::<RepoPath>().is_ok_and(|it| it.is_under(terms.folder)));
    let allows: Vec<Allow<'_>> = files.flat_map(|(file, source)| read(file, &source.text, &mut told)).collect();
    if allows.is_empty() {
        told.extend(found);
        return told;
    }
    let mut uses = vec![Use::None; allows.len()];
    for diagnostic in found {
        let Some(at) = allows.iter().position(|allow| is_about(allow, &diagnostic, sources)) else {
            told.push(diagnostic);
            continue;
        };
        let is_new = diagnostic.severity == Severity::Error && !is_in_base(&allows[at], terms.base);
        uses[at] = uses[at].max(if is_new { Use::Refused } else { Use::Silenced });
        if is_new || allows[at].until < terms.today {
            told.push(diagnostic);
        }
    }
    for (allow, how) in allows.iter().zip(uses) {
        told.extend(complaint(allow, how, terms.today));
    }
    told
}

/// True if the exception was granted before; without a review, everything was.
fn is_in_base(allow: &Allow<'_>, base: Option<&Snapshot>) -> bool {
    let Some(base) = base else { return true };
    let file = allow.file.as_str().parse::<RepoPath>().ok().and_then(|path| base.files.get(&path));
    let Some(File::Bytes(bytes)) = file else { return false };
    let text = String::from_utf8_lossy(bytes);
    read(allow.file, &text, &mut Diagnostics::new()).iter().any(|granted| granted.words == allow.words)
}

fn is_about(allow: &Allow<'_>, diagnostic: &Diagnostic, sources: &Sources) -> bool {
    let at =
        |place: &Place| place.file == *allow.file && sources.line_column(place).is_some_and(|at| at.0 == allow.line);
    diagnostic.code.as_str() == allow.rule && diagnostic.place().is_some_and(at)
}

fn complaint(allow: &Allow<'_>, how: Use, today: Date) -> Option<Diagnostic> {
    let place = || Place::bytes(allow.file.clone(), allow.span.clone());
    if how == Use::Refused {
        let message = format!("this exception from {} is itself under review", allow.rule);
        let help = "a change does not excuse its own errors: repair it, or have the exception merged first";
        let diagnostic = Diagnostic::warning(code::ALLOW_UNDER_REVIEW, message).label(place(), "not in the base");
        return Some(diagnostic.help(help));
    }
    if how == Use::None {
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
                let subject = text.lines().nth(line - 1).unwrap_or_default().trim();
                let words = (comment, subject);
                let span = || span.clone();
                allows.extend(rules.into_iter().map(|rule| Allow { file, line, span: span(), rule, until, words }));
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
    use crate::repo::source::Source;

    /// What is told of two findings on one line that one new exception is about.
    fn told_of(found: [Diagnostic; 2]) -> Vec<(&'static str, Severity)> {
        let file: RepoPath = "environments/prod/web.yaml".parse().unwrap();
        let text = "# privlink: allow(ANN002) alice: an old controller reads both, until 2027-01-31\n{ a: 1, b: 2 }\n";
        let mut sources = Sources::new();
        sources.insert((&file).into(), Source { text: text.into(), documents: Vec::new() });
        let folder: RepoPath = "environments/prod".parse().unwrap();
        let base = Snapshot::default();
        let terms = Terms { folder: &folder, today: Date::constant(2026, 1, 1), base: Some(&base) };
        apply(found.into_iter().collect(), &sources, terms).iter().map(|it| (it.code.as_str(), it.severity)).collect()
    }

    #[test]
    fn an_exception_that_is_refused_once_says_so_whatever_else_it_silences() {
        let second = "# privlink: allow(ANN002) alice: an old controller reads both, until 2027-01-31\n".len();
        let place = || Place::bytes(&"environments/prod/web.yaml".parse::<RepoPath>().unwrap(), second..second + 1);
        let code = rules().find(|rule| rule.code.as_str() == "ANN002").unwrap().code;
        let error = Diagnostic::error(code, "near a key that decides").label(place(), "");
        let warning = Diagnostic::warning(code, "near another key").label(place(), "");
        let expected = [("ANN002", Severity::Error), ("ALW004", Severity::Warning)];
        let sorted = |mut told: Vec<(&'static str, Severity)>| {
            told.sort_by_key(|(code, _)| expected.iter().position(|(other, _)| other == code));
            told
        };
        assert_eq!(sorted(told_of([error.clone(), warning.clone()])), expected);
        assert_eq!(sorted(told_of([warning, error])), expected);
    }

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
