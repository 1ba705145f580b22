//! Change windows: when changes may be applied, when they may next, and what loosens that.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;
use privlink::approval;
use privlink::approval::Authors;
use privlink::approval::Circumstances;
use privlink::approval::Decision;
use privlink::approval::LocalConsent;
use privlink::approval::Missing;
use privlink::approval::used::Used;
use privlink::desired::authority;
use privlink::desired::loosening::in_force;
use privlink::desired::policy::Policy;
use privlink::domain::window::Calendar;
use privlink::domain::window::Grade;
use privlink::domain::window::are_open;
use privlink::domain::window::opening;
use privlink::plan::Plan;
use privlink::render;
use privlink::render::Text;
use privlink::render::shown::Details;
use privlink::render::terminal;
use proptest::prelude::*;

use crate::support::case::Case;
use crate::support::converge::converge;
use crate::support::say::plan_of;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shown(text: &Text) -> String {
    terminal::render(text, false)
}

fn policy(windows: &str) -> Policy {
    let case = Case::shop().also(&format!("windows = {{ {windows} }}"));
    authority::policy(&case.settings(), &"prod".parse().unwrap()).unwrap()
}

fn calendar(windows: &str) -> Vec<Calendar> {
    policy(windows).windows
}

/// A disruptive plan: one Service without a Private Link Service gets another port.
fn disruptive(rules: &str) -> Plan {
    let world = converge(&Case::shop().resolve());
    plan_of(&Case::shop().edit("web", "port: 80", "port: 81").also(rules).resolve(), &world)
}

fn decide(plan: &Plan, now: Timestamp) -> Result<(), Box<Missing>> {
    let (authors, used) = (Authors::default(), Used::default());
    let circumstances =
        Circumstances { now, first_seen: None, authors, used, bodies: [].into(), local: LocalConsent::Person };
    match approval::decide(plan, &[], &circumstances) {
        Decision::Approved(_) => Ok(()),
        Decision::Missing(missing) => Err(Box::new(missing)),
    }
}

/// When severing changes may be applied, in a span: each change of the answer, as UTC.
fn turns(windows: &str, from: &str, hours: i64) -> String {
    let (calendars, begin) = (calendar(windows), at(from));
    let mut told = Vec::new();
    let mut before = None;
    for minute in 0..hours * 60 {
        let now = begin + SignedDuration::from_mins(minute);
        let is_open = are_open(&calendars, &[Grade::Severing].into(), now);
        if before.replace(is_open) != Some(is_open) {
            told.push(format!("{} {}", now.strftime("%a %H:%M"), if is_open { "open" } else { "shut" }));
        }
    }
    told.join(", ")
}

const NIGHTS: &str =
    "time-zone = \"Europe/Zurich\", allow = [{ days = [\"mon-thu\"], from = \"22:00\", to = \"04:00\" }]";

#[test]
fn a_window_goes_past_midnight_and_a_denial_beats_it() {
    insta::assert_snapshot!(
        turns(NIGHTS, "2026-11-22T12:00:00Z", 60),
        @"Sun 12:00 shut, Mon 21:00 open, Tue 03:00 shut, Tue 21:00 open"
    );
    let denied = format!("{NIGHTS}, deny = [{{ from = \"01:00\", to = \"02:00\" }}]");
    insta::assert_snapshot!(turns(&denied, "2026-11-23T12:00:00Z", 24), @"Mon 12:00 shut, Mon 21:00 open, Tue 00:00 shut, Tue 01:00 open, Tue 03:00 shut");
}

#[test]
fn a_risk_that_no_window_names_is_held_up_by_denials_only() {
    let one = "allow = [{ from = \"09:00\", to = \"10:00\", risks = [\"notable\"] }]";
    insta::assert_snapshot!(turns(one, "2026-11-23T00:00:00Z", 24), @"Mon 00:00 open");
    let denied = "deny = [{ days = [\"fri-sat\"], first = \"2026-11-28\" }]";
    insta::assert_snapshot!(turns(denied, "2026-11-26T00:00:00Z", 24 * 10), @"Thu 00:00 open, Sat 00:00 shut, Sun 00:00 open, Fri 00:00 shut");
}

#[test]
fn when_the_clock_changes_a_window_keeps_to_the_hands_of_the_clock() {
    // In Zurich 02:00 to 03:00 is not there on 2027-03-28, and there twice on 2026-10-25.
    let early = "time-zone = \"Europe/Zurich\", allow = [{ from = \"01:30\", to = \"02:30\" }]";
    insta::assert_snapshot!(turns(early, "2027-03-27T12:00:00Z", 48), @"Sat 12:00 shut, Sun 00:30 open, Sun 01:00 shut, Sun 23:30 open, Mon 00:30 shut");
    insta::assert_snapshot!(turns(early, "2026-10-24T12:00:00Z", 48), @"Sat 12:00 shut, Sat 23:30 open, Sun 00:30 shut, Mon 00:30 open, Mon 01:30 shut");
    let left_out = "time-zone = \"Europe/Zurich\", allow = [{ from = \"02:00\", to = \"03:00\" }]";
    insta::assert_snapshot!(turns(left_out, "2027-03-27T12:00:00Z", 48), @"Sat 12:00 shut, Mon 00:00 open, Mon 01:00 shut");
    let over = "time-zone = \"Europe/Zurich\", allow = [{ from = \"02:30\", to = \"03:30\" }]";
    insta::assert_snapshot!(turns(over, "2026-10-24T12:00:00Z", 48), @"Sat 12:00 shut, Sun 00:30 open, Sun 02:30 shut, Mon 01:30 open, Mon 02:30 shut");
}

#[test]
fn a_plan_that_everybody_approved_waits_for_its_window() {
    let plan = disruptive(&format!("windows = {{ {NIGHTS} }}"));
    let missing = decide(&plan, at("2026-11-27T12:00:00Z")).unwrap_err();
    assert!(missing.needs.is_empty());
    assert_eq!(missing.changes_at(), Some(at("2026-11-30T21:00:00Z")));
    insta::assert_snapshot!(shown(&render::window::closed(missing.closed.as_ref().unwrap())), @"
    disruptive changes are not applied now, outside their change windows
    the next window opens 2026-11-30 22:00 Europe/Zurich: mon-thu 22:00-04:00
    ");
    assert!(decide(&plan, at("2026-11-30T20:59:59Z")).is_err());
    assert!(decide(&plan, at("2026-11-30T21:00:00Z")).is_ok());
    assert!(decide(&plan, at("2026-12-01T02:59:59Z")).is_ok());
    assert!(decide(&plan, at("2026-12-01T03:00:00Z")).is_err());
}

#[test]
fn a_window_of_another_risk_holds_nothing_up() {
    let plan = disruptive("windows = { allow = [{ days = [\"mon\"], risks = [\"severing\"] }] }");
    assert!(decide(&plan, at("2026-11-27T12:00:00Z")).is_ok());
    assert!(!shown(&render::plan::plan(&plan, Details::default())).contains("change window"));
}

#[test]
fn a_freeze_in_which_no_window_opens_is_waited_for_first() {
    let freeze = "freeze = { reason = \"the sale\", until = \"2026-12-02T00:00:00Z\" }";
    let plan = disruptive(&format!("{freeze}\nwindows = {{ {NIGHTS} }}"));
    let missing = decide(&plan, at("2026-11-27T12:00:00Z")).unwrap_err();
    assert_eq!(missing.changes_at(), Some(at("2026-12-02T00:00:00Z")), "it thaws at one o'clock in Zurich");
    let plan = disruptive(&format!("{}\nwindows = {{ {NIGHTS} }}", freeze.replace("T00", "T12")));
    assert_eq!(decide(&plan, at("2026-11-27T12:00:00Z")).unwrap_err().changes_at(), Some(at("2026-12-02T21:00:00Z")));
}

#[test]
fn a_window_that_is_over_opens_never_again() {
    let plan = disruptive("windows = { allow = [{ last = \"2026-11-26\" }], deny = [{ reason = \"closed\" }] }");
    let missing = decide(&plan, at("2026-11-27T12:00:00Z")).unwrap_err();
    assert_eq!(missing.changes_at(), None);
    insta::assert_snapshot!(shown(&render::window::closed(missing.closed.as_ref().unwrap())), @"
    disruptive changes are not applied now, outside their change windows
    no changes every day 00:00-24:00: closed
    no window opens for this plan any more
    ");
}

#[test]
fn windows_are_in_the_plan_id_and_the_time_is_not() {
    let (with, without) = (disruptive(&format!("windows = {{ {NIGHTS} }}")), disruptive(""));
    assert_ne!(with.id, without.id);
    assert_eq!(with.id, disruptive(&format!("windows = {{ {NIGHTS} }}")).id);
    let reasoned = format!("windows = {{ {} }}", NIGHTS.replace("to =", "reason = \"nights\", to ="));
    assert_eq!(with.id, disruptive(&reasoned).id);
    let shown = shown(&render::plan::plan(&disruptive(&reasoned), Details::default()));
    let approval = shown.split("Approval\n").nth(1).unwrap();
    insta::assert_snapshot!(approval.lines().take(2).collect::<Vec<_>>().join("\n"), @"
    disruptive (1 change): 1 person who is neither author nor committer must approve
    change window (disruptive): mon-thu 22:00-04:00, Europe/Zurich: nights
    ");
}

/// What rules of now loosen of those of before, and whether the calendars in force are as strict as both.
fn loosened(before: &str, now: &str) -> String {
    let policy = in_force(policy(now), Some(&policy(before)));
    policy.loosening.join("\n")
}

#[test]
fn loosening_a_window_is_told_and_tightening_it_is_not() {
    insta::assert_snapshot!(loosened(NIGHTS, &NIGHTS.replace("22:00", "21:00")), @"all changes may be applied on mon-thu 21:00-04:00");
    insta::assert_snapshot!(loosened(NIGHTS, "time-zone = \"Europe/Zurich\""), @"all changes need no change window any more");
    insta::assert_snapshot!(loosened(NIGHTS, &NIGHTS.replace("Zurich", "London")), @"change windows are in the time zone Europe/London instead of Europe/Zurich");
    let denied = "deny = [{ days = [\"fri-sun\"] }]";
    insta::assert_snapshot!(loosened(denied, "deny = [{ days = [\"sat-sun\"] }]"), @"changes are not denied any more on fri-sun 00:00-24:00");
    insta::assert_snapshot!(loosened(denied, "deny = [{ days = [\"fri-sun\"], risks = [\"severing\"] }]"), @"changes are not denied any more on fri-sun 00:00-24:00");
    for tighter in [
        NIGHTS.to_owned(),
        NIGHTS.replace("22:00", "23:00"),
        NIGHTS.replace("mon-thu", "tue"),
        NIGHTS.replace("to =", "first = \"2026-12-01\", to ="),
        format!("{NIGHTS}, {denied}"),
    ] {
        assert_eq!(loosened(NIGHTS, &tighter), "", "{tighter}");
        assert_eq!(loosened("", &tighter), "", "{tighter}");
    }
    assert_eq!(loosened(denied, "deny = [{}]"), "");
}

#[test]
fn until_a_looser_window_is_accepted_the_stricter_one_is_in_force() {
    let wider = NIGHTS.replace("22:00", "12:00").replace("04:00", "23:00");
    let policy = in_force(policy(&wider), Some(&policy(NIGHTS)));
    let open = |time: &str| are_open(&policy.windows, &[Grade::Severing].into(), at(time));
    assert!(!open("2026-11-23T20:30:00Z") && open("2026-11-23T21:30:00Z") && !open("2026-11-23T22:30:00Z"));
}

fn window() -> impl Strategy<Value = String> {
    let days =
        prop::sample::select(vec!["", "days = [\"mon-wed\"],", "days = [\"thu\", \"sun\"],", "days = [\"fri-mon\"],"]);
    let dates =
        prop::sample::select(vec!["", "last = \"2027-03-28\",", "first = \"2027-03-28\",", "first = \"2028-02-29\","]);
    let risks = prop::sample::select(vec!["", "risks = [\"severing\"]", "risks = [\"disruptive\"]"]);
    (days, 0..1440_u16, 0..1440_u16, dates, risks).prop_map(|(days, from, to, dates, risks)| {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        format!("{{ {days} from = \"{}\", to = \"{}\", {dates} {risks} }}", clock(from), clock(to))
            .replace(",  }", " }")
    })
}

fn windows() -> impl Strategy<Value = String> {
    let zone = prop::sample::select(vec!["UTC", "Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe"]);
    let list = || prop::collection::vec(window(), 0..3);
    (zone, list(), list()).prop_map(|(zone, allow, deny)| {
        format!("time-zone = \"{zone}\", allow = [{}], deny = [{}]", allow.join(", "), deny.join(", "))
            .replace(", }", " }")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_opening_is_the_first_moment_that_is_open((one, other) in (windows(), windows()), start in 0..20_000_i64) {
        let calendars: Vec<Calendar> = [one, other].iter().flat_map(|windows| calendar(windows)).collect();
        let grades = BTreeSet::from([Grade::Disruptive, Grade::Severing]);
        // Around the day on which Europe's clocks leap, which is also a bound of dates.
        let from = at("2027-03-20T00:00:00Z") + SignedDuration::from_mins(start);
        let opens = opening(&calendars, &grades, from);
        let minutes = (0..8 * 1440).map(|minute| from + SignedDuration::from_mins(minute));
        let first = minutes.into_iter().find(|minute| are_open(&calendars, &grades, *minute));
        match (opens, first) {
            (Some(opens), Some(first)) => prop_assert_eq!(opens, first),
            (Some(opens), None) => {
                prop_assert!(opens >= from + SignedDuration::from_hours(8 * 24), "{opens}");
                prop_assert!(are_open(&calendars, &grades, opens));
                prop_assert!(!are_open(&calendars, &grades, opens - SignedDuration::from_secs(1)));
            }
            (None, first) => prop_assert_eq!(first, None),
        }
    }

    #[test]
    fn nothing_is_decided_outside_and_everything_within((windows, start) in (windows(), 0..20_000_i64)) {
        let plan = disruptive(&format!("windows = {{ {windows} }}"));
        let now = at("2027-03-20T00:00:00Z") + SignedDuration::from_mins(start);
        let is_open = are_open(&plan.policy.windows, &[Grade::Disruptive].into(), now);
        prop_assert_eq!(decide(&plan, now).is_ok(), is_open);
    }

    #[test]
    fn what_is_not_told_as_loosened_allows_nothing_more((before, now) in (windows(), windows()), start in 0..20_000_i64) {
        let (old, new) = (policy(&before), policy(&now));
        let told = in_force(new.clone(), Some(&old));
        for hour in 0..200 {
            let time = at("2027-03-20T00:00:00Z") + SignedDuration::from_mins(start + hour * 67);
            for grade in Grade::ALL {
                let open = |policy: &Policy| are_open(&policy.windows, &[grade].into(), time);
                prop_assert!(!told.loosening.is_empty() || !open(&new) || open(&old), "{time} {grade}");
                prop_assert_eq!(open(&told), open(&new) && open(&old));
            }
        }
    }
}
