//! Manifests in, manifests out.
//!
//! [`Reader`] turns JSON (and, with the feature `yaml`, YAML and gzip) into one [`Snapshot`]: Kubernetes and Karpenter
//! objects as `kubectl get -o json` prints them, HyperpodNodeClasses, the answer of `aws sagemaker describe-cluster`,
//! HorizontalPodAutoscalers, KEDA's ScaledObjects and ScaledJobs, the documents of `tetrapod/v1alpha1` (InstanceTypes, Options, MetricSamples, Simulation, Sweep), and (in JSON) snapshots in their own serde form. [`export::write`] is the way back.
//!
//! Kinds and fields that decisions do not look at are skipped and counted. What is looked at and wrong is a [`Fault`],
//! and all faults of an input are reported at once. Long lists are read item by item, and equal parts of pods are held
//! once, so that memory grows with what differs.
//!
//! ```
//! use tetrapod::manifest::Reader;
//!
//! let pool = r#"{"apiVersion":"karpenter.sh/v1","kind":"NodePool","metadata":{"name":"default"},
//!     "spec":{"weight":200,"template":{"spec":{"nodeClassRef":{"name":"main"},"requirements":[
//!         {"key":"karpenter.sh/nodepool","operator":"Exists"}]}}}}"#;
//! let mut reader = Reader::new();
//! reader.read("pool.json", pool.as_bytes());
//! let error = reader.finish().unwrap_err();
//! assert_eq!(error.faults.len(), 2);
//! assert_eq!(
//!     error.faults[0].path,
//!     "spec.template.spec.requirements[0].key"
//! );
//! assert_eq!(error.faults[1].path, "spec.weight");
//! ```

mod affinity;
mod collect;
mod cursor;
mod document;
pub mod export;

mod fault;
mod framing;
mod hpa;
mod hyperpod;
mod intern;
mod karpenter;
mod keda;
mod limits;
mod meta;
mod node;
mod pod;
mod pod_text;
mod policy;
mod requirement;
mod samples;
mod scale;
mod simulation;
mod snapshot;
mod storage;
mod sweep;
mod syntax;
mod tetrapod;
mod trigger;
#[cfg(feature = "yaml")]
mod yaml;

use std::collections::BTreeMap;

pub use fault::{Fault, InputError};
pub use limits::Limits;

use crate::model::cluster::Snapshot;
use crate::model::simulation::Simulation;
use crate::model::sweep::Sweep;
use collect::Collector;
use framing::{Broken, Framer};

/// What was left unread because no decision looks at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Objects by `apiVersion/kind`.
    pub kinds: BTreeMap<String, u64>,
    /// Unknown fields of the kinds that the autoscaler owns, by kind and path, such as `NodePool spec.foo`.
    pub fields: BTreeMap<String, u64>,
}

impl Skipped {
    /// Most distinct kinds that are told apart.
    const MOST_KINDS: usize = 1_000;

    fn count_kind(&mut self, api_version: &str, kind: &str) {
        let name = fault::shortened(&format!("{api_version}/{kind}"));
        let known = self.kinds.contains_key(&name);
        let name = if known || self.kinds.len() < Self::MOST_KINDS {
            name
        } else {
            "others".to_owned()
        };
        *self.kinds.entry(name).or_insert(0) += 1;
    }
}

/// A snapshot that was read, and what of the input is not in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Input {
    /// The snapshot. Without a stated time, `options.now` is the newest time found in the input (M-17).
    pub snapshot: Snapshot,
    /// Simulations.
    pub simulations: Vec<Simulation>,
    /// Sweeps.
    pub sweeps: Vec<Sweep>,
    /// What was skipped.
    pub skipped: Skipped,
    /// With [`Reader::skip_invalid`]: why objects were left out (M-16).
    pub left_out: Vec<Fault>,
    /// How many more faults there were than `left_out` lists.
    pub left_out_more: usize,
}

/// Collects any number of sources into one snapshot.
#[derive(Debug)]
pub struct Reader {
    collector: Collector,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader that has read nothing, with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            collector: Collector::new(),
        }
    }

    /// Whether objects with faults are left out, and listed in [`Input::left_out`], instead of refusing the whole input
    /// (M-16). A source that breaks off gives what stands before the break.
    #[must_use]
    pub fn skip_invalid(mut self, yes: bool) -> Self {
        self.collector.skip_invalid = yes;
        self
    }

    /// Sets the limits for what is read from now on.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.collector.limits = limits;
        self
    }

    /// Reads every document of `input`; `source` is its name in messages. What is wrong shows in [`finish`](Self::finish).
    ///
    /// JSON starts with `{` or `[`. Everything else is YAML or, by its first two bytes, gzip of either; these need the
    /// feature `yaml`. Time is linear in the bytes; memory in what the snapshot keeps, plus the longest object.
    pub fn read(&mut self, source: &str, input: impl std::io::Read) {
        self.collector.start_source(source);
        let mut framer = Framer::new(Box::new(input), self.collector.limits);
        if let Err(broken) = self.read_source(&mut framer) {
            self.collector.broken(broken);
        }
    }

    #[cfg(not(feature = "yaml"))]
    fn read_source(&mut self, framer: &mut Framer<'_>) -> Result<(), Broken> {
        framer.skip_mark()?;
        document::documents(framer, &mut self.collector)
    }

    #[cfg(feature = "yaml")]
    fn read_source(&mut self, framer: &mut Framer<'_>) -> Result<(), Broken> {
        if framer.ahead(2)?.starts_with(&[0x1f, 0x8b]) {
            let mut inflated = framer.inflate();
            return self.read_plain(&mut inflated);
        }
        self.read_plain(framer)
    }

    #[cfg(feature = "yaml")]
    fn read_plain(&mut self, framer: &mut Framer<'_>) -> Result<(), Broken> {
        framer.skip_mark()?;
        match framer.peek()? {
            None | Some(b'{' | b'[') => document::documents(framer, &mut self.collector),
            Some(_) => yaml::documents(framer, &mut self.collector),
        }
    }

    /// The snapshot of everything that was read.
    ///
    /// # Errors
    /// If anything was wrong, with every fault; with [`skip_invalid`](Self::skip_invalid) never.
    pub fn finish(self) -> Result<Input, InputError> {
        self.collector.finish()
    }
}

/// Reads `text` as one source with the default limits.
///
/// # Errors
/// If anything is wrong with it, with every fault.
///
/// ```
/// let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}}"#;
/// let snapshot = tetrapod::manifest::snapshot_from_str(pod).unwrap();
/// assert_eq!(snapshot.pods[0].key(), "default/a");
/// ```
pub fn snapshot_from_str(text: &str) -> Result<Snapshot, InputError> {
    let mut reader = Reader::new();
    reader.read("input", text.as_bytes());
    reader.finish().map(|input| input.snapshot)
}
