//! The machines behind a world's nodes, as AKS would name them.

use std::collections::BTreeMap;

use crate::sim::world::{Cluster, Node};

/// A node's machine in its scale set.
#[derive(Clone, Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) scale_set: &'a str,
    pub(crate) instance: usize,
    pub(crate) node: &'a Node,
}

/// The machines of a cluster: one scale set for each name that differs in more than its digits at the end.
pub(crate) fn machines(cluster: &Cluster) -> Vec<Machine<'_>> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let nodes = cluster.nodes.iter().map(|node| {
        let scale_set = node.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let size = sizes.entry(scale_set).or_default();
        *size += 1;
        Machine { scale_set, instance: *size - 1, node }
    });
    nodes.collect()
}

/// The id of a scale set of a cluster's nodes.
pub(crate) fn scale_set_id(cluster: &Cluster, name: &str) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}",
        cluster.subscription, cluster.node_resource_group
    )
}
