//! Text of a page: escaping, and figures for people.

/// `text` as the content of an element or of a quoted attribute. Control characters, which HTML has no way to write, are
/// shown as a replacement character.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// `value` with `places` digits after the point and commas between thousands; what is no number is a dash.
pub(super) fn fixed(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return "\u{2013}".to_owned();
    }
    let text = format!("{:.places$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        out.push('\u{2212}');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A count.
pub(super) fn count(value: u64) -> String {
    fixed(value as f64, 0)
}

/// Dollars: cents below a thousand.
pub(super) fn money(dollars: f64) -> String {
    let places = if dollars.abs() < 1_000.0 { 2 } else { 0 };
    format!("${}", fixed(dollars, places))
}

/// A share of one in percent; what is nearly all is not rounded to all.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = if percent >= 99.995 || percent <= 0.0 {
        0
    } else if percent > 99.0 {
        2
    } else {
        1
    };
    format!("{}\u{202f}%", fixed(percent, places))
}

/// A length of time in seconds, in the two largest units.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "\u{2013}".to_owned();
    }
    if seconds < 0.0005 {
        return "0\u{202f}s".to_owned();
    }
    if seconds < 1.0 {
        return format!("{}\u{202f}ms", fixed(seconds * 1_000.0, 0));
    }
    if seconds < 9.95 {
        return format!("{}\u{202f}s", fixed(seconds, 1));
    }
    let whole = seconds.round();
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    let first = units
        .iter()
        .position(|(size, _)| whole >= *size)
        .unwrap_or(3);
    let (size, unit) = units[first];
    let large = (whole / size).floor();
    let mut out = format!("{}\u{202f}{unit}", fixed(large, 0));
    if let Some((small_size, small_unit)) = units.get(first + 1) {
        let small = ((whole - large * size) / small_size).floor();
        if small > 0.0 {
            out.push_str(&format!(" {}\u{202f}{small_unit}", fixed(small, 0)));
        }
    }
    out
}

/// A figure on an axis or beside a line: as many places as its size asks for.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    if size >= 10_000_000.0 {
        format!("{}M", fixed(value / 1_000_000.0, 0))
    } else if size >= 1_000_000.0 {
        format!("{}M", trimmed(value / 1_000_000.0, 1))
    } else if size >= 10_000.0 {
        format!("{}k", trimmed(value / 1_000.0, 1))
    } else if size >= 100.0 {
        fixed(value, 0)
    } else if size >= 1.0 {
        trimmed(value, 1)
    } else {
        trimmed(value, 3)
    }
}

/// As [`fixed`] without zeros at the end of the fraction.
pub(super) fn trimmed(value: f64, places: usize) -> String {
    let text = fixed(value, places);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_element() {
        let hostile = "</title><script>alert('x')</script>&\"\u{0}\n";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{0}', '\n']));
        assert_eq!(escape("a & b"), "a &amp; b");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(fixed(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(fixed(-0.001, 1), "0.0");
        assert_eq!(fixed(-1.25, 1), "\u{2212}1.2");
        assert_eq!(fixed(f64::NAN, 1), "\u{2013}");
        assert_eq!(money(12.5), "$12.50");
        assert_eq!(money(12_345.6), "$12,346");
        assert_eq!(percent(0.999_7), "99.97\u{202f}%");
        assert_eq!(percent(1.0), "100\u{202f}%");
        assert_eq!(percent(0.421), "42.1\u{202f}%");
        assert_eq!(duration(0.25), "250\u{202f}ms");
        assert_eq!(duration(95.0), "1\u{202f}min 35\u{202f}s");
        assert_eq!(duration(7_200.0), "2\u{202f}h");
        assert_eq!(duration(90_000.0), "1\u{202f}d 1\u{202f}h");
        assert_eq!(plain(12_500.0), "12.5k");
        assert_eq!(plain(0.25), "0.25");
        assert_eq!(plain(3.0), "3");
    }
}
