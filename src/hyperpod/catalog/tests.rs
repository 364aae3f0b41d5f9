use std::collections::BTreeSet;

use super::*;
use crate::model::requirement::Requirements;

fn default_node(name: &str) -> InstanceType {
    find(name).unwrap().instance_type(&NodeSettings::default())
}

fn amount(node: &InstanceType, name: &str) -> i64 {
    node.capacity.amount(name).units_ceil()
}

#[test]
fn all_types_of_the_api_are_there_once_h64() {
    let names: BTreeSet<&str> = all().map(|facts| facts.name).collect();
    assert_eq!((all().count(), names.len()), (209, 209));
    for facts in all() {
        assert!(facts.name.starts_with("ml."), "{}", facts.name);
        assert_eq!(facts.vcpus % facts.cores, 0, "{}", facts.name);
        assert!(
            (1..=2).contains(&facts.threads_per_core()),
            "{}",
            facts.name
        );
    }
    assert_eq!(find("g5.xlarge"), None, "the prefix is part of the name");
}

#[test]
fn max_pods_are_hyperpods_h62() {
    for (name, pods) in [
        ("ml.p4d.24xlarge", 49),
        ("ml.p5.48xlarge", 49),
        ("ml.trn1.32xlarge", 49),
        ("ml.g5.xlarge", 14),
        ("ml.g5.16xlarge", 29),
        ("ml.g5.48xlarge", 49),
        ("ml.g6.12xlarge", 29),
        ("ml.g6e.16xlarge", 49),
        ("ml.gr6.4xlarge", 29),
        ("ml.c5.large", 9),
        ("ml.c5.9xlarge", 29),
        ("ml.c5n.18xlarge", 49),
        ("ml.m5.12xlarge", 29),
        ("ml.t3.medium", 5),
        ("ml.t3.large", 11),
        ("ml.m7i.large", 9),
    ] {
        assert_eq!(amount(&default_node(name), PODS), pods, "{name}");
    }
}

#[test]
fn reserved_memory_uses_hyperpods_pod_number_m14() {
    let memory = |pods: u32| {
        let settings = NodeSettings {
            max_pods: Some(pods),
            ..NodeSettings::default()
        };
        let node = find("ml.g5.12xlarge").unwrap().instance_type(&settings);
        node.allocatable().amount(MEMORY)
    };
    let default = default_node("ml.g5.12xlarge").allocatable().amount(MEMORY);
    assert_eq!(default, memory(49));
    assert_eq!(default - memory(737), mib(11 * (737 - 49)));
}

#[test]
fn ephemeral_storage_is_the_root_volumes() {
    let left = default_node("ml.c5.large").allocatable();
    assert_eq!(left.amount(EPHEMERAL_STORAGE), mib(17 * 1024));
}

#[test]
fn extended_resources_are_counted() {
    let p5 = default_node("ml.p5.48xlarge");
    assert_eq!((amount(&p5, NVIDIA_GPU), amount(&p5, EFA)), (8, 32));
    let trn2 = default_node("ml.trn2.48xlarge");
    assert_eq!(
        (amount(&trn2, NEURON), amount(&trn2, NEURON_CORE)),
        (16, 128)
    );
    let c5 = default_node("ml.c5.large");
    assert_eq!(c5.capacity.get(NVIDIA_GPU), None);
    assert_eq!(c5.capacity.get(EFA), None);
}

#[test]
fn one_thread_per_core_halves_the_cpus() {
    let settings = NodeSettings {
        threads_per_core: Some(1),
        ..NodeSettings::default()
    };
    let p5 = find("ml.p5.48xlarge").unwrap().instance_type(&settings);
    assert_eq!(amount(&p5, CPU), 96);
    assert_eq!(p5.overhead.amount(CPU), Quantity::from_milli(310));
    // Graviton cores have one thread; two cannot be switched on.
    let settings = NodeSettings {
        threads_per_core: Some(2),
        ..NodeSettings::default()
    };
    let m6g = find("ml.m6g.large").unwrap().instance_type(&settings);
    assert_eq!(amount(&m6g, CPU), 2);
}

#[test]
fn public_prices_are_exact_and_the_others_unknown_m8_m9() {
    let price = |name: &str| find(name).unwrap().price().map(|p| p.to_string());
    assert_eq!(price("ml.p4d.24xlarge").as_deref(), Some("25.91001756"));
    assert_eq!(price("ml.g5.xlarge").as_deref(), Some("1.408"));
    assert_eq!(price("ml.p5en.48xlarge"), None);
    let known = all().filter(|facts| facts.price().is_some()).count();
    assert_eq!(known, 102);
    assert!(all().all(|facts| facts.price() != Some(Price::ZERO)));
    let written = all().filter(|facts| !facts.price.is_empty()).count();
    assert_eq!(written, known, "every price that is written can be read");
}

#[test]
fn labels_have_one_value_each() {
    for facts in all() {
        let node = facts.instance_type(&NodeSettings::default());
        let labels = Requirements::from_specs(&node.requirements);
        assert!(labels.iter().all(|r| r.single().is_some()), "{}", node.name);
    }
    let node = default_node("ml.g5.12xlarge");
    let labels = Requirements::from_specs(&node.requirements);
    let value = |name: &str| {
        let key = format!("{LABEL_PREFIX}{name}");
        labels.get(&key).and_then(|r| r.single()).map(AsRef::as_ref)
    };
    assert_eq!(value("category"), Some("g"));
    assert_eq!(value("family"), Some("g5"));
    assert_eq!(value("size"), Some("12xlarge"));
    assert_eq!(value("gpu-name"), Some("a10g"));
    assert_eq!(value("gpu-count"), Some("4"));
    assert_eq!(value("accelerator-name"), None);
}
