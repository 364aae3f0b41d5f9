//! Prices as exact decimals (M-8).

use proptest::prelude::*;
use tetrapod::model::price::Price;

fn p(text: &str) -> Price {
    text.parse().expect("a price")
}

#[test]
fn prices_have_fifteen_places() {
    assert_eq!(p("0.3147483648").as_femto(), 314_748_364_800_000);
    assert_eq!(p("1e-15").as_femto(), 1);
    assert_eq!(p("4.9e-16").as_femto(), 0);
    assert_eq!(p("5e-16").as_femto(), 1);
    assert_eq!(p("-5e-16").as_femto(), -1);
    assert_eq!(p("1.5E+3"), p("1500"));
    assert_eq!(p("+.5"), p("0.5"));
    assert_eq!(p(&format!("0.{}1", "0".repeat(100))), Price::ZERO);
    let long = format!("1.{}", "3".repeat(1_000_000));
    assert_eq!(p(&long), p("1.333333333333333"));
}

#[test]
fn what_is_not_a_price_is_refused() {
    for text in [
        "",
        "-",
        ".",
        "$1",
        "1e",
        "1e1.5",
        "1x",
        "1e30",
        "NaN",
        "inf",
        "1e99999999999",
        " 1",
        "1e+",
    ] {
        assert!(text.parse::<Price>().is_err(), "{text:?}");
    }
}

#[test]
fn prices_print_with_all_or_some_places() {
    assert_eq!(p("32.38752195").to_string(), "32.38752195");
    assert_eq!(p("-0.25").to_string(), "-0.25");
    assert_eq!(p("7").to_string(), "7");
    assert_eq!(format!("{:.2}", p("1.005")), "1.01");
    assert_eq!(format!("{:.2}", p("7")), "7.00");
    assert_eq!(format!("{:.0}", p("0.5")), "1");
    assert_eq!(format!("{:.2}", p("-0.001")), "0.00");
    assert_eq!(format!("{:.2}", p("-0.005")), "-0.01");
    assert_eq!(format!("{:.20}", p("0.1")), "0.100000000000000");
    assert_eq!(format!("[{:>8.2}]", p("12.345")), "[   12.35]");
    assert_eq!(format!("{:.2}", Price::MAX), "170141183460469231731687.30");
}

#[test]
fn prices_from_and_to_floats() {
    for text in [
        "0.204",
        "32.38752195",
        "0.3147483648",
        "98.32",
        "-0.0416",
        "55.04",
        "0",
    ] {
        let float: f64 = text.parse().expect("a float");
        assert_eq!(Price::from_f64(float), Ok(p(text)), "{text}");
        assert_eq!(p(text).as_f64().to_bits(), float.to_bits(), "{text}");
    }
    assert_eq!(Price::from_f64(0.1 + 0.2), Ok(p("0.3")));
    assert_eq!(Price::from_f64(1e-300), Ok(Price::ZERO));
    assert_eq!(Price::from_f64(1e20), Ok(p("1e20")));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e21, f64::MAX] {
        assert!(Price::from_f64(bad).is_err(), "{bad}");
    }
}

#[test]
fn sums_of_prices_are_exact() {
    let sum: Price = std::iter::repeat_n(p("0.3147483648"), 1_000).sum();
    assert_eq!(sum, p("314.7483648"));
    assert_eq!(sum, p("0.3147483648").times(1_000));
    assert_eq!(Price::MAX + p("1"), Price::MAX);
    assert_eq!(p("1") - p("1.5"), p("-0.5"));
}

#[test]
fn prices_in_json() {
    let read = |text| serde_json::from_str::<Price>(text).expect("a price");
    assert_eq!(read("0.204"), p("0.204"));
    assert_eq!(read("7"), p("7"));
    assert_eq!(read("-7"), p("-7"));
    assert_eq!(read("\"7.09\""), p("7.09"));
    assert!(serde_json::from_str::<Price>("1e300").is_err());
    assert_eq!(serde_json::to_string(&p("0.204")).expect("JSON"), "0.204");
}

proptest! {
    #[test]
    fn prices_read_back(femto: i64, cents in 0u32..100_000_000) {
        let price = Price::from_femto(i128::from(femto));
        prop_assert_eq!(price.to_string().parse::<Price>(), Ok(price));
        // Up to 15 significant digits survive the numbers of JSON.
        let price = Price::from_femto(i128::from(cents) * 10_000_000);
        let json = serde_json::to_string(&price).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Price>(&json).expect("a price"), price);
        prop_assert_eq!(Price::from_f64(price.as_f64()), Ok(price));
    }

    #[test]
    fn the_float_is_the_one_that_the_text_reads_as(femto: u64, zeros in 0u32..64, float in 0.0..20_000.0, off in -9i128..10) {
        // Amounts of all lengths, and such as lie close to a float: 10 to 100 dollars have a float for every few units.
        let near = Price::from_f64(float).expect("a price").as_femto();
        for femto in [i128::from(femto >> zeros), -i128::from(femto), i128::from(femto) * 1_000_003, near + off] {
            let price = Price::from_femto(femto);
            let read: f64 = price.to_string().parse().expect("a float");
            prop_assert_eq!(price.as_f64().to_bits(), read.to_bits(), "{}", price);
        }
    }

    #[test]
    fn what_can_be_read_prints_and_reads_again(text in "[-+.0-9eE]{0,30}") {
        if let Ok(price) = text.parse::<Price>() {
            prop_assert_eq!(price.to_string().parse::<Price>(), Ok(price));
        }
    }

    #[test]
    fn some_places_round_to_the_nearest(femto: i64, precision in 0usize..15) {
        let price = Price::from_femto(i128::from(femto));
        let shown = p(&format!("{price:.precision$}"));
        let off = (shown.as_femto() - price.as_femto()).abs();
        prop_assert!(off * 2 <= 10i128.pow(15 - u32::try_from(precision).expect("small")));
    }
}
