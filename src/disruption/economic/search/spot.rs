//! When spot nodes may be bought for spot nodes.

use super::{CapacityType, ClassId, Search, Slot, State, fits, total_demand};

impl<'s, 'c, 'a> Search<'s, 'c, 'a> {
    /// D-57..D-59: spot nodes alone are replaced by spot nodes only where that is allowed, and with enough cheaper types.
    pub(super) fn spot_fits(&self, state: &State<'c>, group: &[Slot]) -> bool {
        let options = &self.cluster.snapshot.options;
        let on_spot = |slot: &Slot| {
            self.candidate(*slot)
                .is_some_and(|c| c.capacity_type == Some(CapacityType::Spot))
        };
        if group.iter().any(|slot| !on_spot(slot)) {
            // A bought node stands for whatever it replaced.
            return true;
        }
        if !options.feature_gates.spot_to_spot_consolidation {
            return false;
        }
        if group.len() > 1 {
            return true;
        }
        let Some(slot) = group.first().copied() else {
            return false;
        };
        let mut content = Vec::new();
        self.content(state, slot, &mut content)
            && self.cheaper_spot_types(state, slot, &content)
                >= options.spot_to_spot_min_types as usize
    }

    fn cheaper_spot_types(
        &self,
        state: &State<'c>,
        slot: Slot,
        content: &[(ClassId, u32)],
    ) -> usize {
        let problem = state.world.problem();
        let price = self.price(state, slot);
        let mut total = Vec::new();
        total_demand(problem, content, &mut total);
        let mut pairs: Vec<_> = problem
            .options
            .enumerate()
            .filter(|(id, row)| {
                self.packer.is_spot(*id)
                    && row.price.is_some_and(|held| held < price)
                    && fits(&total, problem.room_of(row.room))
                    && content
                        .iter()
                        .all(|(class, _)| problem.options_of(*class).contains(*id))
            })
            .map(|(_, row)| row.pair)
            .collect();
        pairs.dedup();
        pairs.len()
    }
}
