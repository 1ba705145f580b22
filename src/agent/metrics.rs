//! What the agent counts, for Prometheus.
//!
//! Names and units are Prometheus' own. Labels have few values: environments of the settings, and words of this program;
//! nothing of a plan, a commit or a resource becomes a label.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

use crate::agent::leader::Seat;
use crate::agent::leader::Standing;
use crate::agent::news::Ended;
use crate::agent::news::News;
use crate::agent::vitals::Condition;
use crate::agent::vitals::State;
use crate::agent::vitals::lock;
use crate::domain::calls::CallLog;
use crate::domain::name::EnvironmentName;
use crate::reconcile::pass::PassEnd;

/// Labels, by name and value.
type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    looks: Counters,
    passes: Counters,
    durations: Histograms,
    changes: Counters,
    drift: Counters,
    push_failures: Counters,
    crashes: Counters,
    deliveries: Counters,
    reviews: Counters,
    ready: Histograms,
}

impl Metrics {
    /// Nothing is counted yet.
    pub(super) fn new(state: Arc<Mutex<State>>, calls: CallLog) -> Self {
        // From a tenth of a second to half an hour, and from ten seconds to a week.
        let pass = || Histogram::new(exponential_buckets(0.1, 2.0, 15));
        let ready = || Histogram::new(exponential_buckets(10.0, 2.5, 13));
        let mut metrics = Self {
            registry: Registry::with_prefix("privlink"),
            looks: Counters::default(),
            passes: Counters::default(),
            durations: Histograms::new_with_constructor(pass),
            changes: Counters::default(),
            drift: Counters::default(),
            push_failures: Counters::default(),
            crashes: Counters::default(),
            deliveries: Counters::default(),
            reviews: Counters::default(),
            ready: Histograms::new_with_constructor(ready),
        };
        metrics.register();
        let build = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        metrics.registry.register_collector(Box::new(Now { state, calls, build }));
        metrics
    }

    fn register(&mut self) {
        let Self { registry, looks, passes, durations, changes, .. } = self;
        registry.register("looks", "Looks at the config repository, by result", looks.clone());
        registry.register("passes", "Passes that ended, by how", passes.clone());
        let help = "How long passes took";
        registry.register_with_unit("pass_duration", help, Unit::Seconds, durations.clone());
        registry.register("changes", "Changes of applied plans, by what came of them", changes.clone());
        let Self { registry, drift, push_failures, crashes, deliveries, reviews, ready, .. } = self;
        registry.register("drift_changes", "Changes of applied plans that drift made necessary", drift.clone());
        registry.register("status_push_failures", "Status commits that could not be pushed", push_failures.clone());
        registry.register("crashes", "Passes and looks that met a mistake in privlink", crashes.clone());
        registry.register("webhook_deliveries", "Deliveries of the webhook, by verdict", deliveries.clone());
        registry.register("reviews", "Looks at a pull request, by what came of them", reviews.clone());
        let help = "How old a commit was when a pass first found all that it asks for";
        registry.register_with_unit("commit_to_ready", help, Unit::Seconds, ready.clone());
    }

    /// Counts a piece of news.
    pub(super) fn take(&self, news: &News) {
        let result = |result: &str| vec![("result", result.to_owned())];
        match news {
            News::Looked { .. } => drop(self.looks.get_or_create(&result("read")).inc()),
            News::Unreachable(_) => drop(self.looks.get_or_create(&result("failed")).inc()),
            News::Crashed { environment, .. } => {
                let labels = environment.as_ref().map(of).unwrap_or_default();
                self.crashes.get_or_create(&labels).inc();
            }
            News::Ended(ended) => self.ended(ended),
            News::Turned
            | News::Standing(_)
            | News::Unreadable(_)
            | News::Applies { .. }
            | News::Progress { .. }
            | News::Left(_)
            | News::Stopping { .. }
            | News::Stopped { .. } => {}
        }
    }

    /// Counts a delivery of the webhook.
    pub(super) fn delivered(&self, verdict: &'static str) {
        self.deliveries.get_or_create(&vec![("verdict", verdict.to_owned())]).inc();
    }

    /// Counts a look at a pull request.
    pub(super) fn reviewed(&self, result: &'static str) {
        self.reviews.get_or_create(&vec![("result", result.to_owned())]).inc();
    }

    fn ended(&self, ended: &Ended) {
        let environment = of(&ended.environment);
        let with = |name: &'static str, value: String| [environment.clone(), vec![(name, value)]].concat();
        self.passes.get_or_create(&with("end", ended.word().to_owned())).inc();
        self.durations.get_or_create(&environment).observe(ended.took.as_secs_f64());
        if ended.push_failure().is_some() {
            self.push_failures.get_or_create(&environment).inc();
        }
        if let Some(age) = ended.ready_after {
            self.ready.get_or_create(&environment).observe(age.as_secs_f64());
        }
        let Ok(PassEnd::Applied { planned, ended, .. }) = &ended.end else { return };
        for (step, report) in planned.plan.steps.iter().zip(&ended.report.steps) {
            let labels = [
                environment.clone(),
                vec![
                    ("action", step.change.action.to_string()),
                    ("risk", step.change.risk.to_string()),
                    ("outcome", report.outcome.word().to_owned()),
                ],
            ];
            self.changes.get_or_create(&labels.concat()).inc();
            if step.change.is_drift() {
                self.drift.get_or_create(&environment).inc();
            }
        }
    }

    /// Everything, in the text format of OpenMetrics.
    pub(super) fn exposition(&self) -> String {
        let mut exposition = String::new();
        text::encode(&mut exposition, &self.registry).expect("a text takes everything");
        exposition
    }
}

fn of(environment: &EnvironmentName) -> Labels {
    vec![("environment", environment.to_string())]
}

/// What is not counted but looked up when somebody asks. An environment that is gone leaves nothing behind here.
#[derive(Debug)]
struct Now {
    state: Arc<Mutex<State>>,
    calls: CallLog,
    build: Labels,
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(&mut encoder);
        page.gauges("build_info", "The version that runs", [(self.build.clone(), 1.0)])?;
        let calls = self.calls.counts().into_iter().map(|(call, count)| {
            let labels = vec![("system", call.whom.to_owned()), ("method", call.method), ("kind", call.kind)];
            (labels, count)
        });
        page.counters("calls", "Calls to Azure, to clusters and to the forge", calls)?;
        let refusals = self.calls.refusals().into_iter();
        let refusals = refusals.map(|(whom, count)| (vec![("system", whom.to_owned())], count));
        page.counters("throttled_calls", "Calls that were refused because there were too many", refusals)?;
        let state = lock(&self.state);
        let seat = |seat: &Seat| vec![("lease", seat.lease.to_string()), ("id", seat.id.clone())];
        let leads = match &state.standing {
            Standing::Alone => None,
            standing @ Standing::Leads { seat: own, .. } => {
                Some((seat(own), f64::from(standing.works(Instant::now()))))
            }
            Standing::StandsBy { seat: own, .. } => Some((seat(own), 0.0)),
        };
        page.gauges("leader", "1 if this replica leads, by the Lease of an election", leads)?;
        page.environments(&state)
    }
}

struct Page<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn gauges(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) -> fmt::Result {
        let mut descriptor = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(descriptor.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counters(&mut self, name: &str, help: &str, values: impl Iterator<Item = (Labels, u64)>) -> fmt::Result {
        let mut descriptor = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(descriptor.encode_family(&labels)?)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floating point numbers")]
    fn environments(&mut self, state: &State) -> fmt::Result {
        let each = |value: &dyn Fn(&Condition) -> Option<f64>| -> Vec<(Labels, f64)> {
            let value = |(name, condition)| Some((of(name), value(condition)?));
            state.environments.iter().filter_map(value).collect()
        };
        let by_risk = |counts: &dyn Fn(&Condition) -> Vec<(String, u64)>| -> Vec<(Labels, f64)> {
            let rows = state.environments.iter().flat_map(|(name, condition)| {
                let row = |(risk, count)| ([of(name), vec![("risk", risk)]].concat(), count as f64);
                counts(condition).into_iter().map(row).collect::<Vec<_>>()
            });
            rows.collect()
        };
        let now = Timestamp::now();
        let listed = |counts: &std::collections::BTreeMap<String, u64>| counts.clone().into_iter().collect();
        self.gauges(
            "converged",
            "1 if the last pass found nothing to do",
            each(&|it| Some(f64::from(it.is_converged))),
        )?;
        let passed = each(&|it| it.passed_at.map(|at| at.as_second() as f64));
        self.gauges("last_pass_timestamp_seconds", "When the last pass ended", passed)?;
        let help = "Changes of the plan that was not applied";
        self.gauges("pending_changes", help, by_risk(&|it| listed(&it.pending)))?;
        let help = "Changes that lack an approval";
        self.gauges("pending_approvals", help, by_risk(&|it| listed(&it.unapproved)))?;
        let age = each(&|it| it.waits_since.map(|since| now.duration_since(since).as_secs_f64().max(0.0)));
        self.gauges("pending_approval_age_seconds", "How long a plan has been waiting for approval", age)?;
        let drifted = state.environments.iter().flat_map(|(name, condition)| {
            let row = |(on, count): (&&'static str, &u64)| {
                ([of(name), vec![("on_drift", (*on).to_owned())]].concat(), *count as f64)
            };
            condition.drifted.iter().map(row).collect::<Vec<_>>()
        });
        let help = "Resources that drifted and were not put back, by what the settings say about that";
        self.gauges("drifted_resources", help, drifted.collect::<Vec<_>>())?;
        let help = "Documents that are suspended";
        self.gauges("suspended_documents", help, each(&|it| Some(it.suspended as f64)))?;
        let help = "How often the glass was broken, by the status branch";
        self.gauges("break_glass_uses", help, each(&|it| Some(f64::from(it.broken_glass))))
    }
}
