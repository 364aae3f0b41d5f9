//! A small seeded generator for tests, shapes and randomised improvement.
//!
//! SplitMix64: one 64-bit state, the same numbers on every machine. Randomness enters only as a seed in the arguments.

use serde::{Deserialize, Serialize};

/// A deterministic stream of pseudo-random numbers (SplitMix64; not for cryptography).
///
/// ```
/// use tetrapod::base::rng::Rng;
/// let mut a = Rng::new(7);
/// let mut b = Rng::new(7);
/// assert_eq!(a.next_u64(), b.next_u64());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// An independent stream named by `label`, so that adding one consumer does not renumber the others.
    #[must_use]
    pub fn split(&self, label: u64) -> Self {
        // The seed goes through the mixer, so that no child is a shifted copy of its parent or of a sibling.
        let mut seed = Self {
            state: self.state ^ label.wrapping_add(1).wrapping_mul(0xA24B_AED4_963E_E407),
        };
        Self {
            state: seed.next_u64(),
        }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of `items`, or `None` when there is none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(items.len() as u64);
        items.get(usize::try_from(at).unwrap_or(0))
    }
}
