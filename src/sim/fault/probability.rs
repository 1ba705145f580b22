//! A share of requests, from none to all.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const WHOLE: u32 = 1_000_000;

/// A probability; kept in millionths, so that equal ones compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability(u32);

impl Probability {
    /// A number from 0 to 1.
    pub fn of(share: f64) -> Option<Self> {
        let millionths = (share * f64::from(WHOLE)).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and a million")]
        (0.0..=1.0).contains(&share).then_some(Self(millionths as u32))
    }

    /// Decides about one case. Equal names are decided equally, so a run can be repeated.
    pub(crate) fn hits(self, name: &str) -> bool {
        let drawn = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).as_u128() % u128::from(WHOLE);
        drawn < u128::from(self.0)
    }
}

impl std::str::FromStr for Probability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.parse().ok().and_then(Self::of);
        share.ok_or_else(|| format!("{text:?} is not a probability: write a number from 0 to 1"))
    }
}

impl Serialize for Probability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(WHOLE))
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        Self::of(share).ok_or_else(|| serde::de::Error::custom(format!("{share} is not from 0 to 1")))
    }
}

impl JsonSchema for Probability {
    fn schema_name() -> Cow<'static, str> {
        "Probability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_fair_and_can_be_repeated() {
        let half = Probability::of(0.5).unwrap();
        let draw = |seed: u32| (0..1000).filter(|case| half.hits(&format!("{seed}/{case}"))).collect::<Vec<_>>();
        assert!((400..600).contains(&draw(1).len()), "{}", draw(1).len());
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn never_and_always_are_what_they_say() {
        let hits = |share: f64| (0..100).filter(|case| Probability::of(share).unwrap().hits(&case.to_string())).count();
        assert_eq!((hits(0.0), hits(1.0)), (0, 100));
        assert_eq!(Probability::of(f64::NAN), None);
    }
}
