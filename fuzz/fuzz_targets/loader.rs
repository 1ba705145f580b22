//! Documents: any bytes of any files give documents or findings that can be shown, and never a panic or a hang.
//!
//! A line `#====` ends a file and begins the next one. Files lie in the folders of two environments by turns.

#![no_main]

use libfuzzer_sys::fuzz_target;
use privlink::desired::authority;
use privlink::diagnostic::Diagnostics;
use privlink::diagnostic::FileName;
use privlink::domain::commit::File;
use privlink::domain::commit::RepoPath;
use privlink::domain::commit::Snapshot;
use privlink::reconcile::planning;
use privlink::reconcile::source::Loaded;
use privlink::reconcile::source::Source;
use privlink::render;
use privlink::repo;
use privlink::repo::Reading;
use privlink::repo::document::Body;
use privlink::repo::settings;
use privlink::repo::settings::Settings;
use privlink_fuzz::can_be_shown;

const SETTINGS: &str = r#"
version = 1
owner = "6f1c0000-0000-4000-8000-000000000001"

[environments.dev]
path = "environments/dev"
subscription = "00000000-0000-0000-0000-000000000002"
cluster = { aks = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/dev" }

[environments.prod]
path = "environments/prod"
subscription = "00000000-0000-0000-0000-000000000001"
cluster = { aks = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod" }
"#;

fuzz_target!(|bytes: &[u8]| {
    let settings = settings::parse(FileName::outside("privlink.toml"), SETTINGS).0.expect("these settings are right");
    let loaded = load(snapshot(bytes), settings);
    let found = check(&loaded);
    can_be_shown(&found, &loaded.reading.sources);
    let again = load(loaded.source.snapshot.clone(), loaded.settings.clone());
    assert_eq!(check(&again), found, "the same bytes are told the same");
    loaded.reading.documents.iter().for_each(|document| reads_back(&document.body, &loaded.settings));
});

fn snapshot(bytes: &[u8]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut rest = bytes;
    for number in 0..8 {
        const END: &[u8] = b"\n#====\n";
        let end = rest.windows(END.len()).position(|window| window == END);
        let file = &rest[..end.map_or(rest.len(), |end| end + 1)];
        let folder = if number % 2 == 0 { "prod" } else { "dev" };
        let path: RepoPath = format!("environments/{folder}/{number}.yaml").parse().expect("this is a path");
        snapshot.files.insert(path, File::Bytes(file.to_vec()));
        match end {
            Some(end) => rest = &rest[end + END.len()..],
            None => break,
        }
    }
    snapshot
}

fn load(snapshot: Snapshot, settings: Settings) -> Loaded {
    let reading = repo::read(&snapshot, &settings);
    let source = Source {
        snapshot,
        base: None,
        authority: None,
        authority_note: String::new(),
        planned_note: String::new(),
        commit: None,
        upstream: None,
    };
    Loaded { settings, reading, source, today: jiff::civil::date(2026, 11, 28) }
}

fn check(loaded: &Loaded) -> Diagnostics {
    let mut found = loaded.reading.diagnostics.clone();
    for name in loaded.settings.environments.keys() {
        let mut policy = authority::policy(&loaded.settings, name).expect("every environment has a policy");
        policy.levels.remarks = true;
        found.extend(planning::resolve_files(loaded, &policy, None).1);
    }
    found.sorted_by_offset(|place| loaded.reading.sources.offset(place))
}

/// A Service that is written out again is the same Service.
fn reads_back(body: &Body, settings: &Settings) {
    let Body::Service(manifest) = body else { return };
    // Every file that is written begins with a comment, as any of ours does.
    let text = render::yaml::write(&manifest.manifest.value());
    let path: RepoPath = "environments/prod/again.yaml".parse().expect("this is a path");
    let files = [(path, File::Bytes(text.clone().into_bytes()))].into();
    let Reading { documents, diagnostics, .. } = repo::read(&Snapshot { files, ..Snapshot::default() }, settings);
    let same = documents.first().is_some_and(|document| document.body == *body);
    assert!(same || diagnostics.has_errors(), "a Service reads back as another one:\n{text}");
}
