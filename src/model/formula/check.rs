//! Kinds: that numbers meet numbers and conditions are true or false, before anything is computed.

use super::FormulaError;
use super::parser::{Arithmetic, Comparison, Expr, Function, Iteration, Node};

/// What an expression gives. A number may be nil when it is computed; nothing else may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nil,
    Whole,
    Number,
    Truth,
    /// Lists by the kind of their elements.
    Wholes,
    Numbers,
    Truths,
}

impl Kind {
    const fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Number)
    }

    /// The kind of the elements of a list.
    const fn element(self) -> Option<Self> {
        match self {
            Self::Wholes => Some(Self::Whole),
            Self::Numbers => Some(Self::Number),
            Self::Truths => Some(Self::Truth),
            Self::Nil | Self::Whole | Self::Number | Self::Truth => None,
        }
    }

    /// The list of elements of this kind.
    const fn list(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::Wholes),
            Self::Number => Some(Self::Numbers),
            Self::Truth => Some(Self::Truths),
            Self::Nil | Self::Wholes | Self::Numbers | Self::Truths => None,
        }
    }

    /// What stands for either of two kinds, nil being no kind of its own.
    fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, another) if one == another => Some(one),
            (Self::Nil, number) | (number, Self::Nil) if number.is_number() => Some(number),
            (one, another) if one.is_number() && another.is_number() => Some(Self::Number),
            (Self::Wholes, Self::Numbers) | (Self::Numbers, Self::Wholes) => Some(Self::Numbers),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Whole | Self::Number => "a number",
            Self::Truth => "a truth value",
            Self::Wholes | Self::Numbers => "a list of numbers",
            Self::Truths => "a list of truth values",
        }
    }
}

/// Checks that the whole gives a number, or nil.
pub(super) fn formula(root: &Expr) -> Result<(), FormulaError> {
    let kind = kind(root, None)?;
    if kind.is_number() || kind == Kind::Nil {
        return Ok(());
    }
    Err(wrong(root, "the result", kind, "a number"))
}

fn wrong(expr: &Expr, what: &str, found: Kind, accepted: &str) -> FormulaError {
    FormulaError::new(
        expr.at,
        format!("{what} is {}; accepted: {accepted}", found.name()),
    )
}

fn number(expr: &Expr, element: Option<Kind>, what: &str) -> Result<Kind, FormulaError> {
    let kind = kind(expr, element)?;
    if kind.is_number() {
        return Ok(kind);
    }
    Err(wrong(expr, what, kind, "a number"))
}

fn truth(expr: &Expr, element: Option<Kind>, what: &str) -> Result<Kind, FormulaError> {
    let kind = kind(expr, element)?;
    if kind == Kind::Truth {
        return Ok(kind);
    }
    Err(wrong(expr, what, kind, "a truth value such as a > 1"))
}

/// The kind of `expr`, where `#` is of the kind `element`.
fn kind(expr: &Expr, element: Option<Kind>) -> Result<Kind, FormulaError> {
    match &expr.node {
        Node::Number(_, whole) => Ok(if *whole { Kind::Whole } else { Kind::Number }),
        Node::Truth(_) => Ok(Kind::Truth),
        Node::Nil => Ok(Kind::Nil),
        Node::Variable(_) => Ok(Kind::Number),
        Node::Element => Ok(element.unwrap_or(Kind::Number)),
        Node::List(items) => list(items, element),
        Node::Not(inner) => truth(inner, element, "what is negated"),
        Node::Negate(inner) => number(inner, element, "what has a sign"),
        Node::Arithmetic(which, left, right) => {
            let left_kind = number(left, element, "the left side")?;
            let right_kind = number(right, element, "the right side")?;
            arithmetic(expr, *which, left_kind, right_kind)
        }
        Node::Compare(first, rest) => compare(first, rest, element),
        Node::And(left, right) | Node::Or(left, right) => {
            truth(left, element, "the left side")?;
            truth(right, element, "the right side")
        }
        Node::Coalesce(left, right) => {
            let (one, other) = (kind(left, element)?, kind(right, element)?);
            one.join(other)
                .ok_or_else(|| wrong(right, "the right side", other, one.name()))
        }
        Node::Choice(condition, yes, no) => {
            truth(condition, element, "the condition")?;
            let (one, other) = (kind(yes, element)?, kind(no, element)?);
            one.join(other)
                .ok_or_else(|| wrong(no, "the other choice", other, one.name()))
        }
        Node::Call(function, arguments) => call(*function, arguments, element),
        Node::Each(iteration, over, each) => iterate(*iteration, over, each, element),
    }
}

fn list(items: &[Expr], element: Option<Kind>) -> Result<Kind, FormulaError> {
    let mut joined: Option<Kind> = None;
    for item in items {
        let own = kind(item, element)?;
        let fits = own.list().is_some();
        joined = match joined {
            None if fits => Some(own),
            Some(before) if fits && before.join(own).is_some() => before.join(own),
            _ => {
                return Err(wrong(
                    item,
                    "an element",
                    own,
                    "numbers only, or truth values only",
                ));
            }
        };
    }
    Ok(joined.and_then(Kind::list).unwrap_or(Kind::Wholes))
}

fn arithmetic(
    expr: &Expr,
    which: Arithmetic,
    left: Kind,
    right: Kind,
) -> Result<Kind, FormulaError> {
    let whole = left == Kind::Whole && right == Kind::Whole;
    match which {
        Arithmetic::Remainder if !whole => Err(FormulaError::new(
            expr.at,
            "% takes whole numbers only: int(a) % 2",
        )),
        Arithmetic::Divide | Arithmetic::Power => Ok(Kind::Number),
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply | Arithmetic::Remainder => {
            Ok(if whole { Kind::Whole } else { Kind::Number })
        }
    }
}

fn compare(
    first: &Expr,
    rest: &[(Comparison, Expr)],
    element: Option<Kind>,
) -> Result<Kind, FormulaError> {
    let mut left = kind(first, element)?;
    for (which, right) in rest {
        let own = kind(right, element)?;
        let equality = matches!(which, Comparison::Equal | Comparison::NotEqual);
        let numbers = left.is_number() && own.is_number();
        let scalars = left.element().is_none() && own.element().is_none();
        if !(numbers || (equality && scalars && left.join(own).is_some())) {
            return Err(wrong(right, "what is compared", own, left.name()));
        }
        left = own;
    }
    Ok(Kind::Truth)
}

fn call(
    function: Function,
    arguments: &[Expr],
    element: Option<Kind>,
) -> Result<Kind, FormulaError> {
    let mut whole = true;
    for argument in arguments {
        let own = kind(argument, element)?;
        let listed = matches!(
            function,
            Function::Min | Function::Max | Function::Sum | Function::Mean | Function::Count
        );
        let single = !matches!(function, Function::Sum | Function::Count);
        let wanted = if function == Function::Count {
            Kind::Truth
        } else {
            Kind::Number
        };
        let scalar = own
            .element()
            .filter(|_| listed)
            .or_else(|| Some(own).filter(|_| single));
        if scalar.and_then(|scalar| scalar.join(wanted)) != Some(wanted)
            || scalar == Some(Kind::Nil)
        {
            let accepted = match (function, single) {
                (Function::Count, _) => "a list of truth values, or a list and a condition",
                (_, true) => "numbers",
                (_, false) => "a list of numbers",
            };
            return Err(wrong(argument, "the argument", own, accepted));
        }
        whole &= scalar == Some(Kind::Whole);
    }
    Ok(match function {
        Function::Count | Function::Int => Kind::Whole,
        Function::Min | Function::Max | Function::Sum | Function::Abs if whole => Kind::Whole,
        Function::Min
        | Function::Max
        | Function::Sum
        | Function::Abs
        | Function::Mean
        | Function::Ceil
        | Function::Floor
        | Function::Round
        | Function::Float => Kind::Number,
    })
}

fn iterate(
    iteration: Iteration,
    over: &Expr,
    each: &Expr,
    element: Option<Kind>,
) -> Result<Kind, FormulaError> {
    let of = kind(over, element)?;
    let Some(inner) = of.element() else {
        return Err(wrong(over, "the first argument", of, "a list"));
    };
    match iteration {
        Iteration::Map | Iteration::Sum => {
            let own = kind(each, Some(inner))?;
            let wanted = if iteration == Iteration::Sum {
                Some(own).filter(|own| own.is_number())
            } else {
                own.list()
            };
            wanted.ok_or_else(|| wrong(each, "what each element gives", own, "a number"))
        }
        Iteration::Count
        | Iteration::Any
        | Iteration::All
        | Iteration::None
        | Iteration::One
        | Iteration::Filter => {
            truth(each, Some(inner), "the condition")?;
            Ok(match iteration {
                Iteration::Count => Kind::Whole,
                Iteration::Filter => of,
                Iteration::Map
                | Iteration::Sum
                | Iteration::Any
                | Iteration::All
                | Iteration::None
                | Iteration::One => Kind::Truth,
            })
        }
    }
}
