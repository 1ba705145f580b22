//! Random worlds of Services that nobody checked, imported: a plan of the documents only adopts, and all else is told.

use std::collections::BTreeMap;

use privlink::domain::commit::RepoPath;
use privlink::plan::action::Action;
use privlink::plan::plan;
use privlink::reconcile::importing;
use privlink::reconcile::importing::Wish;
use privlink::reconcile::planning;
use serde_json::json;

use super::chance::Chance;
use super::edit;
use super::setting;
use super::stage::Stage;
use crate::runner::worlds::NODE_GROUP;

/// So many worlds are tried.
const WORLDS: u64 = 12;

/// A world in which somebody put Services, endpoints and Private Link Services by hand.
async fn by_hand(chance: &mut Chance) -> Stage {
    let stage = Stage::new(&setting::beginning(chance)).await;
    for (subnet, address) in edit::TAKEN {
        setting::take_address(&stage, subnet, address);
    }
    for first in setting::first_services(chance) {
        let mut manifest = first.manifest.unwrap();
        // A Service that was edited since, by somebody who tries things out.
        for _ in 0..chance.below(3) {
            manifest = edit::edited(chance, &first.key, &manifest).manifest.unwrap_or(manifest);
        }
        let _refused = stage.inside().apply_raw(&manifest);
        stage.simulator.idle().await;
    }
    let observed = stage.observe().await;
    for (at, link) in observed.private_link_services.keys().enumerate() {
        stage.connect_endpoint(&format!("pe-{at}"), &link.to_string());
    }
    for (at, frontend) in observed.frontends.values().enumerate().filter(|(_, own)| own.address.is_some()) {
        if chance.once_in(3) && !observed.private_link_services.values().any(|it| it.frontend() == Some(&frontend.id)) {
            let group = if chance.once_in(2) { NODE_GROUP } else { "rg-pls" };
            setting::put_link(&stage, (group, &format!("pls-{at}")), &frontend.id.to_string(), json!({}));
        }
    }
    stage
}

#[tokio::test]
async fn what_is_imported_of_random_worlds_is_only_adopted_and_the_rest_is_told() {
    let mut adopted = 0;
    for seed in 0..WORLDS {
        let stage = by_hand(&mut Chance::new(seed)).await;
        let observed = stage.observe().await;
        let empty = stage.loaded(&BTreeMap::new());
        let imported = importing::files(&empty, stage.policy(), &observed, &Wish::default()).unwrap();
        let files: BTreeMap<RepoPath, String> =
            imported.files.iter().map(|(path, imports)| (path.clone(), imports.text.clone())).collect();
        let after = stage.loaded(&files);
        let (desired, found) = planning::resolve_files(&after, stage.policy(), observed.cluster.as_ref());
        assert!(!found.has_errors(), "seed {seed}: {found:?}");
        let planned = plan(&desired, &observed, None);
        let others = planned.steps.iter().filter(|step| step.change.action != Action::Adopt);
        let others: Vec<String> = others.map(|step| format!("{} {}", step.change.action, step.change.key)).collect();
        assert!(others.is_empty() && planned.left_out.is_empty(), "seed {seed}: {others:?} {:?}", planned.left_out);
        adopted += planned.steps.len();
        let told = |name: &str| {
            imported.left.iter().any(|left| left.subject.split(' ').next_back().is_some_and(|it| it.ends_with(name)))
        };
        for live in observed.services.values() {
            let is_internal = edit::is_internal(&live.manifest);
            let has_document = desired.intents.keys().any(|key| key.short_name() == live.key.to_string());
            assert!(!is_internal || has_document || told(live.key.name.as_str()), "seed {seed}: {} is lost", live.key);
        }
        for id in observed.private_endpoints.keys() {
            let has_document = desired.intents.keys().any(|key| key.short_name() == id.name());
            assert!(has_document || told(id.name()), "seed {seed}: {} is lost", id.name());
        }
        stage.simulator.stop().await;
    }
    assert!(adopted >= usize::try_from(WORLDS).unwrap(), "{adopted}");
}
