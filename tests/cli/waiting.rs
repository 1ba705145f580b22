//! Why a Service waits: the last warning of the cloud provider, wherever somebody looks.

use privlink::cli::Exit;
use privlink::sim::fault::Fault;

use super::docs;
use crate::runner::Stage;
use crate::runner::worlds;

const WARNING: &str = "SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: \
                       ReferencedResourceNotProvisioned: the network is busy";

#[test]
fn a_service_that_stays_without_an_address_says_why_while_it_waits_in_the_report_the_plan_and_the_status() {
    let stage = Stage::in_world(worlds::example());
    stage
        .repo
        .commit(&[("privlink.toml", &worlds::settings()), ("environments/prod/web.yaml", &docs::service("web", &[]))]);
    let fault = Fault {
        method: Some("PUT".to_owned()),
        path: "/loadBalancers/".to_owned(),
        status: 400,
        code: "ReferencedResourceNotProvisioned".to_owned(),
        message: "the network is busy".to_owned(),
        ..Fault::default()
    };
    stage.simulator.add_fault(fault);
    let id = stage.plan().ends(Exit::Changes).plan_id();
    let applied = stage.run_on_repo("apply", &["--approve-plan", &id, "--deadline", "2s"]).ends(Exit::Failed);
    let waits = applied.err.lines().find(|line| line.contains("waits    create service/default/web")).unwrap();
    assert!(waits.contains("for the cloud provider"), "{waits}");
    let both = format!("{}{}", applied.out, applied.err);
    assert!(both.contains(&format!("the cloud provider, which says {WARNING}")), "{both}");
    stage
        .plan()
        .ends(Exit::Done)
        .says(&format!("service/default/web: has no address yet: the cloud provider says {WARNING}"));
    let files = stage.repo.files("privlink/status/prod");
    let (_, status) = files.iter().find(|(path, _)| path.ends_with("service/default/web.yaml")).unwrap();
    let status = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(status.contains(WARNING), "{status}");
    stage.simulator.clear_faults();
}
