//! How large the made clusters are, and what occurs in them.

/// How large a made cluster may be, and which features may occur in it. Everything counts as "at most".
///
/// ```
/// use tetrapod::kit::Knobs;
/// let mut knobs = Knobs::plain();
/// knobs.taints = true;
/// assert!(!knobs.topology);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Knobs {
    /// Deployments.
    pub workloads: usize,
    /// Replicas of each.
    pub replicas: u32,
    /// Nodes that exist, all managed by a NodeClaim.
    pub nodes: usize,
    /// NodePools, at least one.
    pub node_pools: usize,
    /// Instance types, at least one.
    pub instance_types: usize,
    /// DaemonSets.
    pub daemon_sets: usize,
    /// Taints of NodePools, with tolerations of pods.
    pub taints: bool,
    /// Node selectors on zones and capacity types.
    pub selectors: bool,
    /// Topology spread, pod affinity and anti-affinity.
    pub topology: bool,
    /// Claims whose volume is in one zone.
    pub volumes: bool,
    /// GPUs of types and pods.
    pub gpus: bool,
    /// Host ports.
    pub host_ports: bool,
    /// Limits of NodePools on CPU or on nodes.
    pub limits: bool,
    /// Spot offerings.
    pub spot: bool,
    /// Priorities.
    pub priorities: bool,
    /// PodDisruptionBudgets.
    pub disruption_budgets: bool,
}

impl Knobs {
    /// Sizes as by default and no feature: pods of CPU and memory on untainted nodes.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            taints: false,
            selectors: false,
            topology: false,
            volumes: false,
            gpus: false,
            host_ports: false,
            limits: false,
            spot: false,
            priorities: false,
            disruption_budgets: false,
            ..Self::default()
        }
    }

    /// The same with at most `nodes` nodes.
    #[must_use]
    pub fn with_nodes(self, nodes: usize) -> Self {
        Self { nodes, ..self }
    }

    /// The same with at most `workloads` Deployments of at most `replicas` pods.
    #[must_use]
    pub fn with_workloads(self, workloads: usize, replicas: u32) -> Self {
        Self {
            workloads,
            replicas,
            ..self
        }
    }
}

impl Default for Knobs {
    /// Up to five Deployments of up to four pods on up to three nodes, with every feature.
    fn default() -> Self {
        Self {
            workloads: 5,
            replicas: 4,
            nodes: 3,
            node_pools: 3,
            instance_types: 4,
            daemon_sets: 2,
            taints: true,
            selectors: true,
            topology: true,
            volumes: true,
            gpus: true,
            host_ports: true,
            limits: true,
            spot: true,
            priorities: true,
            disruption_budgets: true,
        }
    }
}
