//! NodeOverlays: what the operator knows better than the provider (S-58..S-60).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::is_default;
use super::price::Price;
use super::requirement::RequirementSpec;
use super::resources::{Name, ResourceList};

/// What an overlay does to a price (S-59).
///
/// ```
/// use tetrapod::model::overlay::PriceChange;
/// let change: PriceChange = "-15%".parse().unwrap();
/// assert_eq!(change.apply("2".parse().unwrap()), "1.7".parse().unwrap());
/// let change: PriceChange = "-3".parse().unwrap();
/// assert_eq!(change.apply("2".parse().unwrap()), "0".parse().unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "Karpenter has exactly these three")]
pub enum PriceChange {
    /// `price`: the price itself.
    Set(Price),
    /// `priceAdjustment: +1.2`: dollars per hour to add, below 0 to take off.
    Add(Price),
    /// `priceAdjustment: -15%`: percent to add, below 0 to take off.
    Percent(Price),
}

/// Why an adjustment could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no adjustment such as +1.2, -0.5, +10% or -15%")]
#[non_exhaustive]
pub struct PriceChangeError {
    /// What stood there (shortened).
    pub found: String,
}

impl FromStr for PriceChange {
    type Err = PriceChangeError;
    /// Reads a `priceAdjustment`: a sign, a decimal, and `%` where it is relative.
    fn from_str(text: &str) -> Result<Self, PriceChangeError> {
        let bad = || PriceChangeError {
            found: text.chars().take(60).collect(),
        };
        let signed = text.starts_with(['+', '-']);
        let (number, percent) = match text.strip_suffix('%') {
            Some(number) => (number, true),
            None => (text, false),
        };
        let plain = number
            .bytes()
            .skip(1)
            .all(|b| b.is_ascii_digit() || b == b'.');
        let amount: Price = number.parse().map_err(|_| bad())?;
        let all = Price::from_femto(-ALL_PERCENT);
        if !signed || !plain || (percent && amount < all) {
            return Err(bad());
        }
        Ok(if percent {
            Self::Percent(amount)
        } else {
            Self::Add(amount)
        })
    }
}

impl fmt::Display for PriceChange {
    /// As in the manifest: `1.5`, `+1.2`, `-15%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |amount: &Price| if *amount < Price::ZERO { "" } else { "+" };
        match self {
            Self::Set(price) => write!(f, "{price}"),
            Self::Add(amount) => write!(f, "{}{amount}", sign(amount)),
            Self::Percent(amount) => write!(f, "{}{amount}%", sign(amount)),
        }
    }
}

/// A hundred percent in the unit of prices.
const ALL_PERCENT: i128 = 100_000_000_000_000_000;

impl PriceChange {
    /// The price after the change, never below 0; exact to 15 decimals.
    #[must_use]
    pub fn apply(&self, price: Price) -> Price {
        let changed = match self {
            Self::Set(price) => *price,
            Self::Add(amount) => price + *amount,
            Self::Percent(amount) => {
                let factor = ALL_PERCENT.saturating_add(amount.as_femto());
                Price::from_femto(price.as_femto().saturating_mul(factor) / ALL_PERCENT)
            }
        };
        changed.max(Price::ZERO)
    }
}

/// A `karpenter.sh/v1alpha1` NodeOverlay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeOverlay {
    /// Name.
    pub name: Name,
    /// Which offerings: requirements on pool, template labels, type and offering.
    #[serde(skip_serializing_if = "is_default")]
    pub requirements: Vec<RequirementSpec>,
    /// What happens to their prices.
    #[serde(skip_serializing_if = "is_default")]
    pub price: Option<PriceChange>,
    /// Resources that the types have besides those of the provider.
    #[serde(skip_serializing_if = "is_default")]
    pub capacity: ResourceList,
    /// `spec.weight`, 0 when absent: the largest wins.
    pub weight: u32,
}
