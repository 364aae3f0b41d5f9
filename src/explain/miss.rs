//! Misses: what one type or node fails, ordered by nearness and merged where it is the same.

use std::collections::BTreeMap;

use super::check::{Book, Check, CheckId};
use super::reason::Code;

/// The shortage of a check that is not about amounts: as if everything was missing.
pub(super) const WHOLE: u32 = 1_000_000;
/// The shortage of a resource that is not there at all.
pub(super) const ABSENT: u32 = 2_000_000;

/// What one type or node fails.
#[derive(Debug, Clone)]
pub(super) struct Miss {
    /// Position of the type or node.
    pub(super) member: usize,
    pub(super) fails: Vec<CheckId>,
    /// The sum of its shortages in millionths of what is asked.
    pub(super) shortage: u32,
}

/// Members that fail the same checks.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) fails: Vec<CheckId>,
    /// Nearest first.
    pub(super) members: Vec<usize>,
    pub(super) shortage: u32,
}

impl Merged {
    /// Fewest failing checks first, then the smallest shortage.
    pub(super) fn rank(&self) -> (usize, u32) {
        (self.fails.len(), self.shortage)
    }

    /// The code of the one check that fails, or [`Code::Several`].
    pub(super) fn code(&self, book: &Book) -> Code {
        let mut codes = self.fails.iter().map(|id| book.get(*id).code());
        match codes.next() {
            Some(first) if codes.all(|code| code == first) => first,
            Some(_) => Code::Several,
            None => Code::Competition,
        }
    }
}

/// The misses merged by what fails, nearest first; ties by size of the group, then by first member.
pub(super) fn merge(misses: impl IntoIterator<Item = Miss>) -> Vec<Merged> {
    let mut groups: BTreeMap<Vec<CheckId>, Vec<(u32, usize)>> = BTreeMap::new();
    for miss in misses {
        groups
            .entry(miss.fails)
            .or_default()
            .push((miss.shortage, miss.member));
    }
    let mut merged: Vec<Merged> = groups
        .into_iter()
        .map(|(fails, mut members)| {
            members.sort_unstable();
            Merged {
                fails,
                shortage: members.first().map_or(WHOLE, |(shortage, _)| *shortage),
                members: members.into_iter().map(|(_, member)| member).collect(),
            }
        })
        .collect();
    merged.sort_by(|a, b| {
        let size = b.members.len().cmp(&a.members.len());
        (a.rank().cmp(&b.rank()))
            .then(size)
            .then_with(|| a.members.first().cmp(&b.members.first()))
    });
    merged
}

/// The shortage of `have` against `need` in millionths.
pub(super) fn shortage(need: i128, have: i128, there: bool) -> u32 {
    if !there {
        return ABSENT;
    }
    let missing = need.saturating_sub(have.max(0)).max(0);
    let share = missing.saturating_mul(i128::from(WHOLE)) / need.max(1);
    u32::try_from(share).unwrap_or(WHOLE).min(WHOLE)
}

/// The shortage that a check without amounts stands for.
pub(super) fn flat_shortage(check: &Check) -> u32 {
    match check {
        Check::Stock(_) | Check::Taken => 0,
        Check::Short(_)
        | Check::Attach(_)
        | Check::Unavailable(_)
        | Check::Taint(_)
        | Check::NoTerm
        | Check::Named
        | Check::Label(_)
        | Check::Undefined(_)
        | Check::Volume(_)
        | Check::Offering(..)
        | Check::Negative
        | Check::Overfull
        | Check::Port(..) => WHOLE,
    }
}
