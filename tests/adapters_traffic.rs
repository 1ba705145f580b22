//! The pace of calls, against a simulator that refuses what comes too soon.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use futures_util::StreamExt as _;
use futures_util::stream;
use privlink::azure::Azure;
use privlink::domain::azure::SubscriptionId;
use privlink::domain::calls::Call;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::fault::Fault;
use privlink::sim::world::World;

use crate::adapters::PLANNER;
use crate::adapters::settings;

async fn simulator(throttling: &str) -> Simulator {
    let text = format!("{}\nthrottling: {throttling}\n", include_str!("../examples/world.yaml"));
    Simulator::start(&World::parse(&text).unwrap(), Options::default()).await.unwrap()
}

fn subscription() -> SubscriptionId {
    "00000000-0000-0000-0000-000000000001".parse().unwrap()
}

/// How many requests to the resource manager were refused for coming too soon.
fn refused(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|own| own.status == 429).count()
}

#[tokio::test]
async fn whoever_reads_more_than_azure_takes_is_held_back_and_not_refused() {
    let simulator = simulator("enforce").await;
    let azure = Azure::new(settings(&simulator, PLANNER)).unwrap();
    // Azure's bucket holds 250; the tenth that is spared is never drunk.
    let subscription = subscription();
    let reads = stream::iter(0..255).map(|_| azure.private_link_services(&subscription)).buffered(8);
    let failed = reads.filter(|read| std::future::ready(read.is_err())).count().await;
    assert_eq!((failed, refused(&simulator)), (0, 0));
    simulator.stop().await;
}

#[tokio::test]
async fn a_list_is_asked_again_where_that_may_help_and_the_calls_are_counted() {
    let simulator = simulator("report").await;
    let settings = settings(&simulator, PLANNER);
    let calls = settings.calls.clone();
    let azure = Azure::new(settings).unwrap();
    let fault = |status: u16, code: &str| Fault {
        path: "privateLinkServices".to_owned(),
        status,
        code: code.to_owned(),
        retry_after_seconds: Some(0),
        times: Some(1),
        ..Fault::default()
    };
    simulator.add_fault(fault(429, "SubscriptionRequestsThrottled"));
    simulator.add_fault(fault(503, "ServiceUnavailable"));
    simulator.add_fault(Fault { status: 0, drop_connection: true, ..fault(0, "") });
    azure.private_link_services(&subscription()).await.unwrap();
    let call =
        Call { whom: "Azure", method: "GET".to_owned(), kind: "Microsoft.Network/privateLinkServices".to_owned() };
    assert_eq!(calls.counts()[&call], 4);
    simulator.stop().await;
}
