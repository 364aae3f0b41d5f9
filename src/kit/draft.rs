//! Plans from no more than "this pod goes there".

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::cluster::Snapshot;
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::node_pool::NodePool;
use crate::model::pod::Pod;
use crate::model::resources::{Name, ResourceList};
use crate::plan::decode::totals;
use crate::plan::{ChosenOffering, ExistingPlacement, Plan, PlannedClaim, Unschedulable};

/// A plan under construction. What a policy decides is put in; the rest of the plan follows: sums, lists, and the pods that
/// nobody placed.
///
/// ```
/// use tetrapod::kit::Draft;
/// use tetrapod::model::cluster::Snapshot;
/// use tetrapod::model::pod::Pod;
///
/// let mut snapshot = Snapshot::default();
/// snapshot.pods = vec![Pod::new("default", "a"), Pod::new("default", "b")];
/// let mut draft = Draft::new(&snapshot);
/// draft.place(&snapshot.pods[0], "node-7");
/// let plan = draft.finish();
/// assert_eq!(plan.existing_nodes[0].pods[0].as_ref(), "default/a");
/// assert_eq!(plan.unschedulable[0].pod.as_ref(), "default/b");
/// ```
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    snapshot: &'a Snapshot,
    plan: Plan,
}

/// A node that a [`Draft`] buys; pods are added to it by [`Draft::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bought(usize);

/// One way to buy a node.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Purchase<'a> {
    /// The pool.
    pub pool: &'a NodePool,
    /// The type.
    pub instance_type: &'a InstanceType,
    /// The offering.
    pub offering: &'a Offering,
}

/// Every available offering of an InstanceTypes document of `snapshot` that a pool can buy, cheapest first; offerings
/// without a price last, reserved ones left out.
#[must_use]
pub fn purchases(snapshot: &Snapshot) -> Vec<Purchase<'_>> {
    let mut all = Vec::new();
    for pool in &snapshot.node_pools {
        let types = snapshot
            .instance_types
            .iter()
            .filter(|class| class.node_class == pool.node_class_ref.name)
            .flat_map(|class| &class.instance_types);
        for instance_type in types {
            for offering in &instance_type.offerings {
                if offering.available && offering.capacity_type != CapacityType::Reserved {
                    all.push(Purchase {
                        pool,
                        instance_type,
                        offering,
                    });
                }
            }
        }
    }
    all.sort_by_key(|purchase| (purchase.offering.price.is_none(), purchase.offering.price));
    all
}

impl<'a> Draft<'a> {
    /// A plan for `snapshot` that does nothing yet.
    #[must_use]
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            plan: Plan::default(),
        }
    }

    /// Puts `pod` on the existing node `node`.
    pub fn place(&mut self, pod: &Pod, node: &str) {
        let pod = Name::from(pod.key());
        let known = self
            .plan
            .existing_nodes
            .iter_mut()
            .find(|placement| placement.node.as_ref() == node);
        if let Some(placement) = known {
            placement.pods.push(pod);
        } else {
            let mut placement = ExistingPlacement::new(node);
            placement.pods.push(pod);
            self.plan.existing_nodes.push(placement);
        }
    }

    /// Buys a node.
    pub fn buy(&mut self, purchase: Purchase<'_>) -> Bought {
        let Purchase {
            pool,
            instance_type,
            offering,
        } = purchase;
        self.plan.new_node_claims.push(PlannedClaim {
            node_pool: Name::clone(&pool.name),
            pods: Vec::new(),
            buffer_pods: Vec::new(),
            instance_types: Arc::new(vec![Name::clone(&instance_type.name)]),
            zones: vec![Name::clone(&offering.zone)],
            capacity_types: vec![offering.capacity_type],
            cheapest: ChosenOffering {
                instance_type: Name::clone(&instance_type.name),
                zone: Name::clone(&offering.zone),
                capacity_type: offering.capacity_type,
                price: offering.price,
                instance_group: offering.instance_group.clone(),
                reservation_id: offering.reservation_id.clone(),
            },
            instance_group: offering.instance_group.clone(),
            requests: ResourceList::new(),
            fallbacks: Arc::default(),
            min_values_relaxed: false,
        });
        Bought(self.plan.new_node_claims.len() - 1)
    }

    /// Puts `pod` on a node that this draft buys; a node of another draft is passed over.
    pub fn put(&mut self, pod: &Pod, on: Bought) {
        if let Some(claim) = self.plan.new_node_claims.get_mut(on.0) {
            claim.pods.push(Name::from(pod.key()));
            claim.requests.add(&pod.requests());
        }
    }

    /// The plan: pending pods that were not placed are left, with the reason that the policy did not place them.
    pub fn finish(self) -> Plan {
        let mut plan = self.plan;
        let placed: BTreeSet<&str> = plan
            .new_node_claims
            .iter()
            .flat_map(|claim| &claim.pods)
            .chain(plan.existing_nodes.iter().flat_map(|node| &node.pods))
            .map(AsRef::as_ref)
            .collect();
        let left: Vec<Unschedulable> = self
            .snapshot
            .pods
            .iter()
            .filter(|pod| pod.is_pending() && !placed.contains(pod.key().as_str()))
            .map(|pod| Unschedulable {
                pod: Name::from(pod.key()),
                reason: Name::from("the policy did not place it"),
                code: Name::from("not-placed"),
                reasons: Arc::default(),
            })
            .collect();
        plan.unschedulable = left;
        plan.totals = totals(&plan);
        plan
    }
}
