//! The marks that say a resource is ours: Azure tags, record-set metadata, Kubernetes labels.
//!
//! A mark never is an identity: renaming a document rewrites at most a mark. What the cloud provider writes gets none.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::name::DocumentName;
use crate::domain::name::EnvironmentName;
use crate::domain::name::OwnerId;

/// The tag (and record-set metadata key) that holds `<owner>/<environment>`.
pub const OWNER_TAG: &str = "privlink-owner";
/// The tag (and record-set metadata key) that holds `<kind>/<name>` of the document.
pub const DOCUMENT_TAG: &str = "privlink-document";
/// The label, on Services we deploy, that holds the owner.
pub const OWNER_LABEL: &str = "privlink.dev/owner";
/// The label beside it that holds the environment: a label value cannot hold the `/` of the tag.
pub const ENVIRONMENT_LABEL: &str = "privlink.dev/environment";
/// The annotation, on Services somebody else deploys, that says whose annotations we are.
pub const PUBLISHED_BY_ANNOTATION: &str = "privlink.dev/published-by";
/// The annotation, on a document, that asks for the adoption of an existing resource by its full id.
pub const ADOPT_ANNOTATION: &str = "privlink.dev/adopt";
/// The annotation, on a document, that leaves what it asks for as it is, and says why.
pub const SUSPEND_ANNOTATION: &str = "privlink.dev/suspend";
/// The annotation beside it that says when that ends, as a time of RFC 3339.
pub const SUSPEND_UNTIL_ANNOTATION: &str = "privlink.dev/suspend-until";

/// Which config repository and environment a resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The repository.
    pub owner: OwnerId,
    /// The environment in it.
    pub environment: EnvironmentName,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.environment)
    }
}

impl Mark {
    /// Reads the text of an owner tag.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, environment) = text.split_once('/')?;
        Some(Self { owner: owner.parse().ok()?, environment: environment.parse().ok()? })
    }

    /// Reads the mark from tags or record-set metadata. Tag names have no case.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Self> {
        let (_, value) = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(OWNER_TAG))?;
        Self::parse(value)
    }

    /// Reads the mark from the labels of a Service.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        let owner = labels.get(OWNER_LABEL)?.parse().ok()?;
        let environment = labels.get(ENVIRONMENT_LABEL)?.parse().ok()?;
        Some(Self { owner, environment })
    }

    /// The two tags of a resource that follows from a document.
    pub fn tags(&self, document: &DocumentMark) -> BTreeMap<String, String> {
        BTreeMap::from([(OWNER_TAG.to_owned(), self.to_string()), (DOCUMENT_TAG.to_owned(), document.to_string())])
    }

    /// The labels of a Service we deploy.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (OWNER_LABEL.to_owned(), self.owner.to_string()),
            (ENVIRONMENT_LABEL.to_owned(), self.environment.to_string()),
        ])
    }
}

/// True for a tag or metadata key that privlink writes; those are compared as marks, not as the person's tags.
pub fn is_mark_tag(name: &str) -> bool {
    name.eq_ignore_ascii_case(OWNER_TAG) || name.eq_ignore_ascii_case(DOCUMENT_TAG)
}

/// `<kind>/<name>` of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentMark {
    /// The kind, in lower case.
    pub kind: &'static str,
    /// Its name.
    pub name: DocumentName,
}

impl fmt::Display for DocumentMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
