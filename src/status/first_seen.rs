//! Since when privlink knows each consumer, as the status files say.

use std::collections::BTreeMap;

use crate::domain::azure::ResourceId;
use crate::domain::commit::RepoPath;
use crate::status::StatusDocument;

/// When each connection was first seen, by the id of its endpoint (of the connection, where Azure does not tell the
/// endpoint). A hint: a plan shows it, and nothing is decided from it.
pub fn first_seen(documents: &BTreeMap<RepoPath, StatusDocument>) -> BTreeMap<ResourceId, jiff::Timestamp> {
    let links = documents.values().filter_map(|document| match document {
        StatusDocument::Service(status) => status.link_service.as_ref(),
        StatusDocument::PrivateLinkService(status) => Some(&status.outputs),
        _ => None,
    });
    let mut seen = BTreeMap::new();
    for record in links.flat_map(|link| &link.connections) {
        let Ok(endpoint) = record.endpoint.parse::<ResourceId>() else { continue };
        let first = seen.entry(endpoint).or_insert(record.first_seen);
        *first = record.first_seen.min(*first);
    }
    seen
}
