//! The formula of scaling modifiers (K-77, K-78).

use tetrapod::model::formula::Formula;

/// The result with a = 1, b = 2.5, c = 10, and n = nil.
fn eval(text: &str) -> Option<f64> {
    let formula: Formula = text
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let value = |name: &str| match name {
        "a" => Some(Some(1.0)),
        "b" => Some(Some(2.5)),
        "c" => Some(Some(10.0)),
        "n" => Some(None),
        _ => None,
    };
    formula
        .eval(value)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn operators_bind_as_in_expr_k78() {
    let cases = [
        ("a + b * c", 26.0),
        ("(a + b) * c", 35.0),
        ("c - a - b", 6.5),
        ("c / b / 2", 2.0),
        ("7 / 2", 3.5),
        ("7 % 4 + 1", 4.0),
        ("2 ** 3 ** 2", 512.0),
        ("2 ^ -2", 0.25),
        ("-2 ** 2", -4.0),
        ("-c * 2", -20.0),
        ("+a - -a", 2.0),
        ("9 ** 0.5", 3.0),
        ("a < b and b < c ? 1 : 0", 1.0),
        ("a < b < c ? 1 : 0", 1.0),
        ("a < c < b ? 1 : 0", 0.0),
        ("not (a > b) ? 5 : 6", 5.0),
        ("!(a > b) && true || false ? 5 : 6", 5.0),
        ("a == 1 ? b != 2.5 ? 1 : 2 : 3", 2.0),
        ("n ?? a", 1.0),
        ("n ?? n ?? c", 10.0),
        ("a + (n ?? b)", 3.5),
        ("1_000 + .5 + 2e1", 1_020.5),
    ];
    for (text, result) in cases {
        assert_eq!(eval(text), Some(result), "{text}");
    }
    assert_eq!(eval("n ?? nil"), None);
    assert_eq!(eval("n == nil ? 3 : n"), Some(3.0));
    assert!(eval("a / 0").unwrap().is_infinite());
}

#[test]
fn functions_and_lists_k78() {
    let cases = [
        ("max(a, b, c)", 10.0),
        ("min([c, b]) + min(a)", 3.5),
        ("sum([a, b, c])", 13.5),
        ("sum([a, b], # * 2)", 7.0),
        ("mean([a, c])", 5.5),
        ("abs(a - c)", 9.0),
        ("ceil(b) + floor(b)", 5.0),
        ("round(b) + round(-2.5)", 0.0),
        ("int(b) % 2", 0.0),
        ("float(a)", 1.0),
        ("count([a, b, c], {# > 1})", 2.0),
        ("count([a, b, c], # > 1) > 1 ? 5 : 0", 5.0),
        ("count([a > 0, b > 5])", 1.0),
        ("all([a, b], # > 0) ? 1 : 0", 1.0),
        ("any([a, b], # > 2) ? 1 : 0", 1.0),
        ("none([a, b], # > 2) ? 1 : 0", 0.0),
        ("one([a, b], # > 2) ? 1 : 0", 1.0),
        ("sum(map(filter([a, b, c], # > 1), # + 1))", 14.5),
        ("max(map([a, b], {count([1, 2, 3], {# > 1}) * #}))", 5.0),
        ("sum([])", 0.0),
        ("mean([])", 0.0),
        ("min([a, b,])", 1.0),
    ];
    for (text, result) in cases {
        assert_eq!(eval(text), Some(result), "{text}");
    }
}

#[test]
fn mistakes_are_found_when_the_formula_is_read_and_named_by_column_k77() {
    let cases = [
        ("", 1, "expected"),
        ("a +", 4, "expected"),
        ("a + * b", 5, "expected"),
        ("(a + b", 7, ") is expected"),
        ("a b", 3, "operator or the end"),
        ("a ? b", 6, ": is expected"),
        ("a ? 1 : 2", 1, "truth value"),
        ("a > 1", 3, "accepted: a number"),
        ("a && true ? 1 : 2", 1, "truth value"),
        ("a + (b > 1)", 8, "accepted: a number"),
        ("a % 2", 3, "whole numbers"),
        ("a ?? b + c", 8, "parentheses"),
        ("# + 1", 1, "condition over a list"),
        ("cosine(a)", 1, "no function"),
        ("abs(a, b)", 1, "one argument"),
        ("max()", 1, "one argument or more"),
        ("sum(a)", 5, "list of numbers"),
        ("count([a, b])", 7, "truth values"),
        ("any([a])", 8, "condition"),
        ("count([a], {# + 1})", 15, "truth value"),
        ("[a, b > 1]", 7, "numbers only"),
        ("[[a]]", 2, "numbers only"),
        ("'x'", 1, "texts"),
        ("a | b", 3, "pipes"),
        ("a.b", 2, "fields"),
        ("let x = 1; x", 7, "not understood"),
        ("let x", 1, "let is not understood"),
        ("a in [1]", 3, "operator or the end"),
        ("a @ b", 3, "no meaning"),
        ("1.2.3", 1, "a number"),
        ("99999999999999999999", 1, "a number"),
        ("1e999", 1, "a number"),
        ("nil + 1", 1, "accepted: a number"),
        ("\u{e4} + * b", 5, "expected"),
    ];
    for (text, column, part) in cases {
        let error = text.parse::<Formula>().unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn what_goes_wrong_while_computing_is_an_error_k78() {
    let fails = |text: &str| {
        let formula: Formula = text.parse().unwrap();
        let value = |name: &str| match name {
            "a" => Some(Some(2.0)),
            "n" => Some(None),
            _ => None,
        };
        formula.eval(value).unwrap_err().to_string()
    };
    assert!(fails("a + unknown").contains("column 5: there is no trigger unknown"));
    assert!(fails("a + n").contains("nil"));
    assert!(fails("n > 1 ? 1 : 2").contains("nil"));
    assert!(fails("5 % 0").contains("remainder"));
    assert!(fails("a ** 0.3").contains("power"));
    assert!(fails("a ** 1e9").contains("power"));
    assert!(fails("min(filter([a], # > 5))").contains("empty"));
}

#[test]
fn hostile_formulas_are_bounded() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}1{}", open.repeat(times), close.repeat(times))
    };
    for text in [
        nested("(", ")", 400),
        nested("-", "", 400),
        nested("!", "", 400),
        nested("[", "]", 400),
        nested("abs(", ")", 200),
        nested("2 ** ", "", 400),
        nested("1 > 0 ? 1 : ", "", 100),
        "1 +".repeat(3_000),
        "a".repeat(9_000),
    ] {
        assert!(text.parse::<Formula>().is_err(), "{:.40}", text);
    }
    // A long chain is fine, and so is its computing.
    let chain = format!("a{}", " + a".repeat(490));
    assert_eq!(eval(&chain), Some(491.0));
    let chain = format!("n{}", " ?? n".repeat(490));
    assert_eq!(eval(&chain), None);
    // Conditions within conditions multiply: the work is bounded.
    let mut text = "1".to_owned();
    for _ in 0..12 {
        text = format!("sum([1,1,1,1,1,1,1,1], {{{text}}})");
    }
    let formula: Formula = text.parse().unwrap();
    let error = formula.eval(|_| None).unwrap_err();
    assert!(error.message.contains("steps"), "{error}");
}
