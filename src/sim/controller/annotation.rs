//! How the cloud provider reads a Service's annotations.
//!
//! Every annotation has a reader of its own and they do not agree with each other: one compares `true` byte for byte, the
//! next ignores case, a third trims first. The differences are real and decide what users see, so they are kept apart here
//! by name. This is deliberately not the parser of the rest of the program: two readers that agree by construction would
//! hide each other's mistakes.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// What all keys start with.
pub(crate) const PREFIX: &str = "service.beta.kubernetes.io/";

pub(crate) const INTERNAL: &str = "azure-load-balancer-internal";
pub(crate) const INTERNAL_SUBNET: &str = "azure-load-balancer-internal-subnet";
pub(crate) const IPV4: &str = "azure-load-balancer-ipv4";
pub(crate) const IPV6: &str = "azure-load-balancer-ipv6";
pub(crate) const PUBLIC_GROUP: &str = "azure-load-balancer-resource-group";
pub(crate) const HA_PORTS: &str = "azure-load-balancer-enable-high-availability-ports";
pub(crate) const FLOATING_IP_OFF: &str = "azure-disable-load-balancer-floating-ip";
pub(crate) const IDLE_TIMEOUT: &str = "azure-load-balancer-tcp-idle-timeout";
pub(crate) const TCP_RESET_OFF: &str = "azure-load-balancer-disable-tcp-reset";
pub(crate) const PROBE_PROTOCOL: &str = "azure-load-balancer-health-probe-protocol";
pub(crate) const PROBE_PATH: &str = "azure-load-balancer-health-probe-request-path";
pub(crate) const PROBE_INTERVAL: &str = "azure-load-balancer-health-probe-interval";
pub(crate) const PROBE_COUNT: &str = "azure-load-balancer-health-probe-num-of-probe";
pub(crate) const ALLOWED_RANGES: &str = "azure-allowed-ip-ranges";
pub(crate) const LEGACY_RANGES: &str = "load-balancer-source-ranges";
pub(crate) const ALLOWED_TAGS: &str = "azure-allowed-service-tags";
pub(crate) const DENY_ALL: &str = "azure-deny-all-except-load-balancer-source-ranges";
pub(crate) const SECURITY_RULE_OFF: &str = "azure-disable-load-balancer-nsg-rule";
pub(crate) const ADDITIONAL_IPS: &str = "azure-additional-public-ips";
pub(crate) const PLS_CREATE: &str = "azure-pls-create";
pub(crate) const PLS_NAME: &str = "azure-pls-name";
pub(crate) const PLS_GROUP: &str = "azure-pls-resource-group";
pub(crate) const PLS_SUBNET: &str = "azure-pls-ip-configuration-subnet";
pub(crate) const PLS_COUNT: &str = "azure-pls-ip-configuration-ip-address-count";
pub(crate) const PLS_ADDRESSES: &str = "azure-pls-ip-configuration-ip-address";
pub(crate) const PLS_FQDNS: &str = "azure-pls-fqdns";
pub(crate) const PLS_PROXY: &str = "azure-pls-proxy-protocol";
pub(crate) const PLS_VISIBILITY: &str = "azure-pls-visibility";
pub(crate) const PLS_AUTO_APPROVAL: &str = "azure-pls-auto-approval";

/// The annotations whose mere presence says that a Service wants to tune a Private Link Service of its own.
const TUNING: [&str; 8] =
    [PLS_NAME, PLS_SUBNET, PLS_COUNT, PLS_ADDRESSES, PLS_FQDNS, PLS_PROXY, PLS_VISIBILITY, PLS_AUTO_APPROVAL];

/// The annotations of one Service. Keys are given without [`PREFIX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Annotations(BTreeMap<String, String>);

impl Annotations {
    pub(crate) fn new(all: BTreeMap<String, String>) -> Self {
        Self(all)
    }

    /// The value, untouched.
    pub(crate) fn raw(&self, key: &str) -> Option<&str> {
        self.0.get(&format!("{PREFIX}{key}")).map(String::as_str)
    }

    /// Sets or removes a value.
    pub(crate) fn set(&mut self, key: &str, value: Option<&str>) {
        let key = format!("{PREFIX}{key}");
        match value {
            Some(value) => drop(self.0.insert(key, value.to_owned())),
            None => drop(self.0.remove(&key)),
        }
    }

    /// Internal for the load balancer, the subnet, the address and the gate of the Private Link Service: exactly `true`.
    pub(crate) fn is_internal(&self) -> bool {
        self.raw(INTERNAL) == Some("true")
    }

    /// `true` in any case, not trimmed.
    pub(crate) fn is_true_in_any_case(&self, key: &str) -> bool {
        self.raw(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `true` in any case, trimmed.
    pub(crate) fn is_true_trimmed(&self, key: &str) -> bool {
        self.raw(key).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// A signed 32-bit number; an empty value is an error, an absent one is not.
    ///
    /// # Errors
    /// With the value, if it is not a number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<i32>, String> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        let parsed = value.trim().parse::<i32>();
        parsed.map(Some).map_err(|error| format!("error parsing {PREFIX}{key} value {value:?}: {error}"))
    }

    /// Words between spaces; a tab or a comma does not separate.
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        let words = self.raw(key).unwrap_or_default().trim().split(' ').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// The value untrimmed, unless it is blank.
    pub(crate) fn not_blank(&self, key: &str) -> Option<&str> {
        self.raw(key).filter(|value| !value.trim().is_empty())
    }

    /// The value trimmed, unless it is blank.
    pub(crate) fn trimmed(&self, key: &str) -> Option<&str> {
        self.raw(key).map(str::trim).filter(|value| !value.is_empty())
    }

    /// Items between commas, each trimmed; a blank value is one empty item.
    pub(crate) fn items(&self, key: &str) -> Vec<String> {
        let items = self.raw(key).into_iter().flat_map(|value| value.split(','));
        items.map(|item| item.trim().to_owned()).collect()
    }

    /// The subnet that the frontend goes to, if the Service is internal and names one.
    pub(crate) fn frontend_subnet(&self) -> Option<&str> {
        if self.is_internal() { self.not_blank(INTERNAL_SUBNET) } else { None }
    }

    /// The subnet of the NAT addresses, if the Service names one for them or for its frontend.
    pub(crate) fn nat_subnet(&self) -> Option<&str> {
        self.not_blank(PLS_SUBNET).or_else(|| self.frontend_subnet())
    }

    /// True if a Private Link Service is wanted.
    pub(crate) fn wants_link_service(&self) -> bool {
        self.is_true_trimmed(PLS_CREATE)
    }

    /// True if probes have to be built for a proxy protocol. This reader does not trim, the one that builds the service does.
    pub(crate) fn probes_through_proxy(&self) -> bool {
        self.is_true_in_any_case(PLS_CREATE) && self.is_true_in_any_case(PLS_PROXY)
    }

    /// True if any tuning annotation is present, whatever its value.
    pub(crate) fn tunes_link_service(&self) -> bool {
        TUNING.iter().any(|key| self.raw(key).is_some())
    }

    /// How many NAT addresses are wanted.
    ///
    /// # Errors
    /// If it is not a number from 1 to 8.
    pub(crate) fn nat_count(&self) -> Result<usize, String> {
        let count = self.number(PLS_COUNT)?.unwrap_or(1);
        match usize::try_from(count) {
            Ok(count @ 1..=8) => Ok(count),
            _ => Err(format!("invalid number of private link service IP configurations: {count}: the range is [1, 8]")),
        }
    }

    /// The static NAT addresses, distinct; the first one is primary.
    ///
    /// # Errors
    /// If one of them is not an IPv4 address.
    pub(crate) fn nat_addresses(&self) -> Result<Vec<String>, String> {
        let mut addresses: Vec<String> = Vec::new();
        for word in self.words(PLS_ADDRESSES) {
            match word.parse::<IpAddr>() {
                Err(_) => return Err(format!("{word} is not a valid IP address")),
                Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
                    return Err(format!("{word} is not an IPv4 address: Private Link Service supports IPv4 only"));
                }
                Ok(_) if addresses.contains(&word) => {}
                Ok(_) => addresses.push(word),
            }
        }
        Ok(addresses)
    }

    /// Who may see the Private Link Service; a lone `*` swallows the rest.
    pub(crate) fn visibility(&self) -> Vec<String> {
        let words = self.words(PLS_VISIBILITY);
        if words.iter().any(|word| word == "*") { vec!["*".to_owned()] } else { words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(entries: &[(&str, &str)]) -> Annotations {
        let mut annotations = Annotations::default();
        for (key, value) in entries {
            annotations.set(key, Some(value));
        }
        annotations
    }

    #[test]
    fn the_readers_of_true_disagree_as_in_the_cloud_provider() {
        // (value, exactly true, any case, trimmed)
        let table = [
            ("true", true, true, true),
            ("True", false, true, true),
            ("TRUE", false, true, true),
            ("true ", false, false, true),
            (" True", false, false, true),
            ("yes", false, false, false),
            ("1", false, false, false),
            ("", false, false, false),
        ];
        for (value, exact, any_case, trimmed) in table {
            let annotations = with(&[(INTERNAL, value), (HA_PORTS, value), (PLS_CREATE, value)]);
            assert_eq!(annotations.is_internal(), exact, "{value:?}");
            assert_eq!(annotations.is_true_in_any_case(HA_PORTS), any_case, "{value:?}");
            assert_eq!(annotations.wants_link_service(), trimmed, "{value:?}");
        }
    }

    #[test]
    fn subnets_fall_back_as_in_the_cloud_provider() {
        assert_eq!(with(&[(INTERNAL_SUBNET, "apps")]).frontend_subnet(), None);
        assert_eq!(with(&[(INTERNAL_SUBNET, ""), (INTERNAL, "true")]).frontend_subnet(), None);
        assert_eq!(with(&[(INTERNAL_SUBNET, "apps"), (INTERNAL, "true")]).frontend_subnet(), Some("apps"));
        let both = [(INTERNAL, "true"), (PLS_SUBNET, ""), (INTERNAL_SUBNET, "lb")];
        assert_eq!(with(&both).nat_subnet(), Some("lb"));
        assert_eq!(with(&[(PLS_SUBNET, "pls")]).nat_subnet(), Some("pls"));
    }

    #[test]
    fn lists_split_on_spaces_only() {
        assert_eq!(with(&[(PLS_FQDNS, "    a     b    c   ")]).words(PLS_FQDNS), ["a", "b", "c"]);
        assert_eq!(with(&[(PLS_FQDNS, "a,b")]).words(PLS_FQDNS), ["a,b"]);
        assert_eq!(with(&[(PLS_FQDNS, "a\tb")]).words(PLS_FQDNS), ["a\tb"]);
        assert_eq!(with(&[(PLS_VISIBILITY, "  one  *  two ")]).visibility(), ["*"]);
        assert_eq!(with(&[]).visibility(), Vec::<String>::new());
    }

    #[test]
    fn nat_counts_and_addresses_are_checked() {
        for (value, expected) in
            [("6", Some(6)), (" 2 ", Some(2)), ("+3", Some(3)), ("9", None), ("0", None), ("", None), ("test2", None)]
        {
            assert_eq!(with(&[(PLS_COUNT, value)]).nat_count().ok(), expected, "{value:?}");
        }
        assert_eq!(with(&[]).nat_count().unwrap(), 1);
        let three = with(&[(PLS_ADDRESSES, " 10.2.0.4  10.2.0.5 10.2.0.4 ")]);
        assert_eq!(three.nat_addresses().unwrap(), ["10.2.0.4", "10.2.0.5"]);
        for wrong in ["10.2.0.4 300.1.2.9", "fc00:f853:ccd:e793::1", "010.0.0.1"] {
            assert!(with(&[(PLS_ADDRESSES, wrong)]).nat_addresses().is_err(), "{wrong}");
        }
    }

    #[test]
    fn any_of_eight_annotations_tunes_but_the_group_does_not() {
        for key in TUNING {
            assert!(with(&[(key, "")]).tunes_link_service(), "{key}");
        }
        assert!(!with(&[(PLS_CREATE, "true"), (PLS_GROUP, "rg")]).tunes_link_service());
    }
}
