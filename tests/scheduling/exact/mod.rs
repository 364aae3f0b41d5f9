//! Tiny problems and their optimum, found by trying everything. Written from the rules alone; nothing of the solver is
//! used.

#![allow(unreachable_pub, reason = "a module of the test")]

use tetrapod::base::rng::Rng;
use tetrapod::model::label;
use tetrapod::model::taint::{Taint, TaintEffect, Toleration};

use crate::toy::{World, host_port, is};

const ARCH: [&str; 2] = ["amd64", "arm64"];

/// CPU, memory in Gi, GPUs.
type Amounts = [u64; 3];

#[derive(Debug, Clone, Copy)]
struct Pod {
    asks: Amounts,
    arch: Option<usize>,
    tolerates: bool,
    /// Pods with a port exclude each other.
    port: bool,
}

/// A type or an existing node.
#[derive(Debug, Clone, Copy)]
struct Place {
    has: Amounts,
    arch: usize,
    tainted: bool,
    /// In cents; 0 for existing nodes.
    price: u64,
}

/// A problem of at most seven pods, four types and two existing nodes.
#[derive(Debug)]
pub struct Tiny {
    pods: Vec<Pod>,
    types: Vec<Place>,
    nodes: Vec<Place>,
    /// On the CPU of the pool without taint.
    limit: Option<u64>,
    /// CPU of the one DaemonSet, which tolerates everything.
    daemon: u64,
}

/// Pods left out, then price in cents.
pub type Cost = (usize, u64);

fn pick(rng: &mut Rng, items: &[u64]) -> u64 {
    *rng.choose(items).unwrap()
}

impl Tiny {
    pub fn random(rng: &mut Rng) -> Self {
        let mut count = |most: u64| 1 + usize::try_from(rng.below(most)).unwrap();
        let (pods, types, nodes) = (count(7), count(4), count(6).saturating_sub(4));
        let with_gpu = rng.below(3) == 0;
        let arm = rng.below(3) == 0;
        let gpus = |rng: &mut Rng, some: &[u64]| if with_gpu { pick(rng, some) } else { 0 };
        let place = |rng: &mut Rng| {
            let has = [
                pick(rng, &[4, 8, 8, 12, 16]),
                pick(rng, &[8, 16, 32, 64]),
                gpus(rng, &[0, 1, 4]),
            ];
            // About what it holds, so that no type is always best.
            let price = has[0] * 5 + has[1] * 2 / 3 + has[2] * 60 + rng.below(20);
            let arch = if arm {
                usize::from(rng.below(3) == 0)
            } else {
                0
            };
            Place {
                has,
                arch,
                tainted: rng.below(4) == 0,
                price,
            }
        };
        let types: Vec<Place> = (0..types).map(|_| place(rng)).collect();
        let nodes = (0..nodes)
            .map(|_| Place {
                price: 0,
                ..place(rng)
            })
            .collect();
        let ports = rng.below(3) == 0;
        let pods = (0..pods)
            .map(|_| Pod {
                asks: [
                    pick(rng, &[1, 2, 3, 3, 4, 5, 6, 7]),
                    pick(rng, &[1, 2, 4, 8, 14]),
                    gpus(rng, &[0, 0, 1, 2]),
                ],
                arch: (arm && rng.below(2) == 0).then(|| usize::from(rng.below(2) == 0)),
                tolerates: rng.below(2) == 0,
                port: ports && rng.below(2) == 0,
            })
            .collect();
        let limit = (rng.below(3) == 0).then(|| pick(rng, &[8, 16, 24]));
        let daemon = if rng.below(3) == 0 { 1 } else { 0 };
        Self {
            pods,
            types,
            nodes,
            limit,
            daemon,
        }
    }

    pub fn has_nodes(&self) -> bool {
        !self.nodes.is_empty()
    }

    pub fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    /// The same problem as a snapshot.
    pub fn world(&self) -> World {
        let amounts = |a: Amounts| {
            let gpus = if a[2] > 0 {
                format!(" nvidia.com/gpu={}", a[2])
            } else {
                String::new()
            };
            format!("cpu={} memory={}Gi{gpus}", a[0], a[1])
        };
        let taint = || Taint::new("dedicated", "", TaintEffect::NoSchedule);
        let mut world = World::bare();
        for (pool, tainted) in [("open", false), ("tainted", true)] {
            let names: Vec<String> = (0..self.types.len())
                .filter(|at| self.types[*at].tainted == tainted)
                .map(|at| format!("t{at}"))
                .collect();
            let pool = world.pool(pool);
            let mut only = is(label::INSTANCE_TYPE, "none");
            if !names.is_empty() {
                only.values = names.iter().map(|name| name.as_str().into()).collect();
            }
            pool.requirements = vec![only];
            if tainted {
                pool.taints = vec![taint()];
            } else if let Some(limit) = self.limit {
                pool.limits = crate::toy::resources(&limit.to_string());
            }
        }
        for (at, place) in self.types.iter().enumerate() {
            let price = format!("{}.{:02}", place.price / 100, place.price % 100);
            world
                .instance_type(&format!("t{at}"), &amounts(place.has), &price)
                .requirements = vec![is(label::ARCH, ARCH[place.arch])];
        }
        for (at, place) in self.nodes.iter().enumerate() {
            let node = world.node(&format!("n{at}"), &amounts(place.has));
            node.labels.set(label::ARCH, ARCH[place.arch]);
            if place.tainted {
                node.taints = vec![taint()];
            }
        }
        for (at, pod) in self.pods.iter().enumerate() {
            let spec = world.pod(&format!("p{at}"), &amounts(pod.asks));
            if let Some(arch) = pod.arch {
                spec.node_selector.set(label::ARCH, ARCH[arch]);
            }
            if pod.tolerates {
                spec.tolerations = vec![Toleration::exists("dedicated")];
            }
            if pod.port {
                host_port(spec, 80);
            }
        }
        if self.daemon > 0 {
            world
                .daemon_set("agent", &self.daemon.to_string())
                .tolerations = vec![Toleration::everything()];
        }
        world
    }

    fn holds(&self, place: &Place, set: usize) -> bool {
        let mut left = place.has;
        // A node that the DaemonSet overfills keeps nothing for pods.
        left[0] = left[0].saturating_sub(self.daemon);
        let mut ports = 0;
        for (at, pod) in self.pods.iter().enumerate() {
            if set & (1 << at) == 0 {
                continue;
            }
            if pod.arch.is_some_and(|arch| arch != place.arch) || (place.tainted && !pod.tolerates)
            {
                return false;
            }
            for (left, asks) in left.iter_mut().zip(pod.asks) {
                match left.checked_sub(asks) {
                    Some(rest) => *left = rest,
                    None => return false,
                }
            }
            ports += usize::from(pod.port);
        }
        ports <= 1
    }

    /// The best cost over all ways to put pods on existing nodes and new ones.
    pub fn optimum(&self) -> Cost {
        let sets = 1 << self.pods.len();
        let by_set = |places: &[Place]| -> Vec<Vec<usize>> {
            (0..sets)
                .map(|set| {
                    (0..places.len())
                        .filter(|at| self.holds(&places[*at], set))
                        .collect()
                })
                .collect()
        };
        let search = Exhaustive {
            tiny: self,
            on_types: by_set(&self.types),
            on_nodes: by_set(&self.nodes),
        };
        let mut best = (usize::MAX, u64::MAX);
        search.place(
            sets - 1,
            0,
            self.limit.unwrap_or(u64::MAX),
            (0, 0),
            &mut best,
        );
        best
    }
}

struct Exhaustive<'t> {
    tiny: &'t Tiny,
    /// By set of pods: which types hold it.
    on_types: Vec<Vec<usize>>,
    on_nodes: Vec<Vec<usize>>,
}

impl Exhaustive<'_> {
    /// Places the first pod of `left` with every set of others, everywhere it can be.
    fn place(&self, left: usize, used_nodes: usize, limit: u64, cost: Cost, best: &mut Cost) {
        if cost >= *best {
            return;
        }
        if left == 0 {
            *best = cost;
            return;
        }
        let first = 1 << left.trailing_zeros();
        let others = left & !first;
        let mut set = others;
        loop {
            let node = set | first;
            for at in &self.on_nodes[node] {
                if used_nodes & (1 << at) == 0 {
                    self.place(left & !node, used_nodes | 1 << at, limit, cost, best);
                }
            }
            for at in &self.on_types[node] {
                let place = &self.tiny.types[*at];
                let rest = if place.tainted {
                    Some(limit)
                } else {
                    limit.checked_sub(place.has[0])
                };
                if let Some(rest) = rest {
                    let more = (cost.0, cost.1 + place.price);
                    self.place(left & !node, used_nodes, rest, more, best);
                }
            }
            if set == 0 {
                break;
            }
            set = (set - 1) & others;
        }
        self.place(left & !first, used_nodes, limit, (cost.0 + 1, cost.1), best);
    }
}
