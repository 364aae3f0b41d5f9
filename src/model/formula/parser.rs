//! Tokens to a tree.

use std::collections::BTreeMap;

use super::FormulaError;
use super::lexer::{Kind, Token};
use crate::model::resources::Name;

/// A node of the tree and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A number, and whether it is a whole one.
    Number(f64, bool),
    Truth(bool),
    Nil,
    Variable(Name),
    /// `#`
    Element,
    List(Vec<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `a == b`, or a chain such as `a < b <= c`.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Coalesce(Box<Expr>, Box<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
    /// A function of a list and of something computed from each element.
    Each(Iteration, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Min,
    Max,
    Sum,
    Mean,
    Abs,
    Ceil,
    Floor,
    Round,
    Int,
    Float,
    /// `count` without a condition: of true values.
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Iteration {
    Count,
    Sum,
    Any,
    All,
    None,
    One,
    Map,
    Filter,
}

/// Functions that take values; those of one argument may not take more.
const FUNCTIONS: [(&str, Function); 11] = [
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("mean", Function::Mean),
    ("abs", Function::Abs),
    ("ceil", Function::Ceil),
    ("floor", Function::Floor),
    ("round", Function::Round),
    ("int", Function::Int),
    ("float", Function::Float),
    ("count", Function::Count),
];
const ITERATIONS: [(&str, Iteration); 8] = [
    ("count", Iteration::Count),
    ("sum", Iteration::Sum),
    ("any", Iteration::Any),
    ("all", Iteration::All),
    ("none", Iteration::None),
    ("one", Iteration::One),
    ("map", Iteration::Map),
    ("filter", Iteration::Filter),
];
/// Words of Expr that are no names.
const RESERVED: [&str; 6] = ["in", "let", "matches", "contains", "startsWith", "endsWith"];

/// How deep parentheses, lists, calls and choices may nest.
const DEEPEST: usize = 48;

/// How tightly an operator binds.
type Binding = u8;
const NOT: Binding = 50;
const SIGN: Binding = 90;

/// The tree of a whole formula, and the names in it with the column of their first use.
pub(super) fn parse(tokens: &[Token]) -> Result<(Expr, Vec<(Name, usize)>), FormulaError> {
    let mut parser = Parser {
        tokens,
        place: 0,
        depth: 0,
        elements: 0,
        variables: BTreeMap::new(),
    };
    let root = parser.expression()?;
    match parser.peek() {
        (_, Kind::End) => Ok((root, parser.variables.into_iter().collect())),
        (at, _) => Err(FormulaError::new(at, "an operator or the end is expected")),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    place: usize,
    depth: usize,
    /// In how many conditions over lists we are.
    elements: usize,
    variables: BTreeMap<Name, usize>,
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

impl<'t> Parser<'t> {
    fn peek(&self) -> (usize, &'t Kind) {
        let end = self.tokens.last().map_or(1, |token| token.at);
        self.tokens
            .get(self.place)
            .map_or((end, &Kind::End), |token| (token.at, &token.kind))
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek().1, Kind::Sign(found) if *found == sign);
        self.place += usize::from(there);
        there
    }

    fn expect(&mut self, sign: &str) -> Result<(), FormulaError> {
        if self.take(sign) {
            return Ok(());
        }
        Err(FormulaError::new(
            self.peek().0,
            format!("{sign} is expected"),
        ))
    }

    /// Anything, choices included.
    fn expression(&mut self) -> Result<Expr, FormulaError> {
        self.depth += 1;
        let at = self.peek().0;
        if self.depth > DEEPEST {
            return Err(FormulaError::new(
                at,
                format!("a formula that nests up to {DEEPEST} deep is accepted"),
            ));
        }
        let mut expr = self.operators(0)?;
        let choice_at = self.peek().0;
        if self.take("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            expr = Expr {
                at: choice_at,
                node: Node::Choice(boxed(expr), boxed(yes), boxed(no)),
            };
        }
        self.depth -= 1;
        Ok(expr)
    }

    /// Operators that bind at least as tightly as `least`.
    fn operators(&mut self, least: Binding) -> Result<Expr, FormulaError> {
        let mut left = self.prefixed()?;
        let mut after_coalesce = false;
        loop {
            let (at, kind) = self.peek();
            let Some((operator, binding)) = operator(kind).filter(|(_, binding)| *binding >= least)
            else {
                return Ok(left);
            };
            if after_coalesce && operator != Operator::Coalesce {
                return Err(FormulaError::new(
                    at,
                    "?? and another operator are mixed: put a ?? b in parentheses",
                ));
            }
            self.place += 1;
            after_coalesce = operator == Operator::Coalesce;
            let node = match operator {
                Operator::Compare(first) => {
                    let mut rest = vec![(first, self.operators(binding + 1)?)];
                    while let (true, Some(next)) = (ordered(first), self.ordering()) {
                        rest.push((next, self.operators(binding + 1)?));
                    }
                    Node::Compare(boxed(left), rest)
                }
                // To the right: 2 ** 3 ** 2 is 2 ** 9.
                Operator::Arithmetic(Arithmetic::Power) => {
                    let right = self.nested_operators(binding)?;
                    Node::Arithmetic(Arithmetic::Power, boxed(left), boxed(right))
                }
                Operator::Arithmetic(which) => {
                    let right = self.operators(binding + 1)?;
                    Node::Arithmetic(which, boxed(left), boxed(right))
                }
                Operator::And => Node::And(boxed(left), boxed(self.operators(binding + 1)?)),
                Operator::Or => Node::Or(boxed(left), boxed(self.operators(binding + 1)?)),
                Operator::Coalesce => {
                    Node::Coalesce(boxed(left), boxed(self.operators(binding + 1)?))
                }
            };
            left = Expr { at, node };
        }
    }

    /// As [`operators`](Self::operators), where it calls itself without a limit of its own.
    fn nested_operators(&mut self, least: Binding) -> Result<Expr, FormulaError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FormulaError::new(
                self.peek().0,
                format!("a formula that nests up to {DEEPEST} deep is accepted"),
            ));
        }
        let expr = self.operators(least)?;
        self.depth -= 1;
        Ok(expr)
    }

    /// The next sign if it compares by order, taken.
    fn ordering(&mut self) -> Option<Comparison> {
        match operator(self.peek().1) {
            Some((Operator::Compare(which), _)) if ordered(which) => {
                self.place += 1;
                Some(which)
            }
            _ => None,
        }
    }

    fn prefixed(&mut self) -> Result<Expr, FormulaError> {
        let (at, kind) = self.peek();
        let not =
            matches!(kind, Kind::Sign("!")) || matches!(kind, Kind::Word(word) if &**word == "not");
        if not {
            self.place += 1;
            let inner = self.nested_operators(NOT)?;
            let node = Node::Not(boxed(inner));
            return Ok(Expr { at, node });
        }
        if self.take("-") {
            let inner = self.nested_operators(SIGN)?;
            let node = Node::Negate(boxed(inner));
            return Ok(Expr { at, node });
        }
        if self.take("+") {
            return self.nested_operators(SIGN);
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, FormulaError> {
        let (at, kind) = self.peek();
        let node = match kind {
            Kind::Number(value, whole) => {
                self.place += 1;
                Node::Number(*value, *whole)
            }
            Kind::Word(word) => {
                self.place += 1;
                return self.word(word, at);
            }
            Kind::Sign("#") => {
                self.place += 1;
                if self.elements == 0 {
                    return Err(FormulaError::new(
                        at,
                        "# stands for an element only in a condition over a list",
                    ));
                }
                Node::Element
            }
            Kind::Sign("(") => {
                self.place += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Kind::Sign("[") => {
                self.place += 1;
                Node::List(self.listed("]")?)
            }
            Kind::Sign(_) | Kind::End => {
                return Err(FormulaError::new(
                    at,
                    "a number, a trigger's name, a function, ( or [ is expected",
                ));
            }
        };
        Ok(Expr { at, node })
    }

    /// Expressions between commas up to `close`.
    fn listed(&mut self, close: &str) -> Result<Vec<Expr>, FormulaError> {
        let mut items = Vec::new();
        while !self.take(close) {
            if !items.is_empty() {
                self.expect(",")?;
                // A comma may stand at the end.
                if self.take(close) {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn word(&mut self, word: &Name, at: usize) -> Result<Expr, FormulaError> {
        let node = match word.as_ref() {
            "true" => Node::Truth(true),
            "false" => Node::Truth(false),
            "nil" => Node::Nil,
            reserved if RESERVED.contains(&reserved) => {
                let message = format!("{reserved} is not understood in a formula");
                return Err(FormulaError::new(at, message));
            }
            name if self.take("(") => return self.call(name, at),
            _ => {
                self.variables.entry(Name::clone(word)).or_insert(at);
                Node::Variable(Name::clone(word))
            }
        };
        Ok(Expr { at, node })
    }

    /// The arguments of a function, after the opening bracket.
    fn call(&mut self, name: &str, at: usize) -> Result<Expr, FormulaError> {
        let function = FUNCTIONS.iter().find(|(known, _)| *known == name);
        let iteration = ITERATIONS.iter().find(|(known, _)| *known == name);
        if function.is_none() && iteration.is_none() {
            let mut known: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
            known.extend(ITERATIONS.iter().skip(2).map(|(name, _)| *name));
            return Err(FormulaError::new(
                at,
                format!(
                    "there is no function {name}: {} are accepted",
                    known.join(", ")
                ),
            ));
        }
        if let Some((_, iteration)) = iteration {
            let list = self.expression()?;
            if self.take(",") {
                let each = self.each()?;
                self.take(",");
                self.expect(")")?;
                return Ok(Expr {
                    at,
                    node: Node::Each(*iteration, boxed(list), boxed(each)),
                });
            }
            let Some((_, function)) = function else {
                return Err(FormulaError::new(
                    self.peek().0,
                    format!("a condition such as {{# > 1}} is expected: {name}(list, condition)"),
                ));
            };
            self.expect(")")?;
            return Ok(Expr {
                at,
                node: Node::Call(*function, vec![list]),
            });
        }
        let arguments = self.listed(")")?;
        let function = function.map_or(Function::Float, |(_, function)| *function);
        let many = matches!(function, Function::Min | Function::Max | Function::Mean);
        if arguments.is_empty() || (arguments.len() > 1 && !many) {
            return Err(FormulaError::new(
                at,
                format!(
                    "{name} takes {}",
                    if many {
                        "one argument or more"
                    } else {
                        "one argument"
                    }
                ),
            ));
        }
        Ok(Expr {
            at,
            node: Node::Call(function, arguments),
        })
    }

    /// What is computed from each element: in braces, or as it is.
    fn each(&mut self) -> Result<Expr, FormulaError> {
        self.elements += 1;
        let braces = self.take("{");
        let each = self.expression()?;
        if braces {
            self.expect("}")?;
        }
        self.elements -= 1;
        Ok(each)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Compare(Comparison),
    Arithmetic(Arithmetic),
    Coalesce,
}

fn ordered(which: Comparison) -> bool {
    !matches!(which, Comparison::Equal | Comparison::NotEqual)
}

/// The operator that a token is, and how tightly it binds.
fn operator(kind: &Kind) -> Option<(Operator, Binding)> {
    let text = match kind {
        Kind::Sign(sign) => *sign,
        Kind::Word(word) => word.as_ref(),
        Kind::Number(..) | Kind::End => return None,
    };
    Some(match text {
        "or" | "||" => (Operator::Or, 10),
        "and" | "&&" => (Operator::And, 15),
        "==" => (Operator::Compare(Comparison::Equal), 20),
        "!=" => (Operator::Compare(Comparison::NotEqual), 20),
        "<" => (Operator::Compare(Comparison::Less), 20),
        "<=" => (Operator::Compare(Comparison::LessOrEqual), 20),
        ">" => (Operator::Compare(Comparison::Greater), 20),
        ">=" => (Operator::Compare(Comparison::GreaterOrEqual), 20),
        "+" => (Operator::Arithmetic(Arithmetic::Add), 30),
        "-" => (Operator::Arithmetic(Arithmetic::Subtract), 30),
        "*" => (Operator::Arithmetic(Arithmetic::Multiply), 60),
        "/" => (Operator::Arithmetic(Arithmetic::Divide), 60),
        "%" => (Operator::Arithmetic(Arithmetic::Remainder), 60),
        "**" | "^" => (Operator::Arithmetic(Arithmetic::Power), 100),
        "??" => (Operator::Coalesce, 200),
        _ => return None,
    })
}
