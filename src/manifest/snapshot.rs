//! The serde form of a snapshot as an input, so that a bug report is one file.

use serde::de::DeserializeOwned;

use super::collect::Collector;
use super::framing::Broken;
use crate::model::cluster::Snapshot;

/// The long lists of a snapshot, which are read item by item.
/// The fields of a snapshot apart from the long lists, which are streamed.
const FIELDS: [&str; 13] = [
    "options",
    "nodePools",
    "nodeClasses",
    "instanceTypes",
    "cluster",
    "daemonSets",
    "podDisruptionBudgets",
    "namespaces",
    "volumeClaims",
    "volumes",
    "storageClasses",
    "csiNodes",
    "podGroups",
];

#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Pods,
    Nodes,
    NodeClaims,
}

impl Collector {
    /// The part that a quoted field name stands for.
    pub(super) fn snapshot_part(key: &[u8]) -> Option<Part> {
        match key {
            b"\"pods\"" => Some(Part::Pods),
            b"\"nodes\"" => Some(Part::Nodes),
            b"\"nodeClaims\"" => Some(Part::NodeClaims),
            _ => None,
        }
    }

    /// Takes one item of a long list.
    pub(super) fn snapshot_item(
        &mut self,
        part: Part,
        text: &[u8],
        at: usize,
    ) -> Result<(), Broken> {
        self.admit()?;
        match part {
            Part::Pods => {
                if let Some(mut pod) =
                    self.snapshot_value::<crate::model::pod::Pod>(text, "pods", at)
                {
                    self.context.share_parts(&mut pod);
                    self.add_pod(pod);
                }
            }
            Part::Nodes => {
                let node = self.snapshot_value(text, "nodes", at);
                self.snapshot.nodes.extend(node);
            }
            Part::NodeClaims => {
                let claim = self.snapshot_value(text, "nodeClaims", at);
                self.snapshot.node_claims.extend(claim);
            }
        }
        Ok(())
    }

    fn snapshot_value<T: DeserializeOwned>(
        &mut self,
        text: &[u8],
        list: &str,
        at: usize,
    ) -> Option<T> {
        match serde_json::from_slice(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(
                    "Snapshot",
                    format!("{list}[{at}]"),
                    error.to_string(),
                    "the form in which a snapshot is written".to_owned(),
                );
                None
            }
        }
    }

    /// Takes the rest of a snapshot whose long lists are taken.
    pub(super) fn snapshot_text(&mut self, text: &[u8], has_kind: bool) -> Result<(), Broken> {
        if has_kind {
            return Err(Broken::new(
                "an object with a kind and the lists of a snapshot",
                "a Kubernetes object or a snapshot",
            ));
        }
        match serde_json::from_slice::<Snapshot>(text) {
            Ok(read) => self.merge(read),
            Err(error) => self.fault(
                "Snapshot",
                String::new(),
                error.to_string(),
                "the form in which a snapshot is written".to_owned(),
            ),
        }
        Ok(())
    }

    /// Takes an object at the top of a document that states no kind: a snapshot without pods and nodes, or something
    /// else. A snapshot leaves empty lists out, so it is known by having no field of its own making.
    pub(super) fn kindless_text(&mut self, text: &[u8]) -> Result<(), Broken> {
        type Fields = std::collections::BTreeMap<String, serde::de::IgnoredAny>;
        if let Ok(fields) = serde_json::from_slice::<Fields>(text)
            && fields.keys().all(|field| FIELDS.contains(&field.as_str()))
        {
            return self.snapshot_text(text, false);
        }
        self.object_text(text, None, None)
    }

    /// Takes a whole document that is at hand as a value.
    #[cfg(feature = "yaml")]
    pub(super) fn top_value(&mut self, value: &serde_json::Value) -> Result<(), Broken> {
        match value.as_array() {
            Some(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| self.object(item, Some(at), None)),
            None => self.object(value, None, None),
        }
    }

    /// Adds `read` to what is there; its options replace what was stated before.
    fn merge(&mut self, read: Snapshot) {
        let held = &mut self.snapshot;
        held.options = read.options;
        held.node_pools.extend(read.node_pools);
        held.node_classes.extend(read.node_classes);
        held.instance_types.extend(read.instance_types);
        held.cluster = read.cluster.or_else(|| held.cluster.take());
        held.daemon_sets.extend(read.daemon_sets);
        held.pod_disruption_budgets
            .extend(read.pod_disruption_budgets);
        held.namespaces.extend(read.namespaces);
        held.volume_claims.extend(read.volume_claims);
        held.volumes.extend(read.volumes);
        held.storage_classes.extend(read.storage_classes);
        held.csi_nodes.extend(read.csi_nodes);
        held.pod_groups.extend(read.pod_groups);
    }
}
