//! The election of a leader: never two at a time, whatever happens to requests and answers, and always one in the end.

use std::time::Duration;

use jiff::Timestamp;
use privlink::agent::election::{Act, Candidate, Terms};
use privlink::domain::kubernetes::ResourceVersion;
use privlink::domain::lease::{Lease, LeaseRecord};
use proptest::prelude::*;

const DURATION: Duration = Duration::from_secs(15);

fn terms() -> Terms {
    Terms::of(DURATION)
}

type Write = (Option<ResourceVersion>, LeaseRecord);

/// The API server, as far as it keeps one Lease.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u32,
}

impl Server {
    fn write(&mut self, (seen, record): Write) -> Option<Lease> {
        if self.lease.as_ref().map(|lease| lease.version.clone()) != seen {
            return None;
        }
        self.version += 1;
        self.lease = Some(Lease { version: self.version.to_string().parse().unwrap(), record });
        self.lease.clone()
    }
}

/// What is on its way between a replica and the server.
enum Flight {
    Request(Act),
    ReadAnswer(Option<Lease>),
    WriteAnswer(Option<Lease>),
}

/// A replica, with a clock of its own: it began at another time, and is wrong about the hour.
struct Replica {
    candidate: Candidate,
    id: String,
    began: Duration,
    skew_microseconds: i64,
    flight: Option<Flight>,
}

impl Replica {
    fn new(id: &str, began: Duration, skew_microseconds: i64) -> Self {
        let candidate = Candidate::new(id.to_owned(), terms());
        Self { candidate, id: id.to_owned(), began, skew_microseconds, flight: None }
    }

    fn now(&self, time: Duration) -> Duration {
        time.checked_sub(self.began).unwrap()
    }

    fn wall(&self, time: Duration) -> Timestamp {
        let microseconds = i64::try_from(time.as_micros()).unwrap();
        Timestamp::from_microsecond(1_800_000_000_000_000 + microseconds + self.skew_microseconds).unwrap()
    }

    fn leads(&self, time: Duration) -> bool {
        self.candidate.leads(self.now(time))
    }

    /// Begins something, if nothing is on its way.
    fn begin(&mut self, time: Duration) {
        if self.flight.is_none() {
            match self.candidate.next(self.now(time), self.wall(time)) {
                Act::Wait => {}
                act => self.flight = Some(Flight::Request(act)),
            }
        }
    }

    /// Lets what is on its way arrive.
    fn arrive(&mut self, server: &mut Server, time: Duration) {
        self.flight = match self.flight.take() {
            Some(Flight::Request(Act::Read)) => Some(Flight::ReadAnswer(server.lease.clone())),
            Some(Flight::Request(Act::Write(seen, record))) => Some(Flight::WriteAnswer(server.write((seen, record)))),
            Some(Flight::WriteAnswer(None)) => {
                self.candidate.overtaken();
                None
            }
            Some(Flight::ReadAnswer(lease) | Flight::WriteAnswer(lease)) => {
                self.candidate.saw(lease, self.now(time));
                None
            }
            Some(Flight::Request(Act::Wait)) | None => None,
        };
    }

    /// Gives up to wait for an answer; a write may still arrive.
    fn lose(&mut self) -> Option<Write> {
        match self.flight.take() {
            Some(Flight::Request(Act::Write(seen, record))) => Some((seen, record)),
            _ => None,
        }
    }

    /// A whole turn without trouble, as the agent makes it.
    fn turn(&mut self, server: &mut Server, time: Duration) {
        loop {
            self.begin(time);
            if self.flight.is_none() {
                return;
            }
            self.arrive(server, time);
            self.arrive(server, time);
            if self.leads(time) {
                return;
            }
        }
    }
}

/// Something that happens, to one of the two.
#[derive(Clone, Copy, Debug)]
enum Event {
    Passes(u64),
    Begins(usize),
    Arrives(usize),
    Loses(usize),
    Haunts,
    Resigns(usize),
    Restarts(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..2_usize;
    prop_oneof![
        4 => prop_oneof![1..3_000_u64, 1..20_000_u64].prop_map(Event::Passes),
        6 => who.clone().prop_map(Event::Begins),
        8 => who.clone().prop_map(Event::Arrives),
        2 => who.clone().prop_map(Event::Loses),
        1 => Just(Event::Haunts),
        1 => who.clone().prop_map(Event::Resigns),
        1 => who.prop_map(Event::Restarts),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_two_lead_at_a_time_and_one_leads_in_the_end(
        events in prop::collection::vec(event(), 1..120),
        share_a_name in any::<bool>(),
        skew in -7_200_000_000_i64..7_200_000_000,
    ) {
        let mut time = Duration::from_secs(1_000);
        let mut server = Server::default();
        let mut ghosts: Vec<Write> = Vec::new();
        // An even number of microseconds and an odd one: two of a name never write the same record.
        let mut replicas = [
            Replica::new("a", Duration::ZERO, 0),
            Replica::new(if share_a_name { "a" } else { "b" }, Duration::from_millis(333_333), skew / 2 * 2 + 1),
        ];
        for event in events {
            match event {
                Event::Passes(milliseconds) => time += Duration::from_millis(milliseconds),
                Event::Begins(who) => replicas[who].begin(time),
                Event::Arrives(who) => replicas[who].arrive(&mut server, time),
                Event::Loses(who) => ghosts.extend(replicas[who].lose()),
                Event::Haunts => drop(ghosts.pop().map(|write| server.write(write))),
                Event::Resigns(who) => {
                    ghosts.extend(replicas[who].lose());
                    let wall = replicas[who].wall(time);
                    ghosts.extend(replicas[who].candidate.resign(wall).map(|(seen, record)| (Some(seen), record)));
                }
                Event::Restarts(who) => {
                    ghosts.extend(replicas[who].lose());
                    let Replica { id, skew_microseconds, .. } = &replicas[who];
                    replicas[who] = Replica::new(&id.clone(), time, *skew_microseconds);
                }
            }
            prop_assert!(!(replicas[0].leads(time) && replicas[1].leads(time)), "both lead after {event:?}");
        }
        // When the trouble is over, somebody leads within the time that a Lease lasts.
        for replica in &mut replicas {
            replica.lose();
        }
        let calm = time;
        while time < calm + DURATION + terms().retry * 2 {
            replicas.iter_mut().for_each(|replica| replica.turn(&mut server, time));
            prop_assert!(!(replicas[0].leads(time) && replicas[1].leads(time)));
            time += terms().retry;
        }
        prop_assert!(replicas.iter().any(|replica| replica.leads(time)));
    }
}

/// Two replicas, of which the first leads.
fn led() -> (Server, [Replica; 2], Duration) {
    let (mut server, time) = (Server::default(), Duration::from_secs(1_000));
    let mut replicas = [Replica::new("a", Duration::ZERO, 0), Replica::new("b", Duration::ZERO, 3_600_000_000)];
    replicas.iter_mut().for_each(|replica| replica.turn(&mut server, time));
    assert!(replicas[0].leads(time) && !replicas[1].leads(time));
    (server, replicas, time)
}

#[test]
fn a_leader_that_renews_keeps_the_lease_and_one_that_died_is_replaced_when_it_ran_out() {
    let (mut server, mut replicas, mut time) = led();
    for _ in 0..100 {
        time += terms().retry;
        replicas.iter_mut().for_each(|replica| replica.turn(&mut server, time));
        assert!(replicas[0].leads(time) && !replicas[1].leads(time));
    }
    let record = server.lease.clone().unwrap().record;
    assert_eq!((record.transitions, record.holder.as_str()), (0, "a"));
    assert!(record.renewed_at > record.acquired_at);
    let [_, second] = &mut replicas;
    let died = time;
    while !second.leads(time) {
        time += terms().retry;
        second.turn(&mut server, time);
    }
    let waited = time - died;
    assert!(waited >= DURATION && waited <= DURATION + terms().retry, "{waited:?}");
    let record = server.lease.clone().unwrap().record;
    assert_eq!((record.transitions, record.holder.as_str()), (1, "b"));
}

#[test]
fn who_resigns_is_followed_at_once() {
    let (mut server, mut replicas, time) = led();
    let wall = replicas[0].wall(time);
    let (seen, record) = replicas[0].candidate.resign(wall).unwrap();
    assert!(!replicas[0].leads(time), "it stops before it says so");
    assert_eq!((record.holder.as_str(), record.duration), ("", Duration::from_secs(1)));
    server.write((Some(seen), record)).unwrap();
    replicas[1].turn(&mut server, time);
    assert!(replicas[1].leads(time));
    assert_eq!(replicas[1].candidate.resign(wall).map(|(_, record)| record.transitions), Some(1));
}

#[test]
fn a_leader_whose_answers_are_lost_knows_its_writes_again() {
    let (mut server, mut replicas, mut time) = led();
    let leader = &mut replicas[0];
    for _ in 0..3 {
        time += terms().retry;
        // A read after a lost answer, then a renewal of which no answer comes although it arrives.
        while !matches!(leader.flight, Some(Flight::Request(Act::Write(..)))) {
            leader.arrive(&mut server, time);
            leader.begin(time);
        }
        let write = leader.lose().unwrap();
        server.write(write).unwrap();
        assert!(leader.leads(time));
    }
    // Nothing is renewed any more: it gives up before others may begin.
    assert!(leader.leads(time + terms().deadline - Duration::from_millis(2_001)));
    assert!(!leader.leads(time + terms().deadline));
}

#[test]
fn a_lease_that_somebody_deletes_is_still_waited_for_by_who_saw_it() {
    let (mut server, mut replicas, mut time) = led();
    server.lease = None;
    replicas[1].turn(&mut server, time);
    assert!(server.lease.is_none() && !replicas[1].leads(time));
    time += terms().retry;
    replicas[0].turn(&mut server, time);
    assert!(replicas[0].leads(time), "whoever held it may make it anew");
}
