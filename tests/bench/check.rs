//! What `privlink check` does between reading the folder and printing: 10,000 manifests in 2,000 files, some of them wrong.

use std::collections::BTreeMap;

use privlink::desired::authority;
use privlink::desired::check::allow;
use privlink::desired::resolve::{Source, resolve, unseen_cluster};
use privlink::diagnostic::{Diagnostics, Severity};
use privlink::domain::commit::{File, Snapshot};
use privlink::render;
use privlink::repo::read;
use privlink::repo::settings::Settings;

/// Files of the repository.
const FILES: usize = 2_000;
/// Documents in each.
const IN_EACH: usize = 5;
/// One document of so many is wrong.
const WRONG: usize = 500;

/// Prints the figures.
pub(super) fn figures(settings: &Settings) {
    for files in [1, FILES] {
        let snapshot = snapshot(files);
        let name = format!("check {} documents in {files} files", files * IN_EACH);
        let errors = super::figure(&name, || check(&snapshot, settings));
        assert_eq!(errors, (files * IN_EACH).div_ceil(WRONG), "each wrong document has one error");
    }
}

/// Reads, checks and renders; counts the errors.
fn check(snapshot: &Snapshot, settings: &Settings) -> usize {
    let policy = authority::policy(settings, &"prod".parse().expect("a name")).expect("it is in the settings");
    let reading = read(snapshot, settings);
    let cluster = policy.cluster.as_ref().map(|cluster| unseen_cluster(&cluster.aks));
    let source =
        Source { documents: &reading.documents, policy: &policy, cluster: cluster.as_ref(), path_exists: true };
    let (_, found) = resolve(source);
    let today = "2026-11-28".parse().expect("a day");
    let mut all: Diagnostics = allow::apply(found, &reading.sources, (&policy.path, today));
    all.extend(reading.diagnostics);
    assert!(!render::diagnostic::render(&all, &reading.sources, false).is_empty(), "something is wrong");
    all.count(Severity::Error)
}

fn snapshot(files: usize) -> Snapshot {
    let files: BTreeMap<_, _> = (0..files)
        .map(|file| {
            let documents = (0..IN_EACH).map(|at| document(file * IN_EACH + at)).collect::<Vec<_>>().join("---\n");
            let path = format!("environments/prod/team-{}/app-{file}.yaml", file % 20);
            (path.parse().expect("a path"), File::Bytes(documents.into_bytes()))
        })
        .collect();
    Snapshot { files, ..Snapshot::default() }
}

// Public ones: one internal load balancer could not have so many.
fn document(number: usize) -> String {
    let timeout = if number.is_multiple_of(WRONG) { 101 } else { 30 };
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: app-{number}\n  namespace: team-{}\n  labels:\n    app: \
         app-{number}\n  annotations:\n    service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: \
         \"{timeout}\"\n    service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol: http\nspec:\n  type: \
         LoadBalancer\n  ports:\n  - name: http\n    port: 80\n    targetPort: 8080\n  selector:\n    app: app-{number}\n",
        number % 20
    )
}
