//! Which pods have capacity coming, so that none is bought for twice (M-11).

use serde::{Deserialize, Serialize};

use super::ids::OrderId;
use super::machine::Machine;
use super::orders::Step;
use crate::base::time::{Span, Timestamp};
use crate::model::resources::Name;

/// How long it is remembered that pods got a node, for plans made from older snapshots.
pub(super) const PLAN_AGE_MAX: Span = Span::from_secs(15 * 60);

/// What a pod has coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cover {
    /// An order.
    Order(OrderId),
    /// A node that became ready then.
    Ready(Timestamp),
}

impl Machine {
    /// Notes what `pod` has coming.
    pub(super) fn cover(&mut self, pod: &Name, cover: Cover) {
        self.uncover(pod);
        self.state.covers.insert(Name::clone(pod), cover);
        if let Cover::Ready(at) = cover {
            self.index.ready_covers.insert((at, Name::clone(pod)));
        }
    }

    /// Nothing is coming for `pod` any more.
    pub(super) fn uncover(&mut self, pod: &Name) {
        if let Some(Cover::Ready(at)) = self.state.covers.remove(pod) {
            self.index.ready_covers.remove(&(at, Name::clone(pod)));
        }
    }

    /// Forgets nodes that every plan to come has seen in its snapshot.
    pub(super) fn forget_old_covers(&mut self) {
        let now = self.state.now;
        while let Some((at, _)) = self.index.ready_covers.first()
            && now.since(*at) >= PLAN_AGE_MAX
            && let Some((_, pod)) = self.index.ready_covers.pop_first()
        {
            self.state.covers.remove(&pod);
        }
    }

    /// Those of `pods` that nothing is coming for, and how often they have been handed back; orders that only wait to be
    /// tried again give theirs up.
    pub(super) fn uncovered(&mut self, pods: &[Name], made_at: Timestamp) -> (Vec<Name>, u32) {
        let mut returns = 0;
        let mut left = Vec::with_capacity(pods.len());
        for pod in pods {
            match self.state.covers.get(pod).copied() {
                Some(Cover::Ready(at)) if at > made_at => {}
                Some(Cover::Order(id)) => {
                    if let Some(order) = self.state.orders.get(&id)
                        && matches!(order.step, Step::HandedBack(_))
                    {
                        returns = returns.max(order.returns);
                        self.drop_pod(id, pod);
                        left.push(Name::clone(pod));
                    }
                }
                Some(Cover::Ready(_)) | None => left.push(Name::clone(pod)),
            }
        }
        (left, returns)
    }

    /// These pods need no node any more.
    pub(super) fn withdraw(&mut self, pods: &[Name]) {
        for pod in pods {
            match self.state.covers.get(pod).copied() {
                Some(Cover::Order(id)) => self.drop_pod(id, pod),
                Some(Cover::Ready(_)) => self.uncover(pod),
                None => {}
            }
        }
    }
}
