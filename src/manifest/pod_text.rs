//! The short way for pods that have nothing wrong with them.
//!
//! Replicas differ in little more than their names, so the text of the parts they share is looked up before it is read.
//! Whatever is out of the ordinary gives `None`, and the pod is read again with every fault named.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, IgnoredAny, MapAccess};
use serde_json::Value;
use serde_json::value::RawValue;

use super::cursor::{Context, Cursor};
use super::meta::{DEFAULT_NAMESPACE, LONGEST_NAME, labels};
use super::pod::{SPEC_FIELDS, detail, owners, pod_spec};
use crate::base::time::Timestamp;
use crate::model::label::Labels;
use crate::model::pod::{OwnerReference, Pod, PodPhase, PodSpec};
use crate::model::resources::Name;

/// Why the short way does not do.
fn unusual<E: de::Error>() -> E {
    E::custom("unusual")
}

#[derive(Default)]
struct PodText<'a> {
    kind: Option<Cow<'a, str>>,
    api_version: Option<Cow<'a, str>>,
    metadata: Option<MetaText<'a>>,
    spec: Option<SpecText<'a>>,
    status: Option<StatusText<'a>>,
}

#[derive(Default)]
struct MetaText<'a> {
    name: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    uid: Option<Cow<'a, str>>,
    created: Option<Cow<'a, str>>,
    deleted: Option<Cow<'a, str>>,
    labels: Option<&'a RawValue>,
    annotations: Option<&'a RawValue>,
    owners: Option<&'a RawValue>,
}

#[derive(Default)]
struct SpecText<'a> {
    node_name: Option<Cow<'a, str>>,
    fields: [Option<&'a RawValue>; SPEC_FIELDS.len()],
}

#[derive(Default)]
struct StatusText<'a> {
    phase: Option<Cow<'a, str>>,
    /// Whether there is more than `phase` that may matter.
    conditions: Option<Conditions>,
    more: bool,
}

/// A string that is borrowed unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Implements `Deserialize` over one level of an object: the closure-like body sees each key.
macro_rules! read_map {
    ($type:ident, $state:ident, $map:ident, $key:ident => $body:expr) => {
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> de::Visitor<'de> for Visitor {
                    type Value = $type<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut $map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut $state = $type::default();
                        while let Some(Text(key)) = $map.next_key()? {
                            let $key = key.as_ref();
                            $body
                        }
                        Ok($state)
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    };
}

/// Sets a place that must be empty: a repeated key is unusual.
fn once<T, E: de::Error>(place: &mut Option<T>, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(unusual()),
    }
}

read_map!(PodText, state, map, key => match key {
    "apiVersion" => {
        let Text(version) = map.next_value()?;
        if version != "v1" {
            return Err(unusual());
        }
        once(&mut state.api_version, version)?;
    }
    "kind" => {
        let Text(kind) = map.next_value()?;
        if kind != "Pod" {
            return Err(unusual());
        }
        once(&mut state.kind, kind)?;
    }
    "metadata" => once(&mut state.metadata, map.next_value()?)?,
    "spec" => once(&mut state.spec, map.next_value()?)?,
    "status" => once(&mut state.status, map.next_value()?)?,
    _ => drop(map.next_value::<IgnoredAny>()?),
});

read_map!(MetaText, state, map, key => match key {
    "name" => once(&mut state.name, map.next_value::<Text<'_>>()?.0)?,
    "namespace" => once(&mut state.namespace, map.next_value::<Text<'_>>()?.0)?,
    "uid" => once(&mut state.uid, map.next_value::<Text<'_>>()?.0)?,
    "creationTimestamp" => once(&mut state.created, map.next_value::<Text<'_>>()?.0)?,
    "deletionTimestamp" => once(&mut state.deleted, map.next_value::<Text<'_>>()?.0)?,
    "labels" => once(&mut state.labels, map.next_value()?)?,
    "annotations" => once(&mut state.annotations, map.next_value()?)?,
    "ownerReferences" => once(&mut state.owners, map.next_value()?)?,
    _ => drop(map.next_value::<IgnoredAny>()?),
});

read_map!(SpecText, state, map, key => {
    if key == "nodeName" {
        once(&mut state.node_name, map.next_value::<Text<'_>>()?.0)?;
    } else if let Some(place) = SPEC_FIELDS
        .binary_search(&key)
        .ok()
        .and_then(|at| state.fields.get_mut(at))
    {
        once(place, map.next_value()?)?;
    } else {
        map.next_value::<IgnoredAny>()?;
    }
});

read_map!(StatusText, state, map, key => match key {
    "phase" => once(&mut state.phase, map.next_value::<Text<'_>>()?.0)?,
    "conditions" => once(&mut state.conditions, map.next_value()?)?,
    "nominatedNodeName" | "startTime" | "containerStatuses" | "initContainerStatuses" => {
        state.more = true;
        map.next_value::<IgnoredAny>()?;
    }
    _ => drop(map.next_value::<IgnoredAny>()?),
});

/// What a list of conditions comes to: its newest time, and whether one of them is kept by the model.
#[derive(Default)]
struct Conditions {
    newest: Option<Timestamp>,
    kept: bool,
}

#[derive(Default)]
struct ConditionText<'a> {
    kind: Option<Cow<'a, str>>,
    since: Option<Cow<'a, str>>,
}

read_map!(ConditionText, state, map, key => match key {
    "type" => once(&mut state.kind, map.next_value::<Text<'_>>()?.0)?,
    "lastTransitionTime" => {
        state.since = map.next_value::<Option<Text<'_>>>()?.map(|text| text.0);
    }
    _ => drop(map.next_value::<IgnoredAny>()?),
});

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Conditions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Conditions, A::Error> {
                let mut read = Conditions::default();
                while let Some(item) = seq.next_element::<ConditionText<'_>>()? {
                    let kind = item.kind.ok_or_else(unusual)?;
                    read.kept |= matches!(kind.as_ref(), "Ready" | "PodResizePending");
                    if let Some(since) = item.since {
                        let time = since.parse().map_err(|_| unusual())?;
                        read.newest = read.newest.max(Some(time));
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_seq(Visitor)
    }
}

/// Reads the pod whose JSON text is `text`, if it is one and nothing about it is unusual. `kind_known` says that the
/// list it stands in is one of pods.
pub(super) fn pod(
    text: &[u8],
    kind_known: bool,
    context: &Context,
    scratch: &mut Vec<u8>,
) -> Option<Pod> {
    let read: PodText<'_> = serde_json::from_slice(text).ok()?;
    // The values of both were checked as they were read.
    let stated = (read.kind.is_some(), read.api_version.is_some());
    if stated != (true, true) && !(kind_known && stated == (false, false)) {
        return None;
    }
    let meta = read.metadata?;
    let name = meta
        .name
        .filter(|n| (1..=LONGEST_NAME).contains(&n.len()))?;
    let spec_text = read.spec?;
    let status = read.status.unwrap_or_default();
    let phase = match status.phase.as_deref() {
        None | Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some(_) => return None,
    };
    let time = |text: Option<Cow<'_, str>>| -> Option<Option<Timestamp>> {
        text.map_or(Some(None), |text| text.parse().ok().map(Some))
    };
    let (created, deleted) = (time(meta.created)?, time(meta.deleted)?);
    let spec = spec(&spec_text, context, scratch)?;
    let detail = if status.more || status.conditions.as_ref().is_some_and(|c| c.kept) {
        status_detail(text, &spec, context)?
    } else {
        None
    };
    let labels = labels_of(meta.labels, context)?;
    let annotations = labels_of(meta.annotations, context)?;
    let owners = owners_of(meta.owners, context)?;
    let newest = status.conditions.and_then(|conditions| conditions.newest);
    for time in [created, deleted, newest].into_iter().flatten() {
        context.note_time(time);
    }
    let namespace = meta.namespace.filter(|namespace| !namespace.is_empty());
    let node = spec_text.node_name.filter(|node| !node.is_empty());
    Some(Pod {
        namespace: context.name(namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)),
        name: Name::from(name.as_ref()),
        uid: meta
            .uid
            .map_or_else(|| context.name(""), |uid| Name::from(uid.as_ref())),
        created,
        deleted,
        node_name: node.map(|node| context.name(&node)),
        phase,
        labels,
        annotations,
        owners,
        spec,
        detail,
    })
}

/// Reads `value` at `path` with `read`; `None` if anything is wrong with it.
fn without_fault<T>(
    value: &Value,
    context: &Context,
    read: impl FnOnce(&Cursor<'_, '_>) -> T,
) -> Option<T> {
    let read = read(&Cursor::new(value, "", context));
    context.take_drafts().is_empty().then_some(read)
}

fn spec(text: &SpecText<'_>, context: &Context, scratch: &mut Vec<u8>) -> Option<Arc<PodSpec>> {
    scratch.clear();
    scratch.push(b'{');
    for (name, value) in SPEC_FIELDS.iter().zip(text.fields) {
        let Some(value) = value else { continue };
        if scratch.len() > 1 {
            scratch.push(b',');
        }
        scratch.push(b'"');
        scratch.extend_from_slice(name.as_bytes());
        scratch.extend_from_slice(b"\":");
        scratch.extend_from_slice(value.get().as_bytes());
    }
    scratch.push(b'}');
    if let Some(held) = context.pools.borrow().specs_by_text.get(scratch) {
        return Some(Arc::clone(held));
    }
    let value: Value = serde_json::from_slice(scratch).ok()?;
    let spec = without_fault(&value, context, pod_spec)?;
    let mut pools = context.pools.borrow_mut();
    let spec = pools.specs.share(spec);
    pools.specs_by_text.put(scratch, &spec);
    Some(spec)
}

fn labels_of(text: Option<&RawValue>, context: &Context) -> Option<Arc<Labels>> {
    let text = text.map_or("{}", RawValue::get);
    if let Some(held) = context.pools.borrow().labels_by_text.get(text.as_bytes()) {
        return Some(Arc::clone(held));
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let read = without_fault(&value, context, labels)?;
    let mut pools = context.pools.borrow_mut();
    let read = pools.labels.share(read);
    pools.labels_by_text.put(text.as_bytes(), &read);
    Some(read)
}

fn owners_of(text: Option<&RawValue>, context: &Context) -> Option<Arc<Vec<OwnerReference>>> {
    let text = text.map_or("[]", RawValue::get);
    if let Some(held) = context.pools.borrow().owners_by_text.get(text.as_bytes()) {
        return Some(Arc::clone(held));
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let read = without_fault(&value, context, owners)?;
    let mut pools = context.pools.borrow_mut();
    let read = pools.owners.share(read);
    pools.owners_by_text.put(text.as_bytes(), &read);
    Some(read)
}

/// Reads the status of the few pods that have more of it than a phase.
#[expect(
    clippy::option_option,
    reason = "no detail is a good answer, a fault is none"
)]
fn status_detail(
    text: &[u8],
    spec: &PodSpec,
    context: &Context,
) -> Option<Option<Box<crate::model::pod::PodStatusDetail>>> {
    #[derive(serde::Deserialize)]
    struct Whole {
        status: Value,
    }
    let whole: Whole = serde_json::from_slice(text).ok()?;
    without_fault(&whole.status, context, |status| detail(status, spec))
}
