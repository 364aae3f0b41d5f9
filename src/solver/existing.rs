//! Free room on nodes that exist: used first, because it costs nothing.

use super::fill::Node;
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, NodeId, Problem, fits};

/// The existing nodes of a problem while they are being filled.
#[derive(Debug)]
#[non_exhaustive]
pub struct Existing {
    rooms: Vec<i64>,
    content: Vec<Vec<(ClassId, u32)>>,
    worth: Vec<f64>,
    order: Vec<(f64, NodeId)>,
}

impl Existing {
    /// Nothing placed yet.
    #[must_use]
    pub fn new(problem: &Problem) -> Self {
        Self {
            rooms: problem.node_rooms.clone(),
            content: vec![Vec::new(); problem.nodes.len()],
            worth: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Takes everything off again.
    pub fn reset(&mut self, problem: &Problem) {
        self.rooms.copy_from_slice(&problem.node_rooms);
        self.content.iter_mut().for_each(Vec::clear);
    }

    /// Takes up the state that `groups` describe.
    pub fn load(&mut self, problem: &Problem, groups: &[Group]) {
        self.reset(problem);
        for group in groups {
            let Target::Node(node) = group.target else {
                continue;
            };
            let room = &mut self.rooms[node.at() * problem.dims..][..problem.dims];
            for (class, count) in &group.content {
                for (left, need) in room.iter_mut().zip(problem.demand_of(*class)) {
                    *left -= need * i64::from(*count);
                }
            }
            self.content[node.at()].clone_from(&group.content);
        }
    }

    /// Places what fits, most valuable class first, each on the node whose room is worth least: a pod without a GPU does
    /// not take a GPU node's cores while others have some (W-4). `rates` says for each resource
    /// what a certain amount of it costs.
    pub fn fill(
        &mut self,
        problem: &Problem,
        classes: &[ClassId],
        remaining: &mut [u32],
        rates: &[(f64, i64)],
        node: &mut Node,
    ) {
        let dims = problem.dims;
        if problem.nodes.is_empty() {
            return;
        }
        self.worth.clear();
        self.worth.extend(
            self.rooms
                .chunks(dims.max(1))
                .map(|room| worth(room, rates)),
        );
        for class in classes.iter().copied() {
            if remaining[class.at()] == 0 {
                continue;
            }
            let demand = problem.demand_of(class);
            self.order.clear();
            for id in problem.nodes_of(class).iter() {
                node.work += 1;
                if fits(demand, &self.rooms[id.at() * dims..][..dims]) {
                    self.order.push((self.worth[id.at()], id));
                }
            }
            self.order
                .sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            for (_, id) in &self.order {
                let left = &mut remaining[class.at()];
                if *left == 0 {
                    break;
                }
                let room = &mut self.rooms[id.at() * dims..][..dims];
                node.resume(problem, Target::Node(*id), room, &self.content[id.at()]);
                let added = node.add(problem, class, *left, 0.0);
                if added > 0 {
                    *left -= added;
                    room.copy_from_slice(&node.room);
                    self.content[id.at()].clone_from(&node.content);
                    self.worth[id.at()] = worth(room, rates);
                }
            }
        }
    }

    /// The nodes that got pods.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        self.content
            .iter()
            .enumerate()
            .filter(|(_, content)| !content.is_empty())
            .map(|(at, content)| Group {
                target: Target::Node(NodeId::new(at)),
                content: content.clone(),
                times: 1,
            })
    }
}

#[expect(clippy::cast_precision_loss, reason = "worth is a weighing")]
fn worth(room: &[i64], rates: &[(f64, i64)]) -> f64 {
    room.iter()
        .zip(rates)
        .map(|(amount, (cost, whole))| *amount as f64 / *whole as f64 * cost)
        .sum()
}
