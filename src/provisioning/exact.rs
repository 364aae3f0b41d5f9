//! Exact numbers in the serialised state. A [`Price`] is a float in JSON, which is right for results and wrong for a state
//! that must come back bit for bit, so here it is decimal text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::price::Price;

/// `#[serde(with = "exact::price")]`: an optional price as decimal text.
pub(super) mod price {
    use super::*;

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(price: &Option<Price>, s: S) -> Result<S::Ok, S::Error> {
        price.map(|price| price.to_string()).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Price>, D::Error> {
        Option::<String>::deserialize(d)?
            .map(|text| text.parse().map_err(de::Error::custom))
            .transpose()
    }
}

/// `#[serde(with = "exact::integer")]`: an `i128` as decimal text, which every JSON reader keeps whole.
pub(super) mod integer {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &i128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<i128, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
