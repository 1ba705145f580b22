//! How a rule about Azure or about the cloud provider is known.

use std::fmt;

/// How something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Recorded from the real controller.
    Observed,
    /// Read in its source.
    Code,
    /// Written down by the project or by Microsoft.
    Documented,
    /// Concluded from the others.
    Inferred,
}

impl Evidence {
    /// The end of a sentence that begins with "It is".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Observed => "recorded from the real controller",
            Self::Code => "read in the cloud provider's source",
            Self::Documented => "documented by its project or by Microsoft",
            Self::Inferred => "concluded from the others, and never makes anything look better than it may be",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observed => "observed",
            Self::Code => "code",
            Self::Documented => "documented",
            Self::Inferred => "inferred",
        })
    }
}
