//! The checks that a pod can fail, and which of them a type or node fails by its labels, taints and offerings.

use crate::base::hash::FastMap;
use crate::model::label;
use crate::model::pod::HostPort;
use crate::model::requirement::{Requirement, Requirements};
use crate::model::taint::{Taint, TaintEffect, Toleration};
use crate::problem::StockId;
use crate::view::nodes::ExistingNode;
use crate::view::pods::Term;
use crate::view::pools::{OFFERING_KEYS, absent_is_fine, labels_meet, offering_meets};

use super::facts::{Barred, Shape};
use super::reason::Code;

/// The key under which nodes that `kubectl cordon` closed are tainted.
const CORDONED: &str = "node.kubernetes.io/unschedulable";

/// Why no offering suits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lacking {
    /// None is in the places asked for.
    Elsewhere,
    /// Those that would suit are ruled out by the pool.
    ByPool,
    /// Those that would suit are not available now.
    Unavailable,
    /// Those that would suit are reservations without a free instance.
    Reservation,
}

/// A check that failed, without the figures that differ between types: what fails the same checks is merged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Check {
    Unavailable(&'static str),
    Taint(Taint),
    /// The required node affinity has no usable term.
    NoTerm,
    /// The alternative names nodes, and a new one has no name yet.
    Named,
    Label(Requirement),
    Undefined(Requirement),
    /// What the pod's volumes ask for.
    Volume(Requirement),
    Offering(Vec<Requirement>, Lacking),
    Negative,
    Overfull,
    /// A port and who holds it.
    Port(HostPort, String),
    /// Position among the problem's resources.
    Short(usize),
    /// As `Short`, of the volumes that a CSI driver attaches.
    Attach(usize),
    Stock(StockId),
    /// There was room before this plan.
    Taken,
}

/// The three kinds of checks that a type filter tells apart (S-138).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Requirement,
    Fit,
    Offering,
    Other,
}

impl Check {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::NoTerm | Self::Named | Self::Label(_) | Self::Undefined(_) | Self::Volume(_) => {
                Kind::Requirement
            }
            Self::Negative | Self::Overfull | Self::Port(..) | Self::Short(_) | Self::Attach(_) => {
                Kind::Fit
            }
            Self::Offering(..) => Kind::Offering,
            Self::Unavailable(_) | Self::Taint(_) | Self::Stock(_) | Self::Taken => Kind::Other,
        }
    }

    /// The code of this check; stocks are told apart by the caller.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) => Code::NodeUnavailable,
            Self::Taint(taint) if taint.key.as_ref() == CORDONED => Code::NodeUnavailable,
            Self::Taint(_) => Code::Taint,
            Self::NoTerm | Self::Named | Self::Label(_) => Code::RequirementConflict,
            Self::Undefined(_) => Code::UndefinedLabel,
            Self::Volume(_) | Self::Attach(_) => Code::Volume,
            Self::Offering(_, Lacking::Reservation) => Code::Reservation,
            Self::Offering(..) => Code::NoOffering,
            Self::Negative | Self::Short(_) => Code::InsufficientResources,
            Self::Overfull => Code::DaemonOverhead,
            Self::Port(..) => Code::HostPort,
            Self::Stock(_) => Code::Limit,
            Self::Taken => Code::Competition,
        }
    }
}

/// A check of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckId(usize);

/// Checks by number.
#[derive(Debug, Default)]
pub(super) struct Book {
    checks: Vec<Check>,
    ids: FastMap<Check, CheckId>,
}

impl Book {
    pub(super) fn id(&mut self, check: Check) -> CheckId {
        if let Some(id) = self.ids.get(&check) {
            return *id;
        }
        let id = CheckId(self.checks.len());
        self.checks.push(check.clone());
        self.ids.insert(check, id);
        id
    }

    pub(super) fn get(&self, id: CheckId) -> &Check {
        &self.checks[id.0]
    }
}

/// What a pod asks of nodes besides room.
#[derive(Debug)]
pub(super) struct Asked {
    /// Alternatives, volumes joined in.
    pub(super) terms: Vec<Term>,
    /// Alternatives without the volumes, where volumes ask for anything.
    pub(super) without_volumes: Option<Vec<Term>>,
    pub(super) tolerations: Vec<Toleration>,
}

impl Asked {
    /// The taints of `taints` that keep the pod away.
    pub(super) fn untolerated<'t>(&self, taints: &'t [Taint]) -> impl Iterator<Item = &'t Taint> {
        taints
            .iter()
            .filter(|taint| taint.effect != TaintEffect::PreferNoSchedule)
            .filter(|taint| !self.tolerations.iter().any(|t| t.tolerates(taint)))
    }
}

/// How a type suits a pod, room and host ports apart.
#[derive(Debug)]
pub(super) struct Suit {
    /// What fails; with nothing, `places` suit.
    pub(super) fails: Vec<CheckId>,
    /// Positions of the places that can be bought and suit.
    pub(super) places: Vec<usize>,
}

/// Tests one type of a pool. `defined` tells whether anything in the pool defines a label.
pub(super) fn suit(
    book: &mut Book,
    asked: &Asked,
    shape: &Shape<'_>,
    defined: &dyn Fn(&str) -> bool,
) -> Suit {
    let (mut fails, places) = by_terms(&asked.terms, shape, defined);
    if !fails.is_empty()
        && let Some(own) = &asked.without_volumes
        && by_terms(own, shape, defined).0.is_empty()
    {
        fails = fails.into_iter().flat_map(as_volume).collect();
    }
    fails.extend(asked.untolerated(shape.taints()).cloned().map(Check::Taint));
    Suit {
        fails: fails.into_iter().map(|check| book.id(check)).collect(),
        places,
    }
}

fn as_volume(check: Check) -> Vec<Check> {
    if let Check::Label(asked) | Check::Undefined(asked) = check {
        return vec![Check::Volume(asked)];
    }
    if let Check::Offering(asked, Lacking::Elsewhere | Lacking::ByPool) = &check
        && !asked.is_empty()
    {
        return asked.iter().cloned().map(Check::Volume).collect();
    }
    vec![check]
}

fn by_terms(
    terms: &[Term],
    shape: &Shape<'_>,
    defined: &dyn Fn(&str) -> bool,
) -> (Vec<Check>, Vec<usize>) {
    let mut suited = vec![false; shape.places.len()];
    let mut least: Option<Vec<Check>> = None;
    for term in terms {
        let (fails, places) = by_term(term, shape, defined);
        if fails.is_empty() {
            places.into_iter().for_each(|at| suited[at] = true);
        }
        if least.as_ref().is_none_or(|held| fails.len() < held.len()) {
            least = Some(fails);
        }
    }
    let places = (0..suited.len()).filter(|at| suited[*at]).collect();
    (least.unwrap_or_else(|| vec![Check::NoTerm]), places)
}

fn by_term(
    term: &Term,
    shape: &Shape<'_>,
    defined: &dyn Fn(&str) -> bool,
) -> (Vec<Check>, Vec<usize>) {
    let mut fails = Vec::new();
    if !term.names.is_empty() {
        fails.push(Check::Named);
    }
    let mut of_offering = Vec::new();
    for asked in term.requirements.iter() {
        if OFFERING_KEYS.contains(&asked.key().as_ref()) {
            of_offering.push(asked);
        } else if let Ok(labels) = &shape.labels
            && !labels_meet(labels, asked)
        {
            fails.push(if defined(asked.key()) {
                Check::Label(asked.clone())
            } else {
                Check::Undefined(asked.clone())
            });
        }
    }
    let meets = |at: &usize| {
        let offering = shape.places[*at].offering;
        of_offering
            .iter()
            .all(|asked| offering_meets(asked, offering))
    };
    let all: Vec<usize> = (0..shape.places.len()).filter(meets).collect();
    let open: Vec<usize> = all
        .iter()
        .copied()
        .filter(|at| shape.places[*at].option.is_ok())
        .collect();
    // A negative allocatable gives no options, which is its own failure and not one of offerings.
    if open.is_empty() && !shape.negative {
        let has = |barred| all.iter().any(|at| shape.places[*at].option == Err(barred));
        let why = if has(Barred::Reservation) {
            Lacking::Reservation
        } else if has(Barred::Unavailable) {
            Lacking::Unavailable
        } else if has(Barred::ByPool) {
            Lacking::ByPool
        } else {
            Lacking::Elsewhere
        };
        let asked = blocking(shape, &of_offering);
        fails.push(Check::Offering(asked, why));
    }
    (fails, open)
}

/// Of the requirements on offerings those that no open place meets; all of them where only their combination fails.
fn blocking(shape: &Shape<'_>, asked: &[&Requirement]) -> Vec<Requirement> {
    let met = |asked: &Requirement| {
        shape
            .places
            .iter()
            .filter(|place| place.option.is_ok())
            .any(|place| offering_meets(asked, place.offering))
    };
    let unmet: Vec<Requirement> = asked
        .iter()
        .filter(|asked| !met(asked))
        .map(|asked| (*asked).clone())
        .collect();
    if unmet.is_empty() {
        asked.iter().map(|asked| (*asked).clone()).collect()
    } else {
        unmet
    }
}

/// What keeps the pod off an existing node, room and ports apart.
pub(super) fn node_fails(book: &mut Book, asked: &Asked, node: &ExistingNode<'_>) -> Vec<CheckId> {
    let closed = if node.deleting {
        Some("being deleted")
    } else if node.unhealthy {
        Some("to be replaced or rebooted by HyperPod")
    } else {
        None
    };
    if let Some(state) = closed {
        return vec![book.id(Check::Unavailable(state))];
    }
    let mut fails: Vec<CheckId> = asked
        .untolerated(&node.taints)
        .map(|taint| book.id(Check::Taint(taint.clone())))
        .collect();
    let mut least = node_term_fails(&asked.terms, node);
    if !least.is_empty()
        && let Some(own) = &asked.without_volumes
        && node_term_fails(own, node).is_empty()
    {
        least = least.into_iter().flat_map(as_volume).collect();
    }
    fails.extend(least.into_iter().map(|check| book.id(check)));
    fails
}

fn node_term_fails(terms: &[Term], node: &ExistingNode<'_>) -> Vec<Check> {
    let of_term = |term: &Term| {
        let mut fails: Vec<Check> = unmet(&term.requirements, node).map(Check::Label).collect();
        if !term.name_meets(&node.name) {
            fails.push(Check::Named);
        }
        fails
    };
    terms
        .iter()
        .map(of_term)
        .min_by_key(Vec::len)
        .unwrap_or_else(|| vec![Check::NoTerm])
}

fn unmet<'r>(
    asked: &'r Requirements,
    node: &'r ExistingNode<'_>,
) -> impl Iterator<Item = Requirement> + 'r {
    asked
        .iter()
        .filter(|want| match node.labels.get(want.key()) {
            Some(value) => !want.has(value),
            None => !absent_is_fine(want),
        })
        .cloned()
}

/// Whether `key` counts as known without anything defining it (S-31).
pub(super) fn well_known(key: &str) -> bool {
    label::WELL_KNOWN.contains(&key) || OFFERING_KEYS.contains(&key) || key == label::HOSTNAME
}
