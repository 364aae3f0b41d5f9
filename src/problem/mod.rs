//! Fourth floor: the compiled form of a snapshot. Dense ids, integer vectors, bit sets; immutable.
//!
//! Names stay behind in [`Symbols`]; the solver sees numbers only. The tables and what they mean:
//!
//! * a **class** is a group of pods that no rule can tell apart (requests, selectors, tolerations, ports, priority, rules
//!   between pods), or a part of one that is pinned to a domain, or a **bundle** of pods that must share a node;
//! * a **term** is one alternative of what pods ask of a node, a **signature** a list of terms with tolerations;
//! * a **pair** is one NodePool with one instance type of its node class;
//! * an **option** is a pair with one offering: a node that can be bought, in one zone, one capacity type, at one price;
//! * a **room** is what such a node has for pods once its DaemonSet pods run;
//! * a **stock** is anything that options use up: a pool limit, a quota, a reservation, a price cap;
//! * a **state** is what a new node's still undecided labels may be; adding a pod moves to another state;
//! * a **node** is one that exists, with the room that is left on it.
//!
//! [`compile`] makes them from the [views](crate::view); [`topology`] settles the rules between pods.

pub mod classes;
pub mod compile;
pub mod gangs;
pub mod nodes;
pub mod options;
pub mod preferences;
pub mod selectors;
pub mod sets;
pub mod shelf;
mod stocks;
mod tables;
pub mod topology;
pub mod units;
pub mod whatif;

use std::sync::OnceLock;

use crate::base::bitset::BitSet;
use crate::base::index::IxVec;
use crate::model::options::MinValuesPolicy;
use crate::model::price::Price;

crate::ix! {
    /// A class of equal pods.
    ClassId;
    /// One alternative of what pods ask of a node.
    TermId;
    /// A list of alternatives with tolerations.
    SignatureId;
    /// A usable NodePool, in weight order.
    PoolId;
    /// A NodePool with an instance type.
    PairId;
    /// A way to buy a node.
    OptionId;
    /// A node that exists.
    NodeId;
    /// Something that options use up.
    StockId;
    /// What undecided labels may be.
    StateId;
    /// A set of options or nodes shared by classes.
    SetId;
    /// A node's room for pods, shared by options.
    RoomId;
    /// Pods that are placed as a whole or not at all.
    GangId;
}

/// The largest amount a resource vector holds. Larger requests count as this and fit nowhere; larger capacities count as
/// one less.
pub const AMOUNT_MAX: i64 = 1 << 61;

/// A class of equal pods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Class {
    /// How many pods wait.
    pub count: u32,
    /// Priority of the pods.
    pub priority: i32,
    /// What they ask of nodes.
    pub signature: SignatureId,
    /// Options that suit them, room apart.
    pub options: SetId,
    /// Existing nodes that suit them, room apart.
    pub nodes: SetId,
    /// Options that would suit them if there were no rules between pods: what lower bounds start from.
    pub anywhere: SetId,
    /// Nodes that would suit them if there were no rules between pods.
    pub any_node: SetId,
    /// Classes that cannot share a node with this one (host ports), itself among them where one node holds one pod.
    pub excludes: Option<BitSet<ClassId>>,
    /// Groups whose number on one node is limited (spread over host names).
    pub shares: Vec<HostShare>,
    /// What the place that the class is pinned to means for rules over domains.
    pub stands: Vec<Stand>,
    /// Pods of a lower phase are bound first: rules count only whom they have to count then ([`topology::phases`]).
    pub phase: u32,
    /// For a bundle of pods that must share a node: the classes of its pods with their counts. Empty otherwise.
    pub bundle: Vec<(ClassId, u32)>,
    /// Whether a rule between pods found no place for these pods: nothing suits them.
    pub held_back: bool,
    /// The gang its pods belong to (M-15).
    pub gang: Option<GangId>,
}

/// What pods pinned to a place mean for one rule over domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stand {
    /// The rule: a position in [`Problem::domain_rules`].
    pub rule: u32,
    /// The domain they stand in.
    pub value: u32,
    /// Whether they have the rule.
    pub owner: bool,
    /// Whether the rule has to count them ([`topology::phases`]).
    pub member: bool,
}

/// A rule over domains as numbers: what must still hold when some pods found no room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum DomainRule {
    /// Domains may differ by at most `max_skew` pods.
    Spread {
        /// Largest difference.
        max_skew: u32,
        /// With fewer domains the least counts as 0.
        min_domains: u32,
        /// Domains that count.
        eligible: Vec<bool>,
        /// Pods that run already, by domain.
        standing: Vec<u32>,
    },
    /// Some selected pod is in the domain.
    Affinity {
        /// Pods that run already, by domain.
        standing: Vec<u32>,
    },
    /// Nothing that missing pods could break: anti-affinity, and rules over host names.
    Settled,
}

/// How a class takes part in a group of pods whose number on one node is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HostShare {
    /// The group.
    pub group: u32,
    /// How many pods of the group one of the class is: 0 where it only sets a limit, more than 1 for a bundle.
    pub weight: u32,
    /// The limit its pods set, if they have the rule themselves.
    pub limit: Option<u32>,
}

impl Class {
    /// How many pods one of the class stands for.
    #[must_use]
    pub fn pods_each(&self) -> u64 {
        if self.bundle.is_empty() {
            1
        } else {
            self.bundle.iter().map(|(_, n)| u64::from(*n)).sum()
        }
    }
}

/// A way to buy a node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LaunchOption {
    /// Pool and type.
    pub pair: PairId,
    /// Pool.
    pub pool: PoolId,
    /// Position among the type's offerings.
    pub offering: u32,
    /// Room for pods: allocatable less DaemonSet pods.
    pub room: RoomId,
    /// Price per hour, if it is known.
    pub price: Option<Price>,
    /// The same as a float for bounds; 0 if it is not known.
    pub known_price: f64,
    /// What plans are compared by: the price, or for spot of unknown price the on-demand price of the same type; the
    /// node penalty comes on top elsewhere. `None` where nothing is known (M-9).
    pub estimate: Option<Price>,
    /// Estimate and node penalty as a float, for ratios; 1 where nothing is known. Plans are compared exactly.
    pub cost: f64,
    /// What one such node uses up.
    pub uses: Vec<(StockId, i128)>,
}

/// A NodePool with an instance type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pair {
    /// Pool.
    pub pool: PoolId,
    /// Position among the types of the pool's node class.
    pub instance_type: u32,
    /// What the undecided labels of such a node may be at first.
    pub state: StateId,
    /// Its options.
    pub options: std::ops::Range<u32>,
}

/// A requirement of a pool to keep several values of a key possible (S-55, M-6).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MinValues {
    /// How many distinct values.
    pub at_least: u32,
    /// Values of the key, numbered, by pair; pairs without values have an empty list.
    pub values: IxVec<PairId, Vec<u32>>,
    /// How many numbers occur.
    pub distinct: u32,
}

/// A usable pool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pool {
    /// Weight.
    pub weight: u32,
    /// Its options.
    pub options: BitSet<OptionId>,
    /// Its `minValues`, empty for most pools.
    pub min_values: Vec<MinValues>,
}

/// What a stock stands for, so that a refusal can be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StockKind {
    /// A limit of a pool: pool and resource name.
    PoolLimit(String, String),
    /// A limit of a group of pools: group and resource name.
    GroupLimit(String, String),
    /// The quota of an instance type.
    TypeQuota(String),
    /// The quota of all instances of the cluster or account.
    InstanceQuota,
    /// A reservation.
    Reservation(String),
    /// The price limit of a pool.
    PoolPrice(String),
    /// The price limit of the plan.
    PlanPrice,
}

/// Something that options use up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stock {
    /// What it stands for.
    pub kind: StockKind,
    /// What is left: nano-units of a resource, instances, or 10^-15 dollars.
    pub left: i128,
}

/// A node that exists.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeRow {
    /// Position in the node view.
    pub view: u32,
}

/// Moves between label states: `moves[state][term]` is the state after a pod with that alternative joins.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct States {
    /// `None` where the pod cannot join. States without undecided labels have an empty row: nothing changes them.
    pub moves: IxVec<StateId, Vec<Option<StateId>>>,
}

impl States {
    /// The state after a pod with `term` joins.
    #[inline]
    #[must_use]
    pub fn after(&self, state: StateId, term: TermId) -> Option<StateId> {
        use crate::base::index::Ix as _;
        let row = &self.moves[state];
        if row.is_empty() {
            Some(state)
        } else {
            row.get(term.at()).copied().flatten()
        }
    }

    /// Whether labels are still undecided in `state`.
    #[inline]
    #[must_use]
    pub fn is_open(&self, state: StateId) -> bool {
        !self.moves[state].is_empty()
    }
}

/// The compiled problem.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Problem {
    /// Number of resources: the width of every vector.
    pub dims: usize,
    /// Pod classes in a fixed order (see [`classes`]).
    pub classes: IxVec<ClassId, Class>,
    /// Requests by class, `dims` wide.
    pub demand: Vec<i64>,
    /// Alternatives by signature.
    pub signatures: IxVec<SignatureId, Vec<TermId>>,
    /// Options that one alternative suits; read only where labels are undecided.
    pub term_options: IxVec<TermId, BitSet<OptionId>>,
    /// Sets of options shared by classes.
    pub option_sets: IxVec<SetId, BitSet<OptionId>>,
    /// Sets of nodes shared by classes.
    pub node_sets: IxVec<SetId, BitSet<NodeId>>,
    /// Pools in weight order.
    pub pools: IxVec<PoolId, Pool>,
    /// Pools with types.
    pub pairs: IxVec<PairId, Pair>,
    /// Ways to buy a node.
    pub options: IxVec<OptionId, LaunchOption>,
    /// Room vectors, `dims` wide.
    pub rooms: Vec<i64>,
    /// Stocks.
    pub stocks: IxVec<StockId, Stock>,
    /// Label states.
    pub states: States,
    /// Existing nodes.
    pub nodes: IxVec<NodeId, NodeRow>,
    /// Free room by node, `dims` wide.
    pub node_rooms: Vec<i64>,
    /// Rules over domains.
    pub domain_rules: Vec<DomainRule>,
    /// Pods of limited groups that stand on nodes already.
    pub standing: std::collections::BTreeMap<(NodeId, u32), u32>,
    /// Gangs, those to serve first in front.
    pub gangs: IxVec<GangId, gangs::Gang>,
    /// What each node costs beside its bill (M-1).
    pub node_penalty: Price,
    /// What happens when `minValues` cannot be met.
    pub min_values_policy: MinValuesPolicy,
    /// What pods prefer; `None` where nothing is preferred, or it is ignored (S-75).
    pub preferences: Option<preferences::Preferences>,
}

impl Problem {
    /// Requests of one pod of `class`.
    #[inline]
    #[must_use]
    pub fn demand_of(&self, class: ClassId) -> &[i64] {
        use crate::base::index::Ix as _;
        &self.demand[class.at() * self.dims..][..self.dims]
    }

    /// Room of a fresh node of `room`.
    #[inline]
    #[must_use]
    pub fn room_of(&self, room: RoomId) -> &[i64] {
        use crate::base::index::Ix as _;
        &self.rooms[room.at() * self.dims..][..self.dims]
    }

    /// Free room of an existing node.
    #[inline]
    #[must_use]
    pub fn node_room_of(&self, node: NodeId) -> &[i64] {
        use crate::base::index::Ix as _;
        &self.node_rooms[node.at() * self.dims..][..self.dims]
    }

    /// Options that suit `class`, room apart.
    #[inline]
    #[must_use]
    pub fn options_of(&self, class: ClassId) -> &BitSet<OptionId> {
        &self.option_sets[self.classes[class].options]
    }

    /// Existing nodes that suit `class`, room apart.
    #[inline]
    #[must_use]
    pub fn nodes_of(&self, class: ClassId) -> &BitSet<NodeId> {
        &self.node_sets[self.classes[class].nodes]
    }

    /// Whether one pod of `class` fits a fresh node of `option`, stocks apart.
    #[must_use]
    pub fn holds_one(&self, option: OptionId, class: ClassId) -> bool {
        self.options_of(class).contains(option)
            && fits(
                self.demand_of(class),
                self.room_of(self.options[option].room),
            )
    }
}

/// Whether `demand` fits `room` in every resource.
#[inline]
#[must_use]
pub fn fits(demand: &[i64], room: &[i64]) -> bool {
    demand.iter().zip(room).all(|(need, have)| need <= have)
}

/// How many times `demand` fits `room`; `u32::MAX` when nothing is asked for.
#[inline]
#[must_use]
pub fn fit_count(demand: &[i64], room: &[i64]) -> u32 {
    let mut count = i64::from(u32::MAX);
    for (need, have) in demand.iter().zip(room) {
        if *need > *have {
            return 0;
        }
        if *need > 0 {
            count = count.min(have / need);
        }
    }
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The largest share that `demand` takes of any resource of `room`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "shares are ratios")]
pub fn largest_share(demand: &[i64], room: &[i64]) -> f64 {
    let shares = demand
        .iter()
        .zip(room)
        .filter(|(need, _)| **need > 0)
        .map(|(need, have)| *need as f64 / *have as f64);
    shares.fold(0.0, f64::max)
}

/// Names behind the dense ids.
#[derive(Debug)]
#[non_exhaustive]
pub struct Symbols {
    /// Positions of the pods of each class in the snapshot, in binding order.
    pub pods: IxVec<ClassId, Vec<u32>>,
    /// Pods that cannot be placed whatever happens, with the reason: positions in the snapshot.
    pub refused: Vec<(u32, crate::explain::reason::Reason)>,
    /// What one pod of each class asks for.
    pub requests: IxVec<ClassId, std::sync::Arc<crate::model::resources::ResourceList>>,
    /// What DaemonSet pods take of each room.
    pub daemons: IxVec<RoomId, crate::model::resources::ResourceList>,
    /// Which rules between pods each class has: a position in `rule_texts`.
    pub rules_of: IxVec<ClassId, usize>,
    /// The rules between pods in words, by what [`rules_of`](Self::rules_of) says; the first is "none".
    pub rule_texts: Vec<Vec<String>>,
    /// The likings of [`Problem::preferences`] in words.
    pub likings: Vec<String>,
    /// The pod rules of [`Problem::preferences`] in words.
    pub soft_rules: Vec<String>,
    /// Names of the resources, in the order of the vectors.
    pub resources: Vec<crate::model::resources::Name>,
    /// Made when it is first asked for: most questions do not.
    shelf: OnceLock<shelf::Shelf>,
}

impl Symbols {
    /// The options of `problem`, of which these are the names, as what a claim may list is found. The first call numbers
    /// them, O(options log options).
    pub fn shelf(&self, views: &compile::Views<'_>, problem: &Problem) -> &shelf::Shelf {
        self.shelf.get_or_init(|| shelf::Shelf::new(views, problem))
    }
}
