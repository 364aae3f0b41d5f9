//! Which way to buy each new node, among those of one price.

use std::collections::BTreeMap;

use super::fit::{holds, options_alike};
use super::gain::Gain;
use super::state::State;
use crate::base::rng::Rng;
use crate::model::price::Price;
use crate::problem::{ClassId, OptionId, Problem};
use crate::solver::construct::{give_back, take};
use crate::solver::holds::stock_allows;
use crate::solver::{Group, Target};

/// The ways to buy each node of a plan, and what the stocks still hold.
pub(super) struct Choices {
    alike: BTreeMap<OptionId, Vec<OptionId>>,
    stocks: Vec<i128>,
}

impl Choices {
    pub(super) fn new(problem: &Problem, groups: &[Group]) -> Self {
        let mut choices = Self {
            alike: BTreeMap::new(),
            stocks: problem.stocks.iter().map(|stock| stock.left).collect(),
        };
        for group in groups {
            if let Target::Option(option) = group.target {
                take(problem, &mut choices.stocks, option, group.times);
            }
        }
        choices
    }

    /// The options of the same price and pool weight as `option`, itself among them.
    fn alike(&mut self, problem: &Problem, option: OptionId) -> &[OptionId] {
        self.alike
            .entry(option)
            .or_insert_with(|| options_alike(problem, option))
    }

    /// The ways to buy a node of `target` with `content`; empty where there is no choice.
    pub(super) fn open_at(
        &mut self,
        state: &State<'_>,
        target: Target,
        content: &[(ClassId, u32)],
    ) -> Vec<OptionId> {
        let Target::Option(own) = target else {
            return Vec::new();
        };
        let problem = state.problem;
        let stocks = std::mem::take(&mut self.stocks);
        let open: Vec<OptionId> = self
            .alike(problem, own)
            .iter()
            .copied()
            .filter(|option| *option == own || stock_allows(problem, &stocks, *option) > 0)
            .filter(|option| *option == own || holds(problem, *option, own, content))
            .collect();
        self.stocks = stocks;
        if open.len() > 1 { open } else { Vec::new() }
    }

    /// Buys nodes in the way their pods like best; returns whether anything changed. O(nodes x ways x pods' kinds), each
    /// change gains.
    pub(super) fn improve(&mut self, state: &mut State<'_>) -> bool {
        let mut changed = false;
        let mut at = 0;
        while at < state.bins.len() {
            while let Some((option, times)) = self.best(state, at) {
                self.take(state, at, option, times);
                changed = true;
            }
            at += 1;
        }
        changed
    }

    /// The best other way to buy some or all nodes of `bin`.
    fn best(&mut self, state: &mut State<'_>, bin: usize) -> Option<(OptionId, u32)> {
        let Target::Option(own) = state.bins[bin].target else {
            return None;
        };
        let problem = state.problem;
        let all = state.bins[bin].times;
        let mut best: Option<(Gain, OptionId, u32)> = None;
        let alike = self.alike(problem, own).to_vec();
        for option in alike.into_iter().filter(|option| *option != own) {
            let most = self.most(problem, (own, option), all);
            let mut tried = 0;
            for times in [most, most / 2, 1] {
                if times == tried || times == 0 || times > most {
                    continue;
                }
                tried = times;
                // Fewer nodes give back less of a stock that both ways draw on.
                if times < most && self.most(problem, (own, option), times) < times {
                    continue;
                }
                let gain = try_option(state, bin, option, times);
                let beats = best.is_none_or(|(held, _, _)| gain > held);
                if gain.is_better()
                    && beats
                    && holds(problem, option, own, &state.bins[bin].content)
                {
                    best = Some((gain, option, times));
                }
            }
        }
        best.map(|(_, option, times)| (option, times))
    }

    /// How many of `all` nodes bought as `own` the stocks let be bought as `option`: the largest number found by giving
    /// back just as many as are exchanged, of which fewer may be refused and more may not.
    fn most(&mut self, problem: &Problem, (own, option): (OptionId, OptionId), all: u32) -> u32 {
        let mut most = all;
        loop {
            give_back(problem, &mut self.stocks, own, most);
            let allowed = stock_allows(problem, &self.stocks, option);
            take(problem, &mut self.stocks, own, most);
            if allowed >= most {
                return most;
            }
            most = allowed;
        }
    }

    fn take(&mut self, state: &mut State<'_>, bin: usize, option: OptionId, times: u32) {
        let Target::Option(own) = state.bins[bin].target else {
            return;
        };
        let at = if times < state.bins[bin].times {
            state.split(bin, times)
        } else {
            bin
        };
        let to = Target::Option(option);
        state.recount(at, Target::Option(own), to, i64::from(times));
        state.retarget(at, to);
        give_back(state.problem, &mut self.stocks, own, times);
        take(state.problem, &mut self.stocks, option, times);
    }

    /// Buys the single node `bin` in some other way of the same price, whatever that gains; returns how it was bought
    /// before, and the gain.
    pub(super) fn turn(
        &mut self,
        state: &mut State<'_>,
        bin: usize,
        rng: &mut Rng,
    ) -> Option<(usize, OptionId, Gain)> {
        let Target::Option(own) = state.bins[bin].target else {
            return None;
        };
        let problem = state.problem;
        let option = *rng.choose(self.alike(problem, own))?;
        let allowed = option != own
            && stock_allows(problem, &self.stocks, option) > 0
            && holds(problem, option, own, &state.bins[bin].content);
        if !allowed {
            return None;
        }
        let gain = self.turn_to(state, bin, (own, option));
        Some((bin, own, gain))
    }

    /// Buys the single node `bin` as `old` again.
    pub(super) fn turn_back(&mut self, state: &mut State<'_>, bin: usize, old: OptionId) {
        if let Target::Option(now) = state.bins[bin].target {
            self.turn_to(state, bin, (now, old));
        }
    }

    fn turn_to(
        &mut self,
        state: &mut State<'_>,
        bin: usize,
        (own, option): (OptionId, OptionId),
    ) -> Gain {
        let (from, to) = (Target::Option(own), Target::Option(option));
        let gain = state.recount(bin, from, to, 1);
        state.retarget(bin, to);
        give_back(state.problem, &mut self.stocks, own, 1);
        take(state.problem, &mut self.stocks, option, 1);
        gain
    }

    /// Exchanges nodes for dearer ones where that meets most weight for the money, within the budget (M-2); returns
    /// whether anything changed. O(exchanges x nodes x options).
    pub(super) fn spend(&mut self, state: &mut State<'_>) -> bool {
        let problem = state.problem;
        let mut left = state.prefs.budget;
        let mut changed = false;
        for _ in 0..MAX_EXCHANGES {
            if left <= Price::ZERO {
                break;
            }
            let mut best: Option<(f64, usize, OptionId, Price)> = None;
            for bin in 0..state.bins.len() {
                let Target::Option(own) = state.bins[bin].target else {
                    continue;
                };
                let row = &problem.options[own];
                let Some(price) = row.price else { continue };
                let weight = problem.pools[row.pool].weight;
                give_back(problem, &mut self.stocks, own, 1);
                for (option, other) in problem.options.enumerate() {
                    let Some(extra) = other.price.map(|other| other - price) else {
                        continue;
                    };
                    let same_weight = problem.pools[other.pool].weight == weight;
                    if extra <= Price::ZERO || extra > left || !same_weight {
                        continue;
                    }
                    let gain = try_option(state, bin, option, 1);
                    if gain.weight <= 0 || gain.taints < 0 {
                        continue;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
                    let rate = gain.weight as f64 / extra.as_f64();
                    if best.is_none_or(|(held, ..)| rate > held)
                        && stock_allows(problem, &self.stocks, option) > 0
                        && holds(problem, option, own, &state.bins[bin].content)
                    {
                        best = Some((rate, bin, option, extra));
                    }
                }
                take(problem, &mut self.stocks, own, 1);
            }
            let Some((_, bin, option, extra)) = best else {
                break;
            };
            self.take(state, bin, option, 1);
            left = left - extra;
            changed = true;
        }
        changed
    }
}

/// How many nodes a budget exchanges at most.
const MAX_EXCHANGES: u32 = 1_000;

/// What buying `times` nodes of `bin` as `option` gains.
fn try_option(state: &mut State<'_>, bin: usize, option: OptionId, times: u32) -> Gain {
    let (from, to) = (state.bins[bin].target, Target::Option(option));
    let times = i64::from(times);
    let gain = state.recount(bin, from, to, times);
    state.recount(bin, to, from, times);
    gain
}
