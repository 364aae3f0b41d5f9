//! Snapshots written as manifests: one `v1` List in JSON, item by item.
//!
//! What [`write()`] prints, [`Reader`](super::Reader) reads back as an equal snapshot, so
//! a generated scenario is a file like any other. Defaults are left out, as people do.

mod autoscaling;
mod capacity;
mod karpenter;
mod options;
mod pod;
mod samples;
mod scale;
mod workload;

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::base::time::Timestamp;
use crate::model::cluster::Snapshot;
use crate::model::label::{LabelSelector, Labels};
use crate::model::node::Condition;
use crate::model::price::Price;
use crate::model::requirement::RequirementSpec;
use crate::model::resources::{Name, ResourceList};
use crate::model::taint::Taint;

/// Writes `snapshot` in the scenario format. Reading it back gives an equal snapshot, as long as the snapshot holds only
/// what a reader accepts and states the time (`options.now`). Memory: one item.
///
/// # Errors
/// Those of `out`.
///
/// ```
/// use tetrapod::manifest::{export, snapshot_from_str};
///
/// let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"priority":7}}"#;
/// let snapshot = snapshot_from_str(pod).unwrap();
/// let mut text = Vec::new();
/// export::write(&snapshot, &mut text).unwrap();
/// let again = snapshot_from_str(std::str::from_utf8(&text).unwrap()).unwrap();
/// assert_eq!(again, snapshot);
/// ```
pub fn write(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let mut list = List::start(out)?;
    list.item(&options::options(&snapshot.options))?;
    if let Some(cluster) = &snapshot.cluster {
        list.item(&capacity::cluster(cluster))?;
    }
    objects(&mut list, snapshot)?;
    list.finish()
}

/// The objects of `snapshot` as a list, without options and cluster record: by which a snapshot's own JSON is read as
/// strictly as manifests are.
pub(super) fn objects_text(snapshot: &Snapshot) -> Vec<u8> {
    let mut text = Vec::new();
    let written = List::start(&mut text).and_then(|mut list| {
        objects(&mut list, snapshot)?;
        list.finish()
    });
    // Writing to memory does not fail; if it did, the text would be cut off and refused by the reader.
    drop(written);
    text
}

fn objects(list: &mut List<'_>, snapshot: &Snapshot) -> io::Result<()> {
    list.items(&snapshot.node_pools, karpenter::node_pool)?;
    list.items(&snapshot.node_classes, capacity::node_class)?;
    list.items(&snapshot.instance_types, capacity::instance_types)?;
    list.items(&snapshot.namespaces, workload::namespace)?;
    list.items(&snapshot.daemon_sets, workload::daemon_set)?;
    list.items(
        &snapshot.pod_disruption_budgets,
        workload::disruption_budget,
    )?;
    list.items(&snapshot.pod_groups, workload::pod_group)?;
    list.items(
        &snapshot.horizontal_pod_autoscalers,
        autoscaling::horizontal_pod_autoscaler,
    )?;
    list.items(&snapshot.scaled_objects, autoscaling::scaled_object)?;
    list.items(&snapshot.scaled_jobs, autoscaling::scaled_job)?;
    list.items(&snapshot.metric_samples, samples::metric_samples)?;
    list.items(&snapshot.storage_classes, workload::storage_class)?;
    list.items(&snapshot.volumes, workload::volume)?;
    list.items(&snapshot.volume_claims, workload::claim)?;
    list.items(&snapshot.csi_nodes, workload::csi_node)?;
    list.items(&snapshot.node_overlays, scale::node_overlay)?;
    list.items(&snapshot.pod_templates, scale::pod_template)?;
    list.items(&snapshot.workloads, scale::workload)?;
    list.items(&snapshot.capacity_buffers, scale::capacity_buffer)?;
    list.items(&snapshot.node_claims, karpenter::node_claim)?;
    list.items(&snapshot.nodes, karpenter::node)?;
    let mut specs = pod::Specs::default();
    for each in &snapshot.pods {
        list.begin()?;
        pod::write(each, &mut specs, &mut list.text)?;
        list.end()?;
    }
    Ok(())
}

/// A list that is being written.
struct List<'o> {
    out: &'o mut dyn Write,
    text: Vec<u8>,
    any: bool,
}

impl<'o> List<'o> {
    fn start(out: &'o mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[")?;
        Ok(Self {
            out,
            text: Vec::new(),
            any: false,
        })
    }

    fn begin(&mut self) -> io::Result<()> {
        self.text.clear();
        self.text.write_all(if self.any { b",\n" } else { b"\n" })?;
        self.any = true;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&self.text)
    }

    fn item(&mut self, value: &Value) -> io::Result<()> {
        self.begin()?;
        serde_json::to_writer(&mut self.text, value)?;
        self.end()
    }

    fn items<T>(&mut self, all: &[T], form: impl Fn(&T) -> Value) -> io::Result<()> {
        all.iter().try_for_each(|one| self.item(&form(one)))
    }

    fn finish(self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }
}

/// A JSON object in the making, from which what is empty is left out.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    /// An object of a kind with its metadata.
    fn of(api_version: &str, kind: &str, metadata: Self) -> Self {
        Self::default()
            .with("apiVersion", api_version)
            .with("kind", kind)
            .filled("metadata", metadata)
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    fn some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Sets `key` unless `value` is `false`, or an empty string, array or object.
    fn filled(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(yes) => !yes,
            Value::Null => true,
            Value::Number(_) => false,
        };
        if empty { self } else { self.with(key, value) }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

fn text(name: &Name) -> Value {
    Value::from(name.as_ref())
}

fn maybe(name: Option<&Name>) -> Option<Value> {
    name.map(text)
}

fn shown(value: impl std::fmt::Display) -> Value {
    Value::from(value.to_string())
}

fn texts(names: &[Name]) -> Value {
    names.iter().map(text).collect()
}

fn labels(labels: &Labels) -> Value {
    let entries = labels
        .iter()
        .map(|(key, value)| (key.to_string(), text(value)));
    Value::Object(entries.collect())
}

fn resources(list: &ResourceList) -> Value {
    let entries = list
        .iter()
        .map(|(name, amount)| (name.to_string(), shown(amount)));
    Value::Object(entries.collect())
}

/// A price as a number where that is exact, as a string otherwise.
fn price(price: Price) -> Value {
    let number = price.as_f64();
    if Price::from_f64(number) == Ok(price) {
        Value::from(number)
    } else {
        shown(price)
    }
}

fn metadata(name: &Name) -> Object {
    Object::default().with("name", text(name))
}

fn times(object: Object, created: Option<Timestamp>, deleted: Option<Timestamp>) -> Object {
    object
        .some("creationTimestamp", created.map(shown))
        .some("deletionTimestamp", deleted.map(shown))
}

/// A deletion time for objects of which the model knows only that they have one.
fn deleting(object: Object, yes: bool) -> Object {
    times(object, None, yes.then(|| Timestamp::from_millis(0)))
}

fn conditions(all: &[Condition]) -> Value {
    all.iter()
        .map(|condition| {
            Value::from(
                Object::default()
                    .with("type", text(&condition.kind))
                    .with("status", text(&condition.status))
                    .filled("reason", text(&condition.reason))
                    .filled("message", text(&condition.message))
                    .some("lastTransitionTime", condition.last_transition.map(shown)),
            )
        })
        .collect()
}

fn requirements(all: &[RequirementSpec]) -> Value {
    all.iter()
        .map(|spec| {
            Value::from(
                Object::default()
                    .with("key", text(&spec.key))
                    .with("operator", shown(spec.operator))
                    .filled("values", texts(&spec.values))
                    .some("minValues", spec.min_values),
            )
        })
        .collect()
}

fn taints(all: &[Taint]) -> Value {
    taints_named(all, ["key", "value", "effect"])
}

fn taints_named(all: &[Taint], [key, value, effect]: [&str; 3]) -> Value {
    all.iter()
        .map(|taint| {
            Value::from(
                Object::default()
                    .with(key, text(&taint.key))
                    .filled(value, text(&taint.value))
                    .with(effect, format!("{:?}", taint.effect)),
            )
        })
        .collect()
}

fn selector(selector: &LabelSelector) -> Value {
    let expressions: Value = selector
        .expressions
        .iter()
        .map(|expression| {
            Value::from(
                Object::default()
                    .with("key", text(&expression.key))
                    .with("operator", format!("{:?}", expression.operator))
                    .filled("values", texts(&expression.values)),
            )
        })
        .collect();
    Object::default()
        .filled("matchExpressions", expressions)
        .into()
}
