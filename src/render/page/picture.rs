//! The topology as a picture, and the same as a list for who cannot see it.
//!
//! Five columns, read from left to right as traffic is published: each thing is a box with its name, each connection a line
//! with its state. A box is a drawing area of its own, so that no name can reach into the next one.

use std::collections::BTreeMap;

use crate::render::count;
use crate::render::page::html::Element;
use crate::render::page::html::Html;
use crate::render::page::html::el;
use crate::render::page::tone::Tone;
use crate::render::page::tone::badge;
use crate::render::page::topology::Branch;
use crate::render::page::topology::Chain;
use crate::render::page::topology::Node;

/// The most chains that are drawn, the worst first.
const MOST_CHAINS: usize = 20;
/// The most connections of one chain that are drawn, and how many of more.
const MOST_BRANCHES: usize = 6;

/// What the columns show, and where they begin.
const COLUMNS: [(&str, usize); 5] = [
    ("Service", 0),
    ("Load balancer frontend", 210),
    ("Private Link Service", 420),
    ("Private endpoint", 716),
    ("DNS record", 926),
];
const BOX: (usize, usize) = (184, 50);
const ROW: usize = 62;
/// The space between two chains, beside that between rows.
const GAP: usize = 14;
const TOP: usize = 34;
const WIDTH: usize = COLUMNS[4].1 + BOX.0 + 2;
/// Where the state of a connection stands.
const STATE: (usize, usize) = (COLUMNS[2].1 + BOX.0 + 8, 96);
/// How many columns of text fit into a box: of its name, and of what is told.
const FITS: (usize, usize) = (19, 24);

/// Draws the chains and lists them.
pub(super) fn picture(chains: &[Chain]) -> Html {
    if chains.is_empty() {
        return el("p").text("There is nothing to draw yet.").into();
    }
    let drawn = &chains[..chains.len().min(MOST_CHAINS)];
    let scroll = el("div").class("scroll picture").attr("tabindex", "0").attr("role", "region");
    let mut out = Html::default();
    out.push(scroll.attr("aria-label", "Picture of the topology").child(svg(drawn, chains)));
    if drawn.len() < chains.len() {
        let left = chains.len() - drawn.len();
        let text = format!(
            "{} of {} are drawn, the worst first; the list has the other {left} too.",
            drawn.len(),
            count(chains.len(), "chain")
        );
        out.push(el("p").class("dim").text(text));
    }
    let summary = el("summary").text("The same as a list");
    out.push(el("details").child(summary).child(el("ul").class("chains").children(chains.iter().map(item))));
    out
}

fn svg(drawn: &[Chain], all: &[Chain]) -> Element {
    let mut body = Html::default();
    body.push(el("title").attr("id", "picture-title").text("Who reaches what"));
    body.push(el("desc").attr("id", "picture-desc").text(summary(all)));
    for (title, x) in COLUMNS {
        body.push(el("text").class("column").size("x", x + 1).size("y", 16).text(title));
    }
    let mut y = TOP;
    for chain in drawn {
        body.push(draw(chain, y));
        y += rows(chain) * ROW + GAP;
    }
    let height = y - GAP;
    el("svg")
        .attr("role", "img")
        .attr("aria-labelledby", "picture-title picture-desc")
        .attr("viewBox", format!("0 0 {WIDTH} {height}"))
        .size("width", WIDTH)
        .size("height", height)
        .child(body)
}

/// The picture in one sentence.
fn summary(chains: &[Chain]) -> String {
    let services = chains.iter().filter(|chain| chain.service.is_some()).count();
    let links = chains.iter().filter(|chain| chain.link.is_some()).count();
    let branches: Vec<&Branch> = chains.iter().flat_map(|chain| &chain.branches).collect();
    let hit = branches.iter().filter(|branch| branch.is_hit).count();
    let hit = if hit == 0 { String::new() } else { format!(", of which the pending plan hits {hit}") };
    format!(
        "{}, {}, {}{hit}. The list below says the same.",
        count(services, "Service"),
        count(links, "Private Link Service"),
        count(branches.len(), "connection"),
    )
}

/// How many connections are drawn, and how many are not.
fn split(chain: &Chain) -> (&[Branch], &[Branch]) {
    let most = if chain.branches.len() > MOST_BRANCHES { MOST_BRANCHES - 1 } else { MOST_BRANCHES };
    chain.branches.split_at(chain.branches.len().min(most))
}

fn rows(chain: &Chain) -> usize {
    let (shown, rest) = split(chain);
    (shown.len() + usize::from(!rest.is_empty())).max(1)
}

fn draw(chain: &Chain, y: usize) -> Element {
    let mut group = el("g");
    let fixed = [&chain.service, &chain.frontend, &chain.link];
    let mut from: Option<usize> = None;
    for (node, (_, x)) in fixed.into_iter().zip(COLUMNS) {
        let Some(node) = node else { continue };
        if let Some(from) = from {
            group = group.child(line((from + BOX.0, y), (x, y), Tone::Note));
        }
        group = group.child(node_box(node, x, y));
        from = Some(x);
    }
    let (shown, rest) = split(chain);
    for (at, branch) in shown.iter().enumerate() {
        group = group.child(draw_branch(branch, from.map(|x| (x, y)), y + at * ROW));
    }
    if !rest.is_empty() {
        group = group.child(more(rest, from.map(|x| (x, y)), y + shown.len() * ROW));
    }
    group
}

fn draw_branch(branch: &Branch, from: Option<(usize, usize)>, y: usize) -> Html {
    let (endpoint, record) = (COLUMNS[3].1, COLUMNS[4].1);
    let tone = if branch.is_hit { Tone::Bad } else { branch.tone };
    let mut out = Html::default();
    if let Some((x, top)) = from {
        out.push(line((x + BOX.0, top), (endpoint, y), tone));
    }
    let state = if branch.is_hit { format!("{}, hit", branch.state) } else { branch.state.clone() };
    out.push(pill(&state, y, tone)).push(node_box(&branch.endpoint, endpoint, y));
    if let Some(node) = branch.records.first() {
        out.push(line((endpoint + BOX.0, y), (record, y), Tone::Note));
        let mut node = node.clone();
        if branch.records.len() > 1 {
            node.told.push(format!("and {}", count(branch.records.len() - 1, "more record")));
        }
        out.push(node_box(&node, record, y));
    }
    out
}

/// A box that stands for the connections that are not drawn.
fn more(rest: &[Branch], from: Option<(usize, usize)>, y: usize) -> Html {
    let tone = rest.iter().map(|branch| if branch.is_hit { Tone::Bad } else { branch.tone }).max().unwrap_or_default();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for branch in rest {
        *states.entry(branch.state.as_str()).or_default() += 1;
    }
    let told = states.iter().map(|(state, number)| format!("{number} {state}")).collect::<Vec<_>>().join(", ");
    let name = count(rest.len(), "more connection");
    let node = Node { kind: "Not drawn", name, told: vec![told], tone };
    let mut out = Html::default();
    if let Some((x, top)) = from {
        out.push(line((x + BOX.0, top), (COLUMNS[3].1, y), tone));
    }
    out.push(node_box(&node, COLUMNS[3].1, y));
    out
}

/// From the right side of a box to the left side of another: by one corner down, where they are not level.
fn line(from: (usize, usize), to: (usize, usize), tone: Tone) -> Element {
    let middle = BOX.1 / 2;
    let (from, to) = ((from.0, from.1 + middle), (to.0, to.1 + middle));
    let path = match from.1 == to.1 {
        true => format!("M{} {}H{}", from.0, from.1, to.0),
        false => format!("M{} {}H{}V{}H{}", from.0, from.1, from.0 + 10, to.1, to.0),
    };
    el("path").class(format!("line {}", tone.class())).attr("d", path)
}

fn pill(state: &str, y: usize, tone: Tone) -> Element {
    let top = y + BOX.1 / 2 - 11;
    let area = el("svg").class(format!("pill {}", tone.class())).size("x", STATE.0).size("y", top);
    let frame = el("rect").size("width", STATE.1).size("height", 22).size("rx", 11);
    let text = el("text").size("x", STATE.1 / 2).size("y", 15).attr("text-anchor", "middle").text(clip(state, 13));
    area.size("width", STATE.1).size("height", 22).child(el("title").text(state)).child(frame).child(text)
}

fn node_box(node: &Node, x: usize, y: usize) -> Element {
    let Node { kind, name, told, tone } = node;
    let all = [&[format!("{kind} {name}")], told.as_slice()].concat().join(", ");
    let area = el("svg").class(format!("box {}", tone.class())).size("x", x).size("y", y);
    let frame = el("rect").attr("x", "1").attr("y", "1").size("width", BOX.0 - 2).size("height", BOX.1 - 2);
    let edge = el("rect").class("edge").attr("x", "1").attr("y", "1").size("width", 4).size("height", BOX.1 - 2);
    area.size("width", BOX.0)
        .size("height", BOX.1)
        .child(el("title").text(all))
        .child(frame.size("rx", 3))
        .child(edge.size("rx", 2))
        .child(el("text").class("name").size("x", 14).size("y", 21).text(clip(name, FITS.0)))
        .child(el("text").class("told").size("x", 14).size("y", 39).text(clip(&told.join(", "), FITS.1)))
}

/// As much of a text as fits; what is not ASCII may be twice as wide.
fn clip(text: &str, columns: usize) -> String {
    let width = |c: char| if c.is_ascii() { 1 } else { 2 };
    if text.chars().map(width).sum::<usize>() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let fits = width(*c) <= left;
        left = left.saturating_sub(width(*c));
        fits
    };
    format!("{}…", text.chars().take_while(fits).collect::<String>())
}

fn item(chain: &Chain) -> Element {
    let mut head = el("span");
    for (at, node) in chain.service.iter().chain(&chain.frontend).chain(&chain.link).enumerate() {
        head = head.text(if at == 0 { "" } else { " → " }).child(words_of(node));
    }
    let branch = |branch: &Branch| {
        let mut item = el("li").child(badge(branch.tone, &branch.state)).text(" ").child(words_of(&branch.endpoint));
        if branch.is_hit {
            item = item.text(" ").child(badge(Tone::Bad, "hit by the pending plan"));
        }
        let records = branch.records.iter().map(|record| el("li").child(words_of(record)));
        if branch.records.is_empty() { item } else { item.child(el("ul").children(records)) }
    };
    let item = el("li").child(head);
    if chain.branches.is_empty() { item } else { item.child(el("ul").children(chain.branches.iter().map(branch))) }
}

fn words_of(node: &Node) -> Html {
    let told = if node.told.is_empty() { String::new() } else { format!(" ({})", node.told.join(", ")) };
    let mut out: Html = el("span").text(format!("{} ", node.kind)).into();
    out.push(el("strong").text(&node.name)).push(el("span").class("dim").text(told));
    out
}
