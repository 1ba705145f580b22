//! `replaces`: which Private Link Service takes over whose consumers.
//!
//! The old document may be gone already: that is how a migration ends, and its last plan still has to know who moved.

use std::collections::BTreeMap;

use crate::desired::Replacement;
use crate::desired::code;
use crate::desired::resolve::Resolver;
use crate::desired::resolve::publish::publisher;
use crate::diagnostic::Diagnostic;
use crate::domain::name::DocumentName;
use crate::repo::document::Document;
use crate::repo::schema::private_link_service::PrivateLinkService;

type Links<'a> = BTreeMap<&'a DocumentName, (&'a Document, &'a PrivateLinkService)>;

pub(super) fn resolve(resolver: &mut Resolver<'_>, documents: &[&Document]) {
    let links: Links<'_> = documents
        .iter()
        .filter_map(|document| {
            let link = document.private_link_service()?;
            Some((&link.metadata.name, (*document, link)))
        })
        .collect();
    let mut replaced: BTreeMap<&DocumentName, &Document> = BTreeMap::new();
    for (document, link) in links.values() {
        let Some(old) = &link.spec.replaces else { continue };
        if let Some(first) = replaced.insert(old, document) {
            refuse(resolver, document, &format!("two documents replace {old}"), Some(first));
        } else if ends_in_itself(&links, link) {
            refuse(resolver, document, "a PrivateLinkService cannot replace itself", None);
        } else {
            add(resolver, link, (old, links.get(old).map(|(_, old)| *old)));
        }
    }
}

fn refuse(resolver: &mut Resolver<'_>, document: &Document, message: &str, first: Option<&Document>) {
    let mut diagnostic = Diagnostic::error(code::REPLACES, message).label(document.path_of("spec.replaces"), "here");
    if let Some(first) = first {
        diagnostic = diagnostic.label(first.path_of("spec.replaces"), "first here");
    }
    resolver.say(diagnostic.help("name the document that this one was written beside, in one document only"));
}

/// True if following `replaces` leads back to where it began.
fn ends_in_itself(links: &Links<'_>, link: &PrivateLinkService) -> bool {
    let mut at = link.spec.replaces.as_ref();
    for _ in 0..=links.len() {
        match at {
            Some(name) if *name == link.metadata.name => return true,
            Some(name) => at = links.get(name).and_then(|(_, next)| next.spec.replaces.as_ref()),
            None => return false,
        }
    }
    false // A circle further on: its own documents say so.
}

fn add(
    resolver: &mut Resolver<'_>,
    link: &PrivateLinkService,
    (name, old): (&DocumentName, Option<&PrivateLinkService>),
) {
    let Some(cluster) = resolver.source.cluster else { return };
    let Some(new) = publisher(link, cluster) else { return };
    let replacement = Replacement {
        old: name.clone(),
        publisher: old.and_then(|old| publisher(old, cluster)),
        service: link.spec.service.key(),
    };
    resolver.replacements.insert(new, replacement);
}
