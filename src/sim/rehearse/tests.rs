use super::driver::Driver;
use super::*;

#[test]
fn seeded_schedules_of_faults_come_right() {
    for seed in 0..1500 {
        if let Err(broken) = rehearse(seed, Options::default()) {
            panic!("{broken}");
        }
    }
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

#[test]
fn a_failing_seed_prints_the_command_that_replays_it() {
    let broken = Broken {
        seed: 12,
        step: 3,
        at: crate::base::time::Timestamp::from_millis(0),
        crash: true,
        violation: Violation::NotInService,
    };
    let text = broken.to_string();
    assert!(
        text.ends_with("replay: tetrapod rehearse --runs 1 --seed 12 --crash"),
        "{text}"
    );
}
