//! Why: reason trees first, text second.
//!
//! [`Explainer`] answers for pods that stay pending. It reads the same [views](crate::view) that the problem was compiled
//! from and tests each pod class against every pool, type, offering and node again, this time to find *what* fails. What
//! fails the same way is merged, and the nearest miss (fewest failing checks, then the smallest shortage) comes first.
//! [`objects`] answers for nodes, pools, groups and pods that do have a place; [`render`] makes text of a tree.

mod check;
mod class;
mod facts;
mod gang;
mod hint;
mod miss;
mod nodes;
pub mod notes;
pub mod objects;
mod pool;
pub mod reason;
pub mod render;
mod text;
mod verdict;

use std::rc::Rc;
use std::sync::Arc;

use self::check::{Asked, Book, CheckId, Suit};
use self::facts::Facts;
use self::reason::{Code, Reason};
use crate::base::hash::FastMap;
use crate::base::index::{Ix as _, IxVec};
use crate::model::pod::HostPort;
use crate::model::resources::{Name, ResourceList};
use crate::plan::decode::stocks_after;
use crate::problem::compile::Views;
use crate::problem::{ClassId, Problem, SignatureId, StockId, Symbols};
use crate::solver::{Outcome, Target};
use crate::view::volumes::Volumes;

/// Why the pods of one class stay pending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The code of the nearest miss.
    pub code: Code,
    /// One sentence for people.
    pub summary: Name,
    /// One reason per usable NodePool, nearest miss first; then one for the existing nodes; then one per NodePool that
    /// cannot be used. Never empty.
    pub reasons: Arc<Vec<Reason>>,
}

/// What the solver decided, by node and by stock.
#[derive(Debug)]
struct Decided {
    /// What stocks hold after the plan.
    stocks: Vec<i128>,
    /// Nodes of the plan that use each stock.
    bought: IxVec<StockId, u64>,
    /// By position in the node view: the pods that the plan puts there.
    content: FastMap<usize, Vec<(ClassId, u32)>>,
}

impl Decided {
    fn new(problem: &Problem, outcome: &Outcome) -> Self {
        let mut bought = IxVec::filled(problem.stocks.len(), 0_u64);
        let mut content: FastMap<usize, Vec<(ClassId, u32)>> = FastMap::default();
        for group in &outcome.groups {
            match group.target {
                Target::Node(node) => content
                    .entry(problem.nodes[node].view as usize)
                    .or_default()
                    .extend(&group.content),
                Target::Option(option) => {
                    for (stock, _) in &problem.options[option].uses {
                        bought[*stock] += u64::from(group.times);
                    }
                }
            }
        }
        Self {
            stocks: stocks_after(problem, outcome),
            bought,
            content,
        }
    }
}

/// How everything suits the pods of one signature, room and host ports apart.
#[derive(Debug)]
struct Suits {
    /// By pool and type.
    pools: Vec<Vec<Suit>>,
    /// By position in the node view.
    nodes: Vec<Vec<CheckId>>,
    asked: Asked,
}

/// The pods of one class as they are tested.
#[derive(Debug)]
struct PodView<'p> {
    requests: &'p ResourceList,
    /// Nano-units in the order of the problem's resources.
    need: Vec<i128>,
    ports: Vec<HostPort>,
    class: ClassId,
}

/// Explains why pods stay pending, each class of equal pods once.
///
/// Making one is O(nodes of the outcome); the first question lays out pools x types x offerings; each class then costs
/// O(pools x types x resources + nodes x resources), and each new combination of selectors and tolerations once
/// O(pools x types x requirements + nodes x requirements).
#[derive(Debug)]
pub struct Explainer<'e, 'a> {
    views: &'e Views<'a>,
    problem: &'e Problem,
    symbols: &'e Symbols,
    decided: Decided,
    facts: Option<Rc<Facts<'a>>>,
    volumes: Option<Rc<Volumes<'a>>>,
    book: Book,
    suits: FastMap<SignatureId, Rc<Suits>>,
    known: IxVec<ClassId, Option<Explained>>,
}

impl<'e, 'a> Explainer<'e, 'a> {
    /// An explainer of what `outcome` leaves pending.
    #[must_use]
    pub fn new(
        views: &'e Views<'a>,
        problem: &'e Problem,
        symbols: &'e Symbols,
        outcome: &Outcome,
    ) -> Self {
        Self {
            views,
            problem,
            symbols,
            decided: Decided::new(problem, outcome),
            facts: None,
            volumes: None,
            book: Book::default(),
            suits: FastMap::default(),
            known: IxVec::filled(problem.classes.len(), None),
        }
    }

    /// Why pods of `class` stay pending. Computed once per class.
    pub fn class(&mut self, class: ClassId) -> &Explained {
        let explained = match self.known[class].take() {
            Some(explained) => explained,
            None => self.explain(class),
        };
        self.known[class].insert(explained)
    }

    fn facts(&mut self) -> Rc<Facts<'a>> {
        let (views, problem, symbols) = (self.views, self.problem, self.symbols);
        let make = || Rc::new(Facts::new(views, problem, symbols));
        Rc::clone(self.facts.get_or_insert_with(make))
    }

    fn pod_view(&self, class: ClassId) -> PodView<'e> {
        let requests = &self.symbols.requests[class];
        let first = self.first_pod(class);
        PodView {
            requests,
            need: self.need(class),
            ports: first.map(|pod| pod.spec.host_ports()).unwrap_or_default(),
            class,
        }
    }

    fn first_pod(&self, class: ClassId) -> Option<&'a crate::model::pod::Pod> {
        let snapshot = self.views.snapshot;
        let position = self.symbols.pods[class].first()?;
        snapshot.pods.get(*position as usize)
    }

    fn need(&self, class: ClassId) -> Vec<i128> {
        let requests = &self.symbols.requests[class];
        let amount = |name: &Name| requests.amount(name).as_nanos();
        self.symbols.resources.iter().map(amount).collect()
    }

    /// Nano-units free on the node at `at` of the view after this plan.
    fn free_after(&self, facts: &Facts<'_>, at: usize) -> Vec<i128> {
        let mut free = facts.free[at].clone();
        for (class, count) in self.decided.content.get(&at).into_iter().flatten() {
            for (left, need) in free.iter_mut().zip(self.need(*class)) {
                *left = left.saturating_sub(need.saturating_mul(i128::from(*count)));
            }
        }
        free
    }

    /// The name of the stock's limit and what of it is left, for messages.
    fn stock_left(&self, stock: StockId) -> i128 {
        self.decided.stocks[stock.at()]
    }
}
