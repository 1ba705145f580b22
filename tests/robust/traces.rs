//! Traces: what a collector is sent of a pass, and that nothing waits for one that does not answer.
#![cfg(feature = "otel")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use super::process::{Machine, Stage, no_secrets, small};

/// What a header to the collector may hold.
const KEY: &str = "c0llector-s3cret-1f";

/// A request: the lines of its head, and its body.
type Request = (Vec<String>, Vec<u8>);

/// A collector that takes everything.
struct Collector {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap() == 0 || line.trim_end().is_empty() {
                        break;
                    }
                    head.push(line.trim_end().to_ascii_lowercase());
                }
                let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                stream.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push((head, body));
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// The fields of a protobuf message, by number: those with bytes, and numbers as eight bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        let length = match tag & 7 {
            0 => {
                found.push((tag >> 3, number(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            5 => 4,
            _ => usize::try_from(number(&mut bytes)).unwrap(),
        };
        let (value, rest) = bytes.split_at(length);
        found.push((tag >> 3, value.to_vec()));
        bytes = rest;
    }
    found
}

fn of(message: &[u8], number: u64) -> impl Iterator<Item = Vec<u8>> + use<> {
    fields(message).into_iter().filter(move |(own, _)| *own == number).map(|(_, value)| value)
}

/// Attributes as text, numbers included.
fn attributes(message: &[u8], number: u64) -> BTreeMap<String, String> {
    let pair = |pair: Vec<u8>| {
        let value = of(&pair, 2).next().unwrap_or_default();
        let shown = match fields(&value).into_iter().next() {
            Some((1, text)) => String::from_utf8(text).unwrap(),
            Some((_, bytes)) => u64::from_le_bytes(bytes.try_into().unwrap()).to_string(),
            None => String::new(),
        };
        (String::from_utf8(of(&pair, 1).next().unwrap()).unwrap(), shown)
    };
    of(message, number).map(pair).collect()
}

/// A span, as far as tests care.
#[derive(Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The spans of requests, and the attributes of what sent them.
fn spans(requests: &[Request]) -> (Vec<Span>, BTreeMap<String, String>) {
    let (mut spans, mut resource) = (Vec::new(), BTreeMap::new());
    for of_resource in requests.iter().flat_map(|(_, body)| of(body, 1)) {
        resource.extend(of(&of_resource, 1).flat_map(|resource| attributes(&resource, 1)));
        for span in of(&of_resource, 2).flat_map(|scope| of(&scope, 2).collect::<Vec<_>>()) {
            let bytes = |number| of(&span, number).next().unwrap_or_default();
            let (trace, id, parent) = (bytes(1), bytes(2), bytes(4));
            let name = String::from_utf8(bytes(5)).unwrap();
            spans.push(Span { trace, id, parent, name, attributes: attributes(&span, 9) });
        }
    }
    (spans, resource)
}

fn traced(stage: &Stage, address: &str) -> Machine {
    stage.machine.clone().with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
}

#[test]
fn a_pass_is_one_trace_with_a_span_for_each_part_of_it_and_no_secret() {
    let stage = Stage::new(&small());
    let collector = Collector::start();
    let machine = traced(&stage, &collector.address)
        .with("OTEL_SERVICE_NAME", "privlink-prod")
        .with("OTEL_RESOURCE_ATTRIBUTES", "team=net%20work,service.name=other")
        .with("OTEL_EXPORTER_OTLP_HEADERS", &format!("api-key={KEY}"));
    let run = machine.run(&["agent", "--once", "--repo", &stage.url(), "--log", "debug"]).ends(0);
    no_secrets("the output", &run.all(), &[KEY.to_owned()]);
    let requests = collector.requests();
    assert!(!requests.is_empty());
    for (head, body) in &requests {
        assert!(head[0].starts_with("post /v1/traces "), "{head:?}");
        assert!(head.contains(&format!("api-key: {KEY}")), "{head:?}");
        let secrets = [machine.secrets(), &[KEY.to_owned(), "Bearer".to_owned()]].concat();
        no_secrets("a span", &String::from_utf8_lossy(body), &secrets);
    }
    let (spans, resource) = spans(&requests);
    assert_eq!((resource["service.name"].as_str(), resource["team"].as_str()), ("privlink-prod", "net work"));
    let pass = spans.iter().find(|span| span.name == "pass").unwrap();
    assert!(
        spans.iter().filter(|span| span.parent.is_empty()).all(|span| ["pass", "git"].contains(&span.name.as_str()))
    );
    assert_eq!((pass.attributes["environment"].as_str(), pass.attributes["outcome"].as_str()), ("prod", "applied"));
    assert_eq!((pass.attributes["pass_id"].len(), pass.attributes["plan_id"].len()), (36, 64));

    let of_pass: Vec<&Span> = spans.iter().filter(|span| span.trace == pass.trace).collect();
    let name = |id: &[u8]| of_pass.iter().find(|span| span.id == id).map_or("nothing", |span| span.name.as_str());
    let tree: BTreeSet<String> = of_pass.iter().map(|span| format!("{} < {}", span.name, name(&span.parent))).collect();
    insta::assert_snapshot!(tree.into_iter().collect::<Vec<_>>().join("\n"), @"
    apply < pass
    approve < pass
    call < conclude
    call < observe
    call < plan
    call < step
    conclude < pass
    git < apply
    git < approve
    git < pass
    git < plan
    git < publish
    observe < conclude
    observe < plan
    pass < nothing
    plan < pass
    publish < conclude
    step < apply
    ");
    let step = |task: &str| {
        let is_it = |span: &&&Span| span.name == "step" && span.attributes["task"] == task;
        of_pass.iter().find(is_it).map(|span| span.attributes["resource"].clone())
    };
    assert!(step("write").is_some() && step("check-ready").is_some());
    let put = of_pass.iter().find(|span| span.attributes.get("method").is_some_and(|method| method == "PUT")).unwrap();
    assert_eq!(put.attributes["kind"], "Microsoft.Network/privateEndpoints");
    assert!(put.attributes["status"].starts_with("20"), "{put:?}");
}

#[test]
fn a_collector_that_is_away_or_silent_holds_up_nobody_and_is_told_once() {
    let stage = Stage::new(&small());
    // Nobody listens there any more.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let run = traced(&stage, &away).run(&["agent", "--once", "--repo", &stage.url()]).ends(0);
    assert!(stage.writes() > 0);
    let told: Vec<&str> = run.err.lines().filter(|line| line.contains("traces")).collect();
    assert!(told.len() == 1 && told[0].contains(&format!("do not reach the collector at {away}")), "{told:?}");
    // This one takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    traced(&stage, &address).run(&["agent", "--once", "--repo", &stage.url()]).ends(0);
    // And without a collector nobody is asked.
    let run = stage.run(&["agent", "--once"]).ends(0);
    assert!(!run.err.contains("traces"), "{}", run.err);
}
