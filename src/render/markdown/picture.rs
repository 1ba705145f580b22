//! What a plan touches as a picture: Service, frontend, Private Link Service, connections, endpoints, names.
//!
//! Mermaid draws it: GitHub and GitLab in a fence named `mermaid` (their docs on diagrams), Azure DevOps between `::: mermaid`
//! and `:::` (its wiki Markdown guidance; in pull requests since a release of 2025, and as legible text before). Ids are made
//! here, and of a label no character that means anything to Mermaid, HTML or Markdown is left as it was.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::pull_request::ForgeKind;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::plan::change::Party;
use crate::plan::risk::Risk;
use crate::render::affected;
use crate::render::plan as words;
use crate::render::shown;

/// The most nodes: more than these nobody follows with the eye.
const MOST_NODES: usize = 40;
/// The most characters of one line of a label.
const LONGEST_LINE: usize = 48;

/// A node: what it stands for tells it from others.
struct Node {
    lines: Vec<String>,
    risk: Option<Risk>,
}

#[derive(Default)]
struct Picture {
    nodes: Vec<Node>,
    by_key: BTreeMap<String, usize>,
    edges: BTreeSet<(usize, usize)>,
    left_out: usize,
}

/// The picture as lines; nothing where there are no changes, or only one that nothing hangs on.
pub(super) fn picture(plan: &Plan, forge: ForgeKind) -> Vec<String> {
    let mut picture = Picture::default();
    for (_, step) in words::by_risk(plan) {
        picture.add_change(&step.change);
    }
    for (_, step) in words::by_risk(plan) {
        picture.add_parties(&step.change, plan);
    }
    for (_, step) in words::by_risk(plan) {
        picture.join(&step.change);
    }
    if picture.nodes.len() < 2 {
        return Vec::new();
    }
    let (open, close) = match forge {
        ForgeKind::GitHub | ForgeKind::GitLab => ("```mermaid", "```"),
        ForgeKind::AzureDevOps => ("::: mermaid", ":::"),
    };
    let mut lines = vec![String::new(), open.to_owned()];
    lines.extend(picture.lines());
    lines.push(close.to_owned());
    // A fold keeps it out of the way, and whole: a picture that is cut is no picture.
    let text = format!("\n<details><summary>Picture of what changes</summary>\n{}\n\n</details>", lines.join("\n"));
    vec![text]
}

impl Picture {
    fn node(&mut self, key: String, make: impl FnOnce() -> Node) -> Option<usize> {
        if let Some(at) = self.by_key.get(&key) {
            return Some(*at);
        }
        if self.nodes.len() >= MOST_NODES {
            self.left_out += 1;
            return None;
        }
        self.nodes.push(make());
        self.by_key.insert(key, self.nodes.len() - 1);
        Some(self.nodes.len() - 1)
    }

    fn add_change(&mut self, change: &Change) {
        self.node(key_of(&change.key), || Node {
            lines: vec![
                kind(&change.key).to_owned(),
                change.key.short_name(),
                format!("{}{}, {}", change.action, shown::actor(change.actor), change.risk),
            ],
            risk: Some(change.risk),
        });
    }

    /// Those who have a connection, behind what cuts it.
    fn add_parties(&mut self, change: &Change, plan: &Plan) {
        for party in change.consequences.iter().flat_map(|consequence| &consequence.parties) {
            let behind = self.link_of(change).or_else(|| self.by_key.get(&key_of(&change.key)).copied());
            let node = self.node(endpoint_key(party), || Node {
                lines: vec![
                    "connection".to_owned(),
                    party.endpoint.name().to_owned(),
                    affected::people(party, plan),
                    change.risk.to_string(),
                ],
                risk: Some(change.risk),
            });
            self.edges.extend(behind.zip(node).filter(|(from, to)| from != to));
        }
    }

    /// The Private Link Service of a Service that is changed too.
    fn link_of(&self, change: &Change) -> Option<usize> {
        let ResourceKey::Service(service) = &change.key else { return None };
        let link = ResourceKey::PrivateLinkService(PublisherKey::Cluster(service.clone()));
        self.by_key.get(&key_of(&link)).copied()
    }

    /// From what a change needs to the change.
    fn join(&mut self, change: &Change) {
        let Some(to) = self.by_key.get(&key_of(&change.key)).copied() else { return };
        let mut from: Vec<ResourceKey> = change.inputs.iter().map(|input| input.producer.clone()).collect();
        match &change.key {
            ResourceKey::PrivateLinkService(PublisherKey::Cluster(service)) => {
                from.push(ResourceKey::Service(service.clone()));
            }
            ResourceKey::Connection { publisher, .. } => from.push(ResourceKey::PrivateLinkService(publisher.clone())),
            _ => {}
        }
        let known = from.iter().filter_map(|key| self.by_key.get(&key_of(key)).copied());
        let known: Vec<usize> = known.filter(|at| *at != to).collect();
        self.edges.extend(known.into_iter().map(|from| (from, to)));
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec!["flowchart LR".to_owned()];
        for (at, node) in self.nodes.iter().enumerate() {
            let label: Vec<String> = node.lines.iter().map(|line| label(line)).collect();
            let class = node.risk.map(|risk| format!(":::{}", class(risk))).unwrap_or_default();
            lines.push(format!("  n{at}[\"{}\"]{class}", label.join("<br/>")));
        }
        lines.extend(self.edges.iter().map(|(from, to)| format!("  n{from} --> n{to}")));
        if self.left_out > 0 {
            lines.push(format!("  more[\"and {} more\"]", self.left_out));
        }
        lines.push("  classDef calm fill:#eef4fb,stroke:#57606a,color:#1f2328".to_owned());
        lines.push("  classDef disruptive fill:#fff4d6,stroke:#9a6700,color:#1f2328".to_owned());
        lines.push("  classDef severing fill:#ffdce0,stroke:#cf222e,color:#1f2328,stroke-width:3px".to_owned());
        lines
    }
}

fn key_of(key: &ResourceKey) -> String {
    match key {
        ResourceKey::PrivateEndpoint(id) => id.to_string().to_ascii_lowercase(),
        key => format!("{key:?}"),
    }
}

fn endpoint_key(party: &Party) -> String {
    party.endpoint.to_string().to_ascii_lowercase()
}

fn kind(key: &ResourceKey) -> &'static str {
    match key {
        ResourceKey::Namespace(_) => "namespace",
        ResourceKey::Subnet(_) => "subnet policy",
        ResourceKey::Service(_) => "Service and its frontend",
        ResourceKey::PrivateLinkService(_) => "Private Link Service",
        ResourceKey::PrivateEndpoint(_) => "private endpoint",
        ResourceKey::Connection { .. } => "connection",
        ResourceKey::DnsRecord(_) => "DNS record",
        ResourceKey::DnsLink(_) => "DNS zone link",
    }
}

fn class(risk: Risk) -> &'static str {
    match risk {
        Risk::Safe | Risk::Notable => "calm",
        Risk::Disruptive => "disruptive",
        Risk::Severing | Risk::Exposing => "severing",
    }
}

/// Text inside the quotes of a label. Mermaid's own entities (`#34;`) are taken for the characters that they name.
fn label(text: &str) -> String {
    let text = shown::one_line(text);
    let mut short: String = text.chars().take(LONGEST_LINE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    let safe = |c: char| c.is_alphanumeric() || " -_./,…".contains(c);
    short.chars().map(|c| if safe(c) { c.to_string() } else { format!("#{};", u32::from(c)) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_picture_goes_from_the_service_to_those_who_are_cut() {
        let mut world = World::converged();
        world.manifest()["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-ipv4"] =
            serde_json::json!("10.224.10.40");
        let picture = picture(&world.plan(), ForgeKind::GitHub).join("\n");
        insta::assert_snapshot!(picture, @r#"

        <details><summary>Picture of what changes</summary>

        ```mermaid
        flowchart LR
          n0["Service and its frontend<br/>shop/orders<br/>update, severing"]:::severing
          n1["Private Link Service<br/>shop/orders<br/>replace by the cloud provider, severing"]:::severing
          n2["private endpoint<br/>orders-pe<br/>replace, severing"]:::severing
          n3["DNS record<br/>api.orders.internal<br/>update, disruptive"]:::disruptive
          n4["connection<br/>acme-pe<br/>ACME trading #40;net#64;acme.example#41;<br/>severing"]:::severing
          n5["connection<br/>beta-pe<br/>unknown consumer<br/>severing"]:::severing
          n0 --> n1
          n1 --> n2
          n1 --> n4
          n1 --> n5
          n2 --> n3
          classDef calm fill:#eef4fb,stroke:#57606a,color:#1f2328
          classDef disruptive fill:#fff4d6,stroke:#9a6700,color:#1f2328
          classDef severing fill:#ffdce0,stroke:#cf222e,color:#1f2328,stroke-width:3px
        ```

        </details>
        "#);
        let other = super::picture(&world.plan(), ForgeKind::AzureDevOps).join("\n");
        assert!(other.contains("\n::: mermaid\n") && other.contains("\n:::\n") && !other.contains("```"), "{other}");
    }

    #[test]
    fn nothing_and_one_thing_need_no_picture() {
        assert!(picture(&World::converged().plan(), ForgeKind::GitHub).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_label_ends_early_or_means_anything(text in "\\PC{0,60}|[\"`#;:<>\\[\\]%{}&\\n]{0,30}") {
            let label = label(&text);
            let is_alive = label.contains(|c: char| "\"`<>[]{}%&@:\n".contains(c));
            proptest::prop_assert!(!is_alive, "{label}");
            // Each `#` begins an entity of ours, and each `;` ends one.
            let entities = label.split('#').skip(1);
            for entity in entities {
                let number = entity.split(';').next().unwrap();
                proptest::prop_assert!(entity.contains(';') && number.parse::<u32>().is_ok(), "{label}");
            }
        }
    }
}
