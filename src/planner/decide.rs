//! Replanning: the short ways, and when they may be taken.

use super::change::{ClaimId, Delta, Replanned, Target};
use super::{OpenClaim, Planner, Stand};
use crate::model::affinity::WhenUnsatisfiable;
use crate::model::options::PreferencePolicy;
use crate::model::pod::Pod;
use crate::model::resources::Name;
use crate::plan::PlannedClaim;
use crate::problem::{ClassId, OptionId};
use crate::solver::whatif::Slot;

impl Planner {
    /// Decides what changes have left open. What was decided before stays unless a change broke it (M-11).
    ///
    /// One pod of a kind that is known and that fits free room costs O(log nodes); see the [module](super) for what makes it
    /// more. Nothing to do costs nothing.
    pub fn replan(&mut self) -> Delta {
        let mut went = Replanned::Incremental;
        if !self.snapshot.capacity_buffers.is_empty() {
            let nothing = self.stale.is_none() && self.queue.is_empty() && !self.grown;
            if !nothing {
                went = self.anew("pods of capacity buffers keep no places");
            }
            return self.hand_out(went);
        }
        let unknown = self.queue.iter().any(|key| self.class_at(key).is_none());
        if unknown {
            self.stale.get_or_insert("a pod of a kind not seen before");
        }
        if let Some(why) = self.stale.take() {
            self.compile();
            went = Replanned::Compiled { why };
        }
        self.hold_up();
        let ask = std::mem::take(&mut self.grown) && self.try_left();
        let placed = if ask {
            Err("there may be room for pods with rules that had no place")
        } else {
            self.place_all()
        };
        if let Err(why) = placed {
            went = self.full(why);
            // Pods that it placed let others in only together with it.
            self.grown = false;
        }
        self.close_empty();
        self.gone.clear();
        self.hand_out(went)
    }

    /// The changes since the last replan, each once.
    fn hand_out(&mut self, replanned: Replanned) -> Delta {
        let mut delta = std::mem::take(&mut self.delta);
        delta.replanned = replanned;
        for ids in [&mut delta.opened, &mut delta.changed, &mut delta.closed] {
            ids.sort_unstable();
            ids.dedup();
        }
        delta.opened.retain(|id| self.claims.contains_key(id));
        let opened = &delta.opened;
        delta
            .changed
            .retain(|id| self.claims.contains_key(id) && !opened.contains(id));
        delta
            .placed
            .retain(|(pod, target)| self.decided.get(pod) == Some(target));
        delta.withdrawn.sort_unstable();
        delta.withdrawn.dedup();
        delta
            .withdrawn
            .retain(|pod| !self.decided.contains_key(pod) && self.positions.contains_key(pod));
        delta
    }

    pub(super) fn class_at(&self, key: &str) -> Option<ClassId> {
        self.rows[self.position(key)?].class
    }

    /// Pods that relied on pods which have left are tested again where they are; who does not hold up is decided anew.
    fn hold_up(&mut self) {
        let mut gone = std::mem::take(&mut self.gone);
        while !gone.is_empty() && !self.ruled.is_empty() {
            let Some(state) = &self.state else { return };
            let relies = |owner: &ClassId| gone.iter().any(|gone| state.relies_on(*owner, *gone));
            let keys = self.ruled.iter().filter(|(class, _)| relies(class));
            let pods: Vec<Name> = keys.flat_map(|(_, pods)| pods.iter().cloned()).collect();
            gone = self.test_again(&pods);
        }
    }

    /// Takes `pods` off and puts back those that stand by the rules, in some order of binding (M-3). The classes of the
    /// others, which lose their places.
    pub(super) fn test_again(&mut self, pods: &[Name]) -> std::collections::BTreeSet<ClassId> {
        let mut out: Vec<(Name, ClassId, Slot)> = Vec::new();
        let mut lost = std::collections::BTreeSet::new();
        let Some(state) = &mut self.state else {
            return lost;
        };
        for key in pods {
            let Some(at) = self.positions.get(key) else {
                continue;
            };
            let row = self.rows[*at as usize];
            if let (Stand::Placed(slot), Some(class)) = (row.stand, row.class) {
                state.unplace(slot, class);
                out.push((Name::clone(key), class, slot));
            }
        }
        loop {
            let before = out.len();
            out.retain(|(_, class, slot)| {
                let fits = state.fits(*slot, *class);
                if fits {
                    state.place(*slot, *class);
                }
                !fits
            });
            if out.len() == before {
                break;
            }
        }
        for (key, class, slot) in out {
            // It is off already: put it back for the moment, so that it is taken off as any other.
            if let Some(state) = &mut self.state {
                state.place(slot, class);
            }
            self.undecide(&key);
            self.queue.insert(Name::clone(&key));
            self.delta.withdrawn.push(key);
            lost.insert(class);
        }
        lost
    }

    /// Queues the pods that had no place and may have one now. Whether only the scheduler can tell for some: pods with rules
    /// may have one together with others.
    fn try_left(&mut self) -> bool {
        let mut ask = false;
        let mut known: std::collections::BTreeMap<ClassId, bool> =
            std::collections::BTreeMap::new();
        let keys: Vec<Name> = self.left.keys().cloned().collect();
        for key in keys {
            let simple = self
                .position(&key)
                .is_some_and(|at| super::state::is_simple(&self.snapshot.pods[at]));
            let hope = match (self.class_at(&key), &mut self.state) {
                (Some(class), Some(state)) if !simple || !state.is_plain(class) => {
                    ask = true;
                    false
                }
                (Some(class), Some(state)) => *known.entry(class).or_insert_with(|| {
                    state.find(class).is_some() || state.cheapest(class).is_some()
                }),
                // What cannot be placed whatever happens has no class.
                _ => false,
            };
            if hope {
                self.left.remove(&key);
                self.queue.insert(key);
            }
        }
        ask
    }

    /// Places the queue by itself if no plan could do better: all on free room, or one pod alone on one node. Why not, if
    /// not; nothing has changed then.
    fn place_all(&mut self) -> Result<(), &'static str> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let respects = self.snapshot.options.preference_policy == PreferencePolicy::Respect;
        let mut pods: Vec<(Name, ClassId)> = Vec::with_capacity(self.queue.len());
        for key in &self.queue {
            let Some(at) = self.position(key) else {
                continue;
            };
            let pod = &self.snapshot.pods[at];
            if !super::state::is_simple(pod) {
                return Err(
                    "pods with volumes, gangs and what is not supported are not followed one by one",
                );
            }
            if respects && prefers(pod) {
                return Err("preferences choose among whole plans");
            }
            let class = self.rows[at].class;
            pods.push((
                Name::clone(key),
                class.ok_or("a pod that cannot be placed")?,
            ));
        }
        let Some(state) = &mut self.state else {
            return Err("nothing is compiled");
        };
        if respects && self.soft_taints {
            return Err("preferences choose among whole plans");
        }
        let priority = |class: ClassId| state.what.problem.classes[class].priority;
        pods.sort_by(|(a, x), (b, y)| {
            let by_value = state.value(*y).total_cmp(&state.value(*x));
            (priority(*y).cmp(&priority(*x)))
                .then(by_value)
                .then(x.cmp(y))
                .then_with(|| a.cmp(b))
        });
        let mut placed: Vec<(ClassId, Slot)> = Vec::with_capacity(pods.len());
        for (_, class) in &pods {
            let Some(slot) = state.find(*class) else {
                break;
            };
            state.place(slot, *class);
            placed.push((*class, slot));
        }
        if placed.len() < pods.len() {
            for (class, slot) in placed.iter().rev() {
                state.unplace(*slot, *class);
            }
            let [(key, class)] = &pods[..] else {
                return Err("several pods do not fit free room");
            };
            let option = state
                .cheapest(*class)
                .ok_or("no room and no offering for a pod")?;
            let (key, class) = (Name::clone(key), *class);
            let id = self.open(option, None);
            let Some(slot) = self.claims.get(&id).map(|open| open.slot) else {
                return Err("the claim that was opened");
            };
            if let Some(state) = &mut self.state {
                state.place(slot, class);
            }
            self.decide(key, class, slot, Target::Claim(id));
            return Ok(());
        }
        for ((key, class), (_, slot)) in pods.into_iter().zip(placed) {
            let Some(target) = self.target_of(slot) else {
                continue;
            };
            self.decide(key, class, slot, target);
        }
        Ok(())
    }

    /// What the slot is called.
    pub(super) fn target_of(&self, slot: Slot) -> Option<Target> {
        match self.names.get(slot.at()) {
            Some(name) => Some(Target::Node(Name::clone(name))),
            None => self.claim_at.get(&slot).map(|id| Target::Claim(*id)),
        }
    }

    /// Opens a claim of `option`.
    pub(super) fn open(&mut self, option: OptionId, planned: Option<PlannedClaim>) -> ClaimId {
        let id = ClaimId(self.next_claim);
        self.next_claim += 1;
        if let Some(state) = &mut self.state {
            let slot = state.buy(option);
            let key = state.key_of(option);
            let chosen = state.chosen(option);
            self.claim_at.insert(slot, id);
            let open = OpenClaim {
                slot,
                key,
                chosen,
                touched: planned.is_none(),
                planned,
                pods: Vec::new(),
            };
            self.claims.insert(id, open);
            self.delta.opened.push(id);
        }
        id
    }

    /// Notes that the pod `key`, counted on `slot` already, goes to `target`.
    pub(super) fn decide(&mut self, key: Name, class: ClassId, slot: Slot, target: Target) {
        self.queue.remove(&key);
        self.left.remove(&key);
        if let Some(at) = self.position(&key) {
            self.rows[at].stand = Stand::Placed(slot);
            self.rows[at].class = Some(class);
        }
        if self
            .state
            .as_ref()
            .is_some_and(|state| !state.is_plain(class))
        {
            self.ruled
                .entry(class)
                .or_default()
                .insert(Name::clone(&key));
            // What stands here now may let others in.
            self.grown |= !self.left.is_empty();
        }
        match &target {
            Target::Node(node) => {
                let pods = self.existing.entry(Name::clone(node)).or_default();
                pods.push(Name::clone(&key));
            }
            Target::Claim(id) => {
                if let Some(open) = self.claims.get_mut(id) {
                    open.pods.push(Name::clone(&key));
                    open.touched = true;
                    self.delta.changed.push(*id);
                }
            }
        }
        self.decided.insert(Name::clone(&key), target.clone());
        self.delta.placed.push((key, target));
    }

    /// Gives up claims that no pod is left on.
    pub(super) fn close_empty(&mut self) {
        let touched: Vec<ClaimId> = self.delta.changed.clone();
        for id in touched {
            if self
                .claims
                .get(&id)
                .is_some_and(|open| open.pods.is_empty())
            {
                self.close(id);
            }
        }
    }

    /// Gives up a claim without pods.
    pub(super) fn close(&mut self, id: ClaimId) {
        if let (Some(open), Some(state)) = (self.claims.remove(&id), &mut self.state) {
            self.claim_at.remove(&open.slot);
            state.close(open.slot);
            self.delta.closed.push(id);
        }
    }
}

/// Whether the pod would rather be in one place than in another.
fn prefers(pod: &Pod) -> bool {
    let affinity = &pod.spec.affinity;
    !affinity.node_preferred.is_empty()
        || !affinity.pod_preferred.is_empty()
        || !affinity.anti_preferred.is_empty()
        || pod
            .spec
            .topology_spread
            .iter()
            .any(|spread| spread.when_unsatisfiable == WhenUnsatisfiable::ScheduleAnyway)
}
