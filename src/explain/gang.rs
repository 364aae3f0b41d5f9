//! Why a gang is not placed (M-15).

use std::sync::Arc;

use super::reason::{Code, Reason};
use super::{Explained, Explainer};
use crate::base::index::Ix as _;
use crate::model::resources::Name;
use crate::problem::{ClassId, GangId};
use crate::solver::gangs::{Refusal, Verdict};
use crate::view::gangs::Gang;

impl Explainer<'_, '_> {
    /// Why the pods of `class` stay pending where their gang is not placed; `None` where no gang is to blame.
    pub fn of_gang(&mut self, class: ClassId, verdicts: &[Verdict]) -> Option<Explained> {
        let id = self.problem.classes[class].gang?;
        let refusal = verdicts.get(id.at())?.refusal.as_ref()?;
        let gang = self.views.gangs.gangs.get(id.at())?;
        let message = message(gang, refusal);
        let subject = format!("{} {}/{}", gang.source.as_str(), gang.namespace, gang.name);
        let summary = format!("{subject} {message}");
        let parts = self.missing(id, refusal);
        let reason = Reason::new(subject, Code::Gang, message).with_parts(parts);
        Some(Explained {
            code: Code::Gang,
            summary: Name::from(summary),
            reasons: Arc::new(vec![reason]),
        })
    }

    /// What kept those of the gang pending that found no place in the best attempt.
    fn missing(&self, id: GangId, refusal: &Refusal) -> Vec<Reason> {
        let Some(attempt) = &refusal.attempt else {
            return Vec::new();
        };
        let of_gang = |class: &&ClassId| self.problem.classes[**class].gang == Some(id);
        let left = attempt.unplaced.iter().map(|(class, _)| class);
        let Some(first) = left.clone().find(of_gang) else {
            return Vec::new();
        };
        let mut explainer = Explainer::new(self.views, self.problem, self.symbols, attempt);
        explainer.class(*first).reasons.to_vec()
    }
}

fn message(gang: &Gang, refusal: &Refusal) -> String {
    let Gang {
        minimum,
        running,
        seen,
        ..
    } = gang;
    let need = gang.need();
    let running = match running {
        0 => String::new(),
        n => format!(" ({n} run already)"),
    };
    if seen < minimum {
        return format!(
            "needs {minimum} pods and there are {seen}{running}: nothing is placed until the others exist or its minimum is lower"
        );
    }
    let keys: Vec<&str> = gang
        .units
        .iter()
        .filter(|unit| unit.required)
        .map(|unit| unit.key.as_ref())
        .collect();
    let domain = if keys.is_empty() {
        String::new()
    } else {
        format!(" in one domain of {}", keys.join(" and of "))
    };
    match &refusal.attempt {
        Some(_) => format!(
            "needs {minimum} pods at once{running}, and of {need} only {} find a place together{domain}; nothing is bought for a part of it",
            refusal.most
        ),
        None => format!(
            "needs {minimum} pods at once{running}{domain}, and other pods of this plan take the places of some"
        ),
    }
}
