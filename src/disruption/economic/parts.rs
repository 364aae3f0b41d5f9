//! A plan cut into commands that do not depend on each other (W-16).
//!
//! Nodes belong together when one bought node takes pods of both, when their pods are counted by one rule over domains, or
//! when one buys what a limit allows only once the other is gone. A part that does not pay by itself, or does not hold
//! [alone](super::alone), is left out: nobody else relies on what it would have freed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::base::hash::FastMap;
use crate::base::index::Ix as _;
use crate::disruption::DisruptionReason;
use crate::disruption::build::{Builder, Dealer, Draft, Purchase, net_saving};
use crate::disruption::candidate::Candidate;
use crate::disruption::karpenter::balanced::Totals;
use crate::model::price::Price;
use crate::plan::command::{Command, Method};
use crate::problem::whatif::CountedKind;
use crate::problem::{ClassId, NodeId, OptionId};
use crate::solver::holds::{asks_for_values, enough_values};
use crate::solver::whatif::{Slot, World};

use super::rebind::Rebinding;
use super::wear::{dollars, wear_of};
use super::{Economic, Reserved};

/// Sets that are joined.
pub(super) struct Joined(Vec<usize>);

impl Joined {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    pub(super) fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Nodes that go together, what is bought for their pods, and where else these go.
#[derive(Default)]
pub(super) struct Part<'d, 'a> {
    pub(super) candidates: Vec<&'d Candidate<'a>>,
    pub(super) bought: Vec<(Slot, Vec<u32>)>,
    pub(super) existing: Vec<(NodeId, Vec<u32>)>,
}

impl<'c, 'a> Economic<'c, 'a> {
    /// The commands that lead to `world`, in which `leaving` are gone. Slots before `own` and what is `reserved` are not
    /// theirs.
    pub(super) fn parts(
        &self,
        world: &World<'c>,
        leaving: &[&Candidate<'a>],
        own: usize,
        reserved: &Reserved,
    ) -> Vec<Command> {
        let mut owner: FastMap<u32, usize> = FastMap::default();
        for (at, candidate) in leaving.iter().enumerate() {
            for pod in &candidate.placed {
                owner.insert(*pod, at);
            }
        }
        let mut dealer = Dealer::new(self.cluster, leaving, false);
        let rules = self.cluster.what.between.rules.len();
        let slots = (world.slots().skip(own)).filter(|slot| !world.is_gone(*slot));
        // What only pods that wait already would get is not bought for them here (W-19).
        let (bought, purchases): (Vec<Slot>, Vec<Vec<u32>>) = slots
            .map(|slot| (slot, dealer.deal(world.content(slot))))
            .filter(|(_, pods)| !pods.is_empty())
            .unzip();
        let mut sets = Joined::new(leaving.len() + bought.len() + rules);
        for (at, pods) in purchases.iter().enumerate() {
            for node in pods.iter().filter_map(|pod| owner.get(pod)) {
                sets.join(*node, leaving.len() + at);
            }
        }
        let mut existing: Vec<(NodeId, Vec<u32>)> = Vec::new();
        for slot in world.slots().take(world.existing()) {
            if world.is_gone(slot) || world.content(slot).is_empty() {
                continue;
            }
            let added = less(world.content(slot), &reserved[slot.at()]);
            existing.push((NodeId::new(slot.at()), dealer.deal(&added)));
        }
        for (at, candidate) in leaving.iter().enumerate() {
            if let Some(company) = self.companies.of(Slot::of(candidate.node)) {
                let with = |other: &&&Candidate<'a>| company.slots.contains(&Slot::of(other.node));
                let first = leaving.iter().find(with).map(|other| other.node);
                let first = leaving.iter().position(|other| Some(other.node) == first);
                sets.join(at, first.unwrap_or(at));
            }
        }
        self.join_by_rules(world, leaving, &mut sets, leaving.len() + bought.len());
        self.join_by_hosts(&existing, &owner, &mut sets);
        self.join_by_limits(world, leaving, &bought, &mut sets);
        self.join_by_choice(world, leaving, &bought, &mut sets);

        let mut drafted: BTreeMap<usize, Part<'_, 'a>> = BTreeMap::new();
        for (at, candidate) in leaving.iter().enumerate() {
            let part = drafted.entry(sets.root(at)).or_default();
            part.candidates.push(*candidate);
        }
        for (at, (slot, pods)) in bought.iter().zip(purchases).enumerate() {
            let root = sets.root(leaving.len() + at);
            if let Some(part) = drafted.get_mut(&root) {
                part.bought.push((*slot, pods));
            }
        }
        for (node, pods) in existing {
            for pod in pods {
                let root = owner.get(&pod).map(|at| sets.root(*at));
                let Some(part) = root.and_then(|root| drafted.get_mut(&root)) else {
                    continue;
                };
                match part.existing.last_mut() {
                    Some((last, list)) if *last == node => list.push(pod),
                    _ => part.existing.push((node, vec![pod])),
                }
            }
        }
        let totals = Totals::new(self.cluster, &self.all_candidates());
        let mut rebinding = Rebinding::of(self, world, leaving, reserved);
        let mut stocks = world.stocks().to_vec();
        let parts = drafted.into_values();
        parts
            .filter_map(|part| self.part(world, part, &totals, &mut stocks, rebinding.as_mut()))
            .collect()
    }

    /// The command of one part, if it holds alone and pays. What it buys beside what is planned is taken off `stocks`,
    /// which are what everything together leaves.
    fn part(
        &self,
        world: &World<'c>,
        part: Part<'_, 'a>,
        totals: &Totals,
        stocks: &mut [i128],
        rebinding: Option<&mut Rebinding<'_>>,
    ) -> Option<Command> {
        let planned = part.bought.len();
        let (world, part) = self.standing_alone(world, part)?;
        if let Cow::Owned(alone) = &world {
            let more = alone.slots().skip(alone.existing() + planned);
            for bought in more.filter_map(|slot| alone.bought(slot)) {
                for (stock, amount) in &alone.problem().options[bought.option].uses {
                    stocks[stock.at()] -= amount;
                }
            }
        }
        let world = world.as_ref();
        let candidates = &part.candidates;
        let slots: Vec<Slot> = part.bought.iter().map(|(slot, _)| *slot).collect();
        let before: Price = candidates.iter().filter_map(|c| c.price).sum();
        let after: Price = slots
            .iter()
            .filter_map(|slot| world.bought(*slot))
            .filter_map(|b| world.problem().options[b.option].price)
            .sum();
        let forced = candidates.iter().filter_map(|c| self.forced(c)).min();
        // What counts on what others give back comes once they are gone.
        let stocks = self.stocks_alone(world, candidates, &slots, stocks)?;
        let saving = forced.is_none().then(|| before - after);
        let purchases = part
            .bought
            .into_iter()
            .map(|(slot, pods)| Some((self.allowed(world, slot, saving, &stocks)?, pods)))
            .collect::<Option<Vec<_>>>()?;
        let draft = Draft {
            reason: forced.unwrap_or(DisruptionReason::Underutilized),
            method: match forced {
                Some(DisruptionReason::Drifted) => Method::Drift,
                Some(_) => Method::Expire,
                None => Method::Plan,
            },
            existing: part.existing,
            purchases,
            candidates: part.candidates,
        };
        let approved = totals.approve_prices(&draft.candidates, before.as_f64(), after.as_f64());
        let builder = Builder::new(self.cluster, self.assessor.pdbs());
        let mut command = builder.command(&draft, world);
        if !builder.keeps_min_values(&draft, &command) {
            return None;
        }
        command.net_saving = command.net_saving - self.restarts(&draft.candidates);
        let lasting = rebinding.is_none_or(|rebinding| {
            self.lasts(rebinding, &draft, command.net_saving, forced.is_some())
        });
        let pays = command.net_saving > Price::ZERO && approved && lasting;
        (forced.is_some() || pays).then_some(command)
    }

    /// Whether a part saves something where nodes come and go, after the starts that its nodes have not earned yet and what
    /// the pod scheduler will have to have bought. What stays planned stays bound in `rebinding`.
    fn lasts(
        &self,
        rebinding: &mut Rebinding<'_>,
        draft: &Draft<'_, 'a>,
        saving: Price,
        forced: bool,
    ) -> bool {
        let wear = (draft.candidates.iter()).map(|one| wear_of(self.cluster, one));
        let worn = dollars(wear.clone().sum());
        let young = wear.filter(|wear| *wear > 0).count();
        // Most have been there for long: where they stand, nodes do not come and go.
        if forced || young * 2 <= draft.candidates.len() {
            rebinding.leave(&draft.candidates);
            return forced || saving - worn > Price::ZERO;
        }
        let before = rebinding.before();
        let bought: Vec<OptionId> = draft.purchases.iter().map(|(one, _)| one.chosen).collect();
        let more = rebinding.rebind(&self.packer, &draft.candidates, &bought);
        let options = &self.cluster.snapshot.options;
        let lasting = more.is_some_and(|more| {
            let bought = net_saving(options, Price::ZERO - more, more, 0);
            saving - worn + bought > Price::ZERO
        });
        if !lasting {
            rebinding.take_back(&before);
        }
        lasting
    }

    /// What restarting the gangs on `candidates` costs (M-21).
    fn restarts(&self, candidates: &[&Candidate<'a>]) -> Price {
        let slots = candidates.iter().map(|c| Slot::of(c.node));
        // Counted at the first node of each.
        let gangs = slots
            .filter_map(|slot| {
                let company = self.companies.of(slot)?;
                (company.slots.first() == Some(&slot)).then_some(company.gangs)
            })
            .sum::<u32>();
        let cost = self.cluster.snapshot.options.gang_restart_cost;
        cost.times(u64::from(gangs))
    }

    fn all_candidates(&self) -> Vec<Candidate<'a>> {
        let balanced = |pool: &crate::model::node_pool::NodePool| {
            pool.consolidation_policy == crate::model::node_pool::ConsolidationPolicy::Balanced
        };
        if self.cluster.snapshot.node_pools.iter().any(balanced) {
            self.candidates(crate::disruption::candidate::Class::Graceful)
        } else {
            Vec::new()
        }
    }

    /// Nodes whose pods are counted by one rule over domains, or follow each other, stay together.
    fn join_by_rules(
        &self,
        world: &World<'_>,
        leaving: &[&Candidate<'a>],
        sets: &mut Joined,
        first_rule: usize,
    ) {
        let between = &self.cluster.what.between;
        for (at, candidate) in leaving.iter().enumerate() {
            // Pods that do not move, of DaemonSets say, are counted too while their node is there.
            for held in &between.standing[candidate.node] {
                let rule = &between.rules[held.rule as usize];
                let harmless = match rule.demand {
                    CountedKind::Anti => true,
                    CountedKind::Spread { .. } => rule.key.is_none(),
                    CountedKind::Affinity => false,
                };
                if held.members > 0 && !harmless {
                    sets.join(at, first_rule + held.rule as usize);
                }
            }
            for (class, _) in candidate.content.iter().flatten() {
                if world.counts().is_steady(*class) {
                    continue;
                }
                for rule in between.owned[*class].iter().chain(&between.member[*class]) {
                    sets.join(at, first_rule + *rule as usize);
                }
            }
        }
    }

    /// Nodes whose pods end on one node that stays are together where a spread over host names counts them there: a pod
    /// that has it may have to come before those that it counts.
    fn join_by_hosts(
        &self,
        existing: &[(NodeId, Vec<u32>)],
        owner: &FastMap<u32, usize>,
        sets: &mut Joined,
    ) {
        let between = &self.cluster.what.between;
        let over_hosts = |rule: &u32| {
            let rule = &between.rules[*rule as usize];
            rule.key.is_none() && matches!(rule.demand, CountedKind::Spread { .. })
        };
        if !(0u32..)
            .take(between.rules.len())
            .any(|rule| over_hosts(&rule))
        {
            return;
        }
        let class_of = &self.cluster.what.class_of;
        for (_, pods) in existing {
            let pods = pods.iter().filter_map(|pod| {
                let class = class_of[*pod as usize]?;
                Some((class, *owner.get(pod)?))
            });
            let pods: Vec<(ClassId, usize)> = pods.collect();
            let mut rules: Vec<u32> = (pods.iter())
                .flat_map(|(class, _)| between.owned[*class].iter().copied())
                .filter(over_hosts)
                .collect();
            rules.sort_unstable();
            rules.dedup();
            for rule in rules {
                let concerned = pods.iter().filter(|(class, _)| {
                    between.owned[*class].contains(&rule) || between.member[*class].contains(&rule)
                });
                let nodes: Vec<usize> = concerned.map(|(_, at)| *at).collect();
                for pair in nodes.windows(2) {
                    sets.join(pair[0], pair[1]);
                }
            }
        }
    }

    /// What else a bought node could be without the command losing its `saving`, within `stocks`; `None` where that is
    /// less than its pool asks for.
    fn allowed(
        &self,
        world: &World<'_>,
        slot: Slot,
        saving: Option<Price>,
        stocks: &[i128],
    ) -> Option<Purchase> {
        let problem = world.problem();
        let chosen = world.bought(slot)?.option;
        let price = problem.options[chosen].price?;
        let spot = self.packer.is_spot(chosen);
        let mut allowed = world.alternatives(slot, stocks);
        allowed.retain(|option| {
            let other = problem.options[option].price;
            (spot || !self.packer.is_spot(option))
                && other.is_some_and(|other| saving.is_none_or(|saving| other < price + saving))
        });
        allowed.insert(chosen);
        let pool = problem.options[chosen].pool;
        let enough = !asks_for_values(problem, pool) || enough_values(problem, pool, &allowed);
        enough.then_some(Purchase {
            slot,
            chosen,
            allowed,
        })
    }
}

/// `content` without what was there before.
pub(super) fn less(content: &[(ClassId, u32)], before: &[(ClassId, u32)]) -> Vec<(ClassId, u32)> {
    content
        .iter()
        .filter_map(|(class, count)| {
            let held = before.iter().find(|(other, _)| other == class);
            let left = count.saturating_sub(held.map_or(0, |(_, n)| *n));
            (left > 0).then_some((*class, left))
        })
        .collect()
}
