//! NodePools as templates, and what a node launched from one looks like.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::explain::reason::{Code, Reason};
use crate::hyperpod::capacity::ClassCapacity;
use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::label::{self, Labels};
use crate::model::node::Condition;
use crate::model::node_pool::NodePool;
use crate::model::requirement::{Operator, Requirement, Requirements};
use crate::model::resources::Name;
use crate::model::taint::Taint;

/// The host name that stands for "some new node": equal to no name that an object can have.
pub const NEW_HOST: &str = "\u{0}new";

/// A NodePool ready to launch nodes.
#[derive(Debug)]
#[non_exhaustive]
pub struct Template<'a> {
    /// The pool.
    pub pool: &'a NodePool,
    /// Requirements of the pool by key.
    pub requirements: Requirements,
    /// The types of its node class.
    pub types: &'a [InstanceType],
    /// The labels that the pool gives its nodes.
    own: Arc<Labels>,
}

/// The pools of a snapshot: those that can launch, in weight order, and why the others cannot (S-40, S-41).
#[derive(Debug)]
#[non_exhaustive]
pub struct Pools<'a> {
    /// Usable pools: weight descending, then name ascending (M-1 (6)).
    pub templates: Vec<Template<'a>>,
    /// Static pools that can launch, by name: pods never launch their nodes (S-126).
    pub statics: Vec<Template<'a>>,
    /// One reason per pool left out.
    pub refused: Vec<Reason>,
}

impl<'a> Pools<'a> {
    /// Reads the pools of `snapshot`. O(pools log pools).
    #[must_use]
    pub fn new(snapshot: &'a Snapshot, capacity: &'a BTreeMap<Name, ClassCapacity>) -> Self {
        let mut templates = Vec::new();
        let mut statics = Vec::new();
        let mut refused = Vec::new();
        for pool in &snapshot.node_pools {
            if pool.replicas.is_some()
                && let Ok(types) = launchable(pool, capacity)
            {
                statics.push(Template::new(pool, types));
            }
            match usable(pool, capacity) {
                Ok(types) => templates.push(Template::new(pool, types)),
                Err(reason) => refused.push(reason),
            }
        }
        templates.sort_by(|a, b| {
            b.pool
                .weight
                .cmp(&a.pool.weight)
                .then_with(|| a.pool.name.cmp(&b.pool.name))
        });
        refused.sort_by(|a: &Reason, b| a.subject.cmp(&b.subject));
        statics.sort_by(|a: &Template<'_>, b| a.pool.name.cmp(&b.pool.name));
        Self {
            templates,
            statics,
            refused,
        }
    }
}

/// The types that pods can launch from a pool, or why they cannot (S-40, S-42).
fn usable<'a>(
    pool: &NodePool,
    capacity: &'a BTreeMap<Name, ClassCapacity>,
) -> Result<&'a [InstanceType], Reason> {
    if pool.replicas.is_some() && pool.deleted.is_none() {
        return Err(Reason::new(
            format!("NodePool {}", pool.name),
            Code::PoolNotReady,
            "the NodePool is static (spec.replicas is set): pods never launch its nodes",
        ));
    }
    launchable(pool, capacity)
}

/// The types a pool can launch, be it static or not, or why it cannot.
fn launchable<'a>(
    pool: &NodePool,
    capacity: &'a BTreeMap<Name, ClassCapacity>,
) -> Result<&'a [InstanceType], Reason> {
    let subject = format!("NodePool {}", pool.name);
    let no = |code, message: String| Err(Reason::new(subject.clone(), code, message));
    if pool.deleted.is_some() {
        return no(
            Code::PoolNotReady,
            "the NodePool is being deleted".to_owned(),
        );
    }
    if let Some(condition) = pool
        .conditions
        .iter()
        .find(|c| c.kind.as_ref() == "Ready" && c.status.as_ref() != "True")
    {
        return no(
            Code::PoolNotReady,
            format!(
                "its Ready condition is {}{}",
                condition.status,
                detail(condition)
            ),
        );
    }
    let class = &pool.node_class_ref.name;
    let Some(held) = capacity.get(class) else {
        return no(
            Code::NodeClassNotReady,
            format!(
                "no {} named {class} and no InstanceTypes document of that name",
                pool.node_class_ref.kind
            ),
        );
    };
    if let Err(reason) = &held.ready {
        let message = format!("node class {class} is not ready: {}", reason.message);
        return Err(
            Reason::new(subject, Code::NodeClassNotReady, message).with_parts(vec![reason.clone()])
        );
    }
    if held.types.is_empty() {
        let message = format!("node class {class} offers no instance type");
        return Err(
            Reason::new(subject, Code::NoInstanceTypes, message).with_parts(held.notes.clone())
        );
    }
    Ok(held.by_pool.get(&pool.name).unwrap_or(&held.types))
}

fn detail(condition: &Condition) -> String {
    match (condition.reason.as_ref(), condition.message.as_ref()) {
        ("", "") => String::new(),
        (reason, "") => format!(" ({reason})"),
        ("", message) => format!(": {message}"),
        (reason, message) => format!(" ({reason}: {message})"),
    }
}

/// What an instance type says about the labels of its nodes, zone and capacity type apart.
#[derive(Debug)]
#[non_exhaustive]
pub struct TypeLabels {
    fixed: Labels,
    open: Requirements,
    absent: Vec<Name>,
}

impl TypeLabels {
    /// Reads the requirements of `instance_type`.
    #[must_use]
    pub fn new(instance_type: &InstanceType) -> Self {
        let mut labels = Self {
            fixed: Labels::new(),
            open: Requirements::new(),
            absent: Vec::new(),
        };
        let name = Name::clone(&instance_type.name);
        labels.fixed.set(label::INSTANCE_TYPE, name);
        for requirement in Requirements::from_specs(&instance_type.requirements).iter() {
            let key = Name::clone(requirement.key());
            if OFFERING_KEYS.contains(&key.as_ref()) {
                continue;
            }
            match (requirement.single(), requirement.operator()) {
                (Some(value), _) => labels.fixed.set(key, Name::clone(value)),
                (None, Operator::In) => labels.open.add(requirement.clone()),
                (None, _) => labels.absent.push(key),
            }
        }
        labels
    }
}

/// What the labels of a node launched from one pool with one instance type will be, zone and capacity type apart.
///
/// Keys fall into three kinds: *fixed* (one value), *open* (the claim still chooses a value within a requirement), and
/// absent. What the type says about a key counts, then what the pool says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeLabels {
    of_type: Arc<TypeLabels>,
    of_pool: Arc<Labels>,
    /// Keys whose value the claim chooses.
    pub open: Requirements,
}

impl NodeLabels {
    /// The one value of `key`, where it has one.
    #[inline]
    #[must_use]
    pub fn fixed(&self, key: &str) -> Option<&Name> {
        let by_type = self.of_type.fixed.shared(key);
        // What the type leaves open or rules out, the pool's own labels still set.
        by_type.or_else(|| self.of_pool.shared(key))
    }

    /// All keys that have one value.
    #[must_use]
    pub fn all_fixed(&self) -> Labels {
        let mut all = Labels::clone(&self.of_pool);
        for (key, value) in self.of_type.fixed.iter() {
            all.set(Name::clone(key), Name::clone(value));
        }
        all
    }
}

/// Keys whose values an offering decides.
pub const OFFERING_KEYS: [&str; 3] = [label::ZONE, label::CAPACITY_TYPE, label::RESERVATION_ID];

impl<'a> Template<'a> {
    fn new(pool: &'a NodePool, types: &'a [InstanceType]) -> Self {
        let mut own = Labels::new();
        for (key, value) in pool.template_labels.iter() {
            own.set(label::normalize(key), Name::clone(value));
        }
        own.set(label::NODE_POOL, Name::clone(&pool.name));
        let class = &pool.node_class_ref;
        own.set(class.label_key(), Name::clone(&class.name));
        own.set(label::HOSTNAME, NEW_HOST);
        Self {
            pool,
            requirements: Requirements::from_specs(&pool.requirements),
            types,
            own: Arc::new(own),
        }
    }

    /// Taints of a node of this pool and `instance_type`: the pool's and the type's own (S-44, H-49).
    #[must_use]
    pub fn taints(&self, instance_type: &InstanceType) -> Vec<Taint> {
        self.pool
            .taints
            .iter()
            .chain(&instance_type.taints)
            .cloned()
            .collect()
    }

    /// The labels of a node of this pool and `instance_type`.
    ///
    /// # Errors
    /// The pool requirement that the type or the pool's own labels cannot meet.
    pub fn labels(&self, instance_type: &InstanceType) -> Result<NodeLabels, Requirement> {
        self.labels_of(&Arc::new(TypeLabels::new(instance_type)))
    }

    /// As [`labels`](Self::labels), for a type whose part is known.
    ///
    /// # Errors
    /// As [`labels`](Self::labels).
    pub fn labels_of(&self, of_type: &Arc<TypeLabels>) -> Result<NodeLabels, Requirement> {
        let mut labels = NodeLabels {
            of_type: Arc::clone(of_type),
            of_pool: Arc::clone(&self.own),
            open: of_type.open.clone(),
        };
        for asked in self.requirements.iter() {
            let key = asked.key();
            if OFFERING_KEYS.contains(&key.as_ref()) {
                continue;
            }
            let absent = of_type.absent.contains(key);
            let met = match labels.fixed(key) {
                Some(value) => asked.has(value),
                None if absent => absent_is_fine(asked),
                None => labels
                    .open
                    .get(key)
                    .is_none_or(|held| held.intersects(asked)),
            };
            if !met {
                return Err(asked.clone());
            }
            if !absent && labels.fixed(key).is_none() {
                labels.open.add(asked.clone());
            }
        }
        Ok(labels)
    }

    /// Whether the pool and the type allow `offering`'s zone, capacity type and reservation.
    #[must_use]
    pub fn allows_offering(&self, instance_type: &InstanceType, offering: &Offering) -> bool {
        let by_pool = OFFERING_KEYS.iter().all(|key| {
            self.requirements
                .get(key)
                .is_none_or(|asked| offering_meets(asked, offering))
        });
        by_pool
            && instance_type
                .requirements
                .iter()
                .filter(|spec| OFFERING_KEYS.contains(&label::normalize(&spec.key)))
                .all(|spec| offering_meets(&Requirement::from_spec(spec), offering))
    }
}

/// Whether a requirement is content with a label that does not exist (S-30).
#[must_use]
pub fn absent_is_fine(asked: &Requirement) -> bool {
    asked.allows_absent()
}

/// Whether `offering` meets a requirement on one of the [`OFFERING_KEYS`].
#[must_use]
pub fn offering_meets(asked: &Requirement, offering: &Offering) -> bool {
    match asked.key().as_ref() {
        label::ZONE => asked.has(&offering.zone),
        label::CAPACITY_TYPE => asked.has(offering.capacity_type.as_str()),
        _ => match &offering.reservation_id {
            Some(id) if offering.capacity_type == CapacityType::Reserved => asked.has(id),
            _ => absent_is_fine(asked),
        },
    }
}

/// Whether a node with these labels meets `asked`, the keys that an offering decides left out (S-30).
#[must_use]
pub fn labels_meet(labels: &NodeLabels, asked: &Requirement) -> bool {
    let key = asked.key();
    if OFFERING_KEYS.contains(&key.as_ref()) {
        return true;
    }
    match (labels.fixed(key), labels.open.get(key)) {
        (Some(value), _) => asked.has(value),
        (None, Some(open)) => open.accepts(asked),
        (None, None) => absent_is_fine(asked),
    }
}
