//! From a plan's claims to the API requests that scale HyperPod's instance groups (H-25).

use std::collections::BTreeMap;

use super::{BatchAddClusterNodes, ChosenOffering, NodesToAdd, PlannedClaim};
use crate::hyperpod::group::{Group, SubnetZones};
use crate::model::cluster::Snapshot;
use crate::model::resources::Name;

/// Most entries of one request.
pub const MAX_ENTRIES: usize = 5;
/// Most nodes that one request adds, and so the most that one entry adds.
pub const MAX_NODES: u32 = 50;

/// The requests that buy `claims`' chosen offerings; claims whose offering belongs to no group are left out, so the
/// result is empty off HyperPod.
///
/// Claims of the same group, zone and type are added up. An entry names its zone unless the group is known to have just
/// that one, and its type likewise: for one-zone groups of one type the API takes neither. Entries stand in the order of
/// group, zone and type, and fill one request after the other, cut where a request is full.
#[must_use]
pub fn requests(snapshot: &Snapshot, claims: &[PlannedClaim]) -> Vec<BatchAddClusterNodes> {
    let mut wanted: BTreeMap<(&Name, &Name, &Name), u32> = BTreeMap::new();
    for claim in claims {
        let ChosenOffering {
            zone,
            instance_type,
            instance_group,
            ..
        } = &claim.cheapest;
        if let Some(group) = claim.instance_group.as_ref().or(instance_group.as_ref()) {
            let count = wanted.entry((group, zone, instance_type)).or_default();
            *count = count.saturating_add(1);
        }
    }
    let cluster_name = snapshot
        .cluster
        .as_ref()
        .map_or_else(|| Name::from(""), |cluster| Name::clone(&cluster.name));
    let zones = SubnetZones::of(snapshot);
    let mut requests: Vec<BatchAddClusterNodes> = Vec::new();
    let mut room = 0;
    for ((group, zone, instance_type), mut count) in wanted {
        let known = Group::of_cluster(snapshot, group);
        let one_zone = known.is_some_and(|group| group.zones(&zones) == [zone]);
        let one_type = known.is_some_and(|group| group.types() == [instance_type]);
        while count > 0 {
            let full = requests
                .last()
                .is_none_or(|request| request.nodes_to_add.len() == MAX_ENTRIES);
            if full || room == 0 {
                requests.push(BatchAddClusterNodes {
                    cluster_name: Name::clone(&cluster_name),
                    nodes_to_add: Vec::new(),
                });
                room = MAX_NODES;
            }
            let now = count.min(room);
            let named = |name: &Name, implied: bool| -> Vec<Name> {
                (!implied).then(|| Name::clone(name)).into_iter().collect()
            };
            if let Some(request) = requests.last_mut() {
                request.nodes_to_add.push(NodesToAdd {
                    instance_group_name: Name::clone(group),
                    increment_target_count_by: now,
                    availability_zones: named(zone, one_zone),
                    instance_types: named(instance_type, one_type),
                });
            }
            count -= now;
            room -= now;
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperpod::sample;
    use crate::model::instance_type::CapacityType;

    fn claims(count: usize, group: Option<&str>, zone: &str, name: &str) -> Vec<PlannedClaim> {
        let claim = PlannedClaim {
            node_pool: Name::from("pool"),
            pods: Vec::new(),
            buffer_pods: Vec::new(),
            instance_types: std::sync::Arc::new(vec![Name::from(name)]),
            zones: vec![Name::from(zone)],
            capacity_types: vec![CapacityType::OnDemand],
            cheapest: ChosenOffering {
                instance_type: Name::from(name),
                zone: Name::from(zone),
                capacity_type: CapacityType::OnDemand,
                price: None,
                instance_group: group.map(Name::from),
                reservation_id: None,
            },
            instance_group: None,
            requests: crate::model::resources::ResourceList::new(),
            fallbacks: std::sync::Arc::default(),
            min_values_relaxed: false,
        };
        vec![claim; count]
    }

    /// `group+count zones types` of each entry, per request.
    fn shown(snapshot: &Snapshot, claims: &[PlannedClaim]) -> Vec<Vec<String>> {
        let text = |entry: &NodesToAdd| {
            format!(
                "{}+{} {} {}",
                entry.instance_group_name,
                entry.increment_target_count_by,
                entry.availability_zones.join(","),
                entry.instance_types.join(",")
            )
        };
        requests(snapshot, claims)
            .iter()
            .map(|request| request.nodes_to_add.iter().map(text).collect())
            .collect()
    }

    #[test]
    fn groups_are_added_up_and_only_flexible_ones_name_zone_and_type_h25() {
        let snapshot = sample::snapshot();
        let mut all = claims(2, Some("cpu-b"), "us-east-1b", "ml.c5.4xlarge");
        all.extend(claims(1, Some("flex"), "us-east-1b", "ml.m5.2xlarge"));
        all.extend(claims(3, Some("flex"), "us-east-1a", "ml.m5.4xlarge"));
        all.extend(claims(1, Some("cpu-b"), "us-east-1b", "ml.c5.4xlarge"));
        all.extend(claims(4, None, "us-east-1b", "ml.c5.4xlarge"));
        let expected = [[
            "cpu-b+3  ",
            "flex+3 us-east-1a ml.m5.4xlarge",
            "flex+1 us-east-1b ml.m5.2xlarge",
        ]];
        assert_eq!(shown(&snapshot, &all), expected);
        all.reverse();
        assert_eq!(shown(&snapshot, &all), expected, "claims in any order");
        let body = &requests(&snapshot, &all)[0];
        assert_eq!(body.cluster_name.as_ref(), "ml-research");
        let json = serde_json::to_value(body).unwrap();
        assert_eq!(json["NodesToAdd"][0]["IncrementTargetCountBy"], 3);
        assert_eq!(json["NodesToAdd"][0].get("AvailabilityZones"), None);
    }

    #[test]
    fn requests_stay_within_fifty_nodes_and_five_entries_h25() {
        let snapshot = sample::snapshot();
        let many = claims(120, Some("p5-b"), "us-east-1b", "ml.p5.48xlarge");
        assert_eq!(
            shown(&snapshot, &many),
            [["p5-b+50  "], ["p5-b+50  "], ["p5-b+20  "]]
        );
        let mut several = Vec::new();
        for zone in ["z1", "z2", "z3", "z4", "z5", "z6", "z7"] {
            several.extend(claims(12, Some("unknown"), zone, "ml.c5.large"));
        }
        let shown = shown(&snapshot, &several);
        let entries: Vec<usize> = shown.iter().map(Vec::len).collect();
        assert_eq!(entries, [5, 3]);
        assert_eq!(shown[0][4], "unknown+2 z5 ml.c5.large");
        assert_eq!(shown[1][0], "unknown+10 z5 ml.c5.large");
        for request in requests(&snapshot, &several) {
            let nodes = request.nodes_to_add.iter();
            let total: u32 = nodes.map(|e| e.increment_target_count_by).sum();
            assert!(total <= MAX_NODES);
        }
    }

    #[test]
    fn a_group_that_nothing_describes_names_zone_and_type_m12() {
        let snapshot = Snapshot::default();
        let one = claims(1, Some("ig-default"), "z1", "custom.large");
        assert_eq!(
            shown(&snapshot, &one),
            [["ig-default+1 z1 custom.large"]],
            "and the cluster's name is empty"
        );
        assert!(requests(&snapshot, &[]).is_empty());
    }
}
