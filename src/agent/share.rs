//! The environments that one of several agents serves: those it is told, or a share of all of them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;
use sha2::Sha256;

use crate::domain::name::EnvironmentName;

/// The most shards. It keeps a slip from dividing environments among agents that nobody starts.
const MOST: u16 = 1_000;

/// Which environments an agent serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    All,
    /// These, whether the settings have them or not.
    Named(BTreeSet<EnvironmentName>),
    /// Those of a shard.
    Shard(Shard),
}

impl Share {
    /// The environments among those of the settings, and all that were named.
    pub fn of<'a>(&self, all: impl Iterator<Item = &'a EnvironmentName>) -> BTreeSet<EnvironmentName> {
        match self {
            Self::All => all.cloned().collect(),
            Self::Named(names) => names.clone(),
            Self::Shard(shard) => all.filter(|name| shard.has(name)).cloned().collect(),
        }
    }
}

/// One of several equal parts of all environments, written `INDEX/COUNT`; the first index is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    count: u16,
}

/// A shard that there cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a shard: write INDEX/COUNT, such as 0/3, 1/3 and 2/3 for three agents; at most {MOST}")]
pub struct InvalidShard(String);

impl Shard {
    /// True if an environment belongs to this shard. Of all shards of a count it belongs to one.
    ///
    /// The shard with the highest digest of itself and the name wins (rendezvous hashing): with one shard more, only those
    /// environments move that the new one takes.
    pub fn has(&self, environment: &EnvironmentName) -> bool {
        let weight = |index: u16| (Sha256::digest(format!("{index}/{environment}")), index);
        (0..self.count).max_by_key(|index| weight(*index)) == Some(self.index)
    }
}

impl FromStr for Shard {
    type Err = InvalidShard;
    fn from_str(text: &str) -> Result<Self, InvalidShard> {
        let read = || {
            let (index, count) = text.split_once('/')?;
            Some((index.parse::<u16>().ok()?, count.parse::<u16>().ok()?))
        };
        match read() {
            Some((index, count)) if index < count && count <= MOST => Ok(Self { index, count }),
            _ => Err(InvalidShard(text.to_owned())),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard(index: u16, count: u16) -> Shard {
        format!("{index}/{count}").parse().unwrap()
    }

    proptest! {
        #[test]
        fn an_environment_belongs_to_one_shard_and_a_new_shard_only_takes(name in "[a-z][a-z0-9]{0,20}", count in 1_u16..20) {
            let name: EnvironmentName = name.parse().unwrap();
            let owner = |count: u16| {
                let owners: Vec<u16> = (0..count).filter(|index| shard(*index, count).has(&name)).collect();
                assert_eq!(owners.len(), 1, "{owners:?}");
                owners[0]
            };
            let (before, after) = (owner(count), owner(count + 1));
            prop_assert!(after == before || after == count);
        }
    }

    #[test]
    fn the_shard_of_a_name_is_the_same_for_ever() {
        let of = |name: &str| (0..3).find(|index| shard(*index, 3).has(&name.parse().unwrap())).unwrap();
        let shards: Vec<u16> = ["prod", "staging", "dev", "qa", "prod-eu", "prod-us"].map(of).to_vec();
        assert_eq!(shards, SHARDS);
    }

    /// Agents of two versions have to agree on this: else an environment is served twice, or by nobody.
    const SHARDS: [u16; 6] = [0, 1, 1, 2, 2, 0];

    #[test]
    fn shares_are_even() {
        let names: Vec<EnvironmentName> = (0..3_000).map(|number| format!("env-{number}").parse().unwrap()).collect();
        for index in 0..3 {
            let count = Share::Shard(shard(index, 3)).of(names.iter()).len();
            assert!((900..1_100).contains(&count), "{count}");
        }
    }

    #[test]
    fn a_shard_that_cannot_be_is_refused_with_an_example() {
        for text in ["3/3", "1", "-1/2", "0/0", "a/b", "0/1001"] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("0/3, 1/3 and 2/3"), "{error}");
        }
    }
}
