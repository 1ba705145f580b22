//! The collection of diagnostics that a stage fills: collected, never thrown.

use crate::diagnostic::{Diagnostic, Label, Place, Severity};

/// Diagnostics in the order in which they were found, until they are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// True if one of them is an error: later stages must not run.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// True if there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many there are of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Sorts by file, then by position as `offset` tells it (a byte of the file), and drops what is said twice.
    ///
    /// A place is symbolic, so the caller brings what knows bytes: `repo::source::Sources::offset`. Without one,
    /// [`Diagnostics::sorted`] orders by document and path.
    #[must_use]
    pub fn sorted_by_offset(mut self, offset: impl Fn(&Place) -> usize) -> Self {
        self.0.sort_by_cached_key(|diagnostic| {
            let place = diagnostic.place().cloned();
            let at = place.as_ref().map(|place| (place.file.clone(), offset(place)));
            (at, diagnostic.severity, diagnostic.code, diagnostic.message.clone(), key(&diagnostic.labels))
        });
        self.0.dedup();
        self
    }

    /// Sorts by file, document and path, and drops what is said twice.
    #[must_use]
    pub fn sorted(self) -> Self {
        self.sorted_by_offset(|place| place.document)
    }
}

// Labels tie-break the order, so that it never depends on the order in which checks ran.
fn key(labels: &[Label]) -> Vec<Label> {
    labels.to_vec()
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.0.extend(diagnostics);
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(diagnostics: I) -> Self {
        Self(diagnostics.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, FileName};

    fn at(file: &str, document: usize) -> Diagnostic {
        Diagnostic::error(Code::new("T1"), "x").label(Place::document(FileName::outside(file), document), "")
    }

    #[test]
    fn sorting_is_by_file_then_position_and_drops_doubles() {
        let all: Diagnostics = [at("b", 0), at("a", 2), at("a", 1), at("b", 0)].into_iter().collect();
        let sorted: Vec<Diagnostic> = all.sorted().into_iter().collect();
        assert_eq!(sorted, [at("a", 1), at("a", 2), at("b", 0)]);
    }

    #[test]
    fn only_errors_stop() {
        let warning: Diagnostics = [Diagnostic::warning(Code::new("T1"), "x")].into_iter().collect();
        assert!(!warning.has_errors() && warning.count(Severity::Warning) == 1);
    }
}
