//! What must hold between the values of `privlink.toml`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::domain::commit::{RefName, RepoPath};
use crate::domain::name::EnvironmentName;
use crate::repo::code;
use crate::repo::settings::{Approver, Environment, Level, OnDrift, SYSTEM_NAMESPACES, Settings, Signatures, Windows};
use crate::repo::source::Index;

/// The file as it was written: where it is, and which keys are in it.
pub(super) struct Written<'a> {
    pub(super) root: &'a Place,
    pub(super) index: &'a Index,
}

impl Written<'_> {
    fn environment(&self, name: &EnvironmentName) -> Place {
        self.root.clone().child("environments").child(name.as_str())
    }

    fn has(&self, place: &Place) -> bool {
        self.index.contains(&place.path)
    }
}

/// Checks everything that needs more than one value.
pub(super) fn check(settings: &Settings, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    status_branch(settings, written, diagnostics);
    keys(settings, written, diagnostics);
    for (name, environment) in &settings.environments {
        folder(name, environment, written, diagnostics);
        cluster(name, environment, written, diagnostics);
        approval(settings, (name, environment), written, diagnostics);
        windows(name, environment, written, diagnostics);
        drift(name, environment, written, diagnostics);
    }
    pairs(settings, written, diagnostics);
}

/// One key is one person: whoever holds it would count as two.
fn keys(settings: &Settings, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let mut owners: BTreeMap<String, Place> = BTreeMap::new();
    for (place, key) in all_keys(settings, written.root) {
        match owners.entry(key) {
            Entry::Vacant(free) => drop(free.insert(place)),
            Entry::Occupied(taken) => diagnostics.push(
                Diagnostic::error(code::SHARED_KEY, "two people have the same key or account, and so are one person")
                    .label(place, "this one")
                    .label(taken.get().clone(), "is also here")
                    .help("give each what is theirs alone"),
            ),
        }
    }
}

/// The fingerprint of every key, and every account, with its place.
fn all_keys(settings: &Settings, root: &Place) -> Vec<(Place, String)> {
    let approvers = settings.approvers.iter().map(|(name, it)| ("approvers", name.as_str(), &it.ssh, &it.openpgp));
    let committers = settings.committers.iter().map(|(name, it)| ("committers", name.as_str(), &it.ssh, &it.openpgp));
    let mut all = Vec::new();
    for (table, name, ssh, openpgp) in approvers.chain(committers) {
        let place = root.clone().child(table).child(name);
        all.extend(ssh.as_ref().map(|key| (place.clone().child("ssh"), key.fingerprint())));
        all.extend(openpgp.as_ref().map(|key| (place.child("openpgp"), key.fingerprint())));
    }
    for (name, approver) in &settings.approvers {
        let place = root.clone().child("approvers").child(name.as_str()).child("github-id");
        all.extend(approver.github_id.map(|id| (place, format!("GitHub account {id}"))));
    }
    all
}

fn status_branch(settings: &Settings, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let place = written.root.clone().at("status.branch");
    let branch = &settings.status.branch;
    if settings.environments.len() > 1 && !branch.contains("{environment}") {
        diagnostics.push(
            Diagnostic::error(code::STATUS_BRANCH, "all environments would write to one status branch")
                .label(place, "does not name the environment")
                .help("put {environment} into the name, as in privlink/status/{environment}"),
        );
    } else if branch.replace("{environment}", "").contains(['{', '}']) {
        diagnostics.push(
            Diagnostic::error(code::STATUS_BRANCH, format!("{branch:?} holds a placeholder that stands for nothing"))
                .label(place, "only {environment} is filled in")
                .help("use a name such as privlink/status/{environment}"),
        );
    } else if RefName::branch(&branch.replace("{environment}", "e")).is_err() {
        diagnostics.push(
            Diagnostic::error(code::STATUS_BRANCH, format!("{branch:?} is not a branch name"))
                .label(place, "")
                .help("use a name such as privlink/status/{environment}"),
        );
    }
}

/// Folders in which files of other kinds live (design: approvals; status on its own branch).
const RESERVED: [&str; 2] = ["approvals", "status"];

fn folder(name: &EnvironmentName, environment: &Environment, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let inside = |folder: &str| folder.parse::<RepoPath>().is_ok_and(|folder| environment.path.is_under(&folder));
    if let Some(folder) = RESERVED.into_iter().find(|folder| inside(folder)) {
        diagnostics.push(
            Diagnostic::error(code::PATHS, format!("documents of `{name}` cannot live in `{folder}`"))
                .label(written.environment(name).child("path"), "privlink keeps its own files there")
                .help(format!("use a folder such as environments/{name}")),
        );
    }
}

fn cluster(name: &EnvironmentName, environment: &Environment, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let place = written.environment(name).child("cluster");
    if let Some(cluster) = &environment.cluster {
        let ways = [
            ("context", cluster.context.is_some()),
            ("apply-context", cluster.apply_context.is_some() && cluster.context.is_none()),
            ("in-cluster", cluster.in_cluster),
            ("get-credentials", cluster.get_credentials),
        ];
        let ways: Vec<&str> = ways.into_iter().filter(|(_, is_given)| *is_given).map(|(way, _)| way).collect();
        if let [first, second, ..] = ways.as_slice() {
            let problem = format!("a cluster is reached in one way, and this one by `{first}` and by `{second}`");
            diagnostics.push(
                Diagnostic::error(code::INVALID_VALUE, problem).label(place.child(*second).on_key(), "one of the two"),
            );
        }
    }
    if environment.cluster.is_none() && environment.scope.namespaces.is_some() {
        diagnostics.push(
            Diagnostic::warning(code::INVALID_VALUE, format!("`{name}` has no cluster, so it has no namespaces"))
                .label(written.environment(name).child("scope").child("namespaces").on_key(), "means nothing"),
        );
    }
}

fn approval(settings: &Settings, named: Named<'_>, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let (name, environment) = named;
    let approval = &environment.approval;
    let levels = [
        ("safe", approval.safe),
        ("notable", approval.notable),
        ("disruptive", approval.disruptive),
        ("severing", approval.severing),
    ];
    approvers(settings, named, written, diagnostics);
    for (risk, level) in levels {
        let place = written.environment(name).child("approval").child(risk);
        match (level, environment.signatures) {
            (Level::Automatic, _) if risk == "severing" => diagnostics.push(
                Diagnostic::error(code::AUTOMATIC, "a change that cuts somebody off is never automatic")
                    .label(place, "must not be automatic")
                    .help("use \"merge\", or how many people must approve"),
            ),
            (Level::People(people), Signatures::Optional) if people > 1 && written.has(&place) => diagnostics.push(
                Diagnostic::error(code::SIGNATURES, format!("{people} approvals need signatures"))
                    .label(place, "without signatures one approval counts at most")
                    .help(format!("set signatures = \"required\" in [environments.{name}], or write 1")),
            ),
            (Level::Automatic | Level::Merge | Level::People(_), _) => {}
        }
    }
}

fn drift(name: &EnvironmentName, environment: &Environment, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    if environment.drift.severing == Some(OnDrift::Heal) {
        diagnostics.push(
            Diagnostic::error(code::AUTOMATIC, "a repair that cuts somebody off is never made without asking")
                .label(written.environment(name).child("drift").child("severing"), "must not be healed")
                .help("use \"propose\" or \"report\""),
        );
    }
}

fn approvers(settings: &Settings, named: Named<'_>, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let (name, environment) = named;
    let has_key = |approver: &&Approver| approver.ssh.is_some() || approver.openpgp.is_some();
    let able = settings.approvers.values().filter(has_key).count();
    let approval = &environment.approval;
    let highest = [approval.safe, approval.notable, approval.disruptive, approval.severing].into_iter().max();
    if let (Some(Level::People(people)), Signatures::Required) = (highest, environment.signatures)
        && people as usize > able
    {
        diagnostics.push(too_few(people, able, written.environment(name).child("signatures")));
    }
}

fn too_few(people: u32, able: usize, signatures: Place) -> Diagnostic {
    let who = match able {
        0 => "no approver has a key".to_owned(),
        1 => "only one approver has a key".to_owned(),
        _ => format!("only {able} approvers have a key"),
    };
    let asked = if people == 1 { "a signed approval is".to_owned() } else { format!("{people} signed approvals are") };
    Diagnostic::warning(code::APPROVERS, format!("{asked} asked for, and {who}"))
        .label(signatures, "some changes can never be approved")
        .help("add [approvers.<name>] with ssh = \"<public key>\" or openpgp")
}

/// The most windows of one list: when the next one opens is computed for every plan that waits.
const MOST_WINDOWS: usize = 50;

fn windows(name: &EnvironmentName, environment: &Environment, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let Some(Windows { time_zone: _, allow, deny }) = &environment.windows else { return };
    for (list, windows) in [("allow", allow), ("deny", deny)] {
        let place = written.environment(name).child("windows").child(list);
        if windows.len() > MOST_WINDOWS {
            let problem = format!("{} windows are more than anybody can oversee", windows.len());
            let diagnostic = Diagnostic::error(code::INVALID_VALUE, problem).label(place.clone(), "too many");
            diagnostics.push(diagnostic.help(format!("use {MOST_WINDOWS} at most")));
        }
        for (index, window) in windows.iter().enumerate() {
            if let (Some(first), Some(last)) = (window.first, window.last)
                && last < first
            {
                diagnostics.push(
                    Diagnostic::error(
                        code::INVALID_VALUE,
                        format!("{last} is before {first}: the window never begins"),
                    )
                    .label(place.clone().child(index).child("last"), "the last day is before the first"),
                );
            }
        }
    }
}

fn pairs(settings: &Settings, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let all: Vec<(&EnvironmentName, &Environment)> = settings.environments.iter().collect();
    for (index, one) in all.iter().enumerate() {
        for other in &all[index + 1..] {
            overlapping_paths(*one, *other, written, diagnostics);
            overlapping_namespaces(*one, *other, written, diagnostics);
        }
    }
}

type Named<'a> = (&'a EnvironmentName, &'a Environment);

fn overlapping_paths(one: Named<'_>, other: Named<'_>, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    if one.1.path.is_under(&other.1.path) || other.1.path.is_under(&one.1.path) {
        diagnostics.push(
            Diagnostic::error(code::PATHS, format!("the folders of `{}` and `{}` overlap", one.0, other.0))
                .label(written.environment(other.0).child("path"), "this folder")
                .label(written.environment(one.0).child("path"), "and this one")
                .help("give each environment a folder of its own, side by side"),
        );
    }
}

fn overlapping_namespaces(one: Named<'_>, other: Named<'_>, written: &Written<'_>, diagnostics: &mut Diagnostics) {
    let cluster = |it: Named<'_>| it.1.cluster.as_ref().map(|cluster| cluster.id().clone());
    if cluster(one).is_none() || cluster(one) != cluster(other) || !share_a_namespace(one.1, other.1) {
        return;
    }
    let place = |it: Named<'_>| {
        let namespaces = written.environment(it.0).child("scope").child("namespaces");
        if written.has(&namespaces) { namespaces } else { written.environment(it.0).child("cluster") }
    };
    diagnostics.push(
        Diagnostic::error(
            code::NAMESPACES,
            format!("`{}` and `{}` manage the same namespaces of one cluster", one.0, other.0),
        )
        .label(place(other), "these namespaces")
        .label(place(one), "and these")
        .help("give each a scope of its own: scope = { namespaces = [\"…\"] }"),
    );
}

fn share_a_namespace(one: &Environment, other: &Environment) -> bool {
    let system = |text: &str| SYSTEM_NAMESPACES.iter().any(|prefix| text.starts_with(prefix));
    match (&one.scope.namespaces, &other.scope.namespaces) {
        (None, None) => true,
        (Some(patterns), None) | (None, Some(patterns)) => patterns.iter().any(|pattern| !system(pattern.as_str())),
        (Some(one), Some(other)) => one.iter().any(|a| other.iter().any(|b| a.overlaps(b))),
    }
}
