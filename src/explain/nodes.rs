//! Why existing nodes do not take a pod.

use super::check::{Check, CheckId};
use super::facts::Facts;
use super::miss::{Miss, WHOLE, flat_shortage, merge, shortage};
use super::pool::EXAMPLES;
use super::reason::{Code, Reason};
use super::text::{Among, counted};
use super::{Explainer, PodView, Suits};
use crate::model::resources::Name;
use crate::problem::classes::clash;

impl Explainer<'_, '_> {
    /// One reason for all existing nodes, nearest miss first; `None` without nodes. Nodes that take more pods of this
    /// class do not appear: there are none when a pod of it stays pending.
    pub(super) fn nodes_reason(&mut self, pod: &PodView<'_>, suits: &Suits) -> Option<Reason> {
        let facts = self.facts();
        let nodes = self.views.nodes.len();
        let misses: Vec<Miss> = (0..nodes)
            .map(|at| self.node_miss(&facts, at, pod, &suits.nodes[at]))
            .collect();
        let merged = merge(misses);
        let best = merged.first()?;
        let code = self.nodes_code(&best.fails);
        let text = |fails: &[CheckId], members: &[usize]| {
            self.fails_text(fails, pod, &Among::Nodes(&facts, members))
        };
        let name = |at: &usize| &self.views.nodes[*at].name;
        let all: Vec<&Name> = self.views.nodes.iter().map(|node| &node.name).collect();
        let mut parts: Vec<Reason> = merged
            .iter()
            .map(|group| {
                let names: Vec<&Name> = group.members.iter().map(name).collect();
                let mut part = Reason::new(
                    counted("Node", &names),
                    self.nodes_code(&group.fails),
                    text(&group.fails, &group.members),
                );
                part.count = names.len();
                if names.len() > 1 {
                    let examples = names.into_iter().take(EXAMPLES);
                    part.examples = examples.map(Name::clone).collect();
                }
                part
            })
            .collect();
        if merged.len() == 1 {
            return parts.pop();
        }
        let nearest = best.members.first().map(name);
        let message = match (merged.len(), nearest) {
            (1, _) | (_, None) => text(&best.fails, &best.members),
            (_, Some(nearest)) => {
                format!("nearest {nearest}: {}", text(&best.fails, &best.members))
            }
        };
        let mut reason = Reason::new(counted("Node", &all), code, message).with_parts(parts);
        reason.count = nodes;
        Some(reason)
    }

    fn nodes_code(&self, fails: &[CheckId]) -> Code {
        let mut codes = fails.iter().map(|id| self.book.get(*id).code());
        match codes.next() {
            Some(first) if codes.all(|code| code == first) => first,
            Some(_) => Code::Several,
            None => Code::Competition,
        }
    }

    pub(super) fn node_miss(
        &mut self,
        facts: &Facts<'_>,
        at: usize,
        pod: &PodView<'_>,
        suit: &[CheckId],
    ) -> Miss {
        let node = &self.views.nodes[at];
        let mut fails = suit.to_vec();
        let mut short = fails
            .iter()
            .map(|id| flat_shortage(self.book.get(*id)))
            .max()
            .unwrap_or(0);
        if node.is_destination() {
            let held = &self.views.node_use.ports[at];
            let clashes = |port: &&_| clash(std::slice::from_ref(*port), held);
            if let Some(port) = pod.ports.iter().find(clashes) {
                let check = Check::Port(port.clone(), "a pod or DaemonSet there".to_owned());
                fails.push(self.book.id(check));
                short = WHOLE;
            }
            for (resource, (need, have)) in pod.need.iter().zip(&facts.free[at]).enumerate() {
                if *need > 0 && need > have {
                    fails.push(self.book.id(self.short_check(resource)));
                    short = short.saturating_add(shortage(*need, *have, *have > 0));
                }
            }
        }
        if fails.is_empty() {
            // It had room before this plan; that none is left is what keeps the pod pending.
            fails.push(self.book.id(Check::Taken));
        }
        Miss {
            member: at,
            fails,
            shortage: short,
        }
    }
}
