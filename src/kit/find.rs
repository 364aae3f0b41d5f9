//! Looking for a cluster on which a policy is wrong, and making it small.

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::invariants::{Broken, Invariant};
use super::{Knobs, Policy, snapshots};
use crate::model::cluster::Snapshot;

/// A cluster on which an invariant does not hold, as small as shrinking made it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fault {
    /// The cluster: a bug report in one value, which serde writes to one file.
    pub snapshot: Snapshot,
    /// What does not hold there.
    pub broken: Broken,
}

/// Most steps of shrinking; a step costs one test of the policy.
const MAX_SHRINK_STEPS: u32 = 4_000;

/// Tests `policy` for `invariants` on `cases` clusters within `knobs`, always the same ones, and shrinks the first on which
/// one of them does not hold. The invariant at the end of shrinking may be another one than at its start.
///
/// To have proptest's own messages and its files of failures, use [`snapshots`] in a `proptest!` block instead.
#[must_use]
pub fn find_fault(
    policy: &dyn Policy,
    invariants: &[Invariant],
    knobs: Knobs,
    cases: u32,
) -> Option<Box<Fault>> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: MAX_SHRINK_STEPS,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let check = |snapshot: &Snapshot| -> Result<(), Broken> {
        invariants
            .iter()
            .try_for_each(|invariant| invariant.check(policy, snapshot))
    };
    let outcome = TestRunner::new_with_rng(config, rng).run(&snapshots(knobs), |snapshot| {
        check(&snapshot).map_err(|broken| TestCaseError::fail(broken.to_string()))
    });
    match outcome {
        Err(TestError::Fail(_, snapshot)) => {
            let broken = check(&snapshot).err()?;
            Some(Box::new(Fault { snapshot, broken }))
        }
        Ok(()) | Err(TestError::Abort(_)) => None,
    }
}
