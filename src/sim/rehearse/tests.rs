use super::driver::{Driver, Task};
use super::*;
use crate::base::time::Span;
use crate::model::instance_type::CapacityType;
use crate::model::price::Price;
use crate::model::quantity::Quantity;
use crate::model::resources::NODES;
use crate::provisioning::Machine;
use crate::provisioning::api::AddRequest;

#[test]
fn seeded_schedules_of_faults_come_right() {
    let (mut ready, mut billed) = (0, 0);
    for seed in 0..1500 {
        match rehearse(seed, Options::default()) {
            Ok(figures) => {
                ready += u64::from(figures.ready > 0);
                billed += u64::from(figures.billed > 0);
                assert!(figures.ready == 0 || figures.billed > 0, "seed {seed}");
            }
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(
        ready > 1000 && billed >= ready,
        "{ready} with nodes, {billed} with a bill"
    );
}

#[test]
fn machines_that_are_stopped_and_resumed_come_right() {
    let mut crashes = 0;
    for seed in 0..1000 {
        match rehearse(seed, Options::new(true)) {
            Ok(figures) => crashes += figures.crashes,
            Err(broken) => panic!("{broken}"),
        }
    }
    assert!(crashes > 1000, "{crashes}");
}

/// A request of several entries is refused, and a cap was lowered meanwhile: each entry is asked for by itself only if it
/// still may be. And pods that limits keep out of every market with capacity probe the others for ever.
#[test]
fn schedules_that_once_failed_come_right() {
    for seed in [75_635, 679_604] {
        if let Err(broken) = rehearse(seed, Options::default()) {
            panic!("{broken}");
        }
    }
}

#[test]
fn a_node_is_leaked_once_no_request_for_it_is_open() {
    let mut driver = Driver::new(0, Options::default());
    // Until the machine asks for nodes: then the fake has them and the machine has no answer.
    let (request, launches) = loop {
        let ((at, _), task) = driver.agenda.pop_first().unwrap();
        driver.now = driver.now.max(at);
        let Task::Add(_, request, launches) = task else {
            driver.perform(task).unwrap();
            continue;
        };
        break (request, launches);
    };
    let answer = driver.world.fake.add(&request).unwrap();
    driver.checks.added(&request, &launches, Some(&answer));
    let Driver {
        checks,
        world,
        machine,
        ..
    } = &driver;
    assert_eq!(checks.leaks(machine, &world.fake), Ok(()));
    let forgetful = Machine::new(0, world.config.clone(), driver.now);
    let leaked = checks.leaks(&forgetful, &world.fake).unwrap_err();
    assert!(matches!(leaked, Violation::Leaked(_)), "{leaked}");
}

#[test]
fn equal_seeds_give_equal_bytes() {
    for seed in 0..40 {
        let trace = || {
            let mut driver = Driver::new(seed, Options::new(seed % 2 == 0));
            driver.trace = Some(Vec::new());
            driver.play().unwrap();
            (driver.trace.take().unwrap(), driver.figures())
        };
        let (first, second) = (trace(), trace());
        assert!(first.0.len() > 1000);
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The first seed from `seed` on that a planted fault makes fail, and how.
fn first_failure(seed: u64, crash: bool, plant: fn(&mut Driver)) -> Broken {
    let run = |seed: u64| {
        let mut driver = Driver::new(seed, Options::new(crash));
        plant(&mut driver);
        driver.run().err()
    };
    *(seed..seed + 100).find_map(run).expect("a failure")
}

/// The checks allow no node at all; the machine knows nothing of that.
fn no_nodes(driver: &mut Driver) {
    for pool in &mut driver.world.config.pools {
        pool.limits.set(NODES, Quantity::ZERO);
    }
}

#[test]
fn a_failing_seed_prints_the_command_that_replays_it() {
    for crash in [false, true] {
        let broken = first_failure(40, crash, no_nodes);
        let text = broken.to_string();
        let (_, command) = text.split_once("\nreplay: ").unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(
            words[..5],
            ["tetrapod", "rehearse", "--runs", "1", "--seed"]
        );
        let seed: u64 = words[5].parse().unwrap();
        assert_eq!(words.get(6), crash.then_some(&"--crash"));
        // What the command says leads to the same failure at the same step.
        assert_eq!(first_failure(seed, words.len() == 7, no_nodes), broken);
    }
}

/// Each check sees what it is there for.
#[test]
fn planted_faults_are_seen() {
    let broken = first_failure(0, false, no_nodes);
    assert!(matches!(broken.violation, Violation::Limit(_)), "{broken}");

    let broken = first_failure(0, false, |driver| {
        driver.world.config.capacity_backoff.first = Span::from_secs(36_000);
    });
    assert!(
        matches!(broken.violation, Violation::NoBackoff(_)),
        "{broken}"
    );

    // The fake's prices are not those that the machine was told.
    let broken = first_failure(0, false, |driver| {
        let (dear, types) = (Price::from_femto(77), driver.world.config.types.clone());
        for instance_type in types.keys() {
            for capacity_type in [CapacityType::OnDemand, CapacityType::Spot] {
                driver
                    .world
                    .fake
                    .set_price(instance_type, capacity_type, dear);
            }
        }
    });
    assert!(
        matches!(broken.violation, Violation::Ledger { .. }),
        "{broken}"
    );

    // A node that the machine has asked for and does not know of.
    let broken = first_failure(0, false, |driver| {
        let group = driver.world.fake.describe().instance_groups.remove(0).name;
        let request = serde_json::json!({"ClientToken": "t", "ClusterName": "fake", "NodesToAdd":
            [{"InstanceGroupName": group, "IncrementTargetCountBy": 1}]});
        let request: AddRequest = serde_json::from_value(request).unwrap();
        let answer = driver.world.fake.add(&request).unwrap_or_default();
        for added in answer.successful {
            driver
                .checks
                .ours
                .insert(added.node_logical_id, "pool-0".into());
        }
    });
    assert!(matches!(broken.violation, Violation::Leaked(_)), "{broken}");

    // There is never any capacity, though the world says so.
    let broken = first_failure(0, false, |driver| {
        for pool in &driver.world.pools {
            for o in &pool.offerings {
                let steps = vec![(driver.now, 0)];
                let fake = &mut driver.world.fake;
                fake.set_capacity(&o.instance_type, &o.zone, o.capacity_type, steps);
            }
        }
    });
    assert!(
        matches!(broken.violation, Violation::Unfulfilled(..)),
        "{broken}"
    );

    // A pod that nothing was ever planned for.
    let broken = first_failure(0, false, |driver| {
        driver.pods.insert("ns/forgotten".into(), 0);
    });
    assert!(
        matches!(broken.violation, Violation::Unfulfilled(..)),
        "{broken}"
    );
}
