//! The end of a rehearsal: has all come right in time, is anything leaked, is everything gone, are the books right?

use super::checks::Violation;
use super::driver::{Act, Driver};
use super::world::market;
use crate::base::time::Span;
use crate::model::resources::Name;
use crate::provisioning::Input;

/// By when after the trouble all must have come right, if no group waits for a MinCount and no pool has to start its nodes
/// one after another.
const PATIENCE: Span = Span::from_secs(2 * 3600);
/// How much longer for each time that a pool has to wait for free places: a node's start, after a try that came to nothing.
const ROUND: Span = Span::from_secs(12 * 60);
/// How much longer where a group may wait for its MinCount: until HyperPod rolls back (H-34).
const MIN_COUNT: Span = Span::from_secs(3 * 3600);
/// By when after that all must be gone; a group that waits for its MinCount lets nothing be deleted.
const PATIENCE_AT_THE_END: Span = Span::from_secs(4 * 3600);

impl Driver {
    /// From time to time: has all come right?
    pub(super) fn look_around(&mut self) -> Result<bool, Violation> {
        match self.act {
            Act::Storm => Ok(false),
            Act::Calm(since) => {
                let waiting = self.without_node();
                if waiting.is_none() && self.has_settled() {
                    self.figures.slowest = self.now.since(since);
                    self.clean_up()?;
                } else if self.now.since(since) > self.patience() {
                    let (pod, why) = waiting.unwrap_or_else(|| {
                        (
                            Name::from("nobody"),
                            "nodes are still on their way".to_owned(),
                        )
                    });
                    return Err(Violation::Unfulfilled(pod, self.patience(), why));
                }
                Ok(false)
            }
            Act::CleanUp(since) => {
                let left = self.machine.nodes().count();
                let ours = self.checks.ours.keys();
                let wanted = ours.filter(|id| self.world.fake.is_wanted(id)).count();
                if left == 0 && wanted == 0 {
                    self.settle_up()?;
                    return Ok(true);
                }
                if self.now.since(since) > PATIENCE_AT_THE_END {
                    return Err(Violation::Left(format!(
                        "{left} nodes in the machine, {wanted} in the fake"
                    )));
                }
                Ok(false)
            }
        }
    }

    /// A pod that has no node and should: limits do not forbid it.
    fn without_node(&self) -> Option<(Name, String)> {
        let placed = self.placed();
        self.pods
            .keys()
            .find(|pod| {
                !placed.contains(pod) && !self.withdrawn.contains(*pod) && !self.is_forbidden(pod)
            })
            .map(|pod| {
                let why = self.refused.get(pod);
                (Name::clone(pod), format!("{why:?}"))
            })
    }

    /// Whether no node is on its way, but for pods that limits keep out of every market with capacity: for those the
    /// others are probed for ever.
    fn has_settled(&self) -> bool {
        let mut starting = self.machine.nodes().filter(|node| node.is_in_flight());
        starting
            .all(|node| !node.pods.is_empty() && node.pods.iter().all(|pod| self.is_forbidden(pod)))
    }

    /// Whether limits forbid the pod every market of its pool that has capacity.
    fn is_forbidden(&self, pod: &Name) -> bool {
        let pool = self.pods.get(pod).and_then(|at| self.world.pools.get(*at));
        let (Some(pool), Some(refused)) = (pool, self.refused.get(pod)) else {
            return false;
        };
        let wet = pool.offerings.iter().map(market);
        wet.filter(|market| self.world.wet.contains(market))
            .all(|market| refused.get(&market) == Some(&true))
    }

    /// By when after the trouble all must have come right.
    fn patience(&self) -> Span {
        let rounds = i64::try_from(self.world.rounds).unwrap_or(0);
        let min_count = i64::from(self.world.has_min_count);
        let millis =
            PATIENCE.as_millis() + ROUND.as_millis() * rounds + MIN_COUNT.as_millis() * min_count;
        Span::from_millis(millis)
    }

    fn clean_up(&mut self) -> Result<(), Violation> {
        self.act = Act::CleanUp(self.now);
        let mut config = self.world.config.clone();
        for pool in &mut config.pools {
            pool.deleted = true;
        }
        for class in &mut config.classes {
            class.deleted = true;
        }
        self.world.config = config.clone();
        self.give(Input::Config(Box::new(config)))
    }

    /// Everything is gone: finalizers too, and the books are right once all events are known.
    fn settle_up(&mut self) -> Result<(), Violation> {
        for event in self.world.fake.event_log().to_vec() {
            self.machine.handle(Input::Event(event), self.now);
        }
        self.drain()?;
        if let Some(pool) = self
            .world
            .config
            .pools
            .iter()
            .find(|p| !self.released.contains(&p.name))
        {
            return Err(Violation::Left(format!("the finalizer of {}", pool.name)));
        }
        let billed = self
            .checks
            .ledger(&self.machine, &self.world.fake, self.now)?;
        self.figures.billed = billed;
        Ok(())
    }
}
