//! Dense `u32` identifiers and vectors indexed by them.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A dense identifier: a newtype over `u32` made by [`ix!`](crate::ix).
pub trait Ix: Copy + Eq + Ord + std::hash::Hash + std::fmt::Debug {
    /// The identifier of position `at`. Positions are bounded by `u32::MAX`; larger ones saturate.
    fn new(at: usize) -> Self;
    /// The position of this identifier.
    fn at(self) -> usize;
}

/// Declares index newtypes that implement [`Ix`](crate::base::index::Ix).
#[macro_export]
#[doc(hidden)]
macro_rules! ix {
    ($($(#[$meta:meta])* $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);
        impl $crate::base::index::Ix for $name {
            #[inline]
            fn new(at: usize) -> Self {
                Self(u32::try_from(at).unwrap_or(u32::MAX))
            }
            #[inline]
            fn at(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

/// A vector indexed by an identifier type, so that a pod class cannot index a table of nodes.
///
/// Indexing panics for an identifier that another vector gave out; [`get`](Self::get) does not.
///
/// ```
/// use tetrapod::base::index::IxVec;
///
/// tetrapod::ix! {
///     /// A node.
///     NodeIx;
/// }
/// let mut names: IxVec<NodeIx, &str> = IxVec::new();
/// let first = names.push("node-1");
/// assert_eq!(names[first], "node-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IxVec<I, T> {
    items: Vec<T>,
    tag: PhantomData<fn(I)>,
}

impl<I, T> Default for IxVec<I, T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            tag: PhantomData,
        }
    }
}

impl<I: Ix, T> IxVec<I, T> {
    /// An empty vector.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty vector with room for `capacity` items.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            items: Vec::with_capacity(capacity),
            tag: PhantomData,
        }
    }

    /// `len` copies of `value`.
    #[must_use]
    pub fn filled(len: usize, value: T) -> Self
    where
        T: Clone,
    {
        Self {
            items: vec![value; len],
            tag: PhantomData,
        }
    }

    /// Appends `value` and returns its identifier.
    pub fn push(&mut self, value: T) -> I {
        self.items.push(value);
        I::new(self.items.len() - 1)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item at `ix`, if there is one.
    #[must_use]
    pub fn get(&self, ix: I) -> Option<&T> {
        self.items.get(ix.at())
    }

    /// All identifiers in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    /// All items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// All items in order, mutably.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }

    /// Identifiers and items in order.
    #[must_use]
    pub fn enumerate(&self) -> impl DoubleEndedIterator<Item = (I, &T)> + ExactSizeIterator {
        self.items
            .iter()
            .enumerate()
            .map(|(at, item)| (I::new(at), item))
    }

    /// The items as a slice.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<I: Ix, T> FromIterator<T> for IxVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(iter: A) -> Self {
        Self {
            items: iter.into_iter().collect(),
            tag: PhantomData,
        }
    }
}

impl<I: Ix, T> Index<I> for IxVec<I, T> {
    type Output = T;
    #[inline]
    fn index(&self, ix: I) -> &T {
        &self.items[ix.at()]
    }
}

impl<I: Ix, T> IndexMut<I> for IxVec<I, T> {
    #[inline]
    fn index_mut(&mut self, ix: I) -> &mut T {
        &mut self.items[ix.at()]
    }
}
