//! Sets of dense identifiers as bits.

use std::marker::PhantomData;

use fixedbitset::FixedBitSet;

use super::index::Ix;

/// A set of identifiers below a fixed bound.
///
/// Membership is O(1); union, intersection and comparison are O(bound / 64). Operations on two sets are meant for sets
/// of one bound; a missing identifier counts as absent, and a union takes on the larger bound.
///
/// ```
/// use tetrapod::base::bitset::BitSet;
/// use tetrapod::base::index::Ix;
///
/// tetrapod::ix! {
///     /// A node.
///     NodeIx;
/// }
/// let mut free: BitSet<NodeIx> = BitSet::full(100);
/// free.remove(NodeIx::new(0));
/// assert_eq!(free.len(), 99);
/// assert_eq!(free.iter().next(), Some(NodeIx::new(1)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BitSet<I> {
    bits: FixedBitSet,
    tag: PhantomData<fn(I)>,
}

impl<I: Ix> BitSet<I> {
    /// The empty set with room for identifiers below `bound`.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            bits: FixedBitSet::with_capacity(bound),
            tag: PhantomData,
        }
    }

    /// The set of all identifiers below `bound`.
    #[must_use]
    pub fn full(bound: usize) -> Self {
        let mut set = Self::new(bound);
        set.bits.insert_range(..);
        set
    }

    /// The bound given at construction.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.bits.len()
    }

    /// Adds `ix`. Identifiers at or above the bound are ignored.
    pub fn insert(&mut self, ix: I) {
        if ix.at() < self.bits.len() {
            self.bits.insert(ix.at());
        }
    }

    /// Removes `ix`.
    pub fn remove(&mut self, ix: I) {
        if ix.at() < self.bits.len() {
            self.bits.remove(ix.at());
        }
    }

    /// Whether `ix` is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, ix: I) -> bool {
        self.bits.contains(ix.at())
    }

    /// Number of members. O(bound / 64).
    #[must_use]
    pub fn len(&self) -> usize {
        self.bits.count_ones(..)
    }

    /// Whether the set has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.is_clear()
    }

    /// Keeps only what is in `other` too.
    pub fn intersect_with(&mut self, other: &Self) {
        self.bits.intersect_with(&other.bits);
    }

    /// Adds what is in `other`.
    pub fn union_with(&mut self, other: &Self) {
        self.bits.union_with(&other.bits);
    }

    /// Removes what is in `other`.
    pub fn difference_with(&mut self, other: &Self) {
        self.bits.difference_with(&other.bits);
    }

    /// Whether some identifier is in both sets.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        !self.bits.is_disjoint(&other.bits)
    }

    /// Whether every member is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.bits.is_subset(&other.bits)
    }

    /// Removes all members, keeping the bound.
    pub fn clear(&mut self) {
        self.bits.clear();
    }

    /// Removes the members for which `keep` does not hold. O(bound / 64 + members).
    pub fn retain(&mut self, mut keep: impl FnMut(I) -> bool) {
        let mut gone = Vec::new();
        gone.extend(self.bits.ones().filter(|at| !keep(I::new(*at))));
        for at in gone {
            self.bits.set(at, false);
        }
    }

    /// Makes this set equal to `other` without allocating when the bounds agree.
    pub fn copy_from(&mut self, other: &Self) {
        self.bits.clone_from(&other.bits);
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = I> + '_ {
        self.bits.ones().map(I::new)
    }
}
