//! The usual form of a time, `2026-01-01T00:00:00.123Z` from 1970 to 9998, read and written without a general parser: a
//! stored state holds hundreds of thousands of them. Every other form is left to the caller.

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Milliseconds from 1970 to the year 9999, which the type does not hold to its end.
const END: i64 = 253_370_764_800_000;
/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that the leap day is the last of a year.
const EPOCH: i64 = 719_468;
/// Days of 400 years.
const ERA: i64 = 146_097;

/// Milliseconds since 1970 of a text in the usual form; `None` for every other text, valid or not.
pub(super) fn read(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_at_checked(19)?;
    let two = |at: usize| -> Option<i64> {
        let digit = |at: usize| {
            let byte = head.get(at)?.wrapping_sub(b'0');
            (byte < 10).then_some(i64::from(byte))
        };
        Some(digit(at)? * 10 + digit(at + 1)?)
    };
    for (at, byte) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if head.get(at) != Some(&byte) {
            return None;
        }
    }
    let (year, month, day) = (two(0)? * 100 + two(2)?, two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..=9998).contains(&year)
        || !(1..=length).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let millis = fraction(tail)?;
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_era = year % 400;
    let days =
        (year / 400) * ERA + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day
            - 1
            - EPOCH;
    Some(days * DAY + ((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// The milliseconds of `Z`, `.5Z`, `.123456789Z`; finer digits are cut off.
fn fraction(tail: &[u8]) -> Option<i64> {
    let digits = match tail {
        [b'Z'] => return Some(0),
        [b'.', digits @ .., b'Z'] => digits,
        _ => return None,
    };
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let of = |at: usize| digits.get(at).map_or(0, |byte| i64::from(byte - b'0'));
    Some(of(0) * 100 + of(1) * 10 + of(2))
}

/// The text of `millis` since 1970 in the usual form, in a buffer with its length; `None` outside of its years.
pub(super) fn write(millis: i64) -> Option<([u8; 24], usize)> {
    if !(0..END).contains(&millis) {
        return None;
    }
    let (days, rest) = (millis / DAY + EPOCH, millis % DAY);
    let (era, of_era) = (days / ERA, days % ERA);
    // The last days of 4, 100 and 400 years are taken out, so that all years have 365.
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (era * 400 + year, month + 3)
    } else {
        (era * 400 + year + 1, month - 9)
    };
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, value: i64| {
        for (at, digit) in [(at, value / 10 % 10), (at + 1, value % 10)] {
            if let (Some(byte), Ok(digit)) = (text.get_mut(at), u8::try_from(digit)) {
                *byte = b'0' + digit;
            }
        }
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    put(11, rest / 3_600_000);
    put(14, rest / 60_000 % 60);
    put(17, rest / 1000 % 60);
    let fraction = rest % 1000;
    put(20, fraction / 10);
    put(21, fraction % 100);
    // As short as it can be: 0, 1, 2 or 3 digits.
    let end = match fraction {
        0 => 19,
        f if f % 100 == 0 => 21,
        f if f % 10 == 0 => 22,
        _ => 23,
    };
    if let Some(byte) = text.get_mut(end) {
        *byte = b'Z';
    }
    Some((text, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn times_read_and_write_as_the_general_parser_has_them() {
        let mut rng = Rng::new(3);
        let year = 365 * DAY;
        let mut millis = vec![0, END - 1, -1, END];
        for count in 0..8_000 {
            // Every day border around the first of March and of January, and anything else.
            millis.push(
                (count * year).min(END - 40 * DAY) + i64::try_from(rng.below(40)).unwrap() * DAY,
            );
            millis.push(i64::try_from(rng.below(253_370_764_800_000)).unwrap());
            millis.push(i64::try_from(rng.below(253_370_764_800)).unwrap() * 1000);
            millis.push(i64::try_from(rng.below(2_533_707_648_000)).unwrap() * 100);
        }
        for at in millis {
            let general = jiff::Timestamp::from_millisecond(at).unwrap().to_string();
            match write(at) {
                Some((text, length)) => {
                    assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), general);
                    assert_eq!(read(general.as_bytes()), Some(at), "{general}");
                }
                None => assert_eq!(read(general.as_bytes()), None, "{general}"),
            }
        }
    }

    #[test]
    fn what_is_not_in_the_usual_form_is_left_alone() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+01:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01t00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:0éZ",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(b"1970-01-01T00:00:00.0019Z"), Some(1));
    }
}
