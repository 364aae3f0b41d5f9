//! Damage to a plan alone. It applies to any snapshot, so that plans of a corpus can be damaged too.

use std::collections::BTreeMap;

use tetrapod::model::cluster::Snapshot;
use tetrapod::model::instance_type::{CapacityType, InstanceType, Offering};
use tetrapod::model::label::{self, LabelSelector};
use tetrapod::model::options::MinValuesPolicy;
use tetrapod::model::pod::{HostPort, Pod};
use tetrapod::model::requirement::Operator;
use tetrapod::model::resources::{Name, ResourceList};
use tetrapod::model::taint::untolerated;
use tetrapod::model::volume::PodVolume;
use tetrapod::plan::{ChosenOffering, Plan, PlannedClaim};
use tetrapod::verify::Kind;

/// A way to break a plan. `inflict` gives `None` where it does not apply.
pub(crate) struct Damage {
    pub(crate) name: &'static str,
    pub(crate) kinds: &'static [Kind],
    pub(crate) inflict: fn(&mut Snapshot, &mut Plan) -> Option<()>,
}

macro_rules! damages {
    ($($name:ident: $($kind:ident)|+;)+) => {
        &[$(Damage { name: stringify!($name), kinds: &[$(Kind::$kind),+], inflict: $name }),+]
    };
}
pub(crate) use damages;

pub(crate) const DAMAGES: &[Damage] = damages! {
    pod_twice: PlacedTwice;
    pod_twice_on_one_claim: PlacedTwice;
    pod_dropped: MissingPod;
    pod_unknown: UnknownPod;
    bound_pod_moved: NotPending;
    placed_and_explained: PlacedAndUnschedulable;
    chosen_zone_not_listed: Claim | Offering;
    pool_unknown: Claim;
    type_unknown: Claim;
    node_unknown: Existing;
    zone_against_selector: NodeAffinity;
    label_against_selector: NodeAffinity | NodepoolRequirement;
    type_too_small: Fit | FitDaemonset;
    all_pods_on_one_claim: Fit | FitDaemonset;
    together_despite_anti_affinity: PodAntiAffinity;
    next_to_a_pod_that_repels: PodAntiAffinity;
    spread_ignored: TopologySpread;
    affinity_ignored: PodAffinity | PodAffinityOrder;
    port_taken: HostPort;
    tainted_pool: Taint;
    volume_elsewhere: Volume;
    limit_exceeded: Limit;
    reservation_exceeded: Reservation;
    existing_node_overfull: ExistingFit;
    offering_not_available: Offering;
    price_wrong: Offering;
    dearer_offering: Cheapest;
    against_pool_requirement: NodepoolRequirement | NodeAffinity | Claim;
    too_few_values: MinValues;
    totals_wrong: Totals;
    sum_wrong: Totals;
    unknown_prices_wrong: Totals;
    bound_above_price: LowerBound;
    fallback_too_small: Fallback;
    fallback_does_not_exist: Fallback;
};

pub(crate) fn pod<'s>(snapshot: &'s Snapshot, key: &str) -> Option<&'s Pod> {
    let (namespace, name) = key.split_once('/')?;
    let mut pods = snapshot.pods.iter();
    pods.find(|p| p.name.as_ref() == name && p.namespace.as_ref() == namespace)
}

fn types<'s>(snapshot: &'s Snapshot, claim: &PlannedClaim) -> &'s [InstanceType] {
    let pool = snapshot
        .node_pools
        .iter()
        .find(|p| p.name == claim.node_pool);
    let class = pool.map(|pool| &pool.node_class_ref.name);
    let list = snapshot
        .instance_types
        .iter()
        .find(|list| Some(&list.node_class) == class);
    list.map_or(&[], |list| list.instance_types.as_slice())
}

fn chosen_type<'s>(snapshot: &'s Snapshot, claim: &PlannedClaim) -> Option<&'s InstanceType> {
    let mut entries = types(snapshot, claim).iter();
    entries.find(|t| t.name == claim.cheapest.instance_type)
}

/// Makes `claim` buy exactly this.
fn buy(claim: &mut PlannedClaim, entry: &InstanceType, offering: &Offering) {
    claim.instance_types = vec![entry.name.clone()].into();
    claim.zones = vec![offering.zone.clone()];
    claim.capacity_types = vec![offering.capacity_type];
    claim.fallbacks = std::sync::Arc::default();
    set_choice(&mut claim.cheapest, entry, offering);
}

fn set_choice(choice: &mut ChosenOffering, entry: &InstanceType, offering: &Offering) {
    choice.instance_type = entry.name.clone();
    choice.zone = offering.zone.clone();
    choice.capacity_type = offering.capacity_type;
    choice.price = offering.price;
    choice.reservation_id = offering.reservation_id.clone();
}

fn purchasable(entry: &InstanceType) -> Option<&Offering> {
    let mut offerings = entry.offerings.iter();
    offerings.find(|o| o.available && o.capacity_type != CapacityType::Reserved)
}

fn requests(snapshot: &Snapshot, pods: &[Name]) -> ResourceList {
    let mut sum = ResourceList::new();
    for key in pods {
        if let Some(pod) = pod(snapshot, key) {
            sum.add(&pod.requests());
        }
    }
    sum
}

fn holds(entry: &InstanceType, requests: &ResourceList) -> bool {
    let allocatable = entry.allocatable();
    requests
        .iter()
        .all(|(name, asked)| asked <= allocatable.amount(name))
}

fn pod_twice(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let pod = plan.new_node_claims.first()?.pods.first()?.clone();
    plan.new_node_claims.get_mut(1)?.pods.push(pod);
    Some(())
}

fn pod_twice_on_one_claim(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let claim = plan.new_node_claims.first_mut()?;
    claim.pods.push(claim.pods.first()?.clone());
    Some(())
}

fn pod_dropped(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.first_mut()?.pods.pop().map(|_| ())
}

fn pod_unknown(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims
        .first_mut()?
        .pods
        .push(Name::from("default/nobody"));
    Some(())
}

fn bound_pod_moved(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let claims = plan.new_node_claims.iter().flat_map(|c| &c.pods);
    let explained = plan.unschedulable.iter().map(|u| &u.pod);
    let existing = plan.existing_nodes.iter().flat_map(|e| &e.pods);
    let named: Vec<&Name> = claims.chain(existing).chain(explained).collect();
    let mut bound = snapshot.pods.iter().filter(|p| p.node_name.is_some());
    let key = bound.find_map(|p| {
        let key = Name::from(p.key());
        (!named.contains(&&key)).then_some(key)
    })?;
    plan.new_node_claims.first_mut()?.pods.push(key);
    Some(())
}

fn placed_and_explained(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let pod = plan.new_node_claims.first()?.pods.first()?;
    let entry = serde_json::json!({"pod": pod, "reason": "x"});
    plan.unschedulable.push(serde_json::from_value(entry).ok()?);
    Some(())
}

fn chosen_zone_not_listed(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut claims = plan.new_node_claims.iter_mut();
    let claim = claims.find(|c| c.zones.len() > 1)?;
    let zone = claim.cheapest.zone.clone();
    claim.zones.retain(|z| *z != zone);
    Some(())
}

fn pool_unknown(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.first_mut()?.node_pool = Name::from("no-such-pool");
    Some(())
}

fn type_unknown(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let claim = plan.new_node_claims.first_mut()?;
    std::sync::Arc::make_mut(&mut claim.instance_types).push(Name::from("no.such.type"));
    Some(())
}

fn node_unknown(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.existing_nodes.first_mut()?.node = Name::from("no-such-node");
    Some(())
}

fn zone_against_selector(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let wanted: Vec<&str> = claim
            .pods
            .iter()
            .filter_map(|key| pod(snapshot, key)?.spec.node_selector.get(label::ZONE))
            .collect();
        let entry = chosen_type(snapshot, claim).filter(|_| !wanted.is_empty())?;
        let kind = claim.cheapest.capacity_type;
        let mut offerings = entry.offerings.iter();
        let other = offerings.find(|o| {
            o.available && o.capacity_type == kind && !wanted.contains(&o.zone.as_ref())
        })?;
        buy(claim, entry, other);
        Some(())
    })
}

fn label_against_selector(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let entries = types(snapshot, claim);
        let wanted = claim.pods.iter().find_map(|key| {
            let selector = &pod(snapshot, key)?.spec.node_selector;
            let mut pairs = selector.iter();
            pairs.find(|(key, _)| {
                matches!(key.as_ref(), label::INSTANCE_TYPE | label::ARCH)
                    || key.ends_with("instance-family")
            })
        });
        let (key, value) = wanted?;
        entries.iter().find_map(|entry| {
            let own = entry
                .requirements
                .iter()
                .find(|r| r.key == *key && r.operator == Operator::In);
            let held = match key.as_ref() {
                label::INSTANCE_TYPE => Some(&entry.name),
                _ => own.and_then(|r| r.values.first()),
            };
            let offering = purchasable(entry).filter(|_| held != Some(value))?;
            buy(claim, entry, offering);
            Some(())
        })
    })
}

fn type_too_small(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let asked = requests(snapshot, &claim.pods);
        let entry = types(snapshot, claim)
            .iter()
            .find(|t| !holds(t, &asked) && purchasable(t).is_some())?;
        buy(claim, entry, purchasable(entry)?);
        Some(())
    })
}

fn all_pods_on_one_claim(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let (first, rest) = plan.new_node_claims.split_first_mut()?;
    for other in rest.iter_mut().filter(|c| c.node_pool == first.node_pool) {
        first.pods.append(&mut other.pods);
    }
    let entry = chosen_type(snapshot, first)?;
    let full = holds(entry, &requests(snapshot, &first.pods));
    plan.new_node_claims.retain(|claim| !claim.pods.is_empty());
    (!full).then_some(())
}

/// Required anti-affinity selectors of `pod` over `kubernetes.io/hostname` or any key, within its own namespace.
fn repelled(pod: &Pod) -> impl Iterator<Item = (&LabelSelector, &Name)> {
    let terms = pod.spec.affinity.anti_required.iter();
    let own = terms.filter(|t| t.namespaces.is_empty() && t.namespace_selector.is_none());
    own.filter_map(|t| Some((t.label_selector.as_ref()?, &t.topology_key)))
}

fn together_despite_anti_affinity(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut seen: BTreeMap<(Name, LabelSelector, Name, Name), usize> = BTreeMap::new();
    let mut moved = None;
    for (at, claim) in plan.new_node_claims.iter().enumerate() {
        for key in &claim.pods {
            let pod = pod(snapshot, key)?;
            for (selector, topology) in repelled(pod).filter(|(s, _)| s.matches(&pod.labels)) {
                let group = (
                    pod.namespace.clone(),
                    selector.clone(),
                    topology.clone(),
                    claim.node_pool.clone(),
                );
                let first = *seen.entry(group).or_insert(at);
                if first != at {
                    moved = Some((at, first, key.clone()));
                }
            }
        }
    }
    let (from, to, key) = moved?;
    plan.new_node_claims[from].pods.retain(|k| *k != key);
    plan.new_node_claims[to].pods.push(key);
    Some(())
}

/// Lists of the plan by position: existing nodes, then claims.
fn list_mut(plan: &mut Plan, at: usize) -> Option<&mut Vec<Name>> {
    let existing = plan.existing_nodes.len();
    if at < existing {
        plan.existing_nodes.get_mut(at).map(|e| &mut e.pods)
    } else {
        plan.new_node_claims
            .get_mut(at - existing)
            .map(|c| &mut c.pods)
    }
}

fn next_to_a_pod_that_repels(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let existing = plan.existing_nodes.iter().map(|e| &e.pods);
    let claims = plan.new_node_claims.iter().map(|c| &c.pods);
    let planned: Vec<(usize, Name)> = existing
        .chain(claims)
        .enumerate()
        .flat_map(|(at, pods)| pods.iter().map(move |pod| (at, pod.clone())))
        .collect();
    let bound = plan.existing_nodes.iter().enumerate().flat_map(|(at, e)| {
        let pods = snapshot.pods.iter().filter(|p| !p.is_finished());
        pods.filter(|p| p.node_name.as_ref() == Some(&e.node))
            .map(move |p| (at, Name::from(p.key())))
    });
    let repelling: Vec<(usize, Name)> = planned.iter().cloned().chain(bound).collect();
    for (to, key) in repelling {
        let owner = pod(snapshot, &key)?;
        for (selector, _) in repelled(owner) {
            let quiet = planned.iter().find(|(from, other)| {
                pod(snapshot, other).is_some_and(|other| {
                    *from != to
                        && other.spec.affinity.anti_required.is_empty()
                        && other.namespace == owner.namespace
                        && selector.matches(&other.labels)
                })
            });
            if let Some((from, other)) = quiet {
                list_mut(plan, *from)?.retain(|k| k != other);
                list_mut(plan, to)?.push(other.clone());
                return Some(());
            }
        }
    }
    None
}

fn spread_ignored(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let claims = &plan.new_node_claims;
    for key in claims.iter().flat_map(|c| &c.pods) {
        let owner = pod(snapshot, key)?;
        for constraint in &owner.spec.topology_spread {
            let Some(selector) = &constraint.label_selector else {
                continue;
            };
            let hard = serde_json::to_value(constraint.when_unsatisfiable).ok()? == "DoNotSchedule";
            if !hard
                || constraint.topology_key.as_ref() != label::ZONE
                || !constraint.match_label_keys.is_empty()
                || !selector.matches(&owner.labels)
            {
                continue;
            }
            let same = |p: &Pod| p.namespace == owner.namespace && selector.matches(&p.labels);
            let own = |key: &Name| {
                pod(snapshot, key)
                    .is_some_and(|p| same(p) && p.spec.topology_spread.contains(constraint))
            };
            let elsewhere = plan.existing_nodes.iter().flat_map(|e| &e.pods).any(&own)
                || snapshot
                    .pods
                    .iter()
                    .any(|p| p.node_name.is_some() && same(p));
            let strangers = claims
                .iter()
                .flat_map(|c| &c.pods)
                .any(|k| !own(k) && pod(snapshot, k).is_some_and(|p| selector.matches(&p.labels)));
            if elsewhere || strangers {
                continue;
            }
            let mut by_zone: BTreeMap<&Name, (Vec<usize>, usize)> = BTreeMap::new();
            for (at, claim) in claims.iter().enumerate() {
                if let [zone] = claim.zones.as_slice() {
                    let entry = by_zone.entry(zone).or_default();
                    entry.0.push(at);
                    entry.1 += claim.pods.iter().filter(|k| own(k)).count();
                }
            }
            let mut zones: Vec<(Vec<usize>, usize)> = by_zone.into_values().collect();
            zones.sort_by_key(|(_, pods)| std::cmp::Reverse(*pods));
            let [(full, have), (other, moving), ..] = zones.as_slice() else {
                continue;
            };
            if *moving == 0 || have + moving <= usize::try_from(constraint.max_skew).ok()? {
                continue;
            }
            let to = *full.first()?;
            let mut moved = Vec::new();
            for &from in other {
                moved.extend(claims[from].pods.iter().filter(|k| own(k)).cloned());
            }
            for claim in &mut plan.new_node_claims {
                claim.pods.retain(|k| !moved.contains(k));
            }
            plan.new_node_claims[to].pods.append(&mut moved);
            return Some(());
        }
    }
    None
}

fn affinity_ignored(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let used = |zone: &Name| {
        plan.new_node_claims
            .iter()
            .any(|c| c.cheapest.zone == *zone)
            || snapshot
                .nodes
                .iter()
                .any(|n| n.labels.shared(label::ZONE) == Some(zone))
            || snapshot
                .node_claims
                .iter()
                .any(|c| c.labels.shared(label::ZONE) == Some(zone))
    };
    for (at, claim) in plan.new_node_claims.iter().enumerate() {
        for key in &claim.pods {
            let follower = pod(snapshot, key)?;
            let mut terms = follower.spec.affinity.pod_required.iter();
            let Some(term) = terms.find(|t| t.topology_key.as_ref() == label::ZONE) else {
                continue;
            };
            let leads = |p: &Pod| {
                let selector = term.label_selector.as_ref();
                p.namespace == follower.namespace && selector.is_some_and(|s| s.matches(&p.labels))
            };
            let mut others = plan.new_node_claims.iter().flat_map(|c| &c.pods);
            let led = others.any(|k| k != key && pod(snapshot, k).is_some_and(leads));
            let bound = snapshot.pods.iter().filter(|p| p.node_name.is_some());
            if !led && !bound.filter(|p| !p.is_finished()).any(leads) {
                continue;
            }
            let entry = chosen_type(snapshot, claim)?;
            let mut offerings = entry.offerings.iter();
            let Some(away) = offerings.find(|o| {
                o.available
                    && o.capacity_type == claim.cheapest.capacity_type
                    && !claim.zones.contains(&o.zone)
                    && !used(&o.zone)
            }) else {
                continue;
            };
            let mut alone = claim.clone();
            alone.pods = vec![key.clone()];
            buy(&mut alone, entry, away);
            let key = key.clone();
            plan.new_node_claims[at].pods.retain(|k| *k != key);
            plan.new_node_claims.push(alone);
            plan.new_node_claims.retain(|claim| !claim.pods.is_empty());
            return Some(());
        }
    }
    None
}

fn port_taken(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut seen: BTreeMap<(HostPort, Name), usize> = BTreeMap::new();
    for at in 0..plan.new_node_claims.len() {
        let claim = &plan.new_node_claims[at];
        for key in claim.pods.clone() {
            for port in pod(snapshot, &key)?.spec.host_ports() {
                let pool = plan.new_node_claims[at].node_pool.clone();
                let first = *seen.entry((port, pool)).or_insert(at);
                if first != at {
                    plan.new_node_claims[at].pods.retain(|k| *k != key);
                    plan.new_node_claims[first].pods.push(key);
                    return Some(());
                }
            }
        }
    }
    None
}

fn tainted_pool(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let mut pools = snapshot.node_pools.iter();
        let pool = pools.find(|pool| {
            pool.name != claim.node_pool
                && claim.pods.iter().any(|key| {
                    pod(snapshot, key).is_some_and(|p| {
                        untolerated(&pool.taints, &p.spec.tolerations, false).is_some()
                    })
                })
        })?;
        claim.node_pool = pool.name.clone();
        Some(())
    })
}

fn volume_elsewhere(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let pinned = claim.zones.len() == 1
            && claim.pods.iter().any(|key| {
                let volumes = pod(snapshot, key).into_iter().flat_map(|p| &p.spec.volumes);
                let claims = volumes.filter_map(|volume| {
                    let PodVolume::Claim(name) = volume else {
                        return None;
                    };
                    snapshot.volume_claims.iter().find(|c| c.name == *name)
                });
                let mut volumes = claims.filter_map(|c| {
                    snapshot
                        .volumes
                        .iter()
                        .find(|v| Some(&v.name) == c.volume_name.as_ref())
                });
                volumes.any(|v| {
                    !v.host_bound
                        && v.node_affinity.as_ref().is_some_and(|terms| {
                            terms.len() == 1
                                && terms[0]
                                    .match_expressions
                                    .iter()
                                    .any(|e| e.key.as_ref() == label::ZONE && e.values.len() == 1)
                        })
                })
            });
        let entry = chosen_type(snapshot, claim).filter(|_| pinned)?;
        let mut offerings = entry.offerings.iter();
        let away = offerings.find(|o| o.available && !claim.zones.contains(&o.zone))?;
        buy(claim, entry, away);
        Some(())
    })
}

fn limit_exceeded(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    snapshot.node_pools.iter().find_map(|pool| {
        let limit = pool.limits.get("cpu")?;
        let mine = plan.new_node_claims.iter_mut();
        let mut mine: Vec<_> = mine.filter(|c| c.node_pool == pool.name).collect();
        let entries = types(snapshot, mine.first()?).iter();
        let largest = entries.max_by_key(|t| t.capacity.amount("cpu"))?;
        let offering = purchasable(largest)?;
        let times = i64::try_from(mine.len()).ok()?;
        if largest.capacity.amount("cpu").times(times) <= limit {
            return None;
        }
        for claim in &mut mine {
            buy(claim, largest, offering);
        }
        Some(())
    })
}

fn reservation_exceeded(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let mut claims = plan.new_node_claims.iter();
    let claim = claims.find(|c| c.cheapest.capacity_type == CapacityType::Reserved)?;
    let offerings = chosen_type(snapshot, claim)?.offerings.iter();
    let reserved = offerings.filter(|o| {
        o.available && o.capacity_type == CapacityType::Reserved && o.zone == claim.cheapest.zone
    });
    let slots: u32 = reserved.map(|o| o.reservation_capacity).sum();
    let mut copy = claim.clone();
    copy.pods.clear();
    for _ in 0..=slots {
        plan.new_node_claims.push(copy.clone());
    }
    Some(())
}

fn existing_node_overfull(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let target = plan.existing_nodes.first_mut()?;
    for claim in plan.new_node_claims.drain(..) {
        target.pods.extend(claim.pods);
    }
    let node = snapshot.nodes.iter().find(|n| n.name == target.node)?;
    let mut asked = requests(snapshot, &target.pods);
    for bound in snapshot
        .pods
        .iter()
        .filter(|p| p.node_name.as_ref() == Some(&node.name))
    {
        if !bound.is_finished() {
            asked.add(&bound.requests());
        }
    }
    let mut asked = asked.iter();
    asked
        .any(|(name, asked)| asked > node.allocatable.amount(name))
        .then_some(())
        .filter(|()| !node.allocatable.is_empty())
}

fn offering_not_available(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        types(snapshot, claim).iter().find_map(|entry| {
            let gone = entry.offerings.iter().find(|gone| {
                let mut twins = entry.offerings.iter();
                !gone.available
                    && !twins.any(|twin| {
                        twin.available
                            && twin.zone == gone.zone
                            && twin.capacity_type == gone.capacity_type
                    })
            })?;
            buy(claim, entry, gone);
            Some(())
        })
    })
}

fn price_wrong(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let choice = &mut plan.new_node_claims.first_mut()?.cheapest;
    choice.price = Some(choice.price? + "0.5".parse().ok()?);
    Some(())
}

fn dearer_offering(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        if claim.capacity_types.contains(&CapacityType::Reserved) {
            return None;
        }
        let entries = types(snapshot, claim).iter();
        let mut listed = entries.filter(|t| claim.instance_types.contains(&t.name));
        let (entry, offering) = listed.find_map(|t| {
            let mut offerings = t.offerings.iter();
            let dearer = offerings.find(|o| {
                o.available
                    && claim.zones.contains(&o.zone)
                    && claim.capacity_types.contains(&o.capacity_type)
                    && o.price > claim.cheapest.price
            })?;
            Some((t, dearer))
        })?;
        set_choice(&mut claim.cheapest, entry, offering);
        Some(())
    })
}

fn against_pool_requirement(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let pool = snapshot
            .node_pools
            .iter()
            .find(|p| p.name == claim.node_pool)?;
        let mut requirements = pool.requirements.iter();
        let kinds = requirements
            .find(|r| r.key.as_ref() == label::CAPACITY_TYPE && r.operator == Operator::In)?;
        types(snapshot, claim).iter().find_map(|entry| {
            let mut offerings = entry.offerings.iter();
            let other = offerings.find(|o| {
                let listed = kinds
                    .values
                    .iter()
                    .any(|v| v.as_ref() == o.capacity_type.as_str());
                o.available && !listed && o.capacity_type != CapacityType::Reserved
            })?;
            buy(claim, entry, other);
            Some(())
        })
    })
}

fn too_few_values(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    if snapshot.options.min_values_policy != MinValuesPolicy::Strict {
        return None;
    }
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let pool = snapshot
            .node_pools
            .iter()
            .find(|p| p.name == claim.node_pool)?;
        let mut requirements = pool.requirements.iter();
        requirements.find(|r| {
            r.key.as_ref() == label::INSTANCE_TYPE && r.min_values.is_some_and(|least| least > 1)
        })?;
        claim.instance_types = vec![claim.cheapest.instance_type.clone()].into();
        Some(())
    })
}

fn totals_wrong(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.totals.new_nodes += 1;
    Some(())
}

fn sum_wrong(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.totals.hourly_price += "0.01".parse().ok()?;
    Some(())
}

fn unknown_prices_wrong(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.totals.unknown_price_nodes += 1;
    Some(())
}

fn bound_above_price(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let price = plan
        .new_node_claims
        .iter()
        .filter_map(|c| c.cheapest.price)
        .sum();
    plan.lower_bound = "0.001".parse().ok()?;
    plan.lower_bound += price;
    Some(())
}

fn fallback_too_small(snapshot: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    plan.new_node_claims.iter_mut().find_map(|claim| {
        let asked = requests(snapshot, &claim.pods);
        let small = types(snapshot, claim)
            .iter()
            .find(|t| !holds(t, &asked) && purchasable(t).is_some())?;
        let mut fallback = claim.cheapest.clone();
        set_choice(&mut fallback, small, purchasable(small)?);
        std::sync::Arc::make_mut(&mut claim.instance_types).push(small.name.clone());
        claim.zones.push(fallback.zone.clone());
        claim.capacity_types.push(fallback.capacity_type);
        std::sync::Arc::make_mut(&mut claim.fallbacks).push(fallback);
        Some(())
    })
}

fn fallback_does_not_exist(_: &mut Snapshot, plan: &mut Plan) -> Option<()> {
    let claim = plan.new_node_claims.first_mut()?;
    let mut fallback = claim.cheapest.clone();
    fallback.zone = Name::from("elsewhere");
    std::sync::Arc::make_mut(&mut claim.fallbacks).push(fallback);
    Some(())
}
