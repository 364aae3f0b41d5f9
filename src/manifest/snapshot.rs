//! The serde form of a snapshot as an input, so that a bug report is one file.

use serde::de::DeserializeOwned;

use super::collect::Collector;
use super::export;
use super::framing::Broken;
use crate::model::cluster::Snapshot;

/// The long lists of a snapshot, which are read item by item.
/// The fields of a snapshot apart from the long lists, which are streamed.
const FIELDS: [&str; 21] = [
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
    "nodeOverlays",
    "capacityBuffers",
    "podTemplates",
    "workloads",
    "horizontalPodAutoscalers",
    "scaledObjects",
    "scaledJobs",
    "metricSamples",
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
        let mut piece = Snapshot::default();
        match part {
            Part::Pods => piece.pods.extend(self.snapshot_value(text, "pods", at)),
            Part::Nodes => piece.nodes.extend(self.snapshot_value(text, "nodes", at)),
            Part::NodeClaims => {
                let claim = self.snapshot_value(text, "nodeClaims", at);
                piece.node_claims.extend(claim);
            }
        }
        self.as_manifests(&piece)
    }

    /// Takes the objects of `piece` as if they stood in manifests, so that they are held to the same rules.
    fn as_manifests(&mut self, piece: &Snapshot) -> Result<(), Broken> {
        let text = export::objects_text(piece);
        let list: serde_json::Value = serde_json::from_slice(&text)
            .map_err(|error| Broken::new(error.to_string(), "a snapshot"))?;
        let items = list["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        items
            .iter()
            .try_for_each(|item| self.object(item, None, None))
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
            Ok(mut read) => {
                self.snapshot.options = std::mem::take(&mut read.options);
                if let Some(cluster) = read.cluster.take() {
                    self.snapshot.cluster = Some(cluster);
                }
                self.as_manifests(&read)?;
            }
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
}
