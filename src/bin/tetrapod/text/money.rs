//! Prices as people read them.

use tetrapod::model::price::Price;

use crate::table::thousands;

/// Hours in a month, as AWS counts them.
const MONTH_HOURS: u64 = 730;

/// `1,234.567`: dollars with three places.
pub(crate) fn hourly(price: Price) -> String {
    thousands(&format!("{price:.3}"))
}

/// `1,234.57`: an amount with two places.
pub(crate) fn dollars(amount: Price) -> String {
    thousands(&format!("{amount:.2}"))
}

/// A price that may be unknown.
pub(crate) fn hourly_or_unknown(price: Option<Price>) -> String {
    price.map_or_else(|| "unknown".to_owned(), hourly)
}

/// What `price` per hour makes in a month of 730 hours, in whole dollars.
pub(crate) fn monthly(price: Price) -> String {
    thousands(&format!("{:.0}", price.times(MONTH_HOURS)))
}

/// By how many percent `price` exceeds `bound`, if there is a bound.
pub(crate) fn gap_percent(price: Price, bound: Price) -> Option<f64> {
    (bound > Price::ZERO && price >= bound)
        .then(|| (price - bound).as_f64() / bound.as_f64() * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_rounded_for_the_eye_only() {
        let price: Price = "1234.56789".parse().unwrap();
        assert_eq!(hourly(price), "1,234.568");
        assert_eq!(monthly(price), "901,235");
        assert_eq!(hourly_or_unknown(None), "unknown");
        assert_eq!(gap_percent(price, Price::ZERO), None);
        assert_eq!(gap_percent(price, price), Some(0.0));
    }
}
