//! From dense ids back to names: an outcome becomes a plan.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ChosenOffering, ExistingPlacement, Plan, PlannedClaim, PreferenceTotals, Totals};
use crate::base::bitset::BitSet;
use crate::base::index::{Ix as _, IxVec};
use crate::model::instance_type::{CapacityType, InstanceType, Offering};
use crate::model::options::PreferencePolicy;
use crate::model::resources::{Name, ResourceList};
use crate::problem::compile::Views;
use crate::problem::shelf::{Listed, Shelf, by_price};
use crate::problem::{ClassId, OptionId, Problem, Symbols};
use crate::solver::construct::{give_back, take};
use crate::solver::holds::{distinct_values, holders, stock_allows};
use crate::solver::{Group, Lot, Outcome, Target};
use crate::view::attach;

/// How many fall-backs a claim lists at most.
const MAX_FALLBACKS: usize = 64;

/// The pods that an outcome leaves pending: positions in the snapshot with their class.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Left {
    /// By class, in order.
    pub pods: Vec<(ClassId, Vec<u32>)>,
}

struct Decoder<'d, 'a> {
    views: &'d Views<'a>,
    problem: &'d Problem,
    symbols: &'d Symbols,
    next: IxVec<ClassId, usize>,
    /// Where preferences tell the pods of a class apart: those placed, by class and kind.
    by_kind: BTreeMap<(ClassId, u32), std::vec::IntoIter<u32>>,
    stocks: Vec<i128>,
    shelf: &'d Shelf,
    /// Options left to classes of gangs in one domain.
    pinned: &'d [(ClassId, BitSet<OptionId>)],
}

/// What the stocks of `problem` hold after `outcome`.
#[must_use]
pub fn stocks_after(problem: &Problem, outcome: &Outcome) -> Vec<i128> {
    let mut stocks: Vec<i128> = problem.stocks.iter().map(|stock| stock.left).collect();
    for group in &outcome.groups {
        if let Target::Option(option) = group.target {
            take(problem, &mut stocks, option, group.times);
        }
    }
    stocks
}

/// Names the decisions of `outcome`. The pods that stay pending come back apart: what to say of them is the
/// explanation's subject. O(pods + groups x options).
pub fn decode(
    views: &Views<'_>,
    problem: &Problem,
    symbols: &Symbols,
    outcome: &Outcome,
) -> (Plan, Left) {
    let mut decoder = Decoder {
        views,
        problem,
        symbols,
        next: IxVec::filled(problem.classes.len(), 0),
        by_kind: BTreeMap::new(),
        stocks: stocks_after(problem, outcome),
        shelf: symbols.shelf(views, problem),
        pinned: &outcome.pinned,
    };
    decoder.sort_by_kind(outcome);
    let mut plan = Plan::default();
    for (at, group) in outcome.groups.iter().enumerate() {
        let shares = outcome.met.as_ref().and_then(|met| met.shares.get(at));
        match group.target {
            Target::Node(node) => {
                let view = &views.nodes[problem.nodes[node].view as usize];
                let lots = shares.and_then(|shares| shares.first());
                let pods = match lots {
                    Some(share) => decoder.lots(&group.content, &share.lots),
                    None => decoder.pods(&group.content),
                };
                plan.existing_nodes.push(ExistingPlacement {
                    node: Name::clone(&view.name),
                    pods,
                    buffer_pods: Vec::new(),
                });
            }
            Target::Option(option) => {
                let Some(shares) = shares else {
                    let pattern = decoder.claim(group, option, None, None);
                    for _ in 0..group.times {
                        let pods = decoder.pods(&group.content);
                        plan.new_node_claims.push(PlannedClaim {
                            pods,
                            ..pattern.clone()
                        });
                    }
                    continue;
                };
                let mut last: Option<(BitSet<OptionId>, PlannedClaim)> = None;
                for share in shares {
                    let liked = decoder.as_liked(option, &share.lots);
                    let pattern = match last.take() {
                        Some((held, pattern)) if held == liked => pattern,
                        _ => decoder.claim(group, option, None, Some(&liked)),
                    };
                    for _ in 0..share.times {
                        let pods = decoder.lots(&group.content, &share.lots);
                        plan.new_node_claims.push(PlannedClaim {
                            pods,
                            ..pattern.clone()
                        });
                    }
                    last = Some((liked, pattern));
                }
            }
        }
    }
    let mut left = Left::default();
    for (class, count) in spread_out(problem, &outcome.unplaced) {
        left.pods
            .push((class, decoder.next_pods(class, count).to_vec()));
    }
    plan.totals = totals(&plan);
    plan.lower_bound = outcome.lower_bound;
    let respected = views.snapshot.options.preference_policy == PreferencePolicy::Respect;
    plan.preferences = respected.then(|| {
        let met = outcome.met.as_ref();
        PreferenceTotals {
            weight_total: met.map_or(0, |met| met.weight_total),
            weight_met: met.map_or(0, |met| met.weight_met),
        }
    });
    (plan, left)
}

/// What `groups` of new nodes become if each may be of the options beside it only: one claim per group, without the pods'
/// names, for commands, whose pods are told apart. `stocks` is what is left once all of them are bought.
/// O(groups x options).
#[must_use]
pub fn claims(
    views: &Views<'_>,
    problem: &Problem,
    symbols: &Symbols,
    stocks: &[i128],
    groups: &[(Group, &BitSet<OptionId>)],
) -> Vec<PlannedClaim> {
    let mut decoder = Decoder {
        views,
        problem,
        symbols,
        next: IxVec::new(),
        by_kind: BTreeMap::new(),
        stocks: stocks.to_vec(),
        shelf: symbols.shelf(views, problem),
        pinned: &[],
    };
    let claim = |(group, within): &(Group, &BitSet<OptionId>)| match group.target {
        Target::Option(option) => Some(decoder.claim(group, option, Some(within), None)),
        Target::Node(_) => None,
    };
    groups.iter().filter_map(claim).collect()
}

/// `content` with the pods of bundles in place of the bundles.
fn spread_out(problem: &Problem, content: &[(ClassId, u32)]) -> Vec<(ClassId, u32)> {
    let mut all = Vec::with_capacity(content.len());
    for (class, count) in content {
        let bundle = &problem.classes[*class].bundle;
        if bundle.is_empty() {
            all.push((*class, *count));
        }
        all.extend(bundle.iter().map(|(part, n)| (*part, n * count)));
    }
    all
}

/// Sums over a plan.
#[must_use]
pub fn totals(plan: &Plan) -> Totals {
    let chosen = || {
        plan.new_node_claims
            .iter()
            .map(|claim| claim.cheapest.price)
    };
    let on_new: usize = plan
        .new_node_claims
        .iter()
        .map(|claim| claim.pods.len())
        .sum();
    let on_existing: usize = plan
        .existing_nodes
        .iter()
        .map(|placement| placement.pods.len())
        .sum();
    Totals {
        new_nodes: plan.new_node_claims.len(),
        hourly_price: chosen().flatten().sum(),
        unknown_price_nodes: chosen().filter(Option::is_none).count(),
        scheduled: on_new + on_existing,
        unschedulable: plan.unschedulable.len(),
    }
}

impl<'d, 'a> Decoder<'d, 'a> {
    /// The next pods of each class of `content`, by name.
    fn pods(&mut self, content: &[(ClassId, u32)]) -> Vec<Name> {
        let mut names = Vec::new();
        for (class, count) in spread_out(self.problem, content) {
            for position in self.next_pods(class, count) {
                names.push(Name::from(
                    self.views.snapshot.pods[*position as usize].key(),
                ));
            }
        }
        names
    }

    /// Sets the pods that are placed apart by kind, where kinds say who goes where: of each class those first in order.
    fn sort_by_kind(&mut self, outcome: &Outcome) {
        let (Some(met), Some(prefs)) = (&outcome.met, &self.problem.preferences) else {
            return;
        };
        let mut placed: BTreeMap<ClassId, usize> = BTreeMap::new();
        for share in met.shares.iter().flatten() {
            for lot in &share.lots {
                *placed.entry(lot.class).or_default() += lot.count as usize * share.times as usize;
            }
        }
        let mut by_kind: BTreeMap<(ClassId, u32), Vec<u32>> = BTreeMap::new();
        for (class, placed) in placed {
            let pods = &self.symbols.pods[class];
            for (position, kind) in pods.iter().zip(&prefs.of_pods[class]).take(placed) {
                by_kind.entry((class, *kind)).or_default().push(*position);
            }
            self.next[class] = placed.min(pods.len());
        }
        self.by_kind = by_kind
            .into_iter()
            .map(|(key, pods)| (key, pods.into_iter()))
            .collect();
    }

    /// The next pods of `lots`, by name, in the order of `content`.
    fn lots(&mut self, content: &[(ClassId, u32)], lots: &[Lot]) -> Vec<Name> {
        let snapshot = self.views.snapshot;
        let mut left: Vec<Lot> = lots.to_vec();
        let mut names = Vec::new();
        for (class, mut count) in spread_out(self.problem, content) {
            for lot in left.iter_mut().filter(|lot| lot.class == class) {
                let pods = count.min(lot.count);
                lot.count -= pods;
                count -= pods;
                if let Some(next) = self.by_kind.get_mut(&(class, lot.kind)) {
                    let next = next.by_ref().take(pods as usize);
                    names.extend(next.map(|at| Name::from(snapshot.pods[at as usize].key())));
                }
            }
        }
        names
    }

    /// The options with which `lots` are as well off as with `chosen`: whatever they like is there, and the domains that
    /// their preferences speak of are the same.
    fn as_liked(&self, chosen: OptionId, lots: &[Lot]) -> BitSet<OptionId> {
        let mut set = BitSet::full(self.problem.options.len());
        let Some(prefs) = &self.problem.preferences else {
            return set;
        };
        let mut seen: Vec<u32> = lots.iter().map(|lot| lot.kind).collect();
        seen.sort_unstable();
        seen.dedup();
        let kinds = || seen.iter().map(|kind| &prefs.kinds[*kind as usize]);
        let mut likings: Vec<u32> = kinds().flat_map(|kind| &kind.likings).copied().collect();
        likings.sort_unstable();
        likings.dedup();
        for liking in likings {
            let options = &prefs.likings[liking as usize].options;
            if options.contains(chosen) {
                set.intersect_with(options);
            }
        }
        let mut keys: Vec<u32> = kinds()
            .flat_map(|kind| {
                kind.member
                    .iter()
                    .chain(kind.owned.iter().map(|(rule, _)| rule))
            })
            .filter_map(|rule| prefs.rules[*rule as usize].key)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let values = &prefs.keys[key as usize].options;
            for option in self.problem.options.ids() {
                if values[option] != values[chosen] {
                    set.remove(option);
                }
            }
        }
        set
    }

    /// The positions of the next `count` pods of `class`.
    fn next_pods(&mut self, class: ClassId, count: u32) -> &'d [u32] {
        let pods = &self.symbols.pods[class];
        let from = self.next[class].min(pods.len());
        let to = (from + count as usize).min(pods.len());
        self.next[class] = to;
        &pods[from..to]
    }

    fn parts(&self, option: OptionId) -> (&'a InstanceType, &'a Offering) {
        let row = &self.problem.options[option];
        let types = self.views.pools.templates[row.pool.at()].types;
        let instance_type = &types[self.problem.pairs[row.pair].instance_type as usize];
        (
            instance_type,
            &instance_type.offerings[row.offering as usize],
        )
    }

    fn offering(&self, option: OptionId) -> ChosenOffering {
        let (instance_type, offering) = self.parts(option);
        ChosenOffering {
            instance_type: Name::clone(&instance_type.name),
            zone: Name::clone(&offering.zone),
            capacity_type: offering.capacity_type,
            price: self.problem.options[option].price,
            instance_group: offering.instance_group.clone(),
            reservation_id: offering.reservation_id.clone(),
        }
    }

    /// Everything about the claims of `group` but the pods' names. What is listed is among `within` and `liked`, if given;
    /// fall-backs need not be liked.
    fn claim(
        &mut self,
        group: &Group,
        chosen: OptionId,
        within: Option<&BitSet<OptionId>>,
        liked: Option<&BitSet<OptionId>>,
    ) -> PlannedClaim {
        let problem = self.problem;
        let pool = problem.options[chosen].pool;
        let mut holding = holders(problem, pool, &group.content);
        if let Some(within) = within {
            holding.intersect_with(within);
        }
        for (class, options) in self.pinned {
            if group.content.iter().any(|(held, _)| held == class) {
                holding.intersect_with(options);
            }
        }
        // A fall-back must fit the limits in place of the chosen option (M-5), and is not cheaper than it.
        give_back(problem, &mut self.stocks, chosen, 1);
        let allowed: Vec<OptionId> = holding
            .iter()
            .filter(|option| *option == chosen || stock_allows(problem, &self.stocks, *option) > 0)
            .filter(|option| by_price(problem, chosen, *option) != Ordering::Greater)
            .collect();
        take(problem, &mut self.stocks, chosen, 1);

        let mut as_good = BitSet::new(problem.options.len());
        for option in &allowed {
            if liked.is_none_or(|liked| liked.contains(*option)) {
                as_good.insert(*option);
            }
        }
        let places = self.shelf.widest(pool, chosen, &as_good);
        as_good.retain(|option| {
            places.types.contains(self.shelf.type_of(option)) && self.shelf.inside(&places, option)
        });
        let mut within = as_good;
        let mut listed = within.clone();
        self.add_for_min_values(chosen, &holding, &places, &mut listed);
        let cheaper_first = self.shelf.by_price(pool).iter().copied();
        let fallbacks = cheaper_first
            .filter(|option| *option != chosen && allowed.binary_search(option).is_ok())
            .take(MAX_FALLBACKS)
            .map(|option| self.offering(option))
            .collect();

        let mut requests = ResourceList::new();
        for (class, count) in &group.content {
            let mut own = ResourceList::clone(&self.symbols.requests[*class]);
            for (name, quantity) in self.symbols.requests[*class].iter() {
                // Volumes are counted as a resource here; to Kubernetes they are none.
                if name.starts_with(attach::PREFIX) {
                    own.remove(name);
                    continue;
                }
                own.set_shared(Name::clone(name), quantity.times(i64::from(*count)));
            }
            requests.add(&own);
        }
        requests.add(&self.symbols.daemons[problem.options[chosen].room]);
        if places.capacity_types == [CapacityType::Reserved] {
            // Pinned to its reservation after the types were found: all of them count.
            within.union_with(&listed);
        }
        let have = distinct_values(problem, pool, &within);
        let rules = &problem.pools[pool].min_values;
        let relaxed = rules
            .iter()
            .zip(have)
            .any(|(rule, have)| have < rule.at_least);
        let most = self.views.snapshot.options.truncate_instance_types.max(1);
        let instance_types = self.shelf.type_names(problem, chosen, &listed, most);
        let cheapest = self.offering(chosen);
        PlannedClaim {
            node_pool: Name::clone(&self.views.pools.templates[pool.at()].pool.name),
            pods: Vec::new(),
            buffer_pods: Vec::new(),
            instance_types: Arc::new(instance_types),
            zones: places.zones,
            capacity_types: places.capacity_types,
            instance_group: cheapest.instance_group.clone(),
            cheapest,
            requests,
            fallbacks: Arc::new(fallbacks),
            min_values_relaxed: relaxed,
        }
    }

    /// Adds to `listed`, while a `minValues` of the pool is not met by it, options of further types that hold the pods: a
    /// claim pinned to a reservation or a zone, or short of limits, still states what else would do (S-55).
    fn add_for_min_values(
        &self,
        chosen: OptionId,
        holding: &BitSet<OptionId>,
        places: &Listed,
        listed: &mut BitSet<OptionId>,
    ) {
        let problem = self.problem;
        let pool = problem.options[chosen].pool;
        let rules = &problem.pools[pool].min_values;
        if rules.is_empty() {
            return;
        }
        // Types with a cheaper offering in the claim's zones and capacity types cannot be listed: it would be taken, and
        // it does not hold the pods or breaks a limit.
        let cheaper = |option: &OptionId| {
            self.shelf.inside(places, *option) && by_price(problem, *option, chosen).is_lt()
        };
        let mut undercut = BTreeSet::new();
        for option in problem.pools[pool].options.iter().filter(cheaper) {
            undercut.insert(self.shelf.type_of(option));
        }
        let further = holding
            .iter()
            .filter(|option| by_price(problem, chosen, *option) != Ordering::Greater)
            .filter(|option| !undercut.contains(&self.shelf.type_of(*option)));
        for option in further {
            let have = distinct_values(problem, pool, listed);
            let mut counts = rules.iter().zip(have);
            if counts.all(|(rule, have)| have >= rule.at_least) {
                break;
            }
            listed.insert(option);
        }
    }
}
