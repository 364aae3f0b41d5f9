//! Sets of options and nodes, interned, so that classes that suit the same places share them.

use super::{NodeId, OptionId, SetId};
use crate::base::bitset::BitSet;
use crate::base::hash::FastMap;
use crate::base::index::{Ix, IxVec};

/// Sets interned by content.
#[derive(Debug)]
pub struct SetTable<I> {
    /// The sets.
    pub sets: IxVec<SetId, BitSet<I>>,
    ids: FastMap<BitSet<I>, SetId>,
}

impl<I: Ix> Default for SetTable<I> {
    fn default() -> Self {
        Self {
            sets: IxVec::new(),
            ids: FastMap::default(),
        }
    }
}

impl<I: Ix> SetTable<I> {
    /// The number of `set`. O(bound / 64).
    pub fn intern(&mut self, set: BitSet<I>) -> SetId {
        if let Some(id) = self.ids.get(&set) {
            return *id;
        }
        let id = self.sets.push(set.clone());
        self.ids.insert(set, id);
        id
    }

    /// The set with number `id`.
    #[must_use]
    pub fn get(&self, id: SetId) -> &BitSet<I> {
        &self.sets[id]
    }
}

/// The sets of a problem.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sets {
    /// Sets of options.
    pub options: SetTable<OptionId>,
    /// Sets of nodes.
    pub nodes: SetTable<NodeId>,
}
