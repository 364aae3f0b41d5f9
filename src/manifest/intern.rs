//! Equal parts of many objects are held once.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use crate::base::hash::{FastMap, FastSet};
use crate::model::label::Labels;
use crate::model::pod::{OwnerReference, PodSpec};
use crate::model::resources::Name;

/// Holds one copy of each distinct value given to it.
#[derive(Debug)]
pub(super) struct Pool<T: ?Sized>(FastSet<Arc<T>>);

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self(FastSet::default())
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The shared copy of `value`; `make` is called for the first one.
    pub(super) fn share<Q>(&mut self, value: Q) -> Arc<T>
    where
        Q: Borrow<T> + Into<Arc<T>>,
    {
        if let Some(held) = self.0.get(value.borrow()) {
            return Arc::clone(held);
        }
        let held: Arc<T> = value.into();
        self.0.insert(Arc::clone(&held));
        held
    }
}

impl Pool<str> {
    /// The shared copy of `text`.
    pub(super) fn text(&mut self, text: &str) -> Name {
        if let Some(held) = self.0.get(text) {
            return Name::clone(held);
        }
        let held = Name::from(text);
        self.0.insert(Name::clone(&held));
        held
    }
}

/// Values by the JSON text they were read from, so that equal text is read once. Bounded: emptied when it is full.
#[derive(Debug)]
pub(super) struct ByText<T> {
    held: FastMap<Box<[u8]>, Arc<T>>,
    bytes: usize,
}

impl<T> Default for ByText<T> {
    fn default() -> Self {
        Self {
            held: FastMap::default(),
            bytes: 0,
        }
    }
}

impl<T> ByText<T> {
    const MOST_BYTES: usize = 32 << 20;

    pub(super) fn get(&self, text: &[u8]) -> Option<&Arc<T>> {
        self.held.get(text)
    }

    pub(super) fn put(&mut self, text: &[u8], value: &Arc<T>) {
        if self.bytes.saturating_add(text.len()) > Self::MOST_BYTES {
            self.held.clear();
            self.bytes = 0;
        }
        self.bytes += text.len() + 64;
        self.held.insert(text.into(), Arc::clone(value));
    }
}

/// The pools of one reader.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pub(super) names: Pool<str>,
    pub(super) labels: Pool<Labels>,
    pub(super) owners: Pool<Vec<OwnerReference>>,
    pub(super) specs: Pool<PodSpec>,
    pub(super) labels_by_text: ByText<Labels>,
    pub(super) owners_by_text: ByText<Vec<OwnerReference>>,
    pub(super) specs_by_text: ByText<PodSpec>,
}
