//! Plain planners on top of the checker: a claim is possible if `verify` says so. Nothing of the solver is used.

use serde_json::json;
use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::{CapacityType, Offering};
use tetrapod::model::node_pool::NodePool;
use tetrapod::model::pod::Pod;
use tetrapod::model::price::Price;
use tetrapod::plan::Plan;
use tetrapod::verify::verify;

/// One offering of one type of one pool.
#[derive(Clone, Copy)]
pub struct Purchase<'a> {
    pool: &'a NodePool,
    instance_type: &'a str,
    offering: &'a Offering,
    pub price: Price,
}

/// Everything that can be bought at a known price without a reservation, cheapest first.
pub fn purchases(snapshot: &Snapshot) -> Vec<Purchase<'_>> {
    let mut all = Vec::new();
    for pool in &snapshot.node_pools {
        let mine = |class: &&tetrapod::model::instance_type::InstanceTypes| {
            class.node_class == pool.node_class_ref.name
        };
        for entry in snapshot
            .instance_types
            .iter()
            .filter(mine)
            .flat_map(|class| &class.instance_types)
        {
            for offering in &entry.offerings {
                if let Some(price) = offering.price
                    && offering.available
                    && offering.capacity_type != CapacityType::Reserved
                {
                    all.push(Purchase {
                        pool,
                        instance_type: &entry.name,
                        offering,
                        price,
                    });
                }
            }
        }
    }
    all.sort_by_key(|purchase| purchase.price);
    all
}

/// A cluster of `pods` alone, in which claims of one node can be judged.
pub fn empty_cluster(snapshot: &Snapshot) -> Snapshot {
    let mut tiny = snapshot.clone();
    tiny.pods.clear();
    tiny.nodes.clear();
    tiny.node_claims.clear();
    tiny
}

/// Whether a new node holds all of `pods`, by the checker. `tiny` is an [`empty_cluster`].
pub fn holds(tiny: &mut Snapshot, purchase: Purchase<'_>, pods: &[&Pod]) -> bool {
    tiny.pods = pods
        .iter()
        .map(|pod| {
            // A pod on a node that is being deleted waits as well.
            let mut pod = Pod::clone(pod);
            pod.node_name = None;
            pod
        })
        .collect();
    let Purchase {
        pool,
        instance_type,
        offering,
        price,
    } = purchase;
    let keys: Vec<String> = pods.iter().map(|pod| pod.key()).collect();
    let plan: Plan = serde_json::from_value(json!({
        "newNodeClaims": [{
            "nodePool": pool.name, "pods": keys, "instanceTypes": [instance_type],
            "zones": [offering.zone], "capacityTypes": [offering.capacity_type],
            "cheapest": {"instanceType": instance_type, "zone": offering.zone,
                "capacityType": offering.capacity_type, "price": price},
        }],
        "totals": {"newNodes": 1, "hourlyPrice": price, "unknownPriceNodes": 0,
            "scheduled": pods.len(), "unschedulable": 0},
    }))
    .unwrap();
    verify(tiny, &plan).valid
}

/// The cheapest node for one pod.
pub fn cheapest_alone<'a>(
    tiny: &mut Snapshot,
    purchases: &[Purchase<'a>],
    pod: &Pod,
) -> Option<Purchase<'a>> {
    purchases
        .iter()
        .copied()
        .find(|purchase| holds(tiny, *purchase, &[pod]))
}

/// First-fit-decreasing: each pod joins the first open node that holds it, or opens the cheapest node that holds it
/// alone. The price, or nothing if some pod has no such node.
pub fn first_fit(snapshot: &Snapshot, pods: &[&Pod]) -> Option<Price> {
    let purchases = purchases(snapshot);
    let mut tiny = empty_cluster(snapshot);
    let mut order = pods.to_vec();
    order.sort_by_key(|pod| std::cmp::Reverse(pod.requests().amount("cpu")));
    let mut open: Vec<(Purchase<'_>, Vec<&Pod>)> = Vec::new();
    'pods: for pod in order {
        for (purchase, held) in &mut open {
            held.push(pod);
            if holds(&mut tiny, *purchase, held) {
                continue 'pods;
            }
            held.pop();
        }
        open.push((cheapest_alone(&mut tiny, &purchases, pod)?, vec![pod]));
    }
    Some(open.iter().map(|(purchase, _)| purchase.price).sum())
}

/// The price of one node per pod.
pub fn one_node_each(snapshot: &Snapshot, pods: &[&Pod]) -> Option<Price> {
    let purchases = purchases(snapshot);
    let mut tiny = empty_cluster(snapshot);
    let price = |pod: &&Pod| Some(cheapest_alone(&mut tiny, &purchases, pod)?.price);
    pods.iter()
        .map(price)
        .collect::<Option<Vec<Price>>>()
        .map(|all| all.into_iter().sum())
}
