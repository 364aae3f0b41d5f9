//! The role that HyperPod's autoscaler acts with (H-6; blog-table row 12).

/// Actions the role must allow.
pub const REQUIRED_ACTIONS: [&str; 2] = [
    "sagemaker:BatchAddClusterNodes",
    "sagemaker:BatchDeleteClusterNodes",
];

/// Actions the role must allow besides where volumes are encrypted with keys of the customer.
pub const CUSTOMER_KEY_ACTIONS: [&str; 2] = ["kms:CreateGrant", "kms:DescribeKey"];

/// Which of the actions that HyperPod needs `allowed` does not cover, in the order of the lists above. `allowed` holds
/// the `Action` entries of the role's policy; as in IAM they may contain `*` and `?`, and case does not matter.
///
/// Only the actions are compared: denials, conditions and resources of the policy are not looked at.
///
/// ```
/// use tetrapod::hyperpod::role::missing_actions;
/// let missing = missing_actions(&["sagemaker:BatchAdd*"], false);
/// assert_eq!(missing, ["sagemaker:BatchDeleteClusterNodes"]);
/// ```
#[must_use]
pub fn missing_actions<S: AsRef<str>>(allowed: &[S], customer_keys: bool) -> Vec<&'static str> {
    let keys = customer_keys.then_some(CUSTOMER_KEY_ACTIONS);
    REQUIRED_ACTIONS
        .into_iter()
        .chain(keys.into_iter().flatten())
        .filter(|action| {
            !allowed
                .iter()
                .any(|pattern| covers(pattern.as_ref().trim(), action))
        })
        .collect()
}

/// Whether the IAM pattern covers `action`. O(pattern x action).
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.as_bytes(), action.as_bytes());
    // reached[n]: the pattern read so far covers the first n bytes of the action.
    let mut reached = vec![false; action.len() + 1];
    reached[0] = true;
    for byte in pattern {
        if *byte == b'*' {
            let first = reached.iter().position(|r| *r).unwrap_or(reached.len());
            reached.iter_mut().skip(first).for_each(|r| *r = true);
            continue;
        }
        let matches = |found: &u8| *byte == b'?' || byte.eq_ignore_ascii_case(found);
        let next = reached.iter().zip(action).map(|(r, b)| *r && matches(b));
        reached = std::iter::once(false).chain(next).collect();
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_actions_are_named_h6() {
        assert_eq!(missing_actions::<&str>(&[], false), REQUIRED_ACTIONS);
        assert_eq!(
            missing_actions(&["sagemaker:BatchAddClusterNodes"], true),
            [
                "sagemaker:BatchDeleteClusterNodes",
                "kms:CreateGrant",
                "kms:DescribeKey"
            ]
        );
    }

    #[test]
    fn wildcards_and_case_are_iams_h6() {
        for (allowed, missing) in [
            (vec!["*"], 0),
            (vec!["sagemaker:*"], 2),
            (vec!["SageMaker:batch*clusternodes", "kms:*"], 0),
            (vec!["sagemaker:Batch???ClusterNodes"], 3),
            (vec!["sagemaker:BatchAdd*", "*:BatchDelete*Nodes"], 2),
            (vec!["sagemaker:Batch"], 4),
            (vec!["", "**:B*B*"], 4),
        ] {
            assert_eq!(
                missing_actions(&allowed, true).len(),
                missing,
                "{allowed:?}"
            );
        }
    }
}
