//! What is said of a NodePool that does not take a pod: the category that applies first, in words.

use super::check::{Check, CheckId, Kind, Lacking};
use super::facts::Facts;
use super::miss::{Merged, Miss};
use super::pool::stock_code;
use super::reason::Code;
use super::text::Among;
use super::{Explainer, PodView};
use crate::base::index::Ix as _;
use crate::model::options::MinValuesPolicy;
use crate::model::requirement::Requirement;
use crate::model::resources::Name;
use crate::problem::PoolId;
use crate::solver::holds::{distinct_values, holders};

impl Explainer<'_, '_> {
    /// Code and message of a pool whose own taints are tolerated, and the nearest type: S-138 and S-139 in order.
    pub(super) fn verdict(
        &self,
        facts: &Facts<'_>,
        pool: usize,
        pod: &PodView<'_>,
        misses: &[Miss],
        merged: &[Merged],
    ) -> (Code, String, Option<Name>) {
        let Some(best) = merged.first() else {
            return (Code::NoInstanceTypes, String::new(), None);
        };
        if let Some(found) = self.min_values(pool, pod, best) {
            return found;
        }
        if let Some((code, message)) = self.pool_conflict(pool, misses) {
            return (code, message, None);
        }
        let code = self.code_of(misses, best);
        let within = |group: &&Merged| group.code(&self.book) == code;
        let shown = merged.iter().find(within).unwrap_or(best);
        let among = Among::Types(facts, pool, &shown.members);
        let text = self.fails_text(&shown.fails, pod, &among);
        let shorts = |id: &CheckId| matches!(self.book.get(*id), Check::Short(_));
        let message = if shown.fails.iter().all(shorts) && !shown.fails.is_empty() {
            format!("no instance type has enough: {text}")
        } else {
            text
        };
        let nearest = shown
            .members
            .first()
            .map(|at| Name::clone(&facts.shapes[pool][*at].instance_type.name));
        (code, message, nearest)
    }

    /// S-55: the types that hold the pod are too alike.
    pub(super) fn min_values(
        &self,
        pool: usize,
        pod: &PodView<'_>,
        best: &Merged,
    ) -> Option<(Code, String, Option<Name>)> {
        let id = PoolId::new(pool);
        let strict = self.problem.min_values_policy == MinValuesPolicy::Strict;
        let stock = |id: &CheckId| matches!(self.book.get(*id), Check::Stock(_));
        if !strict || !best.fails.iter().all(stock) || self.problem.pools[id].min_values.is_empty()
        {
            return None;
        }
        let holding = holders(self.problem, id, &[(pod.class, 1)]);
        let have = distinct_values(self.problem, id, &holding);
        let keys = self.views.pools.templates[pool]
            .requirements
            .iter()
            .filter(|asked| asked.min_values().is_some_and(|least| least > 0));
        let unmet: Vec<String> = keys
            .zip(&self.problem.pools[id].min_values)
            .zip(have)
            .filter(|((_, rule), have)| *have < rule.at_least)
            .map(|((asked, rule), have)| {
                format!(
                    "minValues of {} is {}, and the instance types that hold the pod have {have}",
                    asked.key(),
                    rule.at_least
                )
            })
            .collect();
        (!unmet.is_empty()).then(|| (Code::MinValues, unmet.join("; "), None))
    }

    /// What the pool itself, whatever the type, has against the pod (S-139).
    fn pool_conflict(&self, pool: usize, misses: &[Miss]) -> Option<(Code, String)> {
        let (first, rest) = misses.split_first()?;
        let common = first
            .fails
            .iter()
            .filter(|id| rest.iter().all(|miss| miss.fails.contains(id)));
        let mut found: Vec<(Code, String)> = Vec::new();
        for check in common.map(|id| self.book.get(*id)) {
            let text = match check {
                Check::Undefined(asked) => Some(self.undefined_text(asked)),
                Check::Label(asked) | Check::Volume(asked) => self.pool_offers(pool, asked),
                Check::Offering(asked, Lacking::Elsewhere | Lacking::ByPool) => {
                    asked.iter().find_map(|asked| self.pool_offers(pool, asked))
                }
                Check::NoTerm | Check::Named => Some(self.plain_text(check)),
                Check::Offering(..)
                | Check::Unavailable(_)
                | Check::Taint(_)
                | Check::Negative
                | Check::Overfull
                | Check::Port(..)
                | Check::Short(_)
                | Check::Attach(_)
                | Check::Stock(_)
                | Check::Taken => None,
            };
            let Some(text) = text else { continue };
            let code = if check.kind() == Kind::Offering {
                Code::RequirementConflict
            } else {
                check.code()
            };
            found.push((code, text));
        }
        // A label that nothing sets comes first, as it does in S-30.
        found.sort_by_key(|(code, _)| *code != Code::UndefinedLabel);
        let code = found.first()?.0;
        let texts: Vec<String> = found.into_iter().map(|(_, text)| text).collect();
        Some((code, texts.join("; ")))
    }

    /// The conflict between `asked` and the pool's own requirement or label of that key, if that is what it is.
    fn pool_offers(&self, pool: usize, asked: &Requirement) -> Option<String> {
        let template = &self.views.pools.templates[pool];
        let key = asked.key();
        let own =
            crate::model::requirement::Requirements::from_labels(&template.pool.template_labels);
        let fixed = |name: &str| {
            Requirement::new(
                key,
                crate::model::requirement::Operator::In,
                [Name::from(name)],
            )
        };
        let held = if key.as_ref() == crate::model::label::NODE_POOL {
            fixed(&template.pool.name)
        } else if key.as_ref() == template.pool.node_class_ref.label_key() {
            fixed(&template.pool.node_class_ref.name)
        } else {
            own.get(key)
                .or_else(|| template.requirements.get(key))?
                .clone()
        };
        (!held.accepts(asked) || asked.is_empty_set()).then(|| {
            format!(
                "the pod asks {asked}, the NodePool offers {held}{}",
                self.value_hint(asked, held.values().iter().map(AsRef::as_ref))
            )
        })
    }

    /// The category of S-138 that applies first.
    fn code_of(&self, misses: &[Miss], best: &Merged) -> Code {
        let kinds = |fails: &[CheckId]| -> Vec<Kind> {
            fails.iter().map(|id| self.book.get(*id).kind()).collect()
        };
        let single = best.code(&self.book);
        let stock = |id: &CheckId| match self.book.get(*id) {
            Check::Stock(stock) => Some(*stock),
            Check::Unavailable(_)
            | Check::Taint(_)
            | Check::NoTerm
            | Check::Named
            | Check::Label(_)
            | Check::Undefined(_)
            | Check::Volume(_)
            | Check::Offering(..)
            | Check::Negative
            | Check::Overfull
            | Check::Port(..)
            | Check::Short(_)
            | Check::Attach(_)
            | Check::Taken => None,
        };
        if let Some(stock) = best.fails.iter().find_map(stock) {
            return stock_code(&self.problem.stocks[stock].kind);
        }
        if matches!(
            single,
            Code::Competition | Code::Taint | Code::HostPort | Code::DaemonOverhead
        ) {
            return single;
        }
        let met: Vec<[bool; 3]> = misses
            .iter()
            .map(|miss| {
                let failed = kinds(&miss.fails);
                [Kind::Requirement, Kind::Fit, Kind::Offering].map(|kind| !failed.contains(&kind))
            })
            .collect();
        let never: Vec<usize> = (0..3)
            .filter(|at| !met.iter().any(|row| row[*at]))
            .collect();
        let named = |kind| self.named_code(best, kind);
        match never.as_slice() {
            [0] => return named(Kind::Requirement),
            [1] => return named(Kind::Fit),
            [2] => return named(Kind::Offering),
            [] => {}
            _ => return Code::Several,
        }
        let some = |row: [bool; 3]| met.contains(&row);
        if some([true, true, false]) {
            named(Kind::Offering)
        } else if some([false, true, true]) {
            named(Kind::Requirement)
        } else if some([true, false, true]) {
            named(Kind::Fit)
        } else {
            Code::Several
        }
    }

    /// The code for a kind of check, as near as the best miss tells it.
    fn named_code(&self, best: &Merged, kind: Kind) -> Code {
        let mut codes = best
            .fails
            .iter()
            .map(|id| self.book.get(*id))
            .filter(|check| check.kind() == kind)
            .map(Check::code);
        let usual = match kind {
            Kind::Requirement => Code::RequirementConflict,
            Kind::Fit => Code::InsufficientResources,
            Kind::Offering => Code::NoOffering,
            Kind::Other => Code::Several,
        };
        match codes.next() {
            Some(first) if codes.all(|code| code == first) => first,
            _ => usual,
        }
    }
}
