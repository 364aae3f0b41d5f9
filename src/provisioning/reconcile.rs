//! Configuration taken over, statuses computed, deleted pools and classes cleared away (rows 14 and 17).

use std::collections::{BTreeMap, BTreeSet};

use super::conditions;
use super::config::Config;
use super::guards::Pool;
use super::ids::{NodeId, PoolId};
use super::machine::{Machine, Timer};
use super::output::Output;
use crate::model::resources::Name;

impl Machine {
    /// Takes over pools, classes, groups and limits. O(groups + pools), and O(nodes) where capacities or patience change.
    pub(super) fn configure(&mut self, config: Config) {
        let resized = config.types != self.state.config.types;
        let patience = self.patience_changes(&config);
        for pool in &mut self.state.pools {
            pool.configured = false;
        }
        for pool in &config.pools {
            let id = self.intern_pool(&pool.name);
            if let Some(known) = self.pool_mut(id) {
                known.configured = true;
                known.config = pool.clone();
            }
        }
        self.state.config = config;
        let config = &self.state.config;
        let deleted = |key: &Name| {
            let pools = config.pools.iter().filter(|pool| pool.deleted);
            let classes = config.classes.iter().filter(|class| class.deleted);
            pools
                .map(|pool| release_key("NodePool", &pool.name))
                .chain(classes.map(|class| release_key("HyperpodNodeClass", &class.name)))
                .any(|of| of == *key)
        };
        self.state.released.retain(deleted);
        self.index_groups();
        if resized {
            self.recount();
        }
        if patience {
            let nodes: Vec<NodeId> = self.state.nodes.keys().copied().collect();
            for id in nodes {
                self.rearm(id);
            }
        }
        self.reconcile();
    }

    /// Whether a timer of a node would be set otherwise by `config`.
    fn patience_changes(&self, config: &Config) -> bool {
        let old = &self.state.config;
        (old.call_backoff, old.missing_grace) != (config.call_backoff, config.missing_grace)
            || config.pools.iter().any(|pool| {
                let id = self.index.by_pool_name.get(&pool.name);
                id.and_then(|id| self.pool(*id)).is_some_and(|known| {
                    (known.config.deadlines, known.config.repair_after)
                        != (pool.deadlines, pool.repair_after)
                })
            })
    }

    /// Brings statuses, deleted pools and finalizers in line with what is known.
    pub(super) fn reconcile(&mut self) {
        let now = self.state.now;
        self.index_gaps();
        let mut documents =
            conditions::documents(&self.state.config, self.state.cluster.as_ref(), now);
        let before: BTreeMap<_, _> = self
            .state
            .statuses
            .iter()
            .map(|d| ((d.kind.clone(), Name::clone(&d.name)), d))
            .collect();
        let mut changed = Vec::new();
        for document in &mut documents {
            let key = (document.kind.clone(), Name::clone(&document.name));
            if conditions::carry_over(document, before.get(&key).copied()) {
                changed.push(document.clone());
            }
        }
        self.state.statuses = documents;
        for document in changed {
            self.emit(Output::Status(document));
        }
        if self.blocker().is_some() {
            // What has no node needs no call.
            self.release();
            return;
        }
        let closed: BTreeSet<PoolId> = (0..)
            .zip(&self.state.pools)
            .filter(|(_, pool)| pool.is_closed())
            .map(|(id, _)| PoolId(id))
            .collect();
        if closed.is_empty() {
            return;
        }
        let orders: Vec<_> = self
            .state
            .orders
            .iter()
            .filter(|(_, order)| closed.contains(&order.pool))
            .map(|(id, order)| (*id, order.retry_at()))
            .collect();
        let nodes: Vec<NodeId> = self
            .state
            .nodes
            .values()
            .filter(|node| closed.contains(&node.pool) && !node.is_leaving())
            .map(|node| node.id)
            .collect();
        for id in nodes {
            if self.detach(id).is_none() {
                self.replan_node(id);
            }
            self.leave(id, "its NodePool is being deleted (row 17)", None);
        }
        // In line they find their pool closed and go back to the planner.
        for (id, retry) in orders {
            if let Some(at) = retry {
                self.index.timers.remove(&(at, Timer::Order(id)));
            }
            self.try_next(id);
        }
        self.release();
    }

    /// Lets finalizers go of deleted pools without nodes and of deleted classes that no pool refers to (row 17).
    pub(super) fn release(&mut self) {
        let pools: Vec<Name> = self
            .state
            .pools
            .iter()
            .filter(|pool| pool.config.deleted && pool.live == 0)
            .map(|pool| Name::clone(&pool.config.name))
            .collect();
        let classes = self.state.config.classes.iter().filter(|class| {
            class.deleted
                && !self
                    .state
                    .pools
                    .iter()
                    .any(|pool| refers(pool, &class.name))
        });
        let classes: Vec<Name> = classes.map(|class| Name::clone(&class.name)).collect();
        for (kind, names) in [("NodePool", pools), ("HyperpodNodeClass", classes)] {
            for name in names {
                if self.state.released.insert(release_key(kind, &name)) {
                    self.emit(Output::Release {
                        kind: kind.into(),
                        name,
                    });
                }
            }
        }
    }
}

fn release_key(kind: &str, name: &Name) -> Name {
    Name::from(format!("{kind}/{name}"))
}

fn refers(pool: &Pool, class: &Name) -> bool {
    pool.config.node_class == *class && (pool.live > 0 || (pool.configured && !pool.config.deleted))
}
