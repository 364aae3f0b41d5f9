//! Making room for pods that wait: a pod that can stand elsewhere moves there.
//!
//! Constructions place pods one after the other; where not all fit, one with many places may have taken the only place of
//! another. Here one pod at a time moves for each that waits.

use super::construct::{Built, Workshop, room_left};
use super::{Group, Target};
use crate::base::index::Ix as _;
use crate::problem::{ClassId, NodeId, Problem, fits};

/// Most inner steps spent on one plan.
const MOST_STEPS: u64 = 200_000;

impl Workshop<'_> {
    /// Places pods that wait in the place of others that move to a node with room, highest priority first. Buys nothing.
    /// O(waiting classes x nodes x their classes x nodes), bounded by a number of steps.
    pub fn make_room(&mut self, built: &mut Built) {
        let problem = self.problem;
        let mut waiting: Vec<ClassId> = problem
            .classes
            .ids()
            .filter(|class| built.remaining[class.at()] > 0)
            .collect();
        waiting.sort_by_key(|class| (std::cmp::Reverse(problem.classes[*class].priority), *class));
        let end = self.node.work.saturating_add(MOST_STEPS);
        // Nodes without new pods are destinations too.
        let mut used = vec![false; problem.nodes.len()];
        for group in &built.groups {
            if let Target::Node(node) = group.target {
                used[node.at()] = true;
            }
        }
        let empty = (0..used.len()).filter(|at| !used[*at]).map(|at| Group {
            target: Target::Node(NodeId::new(at)),
            content: Vec::new(),
            times: 1,
        });
        built.groups.extend(empty);
        for class in waiting {
            while built.remaining[class.at()] > 0
                && self.node.work < end
                && self.admit(built, class, end)
            {
                built.remaining[class.at()] -= 1;
            }
        }
        built.groups.retain(|group| !group.content.is_empty());
    }

    /// Places one pod of `class` where another can move away.
    fn admit(&mut self, built: &mut Built, class: ClassId, end: u64) -> bool {
        let problem = self.problem;
        for at in 0..built.groups.len() {
            if !suits(problem, class, built.groups[at].target) {
                continue;
            }
            for held in 0..built.groups[at].content.len() {
                if self.node.work >= end {
                    return false;
                }
                let Some(with) = self.exchanged(&built.groups[at], held, class) else {
                    continue;
                };
                let (mover, _) = built.groups[at].content[held];
                let other = (0..built.groups.len()).find_map(|to| {
                    let content = (to != at).then(|| self.with_one(&built.groups[to], mover))?;
                    Some((to, content?))
                });
                let Some((to, content)) = other else { continue };
                change_one(&mut built.groups, to, content);
                change_one(&mut built.groups, at, with);
                return true;
            }
        }
        false
    }

    /// What `group` holds with one pod of `class` in place of one of the class at `held`, if that is allowed.
    fn exchanged(
        &mut self,
        group: &Group,
        held: usize,
        class: ClassId,
    ) -> Option<Vec<(ClassId, u32)>> {
        let mut content = group.content.clone();
        content[held].1 -= 1;
        content.retain(|(_, count)| *count > 0);
        self.with_one(&Group { content, ..*group }, class)
    }

    /// What `group` holds with one more pod of `class`, if that is allowed.
    fn with_one(&mut self, group: &Group, class: ClassId) -> Option<Vec<(ClassId, u32)>> {
        let problem = self.problem;
        self.node.work += 1;
        if !suits(problem, class, group.target) {
            return None;
        }
        let room = match group.target {
            Target::Option(option) => room_left(problem, option, &group.content),
            Target::Node(node) => room_of(problem, node, &group.content),
        };
        if !fits(problem.demand_of(class), &room) {
            return None;
        }
        self.node
            .resume(problem, group.target, &room, &group.content);
        (self.node.add(problem, class, 1, 0.0) == 1).then(|| self.node.content.clone())
    }
}

fn suits(problem: &Problem, class: ClassId, target: Target) -> bool {
    match target {
        Target::Option(option) => problem.options_of(class).contains(option),
        Target::Node(node) => problem.nodes_of(class).contains(node),
    }
}

fn room_of(problem: &Problem, node: NodeId, content: &[(ClassId, u32)]) -> Vec<i64> {
    let mut room = problem.node_rooms[node.at() * problem.dims..][..problem.dims].to_vec();
    for (class, count) in content {
        for (left, need) in room.iter_mut().zip(problem.demand_of(*class)) {
            *left -= need * i64::from(*count);
        }
    }
    room
}

/// Gives one of the equal nodes at `at` new `content`.
fn change_one(groups: &mut Vec<Group>, at: usize, content: Vec<(ClassId, u32)>) {
    if groups[at].times > 1 {
        let rest = Group {
            times: groups[at].times - 1,
            ..groups[at].clone()
        };
        groups.push(rest);
    }
    groups[at].times = 1;
    groups[at].content = content;
}
