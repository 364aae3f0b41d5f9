//! Computing a formula whose kinds were checked.

use super::FormulaError;
use super::parser::{Arithmetic, Comparison, Expr, Function, Iteration, Node};

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Nil,
    Number(f64),
    Truth(bool),
    List(Vec<Self>),
}

/// Nested conditions over lists multiply; more steps than this are refused.
const MOST_STEPS: u32 = 100_000;
/// The largest exponent.
const LARGEST_POWER: f64 = 1_024.0;

struct Run<'a> {
    value: &'a dyn Fn(&str) -> Option<Option<f64>>,
    steps: u32,
}

/// The number that `root` gives, `None` when it is nil.
pub(super) fn eval(
    root: &Expr,
    value: &dyn Fn(&str) -> Option<Option<f64>>,
) -> Result<Option<f64>, FormulaError> {
    let mut run = Run { value, steps: 0 };
    match run.eval(root, None)? {
        Value::Nil => Ok(None),
        Value::Number(number) => Ok(Some(number)),
        Value::Truth(_) | Value::List(_) => Err(unfit(root)),
    }
}

fn unfit(expr: &Expr) -> FormulaError {
    FormulaError::new(expr.at, "nil stands where a value is needed")
}

impl Run<'_> {
    fn eval(&mut self, expr: &Expr, element: Option<&Value>) -> Result<Value, FormulaError> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            let message = format!("more than {MOST_STEPS} steps are needed");
            return Err(FormulaError::new(expr.at, message));
        }
        Ok(match &expr.node {
            Node::Number(number, _) => Value::Number(*number),
            Node::Truth(truth) => Value::Truth(*truth),
            Node::Nil => Value::Nil,
            Node::Variable(name) => match (self.value)(name) {
                Some(Some(number)) => Value::Number(number),
                Some(None) => Value::Nil,
                None => {
                    let message = format!("there is no trigger {name}");
                    return Err(FormulaError::new(expr.at, message));
                }
            },
            Node::Element => element.cloned().ok_or_else(|| unfit(expr))?,
            Node::List(items) => {
                let items: Result<_, _> =
                    items.iter().map(|item| self.eval(item, element)).collect();
                Value::List(items?)
            }
            Node::Not(inner) => Value::Truth(!self.truth(inner, element)?),
            Node::Negate(inner) => Value::Number(-self.number(inner, element)?),
            Node::Arithmetic(which, left, right) => {
                let (left, right) = (self.number(left, element)?, self.number(right, element)?);
                Value::Number(arithmetic(expr, *which, left, right)?)
            }
            Node::Compare(first, rest) => self.compare(first, rest, element)?,
            Node::And(left, right) => {
                Value::Truth(self.truth(left, element)? && self.truth(right, element)?)
            }
            Node::Or(left, right) => {
                Value::Truth(self.truth(left, element)? || self.truth(right, element)?)
            }
            Node::Coalesce(left, right) => match self.eval(left, element)? {
                Value::Nil => self.eval(right, element)?,
                value @ (Value::Number(_) | Value::Truth(_) | Value::List(_)) => value,
            },
            Node::Choice(condition, yes, no) => {
                let chosen = if self.truth(condition, element)? {
                    yes
                } else {
                    no
                };
                self.eval(chosen, element)?
            }
            Node::Call(function, arguments) => self.call(expr, *function, arguments, element)?,
            Node::Each(iteration, over, each) => {
                self.each(expr, *iteration, over, each, element)?
            }
        })
    }

    fn number(&mut self, expr: &Expr, element: Option<&Value>) -> Result<f64, FormulaError> {
        match self.eval(expr, element)? {
            Value::Number(number) => Ok(number),
            Value::Nil | Value::Truth(_) | Value::List(_) => Err(unfit(expr)),
        }
    }

    fn truth(&mut self, expr: &Expr, element: Option<&Value>) -> Result<bool, FormulaError> {
        match self.eval(expr, element)? {
            Value::Truth(truth) => Ok(truth),
            Value::Nil | Value::Number(_) | Value::List(_) => Err(unfit(expr)),
        }
    }

    fn compare(
        &mut self,
        first: &Expr,
        rest: &[(Comparison, Expr)],
        element: Option<&Value>,
    ) -> Result<Value, FormulaError> {
        let mut left = self.eval(first, element)?;
        for (which, right) in rest {
            let own = self.eval(right, element)?;
            let holds = match (which, &left, &own) {
                (Comparison::Equal, _, _) => left == own,
                (Comparison::NotEqual, _, _) => left != own,
                (Comparison::Less, Value::Number(a), Value::Number(b)) => a < b,
                (Comparison::LessOrEqual, Value::Number(a), Value::Number(b)) => a <= b,
                (Comparison::Greater, Value::Number(a), Value::Number(b)) => a > b,
                (Comparison::GreaterOrEqual, Value::Number(a), Value::Number(b)) => a >= b,
                _ => return Err(unfit(right)),
            };
            if !holds {
                return Ok(Value::Truth(false));
            }
            left = own;
        }
        Ok(Value::Truth(true))
    }

    fn call(
        &mut self,
        expr: &Expr,
        function: Function,
        arguments: &[Expr],
        element: Option<&Value>,
    ) -> Result<Value, FormulaError> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match self.eval(argument, element)? {
                Value::List(items) => values.extend(items),
                value @ (Value::Nil | Value::Number(_) | Value::Truth(_)) => values.push(value),
            }
        }
        if function == Function::Count {
            return Ok(counted(
                values.iter().filter(|value| **value == Value::Truth(true)),
            ));
        }
        let numbers: Option<Vec<f64>> = values.iter().map(as_number).collect();
        let numbers = numbers.ok_or_else(|| unfit(expr))?;
        let first = numbers.first().copied();
        let empty = || FormulaError::new(expr.at, "the list is empty");
        let result = match function {
            Function::Min => least(&numbers).ok_or_else(empty)?,
            Function::Max => -least(&negated(&numbers)).ok_or_else(empty)?,
            Function::Sum => total(&numbers),
            // The mean of nothing is 0, as in Expr.
            Function::Mean if numbers.is_empty() => 0.0,
            Function::Mean => total(&numbers) / count(numbers.iter()),
            Function::Abs => first.ok_or_else(empty)?.abs(),
            Function::Ceil => first.ok_or_else(empty)?.ceil(),
            Function::Floor => first.ok_or_else(empty)?.floor(),
            Function::Round => first.ok_or_else(empty)?.round(),
            Function::Int => first.ok_or_else(empty)?.trunc(),
            Function::Float | Function::Count => first.ok_or_else(empty)?,
        };
        Ok(Value::Number(result))
    }

    fn each(
        &mut self,
        expr: &Expr,
        iteration: Iteration,
        over: &Expr,
        each: &Expr,
        element: Option<&Value>,
    ) -> Result<Value, FormulaError> {
        let Value::List(items) = self.eval(over, element)? else {
            return Err(unfit(over));
        };
        let mut given = Vec::with_capacity(items.len());
        for item in &items {
            given.push(self.eval(each, Some(item))?);
        }
        let yes = Value::Truth(true);
        let holding = || given.iter().filter(|value| **value == yes);
        Ok(match iteration {
            Iteration::Map => Value::List(given),
            Iteration::Sum => {
                let numbers: Option<Vec<f64>> = given.iter().map(as_number).collect();
                Value::Number(total(&numbers.ok_or_else(|| unfit(expr))?))
            }
            Iteration::Count => counted(holding()),
            Iteration::Any => Value::Truth(holding().next().is_some()),
            Iteration::All => Value::Truth(holding().count() == given.len()),
            Iteration::None => Value::Truth(holding().next().is_none()),
            Iteration::One => Value::Truth(holding().count() == 1),
            Iteration::Filter => {
                let kept = items
                    .into_iter()
                    .zip(&given)
                    .filter(|(_, value)| **value == yes);
                Value::List(kept.map(|(item, _)| item).collect())
            }
        })
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(*number),
        Value::Nil | Value::Truth(_) | Value::List(_) => None,
    }
}

/// How many there are; steps bound it.
fn count<T>(items: impl Iterator<Item = T>) -> f64 {
    items.fold(0.0, |sum, _| sum + 1.0)
}

fn counted<T>(items: impl Iterator<Item = T>) -> Value {
    Value::Number(count(items))
}

fn total(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |sum, number| sum + number)
}

fn negated(numbers: &[f64]) -> Vec<f64> {
    numbers.iter().map(|number| -number).collect()
}

/// The smallest; the first of those that do not compare.
fn least(numbers: &[f64]) -> Option<f64> {
    numbers
        .iter()
        .copied()
        .reduce(|least, number| if number < least { number } else { least })
}

fn arithmetic(expr: &Expr, which: Arithmetic, left: f64, right: f64) -> Result<f64, FormulaError> {
    Ok(match which {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => {
            let rest = left % right;
            if rest.is_nan() {
                return Err(FormulaError::new(expr.at, "a remainder of 0 is taken"));
            }
            rest
        }
        Arithmetic::Power => power(left, right).ok_or_else(|| {
            FormulaError::new(
                expr.at,
                "a power must be a whole number from -1024 to 1024, or 0.5",
            )
        })?,
    })
}

/// A power by multiplication, so that it is the same on every machine.
fn power(base: f64, exponent: f64) -> Option<f64> {
    let half = (exponent - 0.5).abs() <= 0.0;
    if half {
        return Some(base.sqrt());
    }
    let whole = (exponent - exponent.trunc()).abs() <= 0.0;
    if !whole || exponent.abs() > LARGEST_POWER {
        return None;
    }
    let mut result = 1.0;
    let mut left = exponent.abs();
    let mut square = base;
    while left >= 1.0 {
        let halved = (left / 2.0).floor();
        if left - 2.0 * halved >= 1.0 {
            result *= square;
        }
        square *= square;
        left = halved;
    }
    Some(if exponent < 0.0 { 1.0 / result } else { result })
}
