//! The built-in catalogue: facts on all 209 instance types of the SageMaker API's `ClusterInstanceType` (H-64), and
//! what a node of each offers to pods.
//!
//! Capacity and overhead follow the formula of Karpenter's AWS provider for Amazon Linux 2023, with HyperPod's pod
//! numbers (M-14). Nothing public states HyperPod's own figures; an `InstanceTypes` document overrides all of this.
//! Prices are HyperPod's on-demand list prices of us-east-1 as far as they are public; the others are unknown and stay
//! so (M-9).

mod accelerated;
mod compute;
mod general;
mod memory;

use super::mig::Slices;
use crate::model::instance_type::InstanceType;
use crate::model::label;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::requirement::{Operator, RequirementSpec};
use crate::model::resources::{
    CPU, EPHEMERAL_STORAGE, MEMORY, NVIDIA_GPU, Name, PODS, ResourceList,
};

/// Trainium and Inferentia devices.
pub const NEURON: &str = "aws.amazon.com/neuron";
/// Cores of Trainium and Inferentia devices.
pub const NEURON_CORE: &str = "aws.amazon.com/neuroncore";
/// Elastic Fabric Adapter interfaces.
pub const EFA: &str = "vpc.amazonaws.com/efa";

/// Region whose list prices the catalogue holds.
pub const PRICE_REGION: &str = "us-east-1";

/// What the instance-type labels' keys start with. The names behind it are those of Karpenter's AWS provider:
/// `instance-category`, `instance-family`, `instance-size`, `instance-cpu` (vCPUs), `instance-memory` (MiB),
/// `instance-local-nvme` (GB), `instance-gpu-name`, `-gpu-manufacturer`, `-gpu-count`, `-gpu-memory` (MiB each),
/// `instance-accelerator-name`, `-accelerator-manufacturer`, `-accelerator-count`. HyperPod does not document its own
/// (H-16), so a pod that must run there should not rely on them.
pub const LABEL_PREFIX: &str = "karpenter.sagemaker.amazonaws.com/instance-";

const UNKNOWN: &str = "";

/// CPU architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// 64-bit Arm: Graviton and Grace.
    Arm64,
}

impl Arch {
    /// The value of the label `kubernetes.io/arch`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Kind of an accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AcceleratorKind {
    /// NVIDIA GPU.
    Gpu,
    /// AWS Trainium.
    Neuron,
}

/// The accelerators of an instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accelerator {
    /// Kind.
    pub kind: AcceleratorKind,
    /// Model, such as `h100`.
    pub name: &'static str,
    /// How many devices.
    pub count: u32,
    /// Memory of each device in MiB.
    pub memory_mib: u32,
    /// Neuron cores of all devices, 0 for GPUs.
    pub neuron_cores: u32,
}

impl Accelerator {
    /// The extended resource that counts the devices.
    #[must_use]
    pub const fn resource(&self) -> &'static str {
        match self.kind {
            AcceleratorKind::Gpu => NVIDIA_GPU,
            AcceleratorKind::Neuron => NEURON,
        }
    }
}

/// Facts on an instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeFacts {
    /// Name with HyperPod's prefix, such as `ml.g5.12xlarge`.
    pub name: &'static str,
    /// Architecture.
    pub arch: Arch,
    /// Virtual CPUs with all threads on.
    pub vcpus: u32,
    /// Physical cores.
    pub cores: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Local NVMe in decimal GB; 0 where there is none or it is not known.
    pub local_nvme_gb: u32,
    /// Pods per node on HyperPod (M-14): H-62, else the IPv4 addresses of one network interface less one. For
    /// ml.p6e-gb200.36xlarge, whose interface is not published, the 49 of every other large accelerated type.
    pub max_pods: u32,
    /// EFA interfaces.
    pub efa_interfaces: u32,
    /// Accelerators.
    pub accelerator: Option<Accelerator>,
    price: &'static str,
}

const fn row(
    name: &'static str,
    arch: Arch,
    vcpus: u32,
    cores: u32,
    memory_mib: u32,
    local_nvme_gb: u32,
    max_pods: u32,
    price: &'static str,
) -> TypeFacts {
    TypeFacts {
        name,
        arch,
        vcpus,
        cores,
        memory_mib,
        local_nvme_gb,
        max_pods,
        efa_interfaces: 0,
        accelerator: None,
        price,
    }
}

const fn accelerated(
    name: &'static str,
    arch: Arch,
    vcpus: u32,
    cores: u32,
    memory_mib: u32,
    local_nvme_gb: u32,
    max_pods: u32,
    price: &'static str,
    efa_interfaces: u32,
    accelerator: Accelerator,
) -> TypeFacts {
    let plain = row(
        name,
        arch,
        vcpus,
        cores,
        memory_mib,
        local_nvme_gb,
        max_pods,
        price,
    );
    TypeFacts {
        accelerator: Some(accelerator),
        ..plain.efa(efa_interfaces)
    }
}

const fn gpu(name: &'static str, count: u32, memory_mib: u32) -> Accelerator {
    Accelerator {
        kind: AcceleratorKind::Gpu,
        name,
        count,
        memory_mib,
        neuron_cores: 0,
    }
}

const fn neuron(name: &'static str, count: u32, memory_mib: u32, neuron_cores: u32) -> Accelerator {
    Accelerator {
        kind: AcceleratorKind::Neuron,
        name,
        count,
        memory_mib,
        neuron_cores,
    }
}

/// All types, by family and size within a category.
pub fn all() -> impl Iterator<Item = &'static TypeFacts> {
    let tables: [&'static [TypeFacts]; 4] = [
        &general::TABLE,
        &compute::TABLE,
        &memory::TABLE,
        &accelerated::TABLE,
    ];
    tables.into_iter().flatten()
}

/// The facts on `name`, which carries the prefix `ml.`; `None` if HyperPod has no such type. O(types).
///
/// ```
/// use tetrapod::hyperpod::catalog::{self, NodeSettings};
/// let facts = catalog::find("ml.g5.12xlarge").unwrap();
/// let node = facts.instance_type(&NodeSettings::default());
/// assert_eq!(node.allocatable().amount("cpu").to_string(), "47810m");
/// assert_eq!(facts.price(), "7.09".parse().ok());
/// ```
#[must_use]
pub fn find(name: &str) -> Option<&'static TypeFacts> {
    all().find(|facts| facts.name == name)
}

/// What a group's configuration changes about its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeSettings {
    /// Threads per core, 1 or 2; `None` is the type's default.
    pub threads_per_core: Option<u32>,
    /// Pods per node; `None` is the catalogue's number (M-14).
    pub max_pods: Option<u32>,
    /// Partition of every GPU; `None` leaves GPUs whole.
    pub mig: Option<Slices>,
    /// Root volume in GiB, Karpenter's default 20. Local NVMe is not counted: where a node puts the kubelet's files is
    /// up to the group's lifecycle script.
    pub root_volume_gib: u32,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            threads_per_core: None,
            max_pods: None,
            mig: None,
            root_volume_gib: 20,
        }
    }
}

impl TypeFacts {
    const fn efa(self, efa_interfaces: u32) -> Self {
        Self {
            efa_interfaces,
            ..self
        }
    }

    /// HyperPod's on-demand price per hour in us-east-1, where it is public.
    #[must_use]
    pub fn price(&self) -> Option<Price> {
        self.price.parse().ok()
    }

    /// Family, such as `g5`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.parts().0
    }

    /// Size, such as `12xlarge`.
    #[must_use]
    pub fn size(&self) -> &'static str {
        self.parts().1
    }

    fn parts(&self) -> (&'static str, &'static str) {
        let name = self.name.strip_prefix("ml.").unwrap_or(self.name);
        name.split_once('.').unwrap_or((name, ""))
    }

    /// Threads per core with all threads on.
    #[must_use]
    pub fn threads_per_core(&self) -> u32 {
        self.vcpus.checked_div(self.cores).unwrap_or(1).max(1)
    }

    /// The instance type without offerings: capacity, overhead and labels of a node of a group with `settings`.
    #[must_use]
    pub fn instance_type(&self, settings: &NodeSettings) -> InstanceType {
        let default = self.threads_per_core();
        let threads = settings
            .threads_per_core
            .map_or(default, |asked| asked.clamp(1, default));
        let cpus = self.cores.saturating_mul(threads);
        let pods = settings.max_pods.unwrap_or(self.max_pods);
        let mut instance_type = InstanceType::new(self.name);
        instance_type.capacity = self.capacity(cpus, pods, settings);
        instance_type.overhead = overhead(cpus, pods, settings.root_volume_gib);
        instance_type.requirements = self.labels(cpus);
        instance_type
    }

    fn capacity(&self, cpus: u32, pods: u32, settings: &NodeSettings) -> ResourceList {
        let mut list: ResourceList = [
            (CPU, Quantity::from_units(i64::from(cpus))),
            (MEMORY, mib(self.usable_memory_mib())),
            (PODS, Quantity::from_units(i64::from(pods))),
            (
                EPHEMERAL_STORAGE,
                mib(i64::from(settings.root_volume_gib) * 1024),
            ),
        ]
        .into_iter()
        .collect();
        let mut count = |name: &str, count: u32| {
            if count > 0 {
                list.set(name, Quantity::from_units(i64::from(count)));
            }
        };
        count(EFA, self.efa_interfaces);
        if let Some(accelerator) = &self.accelerator {
            match &settings.mig {
                Some(slices) => count(
                    &slices.resource(),
                    accelerator.count.saturating_mul(slices.per_gpu),
                ),
                None => count(accelerator.resource(), accelerator.count),
            }
            count(NEURON_CORE, accelerator.neuron_cores);
        }
        list
    }

    /// Memory that the guest sees: 64 MiB go to Arm firmware, then 7.5 %, rounded up, to the hypervisor.
    fn usable_memory_mib(&self) -> i64 {
        let firmware = match self.arch {
            Arch::Amd64 => 0,
            Arch::Arm64 => 64,
        };
        let given = i64::from(self.memory_mib) - firmware;
        given - (given * 75 + 999) / 1000
    }

    fn labels(&self, cpus: u32) -> Vec<RequirementSpec> {
        let category: String = self
            .family()
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let mut labels = vec![
            single(label::ARCH, self.arch.as_str()),
            single(label::OS, "linux"),
            named("category", category),
            named("family", self.family()),
            named("size", self.size()),
            named("cpu", cpus.to_string()),
            named("memory", self.memory_mib.to_string()),
        ];
        if self.local_nvme_gb > 0 {
            labels.push(named("local-nvme", self.local_nvme_gb.to_string()));
        }
        if let Some(accelerator) = &self.accelerator {
            let (kind, manufacturer) = match accelerator.kind {
                AcceleratorKind::Gpu => ("gpu", "nvidia"),
                AcceleratorKind::Neuron => ("accelerator", "aws"),
            };
            labels.push(named(&format!("{kind}-name"), accelerator.name));
            labels.push(named(&format!("{kind}-manufacturer"), manufacturer));
            labels.push(named(
                &format!("{kind}-count"),
                accelerator.count.to_string(),
            ));
            if accelerator.kind == AcceleratorKind::Gpu {
                labels.push(named("gpu-memory", accelerator.memory_mib.to_string()));
            }
        }
        labels
    }
}

fn single(key: impl Into<Name>, value: impl Into<Name>) -> RequirementSpec {
    RequirementSpec::new(key, Operator::In, [value.into()])
}

fn named(name: &str, value: impl Into<Name>) -> RequirementSpec {
    single(format!("{LABEL_PREFIX}{name}"), value)
}

/// kube-reserved and the eviction thresholds.
fn overhead(cpus: u32, pods: u32, root_volume_gib: u32) -> ResourceList {
    let root_mib = i64::from(root_volume_gib) * 1024;
    [
        (CPU, Quantity::from_milli(reserved_cpu_milli(cpus))),
        // 11 MiB a pod and 255 MiB for the kubelet, 100 MiB before eviction.
        (MEMORY, mib(i64::from(pods) * 11 + 255 + 100)),
        // 1 GiB for the kubelet, and eviction at 10 %.
        (EPHEMERAL_STORAGE, mib(1024 + (root_mib + 9) / 10)),
    ]
    .into_iter()
    .collect()
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the third and fourth, 0.25 % of each further one, every step cut
/// to whole milli-cores.
fn reserved_cpu_milli(cpus: u32) -> i64 {
    let cpus = i64::from(cpus);
    cpus.clamp(0, 1) * 60
        + (cpus - 1).clamp(0, 1) * 10
        + (cpus - 2).clamp(0, 2) * 5
        + (cpus - 4).max(0) * 5 / 2
}

fn mib(mib: i64) -> Quantity {
    Quantity::from_bytes(mib.saturating_mul(1 << 20))
}

#[cfg(test)]
mod tests;
