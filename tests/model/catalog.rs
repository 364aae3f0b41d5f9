//! The built-in catalogue against the figures of Karpenter's AWS provider.

use tetrapod::hyperpod::catalog::{self, NodeSettings};
use tetrapod::model::quantity::Quantity;
use tetrapod::model::resources::{CPU, MEMORY};

/// H-62, M-14: given the pod number of EC2's network interfaces, the formula gives the allocatable CPU and memory that
/// Karpenter's reference prints, for every type it lists.
#[test]
fn allocatable_is_karpenters_given_its_pod_number() {
    let text = include_str!("../data/hyperpod-allocatable.csv");
    let mut checked = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<i64>().unwrap();
        let mut settings = NodeSettings::default();
        settings.max_pods = Some(fields[1].parse().unwrap());
        let facts = catalog::find(fields[0]).unwrap();
        let left = facts.instance_type(&settings).allocatable();
        assert_eq!(left.amount(CPU), Quantity::from_milli(number(2)), "{line}");
        assert_eq!(
            left.amount(MEMORY),
            Quantity::from_bytes(number(3) << 20),
            "{line}"
        );
        checked += 1;
    }
    assert_eq!(checked, 208);
}
