//! A repair that follows from the finding alone: the place, and the one text that is right there.

use crate::diagnostic::Place;

/// How the entry at one place is repaired, without a choice left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The entry.
    pub place: Place,
    /// What becomes of it.
    pub repair: Repair,
}

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Its value is put in quotes, as it is written.
    Quote,
    /// Its value becomes this text, in quotes.
    Value(String),
    /// Its key becomes this one.
    Key(String),
}

impl Fix {
    /// Puts the value in quotes, as it is written.
    pub fn quote(place: Place) -> Self {
        Self { place, repair: Repair::Quote }
    }

    /// Writes another value.
    pub fn value(place: Place, text: impl Into<String>) -> Self {
        Self { place, repair: Repair::Value(text.into()) }
    }

    /// Writes another key.
    pub fn key(place: Place, key: impl Into<String>) -> Self {
        Self { place, repair: Repair::Key(key.into()) }
    }
}
