//! The rules of this stage, by code: what can be wrong with a file before anybody asks what it means.

use crate::diagnostic::Code;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: Code = Code::new($code);)+

        /// Every code of this stage with what it means, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, concat!($($doc),+).trim_ascii())),+];
    };
}

codes! {
    /// A symbolic link or submodule stands where documents are read; neither is followed.
    NOT_A_FILE = "REPO001";
    /// The file is larger than 1 MiB.
    TOO_LARGE = "REPO002";
    /// The file is not UTF-8 text.
    NOT_TEXT = "REPO003";
    /// The text is not YAML, or not TOML.
    SYNTAX = "REPO004";
    /// An anchor, alias, merge key, tag or directive: what a reviewer reads must be what is applied.
    REFUSED_YAML = "REPO005";
    /// A key is written twice.
    DUPLICATE_KEY = "REPO006";
    /// The document is nested too deep or has too many entries.
    TOO_COMPLEX = "REPO007";
    /// A number does not fit and would be rounded.
    NUMBER = "REPO008";
    /// The document is not of a kind that is known here.
    UNKNOWN_KIND = "REPO010";
    /// A key that nothing reads.
    UNKNOWN_KEY = "REPO011";
    /// A required key is absent.
    MISSING_KEY = "REPO012";
    /// A value of the wrong type: text where a number belongs.
    WRONG_TYPE = "REPO013";
    /// A value that breaks the rules of its field.
    INVALID_VALUE = "REPO014";
    /// A field that the server fills in, in a file that people write.
    SERVER_FIELD = "REPO015";
    /// The file belongs to no environment, or its name suggests YAML but is not read.
    MISPLACED = "REPO016";
    /// The API server would refuse this Service.
    SERVICE = "REPO017";
    /// Plain text that kubectl, which reads YAML 1.1, takes for a boolean or a number.
    AMBIGUOUS = "REPO018";
    /// The file is a pointer of Git LFS: what it stands for is not in the repository.
    LFS_POINTER = "REPO019";
    /// `version` of privlink.toml is not one this program knows.
    VERSION = "CONF001";
    /// Two environments overlap in the tree.
    PATHS = "CONF002";
    /// Two environments manage the same namespaces of one cluster.
    NAMESPACES = "CONF003";
    /// More than one approval is asked for, but approvals need no signature.
    SIGNATURES = "CONF004";
    /// A risk that must never be automatic is.
    AUTOMATIC = "CONF005";
    /// More approvals are asked for than people can give.
    APPROVERS = "CONF006";
    /// The status branch does not name the environment, or is not a branch name.
    STATUS_BRANCH = "CONF007";
    /// There is no privlink.toml.
    NO_SETTINGS = "CONF008";
    /// Two people have the same key or account.
    SHARED_KEY = "CONF009";
}

/// An annotation of the cloud provider that is not text: a rule of `desired::check`, found here.
pub const ANNOTATION_TYPE: Code = Code::new("ANN001");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_used_once() {
        let codes: std::collections::BTreeSet<Code> = ALL.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.iter().all(|(_, text)| text.ends_with('.') && !text.starts_with(' ')));
    }
}
