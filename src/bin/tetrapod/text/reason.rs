//! Reason trees as indented text, equal siblings merged.

use tetrapod::explain::reason::{Code, Reason};

use super::WIDTH;
use crate::table::wrapped;

/// How many names stand for a merged list.
const NAMES: usize = 3;

/// Siblings with the same failure, under one subject.
struct Merged<'a> {
    subjects: Vec<&'a str>,
    reason: &'a Reason,
}

fn merged(reasons: &[Reason]) -> Vec<Merged<'_>> {
    let mut all: Vec<Merged<'_>> = Vec::new();
    for reason in reasons {
        let equal = |held: &&mut Merged<'_>| {
            held.reason.code == reason.code
                && held.reason.message == reason.message
                && held.reason.parts == reason.parts
        };
        match all.iter_mut().find(equal) {
            Some(held) => held.subjects.push(&reason.subject),
            None => all.push(Merged {
                subjects: vec![&reason.subject],
                reason,
            }),
        }
    }
    all
}

impl Merged<'_> {
    fn line(&self) -> String {
        let mut subject = self
            .subjects
            .iter()
            .take(NAMES)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        if self.subjects.len() > NAMES {
            subject.push_str(&format!(" and {} more", self.subjects.len() - NAMES));
        }
        let mut line = sentence(&subject, &self.reason.message);
        if !self.reason.examples.is_empty() {
            let names: Vec<&str> = self
                .reason
                .examples
                .iter()
                .take(NAMES)
                .map(AsRef::as_ref)
                .collect();
            let more = if self.reason.count > names.len() {
                ", ..."
            } else {
                ""
            };
            line.push_str(&format!(" ({}{more})", names.join(", ")));
        }
        line
    }
}

fn sentence(subject: &str, message: &str) -> String {
    if subject.is_empty() {
        message.to_owned()
    } else {
        format!("{subject}: {message}")
    }
}

/// The trees of `reasons`, nearest miss first, indented by `depth` levels; at most `most` siblings on each level.
pub(crate) fn tree(reasons: &[Reason], depth: usize, most: usize) -> String {
    let mut out = String::new();
    let all = merged(reasons);
    let indent = "  ".repeat(depth);
    for group in all.iter().take(most) {
        let line = format!("- {}{}", group.line(), code(group.reason.code));
        let width = WIDTH.saturating_sub(indent.len());
        out.push_str(&indent);
        out.push_str(&wrapped(&line, width, &format!("{indent}  ")));
        out.push('\n');
        out.push_str(&tree(&group.reason.parts, depth + 1, most));
    }
    if all.len() > most {
        out.push_str(&format!("{indent}- and {} more\n", all.len() - most));
    }
    out
}

/// The code in brackets, for what keeps something away; good news needs none.
fn code(code: Code) -> String {
    if matches!(code, Code::Placed | Code::Usable) {
        String::new()
    } else {
        format!(" [{}]", code.as_str())
    }
}

/// The first leaf: what came nearest, in one line.
pub(crate) fn nearest_miss(reasons: &[Reason]) -> Option<String> {
    let mut reason = reasons.first()?;
    let mut path = vec![reason.subject.as_str()];
    while let Some(next) = reason.parts.first() {
        reason = next;
        path.push(&reason.subject);
    }
    path.retain(|subject| !subject.is_empty());
    Some(sentence(&path.join(", "), &reason.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rejections_are_merged_and_the_first_leaf_is_the_nearest_miss() {
        let leaf = |name: &str| Reason::new(name, Code::Taint, "dedicated=gpu is not tolerated");
        let reasons = vec![
            Reason::new(
                "NodePool a",
                Code::InsufficientResources,
                "no type is large enough",
            )
            .with_parts(vec![
                leaf("Node n1"),
                leaf("Node n2"),
                leaf("Node n3"),
                leaf("Node n4"),
            ]),
            leaf("NodePool b"),
        ];
        let text = tree(&reasons, 0, 10);
        assert_eq!(
            text,
            "- NodePool a: no type is large enough [insufficient-resources]\n  \
             - Node n1, Node n2, Node n3 and 1 more: dedicated=gpu is not tolerated [taint]\n\
             - NodePool b: dedicated=gpu is not tolerated [taint]\n"
        );
        assert_eq!(
            nearest_miss(&reasons).unwrap(),
            "NodePool a, Node n1: dedicated=gpu is not tolerated"
        );
        assert_eq!(tree(&reasons, 0, 1).lines().last().unwrap(), "- and 1 more");
        assert_eq!(nearest_miss(&[]), None);
    }
}
