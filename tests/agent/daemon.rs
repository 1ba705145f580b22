//! The daemon around the scheduler, with work that does what a test wants: hangs, fails, panics.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use privlink::agent::daemon::{Duty, Inlet, serve};
use privlink::agent::leader::Standing;
use privlink::agent::news::{Audience, Herald, News};
use privlink::agent::schedule::{End, Order, Sight, Sign, Timing, Why};
use privlink::domain::name::EnvironmentName;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};

const HOUR: Duration = Duration::from_secs(3_600);

const TIMING: Timing = Timing {
    interval: HOUR,
    drift: HOUR,
    debounce: Duration::ZERO,
    backoff: Duration::from_millis(2),
    longest_backoff: Duration::from_millis(2),
    at_once: 3,
};

/// Passes of `slow` wait for permits; those of `wrong` panic.
struct Script {
    began: UnboundedSender<EnvironmentName>,
    permits: Semaphore,
}

#[async_trait]
impl Duty for Script {
    async fn look(&self, _: &Herald) -> Option<Sight> {
        let environments = ["good", "slow", "wrong"].map(|name| name.parse().unwrap()).into();
        Some(Sight { tip: None, environments, approvals: BTreeMap::new() })
    }

    async fn pass(&self, order: &Order, _: &Herald) -> End {
        self.began.send(order.environment.clone()).unwrap();
        match order.environment.as_str() {
            "slow" => self.permits.acquire().await.unwrap().forget(),
            "wrong" => panic!("it cannot be {}", order.environment),
            _ => {}
        }
        End::Settled
    }
}

/// Keeps what people would be told.
#[derive(Default)]
struct Ear(Vec<String>);

impl Audience for Ear {
    fn hear(&mut self, news: &News) {
        match news {
            News::Crashed { environment, message } => {
                self.0.push(format!("{} crashed: {message}", environment.as_ref().unwrap()));
            }
            News::Stopping { running } => self.0.push(format!("stopping: {running:?}")),
            News::Stopped { unanswered } => {
                let names: Vec<_> = unanswered.iter().map(|order| order.environment.to_string()).collect();
                self.0.push(format!("left: {}", names.join(", ")));
            }
            _ => {}
        }
    }
}

/// A daemon that runs, and all its ends.
struct Daemon {
    script: Arc<Script>,
    began: UnboundedReceiver<EnvironmentName>,
    signs: UnboundedSender<Sign>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Ear>,
}

impl Daemon {
    fn start() -> Self {
        let (sender, began) = unbounded_channel();
        let script = Arc::new(Script { began: sender, permits: Semaphore::new(0) });
        let (signs, inlet_signs) = unbounded_channel();
        let (stop, cancel) = watch::channel(false);
        let (duty, inlet) = (Arc::clone(&script), Inlet { signs: inlet_signs, cancel, standing: Standing::alone() });
        let task = tokio::spawn(async move {
            let mut ear = Ear::default();
            serve(duty, TIMING, inlet, &mut ear).await;
            ear
        });
        Self { script, began, signs, stop, task }
    }

    /// Waits until so many passes of an environment have begun.
    async fn until(&mut self, name: &str, count: usize) {
        let mut seen = 0;
        while seen < count {
            let began = tokio::time::timeout(Duration::from_secs(60), self.began.recv()).await;
            seen += usize::from(began.expect("it begins").unwrap().as_str() == name);
        }
    }

    fn ask(&self, name: &str) {
        let environment = Some(name.parse().unwrap());
        self.signs.send(Sign::Wanted { environment, why: Why::Asked }).unwrap();
    }

    /// Stops it, and answers what was told.
    async fn stop(self) -> Vec<String> {
        self.stop.send_replace(true);
        // The slow one ends now at the latest.
        self.script.permits.add_permits(100);
        self.task.await.unwrap().0
    }
}

#[tokio::test]
async fn a_pass_that_panics_is_told_and_tried_again_and_takes_nobody_down() {
    let mut daemon = Daemon::start();
    daemon.until("wrong", 4).await;
    daemon.ask("good");
    daemon.until("good", 1).await;
    let told: BTreeSet<String> = daemon.stop().await.into_iter().collect();
    assert!(told.contains("wrong crashed: it cannot be wrong"), "{told:?}");
}

#[tokio::test]
async fn a_pass_that_hangs_holds_up_nobody() {
    let mut daemon = Daemon::start();
    daemon.until("slow", 1).await;
    for _ in 0..10 {
        daemon.ask("good");
        daemon.until("good", 1).await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn to_stop_it_waits_for_what_runs_and_says_what_is_left() {
    let mut daemon = Daemon::start();
    daemon.until("slow", 1).await;
    // Asked for while it runs: there is no second pass of it, and nobody will answer this one.
    daemon.ask("slow");
    daemon.ask("good");
    daemon.until("good", 1).await;
    let told = daemon.stop().await;
    let told: Vec<_> = told.iter().filter(|line| !line.contains("crashed")).collect();
    assert!(told[0].contains("slow"), "{told:?}");
    assert_eq!(told[1], "left: slow");
}
