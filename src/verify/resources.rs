//! Sums against what a node has.

use crate::model::quantity::Quantity;
use crate::model::resources::{Name, ResourceList};

/// The names in which `total` exceeds `allocatable`, and those that are negative there (S-14).
pub(super) fn shortfalls(total: &ResourceList, allocatable: &ResourceList) -> Vec<Name> {
    let over = total
        .iter()
        .filter(|(name, asked)| *asked > allocatable.amount(name));
    // A negative resource refuses every pod, even one that does not ask for it.
    let negative = allocatable.iter().filter(|(name, held)| {
        *held < Quantity::ZERO && total.get(name).is_none_or(|t| t <= *held)
    });
    over.chain(negative)
        .map(|(name, _)| Name::clone(name))
        .collect()
}

/// `cpu 5 > 4, memory 9Gi > 8Gi` for the names given.
pub(super) fn describe(names: &[Name], total: &ResourceList, allocatable: &ResourceList) -> String {
    let parts: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                "{name} {} > {}",
                total.amount(name),
                allocatable.amount(name)
            )
        })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_resource_counts_as_none_and_a_negative_one_never_fits() {
        // S-13, S-14
        let list = |pairs: &[(&'static str, i64)]| -> ResourceList {
            pairs
                .iter()
                .map(|(name, units)| (*name, Quantity::from_units(*units)))
                .collect()
        };
        let allocatable = list(&[("cpu", 4)]);
        assert!(shortfalls(&list(&[("cpu", 4), ("gpu", 0)]), &allocatable).is_empty());
        assert_eq!(
            shortfalls(&list(&[("cpu", 5), ("gpu", 1)]), &allocatable).len(),
            2
        );
        let negative = list(&[("cpu", 4), ("memory", -1)]);
        assert_eq!(shortfalls(&list(&[("cpu", 1)]), &negative).len(), 1);
    }
}
