//! Node contents that plans have used, each once.

use super::{Group, Target};
use crate::base::hash::FastMap;
use crate::problem::{ClassId, OptionId, Problem};

/// One node's content, with the cheapest option seen to hold it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pattern {
    /// How it is bought.
    pub option: OptionId,
    /// Pods by class, in the order of the classes.
    pub content: Vec<(ClassId, u32)>,
}

/// Contents seen so far, each once.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Pool {
    /// The contents in the order they were seen.
    pub patterns: Vec<Pattern>,
    most: usize,
    known: FastMap<Vec<(ClassId, u32)>, usize>,
}

impl Pool {
    /// A pool that remembers at most `most` contents: 0 where nobody will ask.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Remembers the new nodes of a plan.
    pub fn gather(&mut self, problem: &Problem, groups: &[Group]) {
        if self.patterns.len() >= self.most {
            return;
        }
        for group in groups {
            if let Target::Option(option) = group.target {
                self.insert(problem, option, &group.content);
            }
        }
    }

    /// Remembers one content; of equal ones the cheaper option stays.
    pub fn insert(&mut self, problem: &Problem, option: OptionId, content: &[(ClassId, u32)]) {
        let mut content = content.to_vec();
        content.sort_unstable();
        match self.known.get(&content) {
            Some(at) => {
                let held = &mut self.patterns[*at].option;
                let same_weight = weight_of(problem, option) == weight_of(problem, *held);
                if same_weight && problem.options[option].cost < problem.options[*held].cost {
                    *held = option;
                }
            }
            None if self.patterns.len() < self.most => {
                self.known.insert(content.clone(), self.patterns.len());
                self.patterns.push(Pattern { option, content });
            }
            None => {}
        }
    }
}

/// The weight of the pool that `option` is of.
#[must_use]
pub fn weight_of(problem: &Problem, option: OptionId) -> u32 {
    problem.pools[problem.options[option].pool].weight
}
