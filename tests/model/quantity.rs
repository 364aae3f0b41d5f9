//! Quantities as text, as numbers and as JSON (S-13).

use proptest::prelude::*;
use tetrapod::model::quantity::{Format, Quantity};

fn q(text: &str) -> Quantity {
    text.parse().expect("a quantity")
}

fn nanos(text: &str) -> i128 {
    q(text).as_nanos()
}

const UNIT: i128 = 1_000_000_000;

#[test]
fn every_suffix_has_its_scale() {
    let table: [(&str, i128); 23] = [
        ("1n", 1),
        ("1u", 1_000),
        ("1m", 1_000_000),
        ("1", UNIT),
        ("1k", UNIT * 1_000),
        ("1M", UNIT * 1_000_000),
        ("1G", UNIT * 1_000_000_000),
        ("1T", UNIT * 1_000_000_000_000),
        ("1P", UNIT * 1_000_000_000_000_000),
        ("1E", UNIT * 1_000_000_000_000_000_000),
        ("12E", UNIT * 12_000_000_000_000_000_000),
        ("1Ki", UNIT << 10),
        ("1Mi", UNIT << 20),
        ("1Gi", UNIT << 30),
        ("1Ti", UNIT << 40),
        ("1Pi", UNIT << 50),
        ("1Ei", UNIT << 60),
        ("1e3", UNIT * 1_000),
        ("1E3", UNIT * 1_000),
        ("1e-3", UNIT / 1_000),
        ("1E+3", UNIT * 1_000),
        ("1e0", UNIT),
        ("1e-9", 1),
    ];
    for (text, expected) in table {
        assert_eq!(nanos(text), expected, "{text}");
    }
}

#[test]
fn signs_points_and_zeros() {
    assert_eq!(nanos("+5"), 5 * UNIT);
    assert_eq!(nanos("-0.5Mi"), -(UNIT << 19));
    assert_eq!(nanos(".5"), UNIT / 2);
    assert_eq!(nanos("5."), 5 * UNIT);
    assert_eq!(nanos("5.Gi"), (5 * UNIT) << 30);
    assert_eq!(nanos("-0"), 0);
    assert_eq!(nanos(&format!("{}7", "0".repeat(50))), 7 * UNIT);
    assert_eq!(nanos("0e2147483647"), 0);
}

#[test]
fn what_is_not_a_quantity_is_refused() {
    for text in [
        "",
        "+",
        "-",
        ".",
        "0x10",
        "1.1.M",
        "1+1.0M",
        "0.1mi",
        "0.1am",
        "aoeu",
        ".5i",
        "1i",
        "-3.01i",
        "-3.01e-",
        " 1",
        "1 ",
        "1e",
        "1e1.5",
        "e3",
        "Mi",
        "1K",
        "1mi",
        "1KI",
        "--1",
        "+-1",
        "1_000",
        "1,5",
        "\u{663}",
        "1e99999999999",
        "NaN",
        "inf",
        "1Gi2",
        "1e3Ki",
        "1Kim",
        "\u{e9}",
    ] {
        assert!(text.parse::<Quantity>().is_err(), "{text:?}");
    }
}

#[test]
fn below_a_nano_rounds_away_from_zero() {
    assert_eq!(nanos("0.0000000001"), 1);
    assert_eq!(nanos("-0.0000000001"), -1);
    assert_eq!(nanos("0.5n"), 1);
    assert_eq!(nanos("1.1n"), 2);
    assert_eq!(nanos("1e-30"), 1);
    assert_eq!(nanos("1e-2000000000"), 1);
    assert_eq!(nanos(&format!("1.{}1", "0".repeat(50))), UNIT + 1);
    // Places behind the sixtieth still decide whether a binary product is whole.
    assert_eq!(
        nanos(&format!("1.{}1Ki", "0".repeat(100))),
        (UNIT << 10) + 1
    );
}

#[test]
fn many_digits_stay_exact() {
    assert_eq!(
        nanos("12345678901.123456789123"),
        12_345_678_901_123_456_790
    );
    assert_eq!(
        nanos("12345678901234567891"),
        12_345_678_901_234_567_891 * UNIT
    );
    // 2^-30 Gi is one unit.
    assert_eq!(
        nanos("1234567.000000000931322574615478515625Gi"),
        ((1_234_567 * UNIT) << 30) + UNIT
    );
    assert_eq!(nanos("0.0009765625Ki"), UNIT);
}

#[test]
fn a_million_digits_are_read_at_once() {
    let nines = "9".repeat(1_000_000);
    assert_eq!(nanos(&nines), i128::MAX);
    assert_eq!(nanos(&format!("-{nines}")), i128::MIN);
    assert_eq!(nanos(&format!("0.{nines}")), UNIT);
    assert_eq!(nanos(&format!("0.{nines}Ki")), UNIT << 10);
    let zeros = "0".repeat(1_000_000);
    assert_eq!(nanos(&format!("0.{zeros}1e1000001")), UNIT);
    let error = format!("{nines}x")
        .parse::<Quantity>()
        .expect_err("refused");
    assert!(error.to_string().len() < 300);
}

#[test]
fn too_much_saturates() {
    assert_eq!(nanos("1e2147483647"), i128::MAX);
    assert_eq!(nanos("-1e40"), i128::MIN);
    let most = Quantity::from_nanos(i128::MAX);
    assert_eq!(most + most, most);
    assert_eq!((-most - most).as_nanos(), i128::MIN);
    assert_eq!(-Quantity::from_nanos(i128::MIN), most);
    assert_eq!(most.times(3), most);
    assert_eq!(most.units_ceil(), i64::MAX);
    // Kubernetes caps what is written with a binary suffix, and only that.
    assert_eq!(q("8Ei"), q("9223372036854775807"));
    assert_eq!(q("9999999Ei"), q("9223372036854775807"));
    assert_eq!(q("10E"), q("10000000000000000000"));
}

#[test]
fn canonical_text() {
    let table = [
        ("0", "0"),
        ("0Mi", "0"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("0.1", "100m"),
        ("1.000000001", "1000000001n"),
        ("-1500m", "-1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("-1536Mi", "-1536Mi"),
        ("1536", "1536"),
        ("1.5Ki", "1536"),
        ("0.5Ki", "512"),
        ("1000Ki", "1000Ki"),
        ("0.0001Ki", "102400u"),
        ("1025.5Ki", "1050112"),
        ("1.0001Ki", "1024102400u"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e5", "1200e3"),
        ("5E-1", "500e-3"),
        ("1e0", "1"),
        ("1e-9", "1e-9"),
        ("1e21", "1e21"),
        ("1000E", "1e21"),
        ("12E", "12E"),
        ("7Ei", "7Ei"),
        ("8Ei", "9223372036854775807"),
    ];
    for (text, expected) in table {
        assert_eq!(q(text).to_string(), expected, "{text}");
    }
    // Kubernetes prints binary quantities below 1024 as decimal ones.
    assert_eq!(Quantity::from_bytes(1000).to_string(), "1k");
    assert_eq!(Quantity::from_bytes(1 << 30).to_string(), "1Gi");
    assert_eq!(Quantity::from_milli(1500).to_string(), "1500m");
    assert_eq!(format!("[{:>6}]", q("2Gi")), "[   2Gi]");
    assert_eq!(format!("[{:<6}]", q("-2Gi")), "[-2Gi  ]");
}

#[test]
fn a_sum_keeps_the_format_of_its_first_part() {
    assert_eq!((q("1Gi") + q("1024")).format(), Format::BinarySi);
    assert_eq!((q("1024") + q("1Gi")).format(), Format::DecimalSi);
    assert_eq!((Quantity::ZERO + q("1Gi")).format(), Format::BinarySi);
    assert_eq!((Quantity::ZERO - q("1Gi")).to_string(), "-1Gi");
    // A binary sum beyond what a binary suffix may hold still reads back as itself.
    let big = q("7Ei") + q("7Ei");
    assert_eq!(q(&big.to_string()), big);
}

#[test]
fn whole_units_and_floats() {
    assert_eq!(q("1500m").units_ceil(), 2);
    assert_eq!(q("-1500m").units_ceil(), -1);
    assert_eq!(q("1n").units_ceil(), 1);
    assert_eq!(q("0.3").as_f64().to_string(), "0.3");
    assert_eq!(
        q("123456789012345678").as_f64().to_string(),
        "123456789012345680"
    );
}

#[test]
fn quantities_in_json() {
    let read = |text| serde_json::from_str::<Quantity>(text).expect("a quantity");
    assert_eq!(read("2"), q("2"));
    assert_eq!(read("-2"), q("-2"));
    assert_eq!(read("0.5"), q("500m"));
    assert_eq!(read("1e3"), q("1k"));
    assert_eq!(read("18446744073709551615"), q("18446744073709551615"));
    assert_eq!(read("\"1Gi\""), q("1Gi"));
    assert_eq!(read("\" 1Gi \""), q("1Gi"));
    assert!(serde_json::from_str::<Quantity>("\"1 Gi\"").is_err());
    assert!(serde_json::from_str::<Quantity>("true").is_err());
    let text = serde_json::to_string(&q("1.5Gi")).expect("JSON");
    assert_eq!(text, "\"1536Mi\"");
}

/// A quantity of `nanos` that prints in one of the three formats: a sum takes the format of its first part.
fn formatted(nanos: i128, format: usize) -> Quantity {
    let seed = [q("1"), q("1024Ki"), q("1e3")][format];
    seed + (Quantity::from_nanos(nanos) - seed)
}

fn any_nanos() -> impl Strategy<Value = i128> {
    let small = any::<i64>().prop_map(i128::from);
    prop_oneof![
        any::<i128>(),
        small.clone(),
        small.clone().prop_map(|n| n * UNIT),
        small.prop_map(|n| (n >> 40) * (UNIT << 20)),
        (0u32..38).prop_map(|power| 10i128.pow(power)),
        (0u32..96).prop_map(|bits| UNIT << bits),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(nanos in any_nanos(), format in 0usize..3) {
        for value in [Quantity::from_nanos(nanos), formatted(nanos, format)] {
            prop_assert_eq!(q(&value.to_string()), value);
            let json = serde_json::to_string(&value).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<Quantity>(&json).expect("a quantity"), value);
        }
    }

    #[test]
    fn canonical_text_is_stable_and_keeps_its_format(nanos in any_nanos(), format in 0usize..3) {
        let value = formatted(nanos, format);
        let text = value.to_string();
        let again = q(&text);
        let shows_its_format = match value.format() {
            Format::DecimalSi => !text.contains('e'),
            Format::BinarySi => text.ends_with('i'),
            Format::DecimalExponent => text.contains('e'),
        };
        if shows_its_format {
            prop_assert_eq!(again.format(), value.format());
            prop_assert_eq!(again.to_string(), text);
        }
    }

    #[test]
    fn reading_agrees_with_plain_arithmetic(
        whole in 0i128..1_000_000,
        places in 0u32..10,
        fraction in 0i128..1_000_000_000,
        suffix in 0usize..8,
        negative: bool,
    ) {
        let (name, unit) = [
            ("n", 1),
            ("u", 1_000),
            ("m", 1_000_000),
            ("", UNIT),
            ("k", UNIT * 1_000),
            ("Ki", UNIT << 10),
            ("Mi", UNIT << 20),
            ("Gi", UNIT << 30),
        ][suffix];
        let scale = 10i128.pow(places);
        let fraction = fraction % scale;
        let point = if places == 0 {
            String::new()
        } else {
            format!(".{fraction:0width$}", width = places as usize)
        };
        let sign = if negative { "-" } else { "" };
        let exact = (whole * scale + fraction) * unit;
        let rounded = exact / scale + i128::from(exact % scale != 0);
        let expected = if negative { -rounded } else { rounded };
        prop_assert_eq!(nanos(&format!("{sign}{whole}{point}{name}")), expected);
    }

    #[test]
    fn arithmetic_and_order_are_those_of_numbers(a: i64, b: i64, n in -1000i64..1000) {
        let (x, y) = (Quantity::from_milli(a), Quantity::from_milli(b));
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        prop_assert_eq!((x + y).as_nanos(), (wide_a + wide_b) * 1_000_000);
        prop_assert_eq!((x - y).as_nanos(), (wide_a - wide_b) * 1_000_000);
        prop_assert_eq!(x + y - y, x);
        prop_assert_eq!(x.times(n).as_nanos(), wide_a * 1_000_000 * i128::from(n));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(-x, Quantity::ZERO - x);
    }

    #[test]
    fn what_can_be_read_prints_and_reads_again(text in "[-+.0-9eEinumkKMGTP ]{0,40}") {
        if let Ok(value) = text.parse::<Quantity>() {
            prop_assert_eq!(q(&value.to_string()), value);
        }
    }
}
