//! What a pod asks for, its host ports and its state (S-10..S-13, S-110, M-4).

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use proptest::prelude::*;
use tetrapod::base::time::Timestamp;
use tetrapod::model::pod::{
    Container, HostPort, OwnerReference, Pod, PodPhase, PodSpec, PodStatusDetail, Protocol,
};
use tetrapod::model::quantity::Quantity;
use tetrapod::model::resources::{CPU, MEMORY, Name, PODS, ResourceList};

fn list(entries: &[(&str, &str)]) -> ResourceList {
    entries
        .iter()
        .map(|(name, text)| (*name, text.parse().expect("a quantity")))
        .collect()
}

fn container(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Container {
    let mut container = Container::default();
    container.requests = list(requests);
    container.limits = list(limits);
    container
}

fn cpu(amount: &str) -> Container {
    container(&[(CPU, amount)], &[])
}

fn sidecar(amount: &str) -> Container {
    let mut container = cpu(amount);
    container.restart_always = true;
    container
}

fn spec(containers: Vec<Container>, init_containers: Vec<Container>) -> PodSpec {
    let mut spec = PodSpec::default();
    spec.containers = containers;
    spec.init_containers = init_containers;
    spec
}

fn asked(spec: &PodSpec, name: &str) -> String {
    spec.requests()
        .get(name)
        .map_or_else(|| "-".to_owned(), |quantity| quantity.to_string())
}

#[test]
fn s10_containers_add_up_and_init_steps_count_by_their_largest() {
    assert_eq!(
        asked(&spec(vec![cpu("1"), cpu("500m")], vec![]), CPU),
        "1500m"
    );
    assert_eq!(
        asked(&spec(vec![cpu("1")], vec![cpu("3"), cpu("2")]), CPU),
        "3"
    );
    assert_eq!(asked(&spec(vec![cpu("4")], vec![cpu("3")]), CPU), "4");
}

#[test]
fn s10_sidecars_count_from_where_they_stand() {
    // The two examples of the rule: the order of the init containers matters.
    assert_eq!(
        asked(&spec(vec![cpu("1")], vec![cpu("3"), sidecar("1")]), CPU),
        "3"
    );
    assert_eq!(
        asked(&spec(vec![cpu("1")], vec![sidecar("1"), cpu("3")]), CPU),
        "4"
    );
    let three = vec![sidecar("1"), cpu("5"), sidecar("2"), cpu("5"), sidecar("4")];
    assert_eq!(asked(&spec(vec![cpu("1")], three), CPU), "8");
    // Each resource has its own largest step.
    let mixed = spec(
        vec![container(&[(CPU, "2"), (MEMORY, "1Gi")], &[])],
        vec![container(&[(CPU, "1"), (MEMORY, "3Gi")], &[])],
    );
    assert_eq!(
        (asked(&mixed, CPU), asked(&mixed, MEMORY)),
        ("2".into(), "3Gi".into())
    );
}

#[test]
fn s11_pod_level_requests_replace_and_overhead_is_added() {
    let mut pod = spec(
        vec![container(
            &[
                (CPU, "4"),
                (MEMORY, "1Gi"),
                ("hugepages-2Mi", "2Mi"),
                ("gpu", "1"),
            ],
            &[],
        )],
        vec![cpu("9")],
    );
    pod.pod_requests = list(&[
        (CPU, "2"),
        ("hugepages-2Mi", "4Mi"),
        ("gpu", "7"),
        ("ephemeral-storage", "1Gi"),
    ]);
    pod.overhead = list(&[(CPU, "250m"), ("gpu", "1")]);
    assert_eq!(
        pod.requests(),
        list(&[
            (CPU, "2250m"),
            (MEMORY, "1Gi"),
            ("hugepages-2Mi", "4Mi"),
            ("gpu", "2"),
            (PODS, "1")
        ])
    );
}

#[test]
fn m4_limits_stand_in_for_missing_requests() {
    let pod = spec(
        vec![container(
            &[(CPU, "1")],
            &[(CPU, "2"), (MEMORY, "1Gi"), ("gpu", "1")],
        )],
        vec![container(&[], &[(CPU, "3")])],
    );
    assert_eq!(
        pod.requests(),
        list(&[(CPU, "3"), (MEMORY, "1Gi"), ("gpu", "1"), (PODS, "1")])
    );
    // A request of 0 is a request.
    let zero = spec(vec![container(&[(CPU, "0")], &[(CPU, "2")])], vec![]);
    assert_eq!(asked(&zero, CPU), "0");
}

#[test]
fn m4_pod_level_limits_count_only_where_no_container_asks() {
    let mut pod = spec(vec![container(&[(CPU, "1")], &[])], vec![]);
    pod.pod_limits = list(&[
        (CPU, "4"),
        (MEMORY, "2Gi"),
        ("gpu", "3"),
        ("hugepages-1Gi", "1Gi"),
    ]);
    assert_eq!(
        pod.requests(),
        list(&[
            (CPU, "1"),
            (MEMORY, "2Gi"),
            ("hugepages-1Gi", "1Gi"),
            (PODS, "1")
        ])
    );
    // A pod-level request beats a pod-level limit.
    pod.pod_requests = list(&[(MEMORY, "512Mi"), ("hugepages-1Gi", "2Gi")]);
    assert_eq!(
        (asked(&pod, MEMORY), asked(&pod, "hugepages-1Gi")),
        ("512Mi".into(), "2Gi".into())
    );
    // A container's limit counts as its request before the pod's limit is looked at.
    let mut limited = spec(vec![container(&[], &[(CPU, "3")])], vec![]);
    limited.pod_limits = list(&[(CPU, "8")]);
    assert_eq!(asked(&limited, CPU), "3");
}

#[test]
fn s12_reported_requests_raise_those_of_the_specification() {
    let named = |mut container: Container, name: &str| {
        container.name = Name::from(name);
        container
    };
    let mut pod = Pod::new("ns", "p");
    pod.spec = Arc::new(spec(
        vec![named(cpu("2"), "app"), named(cpu("1"), "other")],
        vec![named(sidecar("1"), "side"), named(cpu("1"), "init")],
    ));
    assert_eq!(pod.requests().amount(CPU).to_string(), "4");
    let mut detail = PodStatusDetail::default();
    detail.actuated = vec![
        (Name::from("app"), list(&[(CPU, "1"), (MEMORY, "1Gi")])),
        (Name::from("side"), list(&[(CPU, "3")])),
        (Name::from("init"), list(&[(CPU, "100")])),
        (Name::from("gone"), list(&[(CPU, "100")])),
    ];
    pod.detail = Some(Box::new(detail.clone()));
    assert_eq!(
        pod.requests(),
        list(&[(CPU, "6"), (MEMORY, "1Gi"), (PODS, "1")])
    );
    detail.resize_infeasible = true;
    pod.detail = Some(Box::new(detail));
    assert_eq!(pod.requests().amount(CPU).to_string(), "5");
    // Without a report an infeasible resize changes nothing.
    let mut detail = PodStatusDetail::default();
    detail.resize_infeasible = true;
    pod.detail = Some(Box::new(detail));
    assert_eq!(pod.requests(), pod.spec.requests());
}

#[test]
fn s13_every_pod_counts_as_one() {
    assert_eq!(PodSpec::default().requests(), list(&[(PODS, "1")]));
    let mut odd = spec(vec![container(&[(PODS, "5")], &[])], vec![]);
    odd.overhead = list(&[(PODS, "2")]);
    assert_eq!(asked(&odd, PODS), "1");
    // Requests of 0 are kept and fit nodes without the resource.
    let zero = spec(vec![container(&[("gpu", "0")], &[])], vec![]).requests();
    assert_eq!(zero, list(&[("gpu", "0"), (PODS, "1")]));
    assert!(zero.fits(&list(&[(PODS, "1")])));
}

#[test]
fn s110_host_ports_of_app_containers_only() {
    let with_port = |port| {
        let mut container = cpu("1");
        container.host_ports = vec![HostPort::new("0.0.0.0", port, Protocol::Tcp)];
        container
    };
    let mut side = with_port(3);
    side.restart_always = true;
    let pod = spec(
        vec![with_port(2), with_port(1), with_port(2)],
        vec![with_port(4), side],
    );
    let ports: Vec<u16> = pod.host_ports().iter().map(|port| port.port).collect();
    assert_eq!(ports, [1, 2]);
}

#[test]
fn s110_clashes() {
    let tcp = |ip: &str, port| HostPort::new(ip, port, Protocol::Tcp);
    for (a, b, expected) in [
        (tcp("0.0.0.0", 80), tcp("0.0.0.0", 80), true),
        (tcp("10.0.0.1", 80), tcp("10.0.0.1", 80), true),
        (tcp("10.0.0.1", 80), tcp("10.0.0.2", 80), false),
        (tcp("10.0.0.1", 80), tcp("0.0.0.0", 80), true),
        (tcp("10.0.0.1", 80), tcp("::", 80), true),
        (tcp("10.0.0.1", 80), tcp("10.0.0.1", 81), false),
        (
            tcp("10.0.0.1", 80),
            HostPort::new("10.0.0.1", 80, Protocol::Udp),
            false,
        ),
        // Addresses are compared as addresses.
        (tcp("::1", 80), tcp("0:0:0:0:0:0:0:1", 80), true),
        (tcp("10.0.0.1", 80), tcp("::ffff:10.0.0.1", 80), true),
        (tcp("0:0::0", 80), tcp("10.0.0.1", 80), true),
        (tcp("host-a", 80), tcp("host-b", 80), false),
    ] {
        assert_eq!(a.clashes_with(&b), expected, "{a:?} {b:?}");
        assert_eq!(b.clashes_with(&a), expected, "{b:?} {a:?}");
    }
}

#[test]
fn m4_pending_pods() {
    let change = |change: &dyn Fn(&mut Pod)| {
        let mut pod = Pod::new("ns", "p");
        change(&mut pod);
        pod.is_pending()
    };
    let owned = |api_version: &'static str, kind: &'static str| {
        change(&move |pod| {
            let mut owner = OwnerReference::default();
            owner.api_version = api_version.into();
            owner.kind = kind.into();
            pod.owners = Arc::new(vec![OwnerReference::default(), owner]);
        })
    };
    assert!(change(&|_| {}));
    assert!(change(&|pod| pod.phase = PodPhase::Unknown));
    assert!(!change(&|pod| pod.node_name = Some("n".into())));
    assert!(!change(&|pod| pod.deleted = Some(Timestamp::default())));
    assert!(!change(&|pod| pod.phase = PodPhase::Succeeded));
    assert!(!change(&|pod| pod.phase = PodPhase::Failed));
    assert!(!change(
        &|pod| Arc::make_mut(&mut pod.spec).scheduling_gates = vec!["wait".into()]
    ));
    assert!(!owned("apps/v1", "DaemonSet"));
    assert!(!owned("v1", "Node"));
    assert!(owned("apps/v1", "ReplicaSet"));
    assert!(owned("example.com/v1", "DaemonSet"));
    assert!(owned("example.com/v1", "Node"));
}

#[test]
fn s135_resource_claims() {
    let mut pod = spec(vec![cpu("1")], vec![cpu("1")]);
    assert!(!pod.uses_resource_claims());
    pod.init_containers[0].uses_claims = true;
    assert!(pod.uses_resource_claims());
    let mut pod = PodSpec::default();
    pod.resource_claims = vec!["gpu".into()];
    assert!(pod.uses_resource_claims());
}

#[test]
fn equal_specifications_have_equal_hashes_however_they_were_written() {
    let hash = |spec: &PodSpec| {
        let mut state = DefaultHasher::new();
        spec.hash(&mut state);
        state.finish()
    };
    let (a, b) = (
        spec(vec![cpu("1500m")], vec![]),
        spec(vec![cpu("1.5")], vec![]),
    );
    assert_eq!(a, b);
    assert_eq!(hash(&a), hash(&b));
    assert_ne!(a, spec(vec![cpu("1501m")], vec![]));
}

proptest! {
    /// S-10 for one resource as a simulation: start init containers one after another, then the app containers.
    #[test]
    fn s10_the_request_is_the_peak_of_a_start(
        apps in prop::collection::vec(0i64..50, 0..4),
        inits in prop::collection::vec((0i64..50, any::<bool>()), 0..6),
    ) {
        let amount = |n: i64| Quantity::from_units(n).to_string();
        let pod = spec(
            apps.iter().map(|n| cpu(&amount(*n))).collect(),
            inits.iter().map(|(n, stays)| if *stays { sidecar(&amount(*n)) } else { cpu(&amount(*n)) }).collect(),
        );
        let (mut running, mut peak) = (0, 0);
        for (n, stays) in &inits {
            peak = peak.max(running + n);
            running += if *stays { *n } else { 0 };
        }
        peak = peak.max(running + apps.iter().sum::<i64>());
        prop_assert_eq!(pod.requests().amount(CPU), Quantity::from_units(peak));
    }
}
