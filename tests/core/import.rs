//! Documents for what is there: a plan of them only adopts, and nothing that is there is passed over in silence.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use privlink::domain::commit::File;
use privlink::domain::commit::RepoPath;
use privlink::domain::commit::Snapshot;
use privlink::domain::key::ResourceKey;
use privlink::domain::resource::connection::ConnectionStatus;
use privlink::domain::resource::private_link_service::AutoApproval;
use privlink::plan::Plan;
use privlink::plan::action::Action;
use privlink::reconcile::importing;
use privlink::reconcile::importing::Imported;
use privlink::reconcile::importing::Wish;
use privlink::reconcile::planning;
use privlink::reconcile::source;
use privlink::reconcile::source::Loaded;
use proptest::prelude::*;

use crate::support::case::Case;
use crate::support::case::SETTINGS;
use crate::support::converge::carry_out;
use crate::support::converge::converge;
use crate::support::random::case_of;
use crate::support::random::documents;
use crate::support::say::steps;
use crate::support::world::World;

/// A repository of these files.
fn loaded(files: &BTreeMap<RepoPath, String>) -> Loaded {
    let bytes = |text: &str| File::Bytes(text.as_bytes().to_vec());
    let files = files.iter().map(|(path, text)| (path.clone(), bytes(text)));
    let keep = ("environments/prod/README.md".parse().unwrap(), bytes("ours"));
    let snapshot = Snapshot { files: files.chain([keep]).collect(), ..Snapshot::default() };
    let settings: RepoPath = "privlink.toml".parse().unwrap();
    let loaded = source::load(source::Source {
        snapshot,
        base: None,
        authority: Some(((&settings).into(), SETTINGS.as_bytes().to_vec())),
        authority_note: String::new(),
        planned_note: String::new(),
        commit: None,
        upstream: None,
    });
    loaded.unwrap_or_else(|(diagnostics, _)| panic!("{diagnostics:?}"))
}

fn import(world: &World, files: &BTreeMap<RepoPath, String>, wish: &Wish) -> Imported {
    let loaded = loaded(files);
    let policy = planning::policy(&loaded, &"prod".parse().unwrap()).unwrap();
    importing::files(&loaded, &policy, &world.observed, wish).unwrap()
}

/// The repository with the files, planned on the world; and what it asks for.
fn plan(world: &World, files: &BTreeMap<RepoPath, String>) -> (Plan, BTreeSet<ResourceKey>) {
    let loaded = loaded(files);
    let policy = planning::policy(&loaded, &"prod".parse().unwrap()).unwrap();
    let (desired, found) = planning::resolve_files(&loaded, &policy, world.observed.cluster.as_ref());
    assert!(!found.has_errors(), "{found:?}");
    (privlink::plan::plan(&desired, &world.observed, None), desired.intents.into_keys().collect())
}

fn texts(imported: &Imported) -> BTreeMap<RepoPath, String> {
    imported.files.iter().map(|(path, imports)| (path.clone(), imports.text.clone())).collect()
}

/// Takes every mark of ours away: somebody made all this by hand.
fn unmark(world: &mut World) {
    let own = |name: &String| name.starts_with("privlink-");
    for live in world.observed.services.values_mut() {
        let owned = std::mem::take(&mut live.owned);
        live.managers.extend(owned.into_iter().map(|name| (name, "kubectl-client-side-apply".to_owned())));
        (live.mark, live.published_by) = (None, None);
        for map in ["labels", "annotations"] {
            if let Some(map) = live.manifest["metadata"][map].as_object_mut() {
                map.retain(|key, _| !key.starts_with("privlink.dev/"));
            }
        }
    }
    for live in world.observed.private_link_services.values_mut() {
        live.service.tags.retain(|name, _| !own(name));
        live.mark = None;
    }
    for live in world.observed.private_endpoints.values_mut() {
        live.endpoint.tags.retain(|name, _| !own(name));
        live.mark = None;
    }
    for live in world.observed.dns_records.values_mut() {
        live.record.metadata.retain(|name, _| !own(name));
        live.mark = None;
    }
    for live in world.observed.dns_links.values_mut() {
        live.link.tags.retain(|name, _| !own(name));
        live.mark = None;
    }
}

/// What no document can say without the rules of connections, which are not seen: an endpoint that one of them turned away.
fn is_turned_away(world: &World, key: &ResourceKey) -> bool {
    let rejected =
        |id| world.observed.private_endpoints.get(id).is_some_and(|it| it.status == ConnectionStatus::Rejected);
    match key {
        ResourceKey::PrivateEndpoint(id) => rejected(id),
        // Its record goes with it, and the link of the zone with the record.
        ResourceKey::DnsRecord(_) | ResourceKey::DnsLink(_) => {
            world.observed.private_endpoints.values().any(|live| live.status == ConnectionStatus::Rejected)
        }
        _ => false,
    }
}

/// The world in memory may give one address to two endpoints of one network, as no Azure would.
fn is_ambiguous(world: &World, key: &ResourceKey) -> bool {
    let addresses: Vec<_> = world.observed.private_endpoints.values().filter_map(|live| live.private_address).collect();
    let distinct: BTreeSet<_> = addresses.iter().collect();
    distinct.len() < addresses.len() && matches!(key, ResourceKey::DnsRecord(_) | ResourceKey::DnsLink(_))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn documents_that_were_lost_come_back_and_nothing_changes(documents in documents()) {
        let desired = case_of(&documents, 1, false).resolve();
        let world = converge(&desired);
        let imported = import(&world, &BTreeMap::new(), &Wish::default());
        let (plan, asked) = plan(&world, &texts(&imported));
        let turned_away = desired.intents.keys().any(|key| is_turned_away(&world, key));
        prop_assert!(turned_away || steps(&plan).is_empty(), "{:#?}\n{:#?}", steps(&plan), texts(&imported));
        let lost: Vec<String> = desired
            .intents
            .keys()
            .filter(|key| !asked.contains(key) && !is_turned_away(&world, key))
            .map(ToString::to_string)
            .collect();
        prop_assert!(lost.is_empty(), "{lost:?} of {documents:#?}\n{:#?}", imported);
    }

    #[test]
    fn what_was_made_by_hand_is_adopted_as_it_is_and_then_nothing_is_left_to_do(documents in documents()) {
        let desired = case_of(&documents, 1, false).resolve();
        let mut world = converge(&desired);
        unmark(&mut world);
        let imported = import(&world, &BTreeMap::new(), &Wish::default());
        let files = texts(&imported);
        let (plan, asked) = plan(&world, &files);
        prop_assert!(plan.left_out.is_empty() && plan.blockers.is_empty(), "{:#?}", plan.left_out);
        prop_assert!(plan.steps.iter().all(|step| step.change.action == Action::Adopt), "{:#?}", steps(&plan));
        let adopts: usize = imported.files.values().map(|imports| imports.adopts).sum();
        prop_assert!(plan.steps.len() <= adopts);
        let is_excused = |key: &ResourceKey| is_turned_away(&world, key) || is_ambiguous(&world, key);
        for key in desired.intents.keys().filter(|key| !asked.contains(key) && !is_excused(key)) {
            // What Helm deploys stays Helm's, and is told.
            let told = imported.left.iter().any(|left| left.reason.contains("Helm") || left.reason.contains("gets no document"));
            prop_assert!(told && key.short_name().starts_with("shop/f"), "{key} is lost: {imported:#?}");
        }
        prop_assert!(carry_out(&plan, &mut world).is_empty());
        let (again, _) = self::plan(&world, &files);
        prop_assert!(steps(&again).is_empty(), "{:#?}", steps(&again));
    }
}

#[test]
fn what_documents_ask_for_is_left_out_and_what_they_do_not_is_added() {
    let case = Case::shop();
    let world = converge(&case.resolve());
    let files: BTreeMap<RepoPath, String> = case
        .files
        .iter()
        .filter(|(name, _)| *name != "web.yaml")
        .map(|(name, text)| (format!("environments/prod/{name}").parse().unwrap(), text.clone()))
        .collect();
    let imported = import(&world, &files, &Wish::default());
    let paths: Vec<&str> = imported.files.keys().map(|path| path.as_str()).collect();
    assert_eq!(paths, ["environments/prod/services/web.yaml"]);
    assert!(imported.asked > 0 && imported.left.is_empty(), "{imported:#?}");
    insta::assert_snapshot!(imported.files.values().next().unwrap().text, @"
    apiVersion: v1
    kind: Service
    metadata:
      annotations:
        service.beta.kubernetes.io/azure-load-balancer-internal: 'true'
        service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet
      name: web
    spec:
      ports:
      - port: 80
      selector:
        app: web
      type: LoadBalancer
    ");
}

#[test]
fn what_is_there_is_written_once_more_over_a_file_of_its_own_and_not_into_one_that_is_shared() {
    let mut world = converge(&Case::shop().resolve());
    let case = Case::shop();
    let files: BTreeMap<RepoPath, String> = case
        .files
        .iter()
        .map(|(name, text)| (format!("environments/prod/{name}").parse().unwrap(), text.clone()))
        .collect();
    world.service("default/web").manifest["spec"]["externalTrafficPolicy"] = "Local".into();
    let imported = import(&world, &files, &Wish { overwrite: true, group: None });
    let web = &imported.files[&"environments/prod/web.yaml".parse::<RepoPath>().unwrap()];
    assert!(web.replaces && web.text.contains("externalTrafficPolicy: Local"), "{}", web.text);
    let shared: Vec<String> = imported
        .left
        .iter()
        .filter(|left| left.reason.contains("with other documents"))
        .map(|left| left.subject.clone())
        .collect();
    assert!(shared.contains(&"Service shop/orders".to_owned()), "{imported:#?}");
}

#[test]
fn what_a_document_cannot_say_is_told_with_the_reason() {
    let mut world = converge(&Case::shop().resolve());
    unmark(&mut world);
    let other = "6f1c0000-0000-4000-8000-00000000000f/prod";
    let web = world.service("default/web");
    web.manifest["metadata"]["annotations"]["meta.helm.sh/release-name"] = "web".into();
    let link = world.observed.private_link_services.values_mut().find(|live| live.service.id.name() == "pls-payments");
    link.unwrap().service.exposure.auto_approval = AutoApproval::Everybody;
    let live = world.endpoint("foreign-pe");
    live.status = ConnectionStatus::Disconnected;
    let live = world.endpoint("billing-pe");
    live.mark = privlink::domain::mark::Mark::parse(other);
    let record = world.observed.dns_records.values_mut().next().unwrap();
    record.record.metadata.insert("creator".to_owned(), "created by private endpoint orders-pe".to_owned());
    let imported = import(&world, &BTreeMap::new(), &Wish::default());
    let told: Vec<String> = imported.left.iter().map(|left| format!("{}: {}", left.subject, left.reason)).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    Private Link Service pls-a0000000100004000800000000000000: the cloud provider built it for legacy/billing, which gets no document
    Private Link Service pls-payments: it lets in every subscription without asking, which no document can say
    PrivateEndpoint foreign-pe: it cannot be adopted: connection.state would change
    Service default/web: the Helm release web deploys it and would write it back: set its annotations in the values of the chart
    Service legacy/billing: Helm deploys it and would write it back: set its annotations in the values of the chart
    private endpoint billing-pe: belongs to 6f1c0000-0000-4000-8000-00000000000f/prod
    record api.orders.internal: a zone group of the endpoint keeps it, and Azure writes it back
    zone orders.internal: virtual network links of no endpoint that these documents ask for: 1
    ");
    let paths: Vec<&str> = imported.files.keys().map(|path| path.as_str()).collect();
    insta::assert_snapshot!(paths.join("\n"), @"
    environments/prod/consume/orders-pe.yaml
    environments/prod/consume/payments-pe.yaml
    environments/prod/services/shop/orders.yaml
    environments/prod/services/shop/payments.yaml
    ");
}
