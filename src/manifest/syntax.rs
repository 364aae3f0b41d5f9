//! The syntax of label keys and values.

fn is_word(text: &str, longest: usize) -> bool {
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= longest
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether `text` may be a label value: empty, or up to 63 letters, digits, `-`, `_` and `.`.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_word(text, 63)
}

/// Whether `text` may be a label or taint key: a name of up to 63 characters after an optional DNS prefix and `/`.
pub(super) fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        None => is_word(text, 63),
        Some((prefix, name)) => {
            let part = |part: &str| {
                is_word(part, 253)
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            };
            prefix.len() <= 253 && prefix.split('.').all(part) && is_word(name, 63)
        }
    }
}
