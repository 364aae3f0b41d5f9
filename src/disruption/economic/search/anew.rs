//! A cluster packed anew in one go, as a start for the search.

use super::{Allowed, Places, Price, Search, Slot, State};

/// What part of the most that can be saved is enough in a large cluster.
const ENOUGH: f64 = 0.8;

impl<'s, 'c, 'a> Search<'s, 'c, 'a> {
    /// `start` with all of `units` that may go packed anew together, and improved.
    pub(super) fn packed_anew(
        &self,
        start: &State<'c>,
        units: &[Slot],
        small: bool,
    ) -> Option<State<'c>> {
        let mut state = start.clone();
        let mut lasting = units.to_vec();
        lasting.retain(|slot| self.lasts(*slot, small));
        let mut group = self.within_budgets(start, &lasting);
        self.leave_parts_of_gangs(&mut group);
        if group.len() < 2 {
            return None;
        }
        let allowed = Allowed {
            new: true,
            spot: self.spot_fits(start, &group),
            solver: Some(self.work.solver),
            limit: None,
        };
        let mut open = self.open(start);
        let mut going = group.clone();
        going.sort_unstable();
        open.retain(|slot| going.binary_search(slot).is_err());
        let mut places = Places::new(self.packer, &start.world, &open);
        if !self.attempt(&mut state, &group, &mut places, allowed, true) {
            return None;
        }
        self.improve(&mut state, small);
        Some(state)
    }

    /// Whether the nodes that may go cost hardly more than the places of their pods do at least: no step saves more than the
    /// difference.
    pub(super) fn is_close(&self, state: &State<'c>) -> bool {
        let world = &state.world;
        let units = self.units(state);
        let price: f64 = units.iter().map(|s| self.price(state, *s).as_f64()).sum();
        let mut may_go = vec![false; world.slots().count()];
        units.iter().for_each(|slot| may_go[slot.at()] = true);
        let nodes = units.iter().map(|slot| {
            let mut content = Vec::new();
            self.content(state, *slot, &mut content);
            (
                self.price(state, *slot).as_f64(),
                content,
                world.room(*slot),
            )
        });
        let open = self.open(state);
        let others = open.iter().filter(|slot| !may_go[slot.at()]);
        let free = others.map(|slot| world.room(*slot));
        let floor = self.packer.floor_beside(world.problem(), nodes, free);
        price - floor <= self.work.close * price
    }

    /// Whether a node may be packed anew with others. Many nodes to the brim is not what the pod scheduler will make of their
    /// pods: where nodes come and go that is not paid for once, but again and again.
    fn lasts(&self, slot: Slot, small: bool) -> bool {
        let at = self.at_node.get(slot.at()).copied().flatten();
        at.is_none_or(|at| {
            if small {
                !self.young[at]
            } else {
                self.wear[at] == 0
            }
        })
    }

    /// Whether so much of what could be saved at all is saved by packing `units` anew that going from node to node, which
    /// ends further from the least price, is not worth its time. Evictions must cost nothing for that.
    pub(super) fn is_enough(&self, start: &State<'c>, anew: &State<'c>, units: &[Slot]) -> bool {
        if self.rates.eviction > 0 || self.rates.restart > 0 {
            return false;
        }
        let mut content = Vec::new();
        let mut before = 0.0;
        for slot in units {
            before += self.gain(start, *slot).as_f64();
            self.content(start, *slot, &mut content);
        }
        let stay = units.iter().filter(|slot| !anew.world.is_gone(**slot));
        let bought = anew.world.slots().skip(start.world.slots().count());
        let bought = bought.filter(|slot| !anew.world.is_gone(*slot));
        let after: f64 = (stay.map(|slot| self.gain(start, *slot)))
            .chain(bought.map(|slot| self.price(anew, slot)))
            .map(Price::as_f64)
            .sum();
        let floor = self.packer.floor_of(start.world.problem(), &content);
        before - after >= ENOUGH * (before - floor)
    }
}
