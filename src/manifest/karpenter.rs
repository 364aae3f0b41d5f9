//! NodePools and NodeClaims.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cursor::{Cursor, one_of};
use super::meta::{conditions, labels, meta, taints};
use super::requirement::flexible_requirement;
use super::syntax::{is_label_value, is_qualified_name};
use crate::base::time::Span;
use crate::model::label;
use crate::model::node_claim::NodeClaim;
use crate::model::node_pool::{Budget, ConsolidationPolicy, NodeClassRef, NodePool};
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::Name;
use crate::model::taint::TaintEffect;

/// What a pool's `expireAfter` is when it is absent.
const EXPIRE_AFTER: Span = Span::from_secs(720 * 3600);

/// Reads a `karpenter.sh/v1` NodePool, held to the static rules of S-50.
pub(super) fn node_pool(root: &Cursor<'_, '_>) -> NodePool {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec = root.object("spec");
    spec.count_unknown(
        "NodePool spec.",
        &["template", "disruption", "limits", "weight", "replicas"],
    );
    let template = spec.object("template");
    template.fault_if_absent("a NodeClaim template");
    let template_meta = template.object("metadata");
    let claim = template.object("spec");
    claim.count_unknown("NodePool spec.template.spec.", &CLAIM_FIELDS);
    let labels_at = template_meta.field("labels");
    let template_labels = labels(&labels_at);
    for (key, value) in labels_at.entries() {
        check_key(&value, key);
        if value.value().as_str().is_some_and(|v| !is_label_value(v)) {
            value.fault(LABEL_VALUE);
        }
    }
    let class_at = claim.object("nodeClassRef");
    class_at.fault_if_absent("a reference to a node class");
    let requirements_at = claim.field("requirements");
    let requirements = requirements_at.list(pool_requirement);
    if requirements.len() > 100 {
        requirements_at.fault("at most 100 requirements");
    }
    let (taints_at, startup_at) = (claim.field("taints"), claim.field("startupTaints"));
    check_taints(&[&taints_at, &startup_at]);
    let disruption = spec.object("disruption");
    NodePool {
        name: read.name,
        uid: read.uid,
        deleted: read.deleted,
        labels: labels(&metadata.field("labels")),
        annotations: labels(&metadata.field("annotations")),
        template_labels,
        template_annotations: labels(&template_meta.field("annotations")),
        node_class_ref: class_ref(&class_at),
        requirements,
        taints: taints(&taints_at),
        startup_taints: taints(&startup_at),
        expire_after: claim.field("expireAfter").span_or_never(Some(EXPIRE_AFTER)),
        termination_grace_period: claim.field("terminationGracePeriod").span(),
        limits: spec.field("limits").resources(),
        weight: spec
            .field("weight")
            .integer(1..=100)
            .and_then(|weight| u32::try_from(weight).ok())
            .unwrap_or(0),
        replicas: spec.field("replicas").count(0),
        consolidation_policy: consolidation_policy(&disruption.field("consolidationPolicy")),
        consolidate_after: disruption
            .field("consolidateAfter")
            .span_or_never(Some(Span::ZERO)),
        budgets: budgets(&disruption.field("budgets")),
        conditions: conditions(&root.object("status").field("conditions")),
    }
}

const CLAIM_FIELDS: [&str; 8] = [
    "nodeClassRef",
    "requirements",
    "taints",
    "startupTaints",
    "expireAfter",
    "terminationGracePeriod",
    "resources",
    "kubelet",
];

fn class_ref(at: &Cursor<'_, '_>) -> NodeClassRef {
    let name_at = at.field("name");
    if at.value().is_object() && name_at.is_absent() {
        name_at.fault("the name of a node class");
    }
    NodeClassRef {
        group: at.field("group").name_or_empty(),
        kind: at.field("kind").name_or_empty(),
        name: name_at.name_or_empty(),
    }
}

const LABEL_VALUE: &str = "a label value: up to 63 letters, digits, - _ and . that starts and ends with a letter or digit";

/// Faults a key that a pool may not set or require (S-50).
fn check_key(at: &Cursor<'_, '_>, key: &str) {
    if !is_qualified_name(key) {
        at.fault_found(format!("{key:?}"), "a label key such as example.com/name");
    } else if label::normalize(key) == label::NODE_POOL {
        at.fault_found(
            format!("{key:?}"),
            "no karpenter.sh/nodepool: Karpenter sets it",
        );
    } else if label::is_restricted(label::normalize(key)) {
        at.fault_found(
            format!("{key:?}"),
            "a key that is not restricted: not kubernetes.io/hostname, nor in the domain karpenter.sh",
        );
    }
}

fn pool_requirement(item: &Cursor<'_, '_>) -> Option<RequirementSpec> {
    let spec = flexible_requirement(item)?;
    check_key(&item.field("key"), &spec.key);
    let values = item.field("values");
    match spec.operator {
        Operator::In | Operator::NotIn => {
            for value in values.items() {
                if value.value().as_str().is_some_and(|v| !is_label_value(v)) {
                    value.fault(LABEL_VALUE);
                }
            }
            let least = spec
                .min_values
                .and_then(|least| usize::try_from(least).ok());
            if spec.operator == Operator::In && least.is_some_and(|n| spec.values.len() < n) {
                item.field("minValues")
                    .fault(format!("at most the {} listed values", spec.values.len()));
            }
        }
        Operator::Gt | Operator::Lt | Operator::Gte | Operator::Lte => {
            let integer = |v: &Name| v.parse::<i64>().is_ok_and(|n| n >= 0);
            if spec.values.len() == 1 && !spec.values.iter().all(integer) {
                values.fault_found(
                    format!("{:?}", spec.values.first().map_or("", AsRef::as_ref)),
                    format!("exactly one integer of 0 or more for {}", spec.operator),
                );
            }
        }
        Operator::Exists | Operator::DoesNotExist => {}
    }
    Some(spec)
}

/// Faults badly written and repeated taints of a pool.
fn check_taints(lists: &[&Cursor<'_, '_>]) {
    let mut seen: BTreeSet<(Name, TaintEffect)> = BTreeSet::new();
    for list in lists {
        let Some(items) = list.value().as_array() else {
            continue;
        };
        if items.iter().any(|item| !item.is_object()) {
            continue;
        }
        for item in list.items() {
            let (key, effect) = (item.field("key"), item.field("effect"));
            let Some(text) = key.value().as_str().filter(|text| !text.is_empty()) else {
                continue;
            };
            if !is_qualified_name(text) {
                key.fault("a taint key such as example.com/name");
            }
            let value = item.field("value");
            if value.value().as_str().is_some_and(|v| !is_label_value(v)) {
                value.fault(LABEL_VALUE);
            }
            let known = super::meta::EFFECTS
                .iter()
                .find(|(name, _)| effect.value() == name);
            if let Some((_, effect)) = known
                && !seen.insert((Name::from(text), *effect))
            {
                item.fault_found(
                    format!("a second taint {text}:{effect:?}"),
                    "each key and effect once over taints and startupTaints",
                );
            }
        }
    }
}

fn consolidation_policy(at: &Cursor<'_, '_>) -> ConsolidationPolicy {
    match at.text() {
        None | Some("" | "WhenEmptyOrUnderutilized") => {
            ConsolidationPolicy::WhenEmptyOrUnderutilized
        }
        Some("WhenEmpty") => ConsolidationPolicy::WhenEmpty,
        Some("Balanced") => ConsolidationPolicy::Balanced,
        Some(other) => ConsolidationPolicy::Other(at.context().name(other)),
    }
}

/// Reads the budgets; one of 10 % when the list is absent, none when it is empty.
fn budgets(list: &Cursor<'_, '_>) -> Vec<Budget> {
    if list.is_absent() {
        return vec![Budget {
            nodes: list.context().name("10%"),
            ..Budget::default()
        }];
    }
    let read = list.list(|item| {
        if !item.is_object() {
            item.fault_if_absent("a disruption budget");
            return None;
        }
        let (schedule_at, duration_at) = (item.field("schedule"), item.field("duration"));
        let (schedule, duration) = (schedule_at.filled(), duration_at.span());
        if schedule.is_some() && duration_at.is_absent() {
            duration_at.fault("a duration, as the budget has a schedule");
        }
        if schedule_at.is_absent() && duration.is_some() {
            schedule_at.fault("a cron schedule, as the budget has a duration");
        }
        let reasons_at = item.field("reasons");
        for reason in reasons_at.items() {
            let known = ["Underutilized", "Empty", "Drifted"];
            if reason.value().as_str().is_some_and(|r| !known.contains(&r)) {
                reason.fault(one_of(&known));
            }
        }
        Some(Budget {
            nodes: budget_nodes(&item.field("nodes"))?,
            reasons: (!reasons_at.is_absent()).then(|| reasons_at.names()),
            schedule,
            duration,
        })
    });
    if read.len() > 50 {
        list.fault("at most 50 budgets");
    }
    read
}

fn budget_nodes(at: &Cursor<'_, '_>) -> Option<Name> {
    let text = match at.value() {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    let digits = text.strip_suffix('%').unwrap_or(&text);
    let number = digits
        .parse::<u32>()
        .ok()
        .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    let fits = number.is_some_and(|n| digits.len() == text.len() || n <= 100);
    if !fits {
        at.fault("a number of nodes such as 5, or a percentage up to 100%");
        return None;
    }
    Some(at.context().name(&text))
}

/// Reads a `karpenter.sh/v1` NodeClaim.
pub(super) fn node_claim(root: &Cursor<'_, '_>) -> NodeClaim {
    let read = meta(root);
    let metadata = root.field("metadata");
    let spec = root.object("spec");
    spec.count_unknown("NodeClaim spec.", &CLAIM_FIELDS);
    let status = root.object("status");
    let class = spec.object("nodeClassRef");
    NodeClaim {
        name: read.name,
        uid: read.uid,
        created: read.created,
        deleted: read.deleted,
        labels: labels(&metadata.field("labels")),
        annotations: labels(&metadata.field("annotations")),
        node_class: class.field("name").name_or_empty(),
        requirements: spec.field("requirements").list(flexible_requirement),
        requests: spec.object("resources").field("requests").resources(),
        taints: taints(&spec.field("taints")),
        startup_taints: taints(&spec.field("startupTaints")),
        expire_after: spec.field("expireAfter").span_or_never(None),
        termination_grace_period: spec.field("terminationGracePeriod").span(),
        node_name: status.field("nodeName").filled(),
        provider_id: status.field("providerID").filled(),
        capacity: status.field("capacity").resources(),
        allocatable: status.field("allocatable").resources(),
        conditions: conditions(&status.field("conditions")),
        last_pod_event: status.field("lastPodEventTime").time(),
    }
}
