//! Serde forms of states that must come back as they were: maps whose keys are no text as lists of pairs, exact numbers as
//! decimal text.

/// `#[serde(with = "pairs")]`: a map as a list of pairs.
pub(super) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::sim) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(map.iter())
    }

    pub(in crate::sim) fn deserialize<'de, K, V, D>(d: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(d)?.into_iter().collect())
    }
}

/// `#[serde(with = "price")]`: a price as decimal text.
pub(super) mod price {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::model::price::Price;

    pub(in crate::sim) fn serialize<S: Serializer>(price: &Price, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(price)
    }

    pub(in crate::sim) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Price, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
