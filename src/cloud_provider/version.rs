//! What differs between versions of the cloud provider, as far as plans depend on it.

/// How one cluster's cloud provider behaves where versions differ. The default is what costs most if it is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// True if it refuses a name that another Service's Private Link Service has, instead of taking that over.
    pub refuses_taken_names: bool,
}

/// The first release after those that were read and have no change #10943 (merged in September 2026).
const REFUSES_TAKEN_NAMES: [u32; 3] = [1, 36, 6];

impl Behaviour {
    /// The behaviour of a version of the cloud provider; of a Kubernetes version where that is all that is known.
    ///
    /// The cloud provider's minor version is that of Kubernetes, its patch version is not: a Kubernetes version tells only
    /// where every patch of its minor version behaves alike.
    pub fn of(cloud_provider: Option<&str>, kubernetes: Option<&str>) -> Self {
        let version = match (cloud_provider, kubernetes) {
            (Some(version), _) => numbers(version),
            (None, Some(version)) => numbers(version).map(|[major, minor, _]| [major, minor, 0]),
            (None, None) => None,
        };
        Self { refuses_taken_names: version.is_some_and(|version| version >= REFUSES_TAKEN_NAMES) }
    }
}

/// `1.36.2` or `v1.36.2`.
pub fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.').map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_taken_for_the_version_that_does_more_harm() {
        let refuses = |own, kubernetes| Behaviour::of(own, kubernetes).refuses_taken_names;
        assert!(refuses(Some("1.36.6"), None) && refuses(Some("v1.37.0"), Some("1.30.0")));
        assert!(!refuses(Some("1.36.5"), Some("1.37.0")) && !refuses(None, None) && !refuses(Some("new"), None));
        assert!(refuses(None, Some("1.37.0")) && !refuses(None, Some("1.36.9")));
    }
}
