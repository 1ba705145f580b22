//! Our own files as YAML, both ways: status, approvals, the lease, the record of an apply.
//!
//! Reading back uses the crate that wrote: `NO`, `on` and `12:30:45` are written without quotes and mean text only to it.
//! People's files are read in `repo` by another, stricter one.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first line of every file here.
pub const HEADER: &str = "# written by privlink; do not edit\n";

/// The longest file of ours that is read, in bytes. Ours stay far below; somebody else may have pushed anything.
pub const LIMIT: usize = 4 * 1024 * 1024;

/// A file of ours that does not read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// It is not YAML of the right shape.
    #[error("{what} is not what privlink wrote")]
    Unreadable {
        /// The file.
        what: String,
        /// What the parser says.
        #[source]
        source: serde_yaml::Error,
    },
    /// It is too long to be ours.
    #[error("{what} has {bytes} bytes, and no file that privlink writes has more than {LIMIT}")]
    TooLong {
        /// The file.
        what: String,
        /// Its length.
        bytes: usize,
    },
}

/// Writes a document; the same value gives the same bytes.
pub fn write<T: Serialize>(document: &T) -> String {
    let body = serde_yaml::to_string(document).expect("our documents have text keys and no types YAML lacks");
    format!("{HEADER}{body}")
}

/// Writes documents that people go on with: one file, without a header that forbids it.
pub fn documents<T: Serialize>(documents: &[T]) -> String {
    let one = |document: &T| serde_yaml::to_string(document).expect("documents have text keys and no types YAML lacks");
    documents.iter().map(one).collect::<Vec<String>>().join("---\n")
}

/// Reads a document that [`write`] wrote; `what` names the file in errors.
///
/// # Errors
/// If it is not such a document, or longer than ours ever are.
pub fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, YamlError> {
    if text.len() > LIMIT {
        return Err(YamlError::TooLong { what: what.to_owned(), bytes: text.len() });
    }
    serde_yaml::from_str(text).map_err(|source| YamlError::Unreadable { what: what.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn words_that_yaml_reads_otherwise_come_back_as_text() {
        let words =
            ["NO", "on", "True", "1_000", "12:30:45", "2026-01-01", "~", "", "1.20", "017", "a: b", "line\nline"];
        let map: BTreeMap<String, String> = words.iter().map(|w| ((*w).to_owned(), (*w).to_owned())).collect();
        assert_eq!(read::<BTreeMap<String, String>>("words", &write(&map)).unwrap(), map);
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(key in "\\PC{0,20}", text in "(?s).{0,40}|[-0-9_.:eE+~#'\" \n\t&*!|>%@]{0,10}") {
            let map = BTreeMap::from([(key, text)]);
            proptest::prop_assert_eq!(read::<BTreeMap<String, String>>("words", &write(&map)).unwrap(), map);
        }
    }

    #[test]
    fn a_file_that_is_not_ours_is_told_by_name() {
        let error = read::<BTreeMap<String, String>>("status/prod/x.yaml", "- a").unwrap_err();
        assert_eq!(error.to_string(), "status/prod/x.yaml is not what privlink wrote");
    }
}
