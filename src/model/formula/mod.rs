//! The formula of KEDA's scaling modifiers (K-77..K-81): a small language of numbers, truth values and lists.
//!
//! KEDA hands formulas to the language Expr. What its documentation shows of it is understood here:
//!
//! | | |
//! |---|---|
//! | numbers, truth, nothing | `12`, `1_000`, `.5`, `2e3`, `true`, `false`, `nil` |
//! | arithmetic | `+ - * / %`, `**` or `^` with whole exponents (and 0.5) |
//! | comparison | `== != < <= > >=`; `1 < a < 3` is a chain |
//! | truth | `and` `&&`, `or` `\|\|`, `not` `!` |
//! | choice | `c ? a : b`, `a ?? b` (the first that is not nil) |
//! | lists | `[a, b]`, of numbers or of truth values |
//! | functions | `min max sum mean` of numbers or of a list; `abs ceil floor round int float` |
//! | over lists | `count any all none one map filter sum` with a condition `{# > 1}` in which `#` is the element |
//!
//! Precedence, lowest first: `? :`, `or`, `and`, comparison, `+ -`, `* / %`, `**`, `??`; `not` stands between comparison
//! and `+`, the signs between `*` and `**`. As in Expr, `??` cannot be followed by another operator without parentheses,
//! `%` takes whole numbers only, and kinds are checked before anything is computed, so that a mistake is found where the
//! formula is read and not where it is used. What Expr has beyond this (strings, maps, ranges, pipes, variables) is
//! refused by name.

mod check;
mod eval;
mod lexer;
mod parser;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::resources::Name;
use parser::Expr;

/// The longest formula that is read, in bytes.
pub const LONGEST: usize = 8_192;

/// A formula that was read and whose kinds fit.
///
/// ```
/// use tetrapod::model::formula::Formula;
/// let formula: Formula = "count([a, b, c], {# > 1}) > 1 ? max(a, b) : 0".parse().unwrap();
/// let value = |name: &str| Some(if name == "c" { Some(0.0) } else { Some(7.5) });
/// assert_eq!(formula.eval(value), Ok(Some(7.5)));
/// let error = "a + * b".parse::<Formula>().unwrap_err();
/// assert_eq!(error.column, 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    text: Name,
    root: Expr,
    variables: Vec<(Name, usize)>,
}

/// What is wrong with a formula or with what it computes, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
#[non_exhaustive]
pub struct FormulaError {
    /// The character at which it goes wrong, counted from 1.
    pub column: usize,
    /// What is wrong, and what is accepted.
    pub message: String,
}

impl FormulaError {
    fn new(column: usize, message: impl Into<String>) -> Self {
        Self {
            column,
            message: message.into(),
        }
    }
}

impl Formula {
    /// The formula as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names in the formula with the column where each first stands, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, usize)> + '_ {
        self.variables.iter().map(|(name, at)| (name.as_ref(), *at))
    }

    /// The result for the given values: `None` for a name that is not known, `Some(None)` for one that is nil (K-75). The
    /// result is nil only where the formula uses `??` or `nil`.
    ///
    /// # Errors
    /// If a name is not known, nil meets arithmetic or comparison, a remainder is taken of 0, a power is not whole, or the
    /// work exceeds about 100,000 steps. A division by 0 is not an error: it gives infinity.
    pub fn eval(
        &self,
        value: impl Fn(&str) -> Option<Option<f64>>,
    ) -> Result<Option<f64>, FormulaError> {
        eval::eval(&self.root, &value)
    }
}

impl FromStr for Formula {
    type Err = FormulaError;
    fn from_str(text: &str) -> Result<Self, FormulaError> {
        if text.len() > LONGEST {
            return Err(FormulaError::new(
                LONGEST,
                format!("a formula of up to {LONGEST} bytes is accepted"),
            ));
        }
        let tokens = lexer::tokens(text)?;
        let (root, variables) = parser::parse(&tokens)?;
        check::formula(&root)?;
        Ok(Self {
            text: text.into(),
            root,
            variables,
        })
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
