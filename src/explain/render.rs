//! Reason trees as text for terminals.

use super::reason::Reason;

/// Reasons nested deeper than this are not printed; explanations are at most five levels deep.
const DEEPEST: usize = 32;

/// `reason` as an indented tree: one line a reason with its subject, message, code and examples. Ends with a newline; the
/// same tree always gives the same text.
///
/// ```
/// use tetrapod::explain::reason::{Code, Reason};
/// use tetrapod::explain::render::text;
/// let part = Reason::new("instance type ml.c5.large", Code::InsufficientResources, "cpu 2 < 4");
/// let tree = Reason::new("NodePool default", Code::InsufficientResources, "no instance type has enough: cpu 2 < 4")
///     .with_parts(vec![part]);
/// assert_eq!(
///     text(&tree),
///     "NodePool default: no instance type has enough: cpu 2 < 4 [insufficient-resources]\n\
///      \x20 instance type ml.c5.large: cpu 2 < 4 [insufficient-resources]\n"
/// );
/// ```
#[must_use]
pub fn text(reason: &Reason) -> String {
    let mut out = String::new();
    write(reason, 0, &mut out);
    out
}

/// Several trees one after the other.
#[must_use]
pub fn texts<'r>(reasons: impl IntoIterator<Item = &'r Reason>) -> String {
    let mut out = String::new();
    for reason in reasons {
        write(reason, 0, &mut out);
    }
    out
}

fn write(reason: &Reason, depth: usize, out: &mut String) {
    if depth > DEEPEST {
        return;
    }
    for _ in 0..depth {
        out.push_str("  ");
    }
    out.push_str(&reason.subject);
    if !reason.message.is_empty() {
        out.push_str(": ");
        // One line a reason, whatever a message quotes from the input.
        out.extend(
            reason
                .message
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c }),
        );
    }
    out.push_str(" [");
    out.push_str(reason.code.as_str());
    out.push(']');
    if !reason.examples.is_empty() {
        let names: Vec<&str> = reason.examples.iter().map(AsRef::as_ref).collect();
        out.push_str(" (");
        out.push_str(&names.join(", "));
        if reason.count > names.len() {
            out.push_str(", ...");
        }
        out.push(')');
    }
    out.push('\n');
    for part in &reason.parts {
        write(part, depth + 1, out);
    }
}
