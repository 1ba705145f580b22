//! That a document is left alone for a while: why, and until when.

use std::fmt;

use jiff::Timestamp;

/// What the annotations of a suspended document say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Why, in one line of its author's words; never empty.
    pub reason: String,
    /// From when on it does not hold any more; `None` holds it until the annotation is removed.
    pub until: Option<Timestamp>,
}

impl Suspension {
    /// True as long as its end has not come.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "suspended until {until}: {}", self.reason),
            None => write!(f, "suspended: {}", self.reason),
        }
    }
}
