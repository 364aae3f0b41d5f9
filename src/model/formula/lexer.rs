//! Text to tokens.

use super::FormulaError;
use crate::model::resources::Name;

/// A token and the column of its first character, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A number, and whether it is written as a whole one.
    Number(f64, bool),
    Word(Name),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer signs first, so that each is the longest that fits.
const SIGNS: [&str; 25] = [
    "**", "??", "==", "!=", "<=", ">=", "&&", "||", "+", "-", "*", "/", "%", "^", "<", ">", "!",
    "?", ":", "(", ")", "[", "]", ",", "#",
];
const BRACES: [&str; 2] = ["{", "}"];
/// More tokens than this are refused, which bounds how deep a chain of operators can nest.
const MOST_TOKENS: usize = 1_000;

/// The tokens of `text`, the last one being the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FormulaError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 1;
    loop {
        let blank = rest.len() - rest.trim_start().len();
        let (blanks, after) = rest.split_at(blank);
        at += blanks.chars().count();
        rest = after;
        let Some(first) = rest.chars().next() else {
            tokens.push(Token {
                at,
                kind: Kind::End,
            });
            return Ok(tokens);
        };
        if tokens.len() >= MOST_TOKENS {
            let message = format!("a formula of up to {MOST_TOKENS} words and signs is accepted");
            return Err(FormulaError::new(at, message));
        }
        let second_is_digit = rest[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        let (kind, length) = if first.is_ascii_digit() || (first == '.' && second_is_digit) {
            number(rest, at)?
        } else if first.is_alphabetic() || first == '_' || first == '$' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            (Kind::Word(rest[..end].into()), end)
        } else {
            let sign = SIGNS
                .iter()
                .chain(&BRACES)
                .find(|sign| rest.starts_with(**sign));
            let Some(sign) = sign else {
                return Err(FormulaError::new(at, unknown(first)));
            };
            (Kind::Sign(sign), sign.len())
        };
        tokens.push(Token { at, kind });
        at += rest[..length].chars().count();
        rest = &rest[length..];
    }
}

fn unknown(sign: char) -> String {
    let what = match sign {
        '"' | '\'' | '`' => "texts",
        '.' => "fields and ranges",
        '|' => "pipes",
        ';' | '=' => "variables of its own",
        _ => return format!("{sign:?} has no meaning in a formula"),
    };
    format!("{what} are not understood in a formula: numbers, truth values and lists are")
}

/// The number at the start of `text`, and its length in bytes.
fn number(text: &str, at: usize) -> Result<(Kind, usize), FormulaError> {
    let bytes = text.as_bytes();
    let digits_from = |from: usize| {
        let more = bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'_')
            .count();
        from + more
    };
    let mut end = digits_from(0);
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        whole = false;
        end = digits_from(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            whole = false;
            end = digits_from(end + 1 + sign);
        }
    }
    let written = text[..end].replace('_', "");
    let ends_well = text[end..]
        .chars()
        .next()
        .is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '.'));
    let value: Option<f64> = written.parse().ok().filter(|value: &f64| value.is_finite());
    let fits = !whole || written.parse::<i64>().is_ok();
    match value {
        Some(value) if ends_well && fits => Ok((Kind::Number(value, whole), end)),
        _ => Err(FormulaError::new(
            at,
            "a number such as 12, 1_000, 0.5 or 2e3 is accepted",
        )),
    }
}
