//! Decimal text as digits around a movable point: what quantities and prices have in common.

/// An unsigned decimal number as written. Moving its point is exact and costs nothing, however many digits there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    /// How many digits stand before the point; below 0 or beyond the last digit, zeros are meant.
    point: i64,
}

impl<'a> Decimal<'a> {
    /// Splits `[+-]digits[.digits]rest` into the sign (`true` is minus), the number and the rest. There must be a digit.
    pub(super) fn split(text: &'a str) -> Option<(bool, Self, &'a str)> {
        let (negative, body) = match text.strip_prefix('-') {
            Some(body) => (true, body),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end_of_digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let (whole, tail) = body.split_at(end_of_digits(body));
        let (fraction, rest) = match tail.strip_prefix('.') {
            Some(tail) => tail.split_at(end_of_digits(tail)),
            None => ("", tail),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let number = Self {
            whole: whole.as_bytes(),
            fraction: fraction.as_bytes(),
            point: i64::try_from(whole.len()).ok()?,
        };
        Some((negative, number, rest))
    }

    /// The number times 10^`places`.
    pub(super) fn shifted(self, places: i64) -> Self {
        Self {
            point: self.point.saturating_add(places),
            ..self
        }
    }

    /// The digits before the point as a number, saturating. O(digits), and at most 40 steps of arithmetic.
    pub(super) fn floor(&self) -> u128 {
        let zeros = self.digits().take_while(|digit| *digit == 0).count();
        let Some(first) = i64::try_from(zeros).ok().filter(|at| *at < self.len()) else {
            return 0;
        };
        let mut value: u128 = 0;
        for at in first..self.point {
            let digit = u128::from(self.at(at));
            match value.checked_mul(10).and_then(|v| v.checked_add(digit)) {
                Some(next) => value = next,
                None => return u128::MAX,
            }
        }
        value
    }

    /// The digit `at` places behind the point, counted from 0.
    pub(super) fn decimal_place(&self, at: u16) -> u8 {
        self.at(self.point.saturating_add(i64::from(at)))
    }

    /// Whether a digit other than 0 stands `at` or more places behind the point.
    pub(super) fn has_more_from(&self, at: u16) -> bool {
        let first = self.point.saturating_add(i64::from(at)).max(0);
        usize::try_from(first).is_ok_and(|first| self.digits().skip(first).any(|digit| digit != 0))
    }

    fn len(&self) -> i64 {
        i64::try_from(self.whole.len() + self.fraction.len()).unwrap_or(i64::MAX)
    }

    fn digits(&self) -> impl Iterator<Item = u8> + 'a {
        self.whole.iter().chain(self.fraction).map(|b| b - b'0')
    }

    fn at(&self, at: i64) -> u8 {
        usize::try_from(at)
            .ok()
            .and_then(|at| {
                let behind = at.checked_sub(self.whole.len());
                behind.map_or_else(|| self.whole.get(at), |at| self.fraction.get(at))
            })
            .map_or(0, |b| b - b'0')
    }
}
