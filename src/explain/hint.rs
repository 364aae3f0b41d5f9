//! Near misses: what somebody may have meant.

/// The nearest of `known` to `asked`: equal but for case, one containing the other, the same last path segment, or at most
/// two letters apart; the first in that order, ties by name. O(known x length^2) for short texts.
pub(super) fn nearest<'k>(
    asked: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    known
        .into_iter()
        .filter(|candidate| *candidate != asked)
        .filter_map(|candidate| Some((distance(asked, candidate)?, candidate)))
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(asked: &str, candidate: &str) -> Option<(u8, usize)> {
    let (a, b) = (asked.to_lowercase(), candidate.to_lowercase());
    let segment = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    if a == b {
        return Some((0, 0));
    }
    if segment(&a) == segment(&b) {
        return Some((1, 0));
    }
    let typo = letters_apart(&a, &b)?;
    if typo <= 2 && typo * 3 <= a.chars().count() {
        return Some((2, typo));
    }
    let long = a.len().min(b.len()) >= 4;
    (long && (b.contains(&a) || a.contains(&b))).then(|| (3, a.len().abs_diff(b.len())))
}

/// Letters to insert, drop or replace; `None` for texts too long to be worth it.
fn letters_apart(a: &str, b: &str) -> Option<usize> {
    const LONGEST: usize = 128;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) > LONGEST {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row.last().copied()
}

/// ` (did you mean X?)`, or nothing.
pub(super) fn did_you_mean(hint: Option<&str>) -> String {
    hint.map(|hint| format!(" (did you mean {hint}?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typos_case_and_last_segments_are_recognised() {
        let keys = ["topology.kubernetes.io/zone", "kubernetes.io/arch", "team"];
        assert_eq!(nearest("zone", keys), Some(keys[0]));
        assert_eq!(nearest("topology.k8s.io/zone", keys), Some(keys[0]));
        assert_eq!(nearest("kubernetes.io/arhc", keys), Some(keys[1]));
        assert_eq!(nearest("Team", keys), Some("team"));
        assert_eq!(nearest("rack", keys), None);
        assert_eq!(
            nearest("ml.p5.48xlagre", ["ml.p5.48xlarge"]),
            Some("ml.p5.48xlarge")
        );
        assert_eq!(nearest("a", ["b", "c"]), None);
    }
}
