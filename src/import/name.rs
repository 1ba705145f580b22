//! Names of new documents: as near to the resource's name as the rules of document names allow, and used by nobody else.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::desired::Desired;
use crate::domain::key::ResourceKey;
use crate::domain::mark::DOCUMENT_TAG;
use crate::domain::name::DocumentName;

/// The names that are taken, by kind of document.
#[derive(Debug)]
pub(super) struct Names {
    taken: BTreeMap<&'static str, BTreeSet<String>>,
    known: BTreeMap<ResourceKey, DocumentName>,
}

impl Names {
    /// Those of the documents that are there.
    pub(super) fn of(desired: &Desired) -> Self {
        let mut names = Self { taken: BTreeMap::new(), known: BTreeMap::new() };
        for (key, intent) in &desired.intents {
            names.taken.entry(intent.document.kind).or_default().insert(intent.document.name.to_string());
            names.known.insert(key.clone(), intent.document.name.clone());
        }
        names
    }

    /// The name for the document of a resource: the one it has, the one its tags tell, or one made of its own name.
    pub(super) fn of_resource(
        &mut self,
        kind: &'static str,
        (key, own): (&ResourceKey, &str),
        tags: &BTreeMap<String, String>,
    ) -> String {
        if let Some(known) = self.known.get(key) {
            return known.to_string();
        }
        let tag = tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(DOCUMENT_TAG)).map(|(_, text)| text);
        let told = tag.and_then(|text| text.strip_prefix(kind)?.strip_prefix('/')?.parse::<DocumentName>().ok());
        let wanted = told.map_or_else(|| document_name(own), |name| name.to_string());
        let taken = self.taken.entry(kind).or_default();
        let counted = (2_u32..).map(|number| format!("{wanted}-{number}"));
        let mut names = std::iter::once(wanted.clone()).chain(counted);
        let name = names.find(|name| !taken.contains(name)).expect("there are more numbers than documents");
        taken.insert(name.clone());
        name
    }
}

/// A document name as near to an Azure name as there is one: `my_Orders.PE` becomes `my-orders.pe`.
fn document_name(own: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let text: String = own.chars().map(letter).collect();
    let parts = text.split('.').map(|part| part.chars().take(60).collect::<String>());
    let parts: Vec<String> =
        parts.map(|part| part.trim_matches('-').to_owned()).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "imported".to_owned() } else { parts.join(".") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_azure_name_becomes_a_document_name() {
        let long = "A_".repeat(40);
        for (own, name) in [("myOrdersPE", "myorderspe"), ("a_b.C-", "a-b.c"), ("_", "imported"), ("..", "imported")] {
            assert_eq!(document_name(own), name);
        }
        assert!(document_name(&long).parse::<DocumentName>().is_ok());
    }
}
