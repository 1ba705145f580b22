//! Reads the YAML that people write: strictly, with places, in our own words. The only file that names the YAML crate.
//!
//! Each document is walked as events (granit-parser). The walk makes its value and finds what is refused: anchors, aliases,
//! merge keys, tags, directives, duplicate keys, depth, numbers that would be rounded. Where the entries are is noted by a
//! second walk, of the same code, and only if somebody asks: most documents are right, and nobody points into them.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::ErrorKind;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, FileName, Place, Step};
use crate::repo::code;
use crate::repo::source::{Entries, Index};
use crate::repo::split;

mod plain;
mod walk;
mod wording;

use walk::Walk;

/// Levels of nesting; a Service needs six.
const MAX_DEPTH: usize = 32;
/// Scalars, lists and mappings in one document.
const MAX_NODES: usize = 20_000;
/// Refusals told about one document; more would only hide the first ones.
const MAX_REFUSALS: usize = 10;
/// Documents in one file.
const MAX_DOCUMENTS: usize = 1_000;

/// One document: where its entries are, and its value unless something in it was refused.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// Its bytes in the file.
    pub(crate) range: Range<usize>,
    /// Where its entries are.
    pub(crate) index: Index,
    /// Its value.
    pub(crate) value: Option<Value>,
    /// Plain text that YAML 1.1, and so kubectl, would not read as text: `yes`, `017`, `1_000`.
    pub(crate) ambiguous: Vec<Vec<Step>>,
}

/// Reads every document of a file. Documents that hold nothing are left out; broken ones have no value.
pub(crate) fn parse(file: &FileName, text: &Arc<str>, diagnostics: &mut Diagnostics) -> Vec<Parsed> {
    let documents = split::documents(text);
    if let Some(first) = documents.get(MAX_DOCUMENTS) {
        diagnostics.push(
            Diagnostic::error(code::TOO_COMPLEX, format!("{file} has more than {MAX_DOCUMENTS} documents"))
                .label(Place::bytes(file.clone(), first.clone()), "from here on nothing is read")
                .help("split it into several files"),
        );
    }
    let read = documents.into_iter().take(MAX_DOCUMENTS);
    read.filter_map(|range| parse_one(file, text, range, diagnostics)).collect()
}

fn parse_one(file: &FileName, text: &Arc<str>, range: Range<usize>, diagnostics: &mut Diagnostics) -> Option<Parsed> {
    let mut walk = Walk::new(file, text, range.clone());
    walk.run();
    if !walk.refusals.is_empty() {
        // What is told about a duplicate key needs the place of the first.
        walk = Walk::with_entries(file, text, range.clone());
        walk.run();
    }
    let Walk { refusals, root, empty, ambiguous, .. } = walk;
    if empty && refusals.is_empty() {
        return None;
    }
    let value = root.filter(|_| refusals.is_empty());
    diagnostics.extend(refusals);
    Some(Parsed { index: Index::of_document(text.clone(), range.clone()), range, value, ambiguous })
}

/// The value of one document of a file, unless something in it is refused.
pub(crate) fn value(text: &str, range: Range<usize>) -> Option<Value> {
    let nowhere = FileName::outside("");
    let mut walk = Walk::new(&nowhere, text, range);
    walk.run();
    walk.root.filter(|_| walk.refusals.is_empty())
}

/// Where the entries of one document of a file are.
pub(crate) fn entries(text: &str, range: Range<usize>) -> Entries {
    let nowhere = FileName::outside("");
    let mut walk = Walk::with_entries(&nowhere, text, range);
    walk.run();
    walk.entries.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(text: &str) -> Option<Value> {
        parse(&FileName::outside("f"), &text.into(), &mut Diagnostics::new()).remove(0).value
    }

    proptest::proptest! {
        // Two readers, one text: where we give a value, the other YAML crate reads the same.
        #[test]
        fn a_mapping_reads_as_in_the_other_yaml_crate(
            words in proptest::collection::btree_map("[a-z]{1,5}", "[a-zA-Z0-9][a-zA-Z0-9 .:/-]{0,8}[a-z]", 1..5),
            numbers in proptest::collection::btree_map("[A-Z]{1,5}", proptest::num::i64::ANY, 0..5),
        ) {
            let words = words.iter().map(|(key, value)| format!("{key}: \"{value}\"\n"));
            let text: String = words.chain(numbers.iter().map(|(key, value)| format!("{key}: [{value}]\n"))).collect();
            let other: Value = serde_yaml::from_str(&text).unwrap();
            proptest::prop_assert_eq!(value_of(&text), Some(other));
        }
    }

    /// Another reader on the same parser, as strict as ours.
    fn judged(document: &str) -> Result<Value, serde_saphyr::Error> {
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
            merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            reject_unsupported_tags: true,
            emit_comments: false,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(document, options)
    }

    /// Every document without a refusal has the judge's value, and one that the judge refuses has a refusal.
    fn agrees(text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
        let text: Arc<str> = text.into();
        for range in split::documents(&text) {
            let mut refused = Diagnostics::new();
            let parsed = parse_one(&FileName::outside("f"), &text, range.clone(), &mut refused);
            let Some(parsed) = parsed else { continue };
            proptest::prop_assert_eq!(parsed.value.is_none(), refused.has_errors());
            proptest::prop_assert_eq!(&parsed.value, &value(&text, parsed.range.clone()), "the same, when read again");
            if refused.is_empty() {
                let judged = judged(&text[range.clone()]).map_err(|error| error.to_string());
                proptest::prop_assert_eq!(parsed.value.ok_or_else(String::new), judged, "{:?}", &text[range]);
            }
        }
        Ok(())
    }

    const SAMPLE: &str = "# x\napiVersion: v1\nkind: 'Service'\nmetadata: { name: app, labels: {a: \"b\\n\"} }\nspec:\n  \
                          ports:\n  - port: 0x50\n    name: |-\n      a\n       b\n  - {port: -1.5e3, x: ~}\n  list: [1, \
                          true,\n    on, .5, \"\"]\n  folded: >\n    a\n\n    b\n  plain: a b\n    c: #d\n---\n? key\n: - - a\n    - \
                          null\n  -\n...\n";

    proptest::proptest! {
        #[test]
        fn a_file_cut_and_patched_anywhere_reads_as_the_judge_reads_it(
            at in 0..SAMPLE.len(), length in 0..30_usize, patch in "[-+:{}\\[\\]&*!|>'\"# \n\t~0-9a-fxonNT._,?]{0,6}",
        ) {
            let end = (at + length).min(SAMPLE.len());
            agrees(&format!("{}{patch}{}", &SAMPLE[..at], &SAMPLE[end..]))?;
        }

        #[test]
        fn a_word_reads_as_the_judge_reads_it(
            word in "[-+]?(0[xXoObB]?)?[0-9a-fA-F_.+-]{0,20}(e[0-9]{1,3})?|[nN][uU][lL]{2}|[tT][rR][uU][eE]|[-+]?\\.?(inf|nan|NaN)",
        ) {
            agrees(&format!("- {word}\n- k: {word}\n- {word}: v\n- '{word}'\n"))?;
        }
    }

    #[test]
    fn plain_values_are_typed_by_the_core_schema_of_yaml_1_2() {
        let text =
            "[1, -1, 0, 1.5, 1e3, 0x1F, 0o17, 017, 1_0, true, True, NO, yes, null, ~, 12:30:45, .5, +1, 2026-01-01]";
        let found = serde_json::to_string(&value_of(text)).unwrap();
        insta::assert_snapshot!(found, @r#"
[1,-1,0,1.5,1000.0,31,15,"017","1_0",true,true,"NO","yes",null,null,"12:30:45",0.5,1,"2026-01-01"]
"#);
    }
}
