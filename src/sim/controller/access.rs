//! Who may reach a Service: the source ranges and service tags that become rules of the security group.

use std::net::IpAddr;

use super::annotation::{ALLOWED_RANGES, ALLOWED_TAGS, DENY_ALL, INTERNAL, LEGACY_RANGES};
use super::azure::CloudError;
use super::service::{Family, Service};
use crate::domain::cidr::Cidr;

/// What a Service says about its sources.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Valid ranges of `spec.loadBalancerSourceRanges`.
    pub(crate) field: Vec<String>,
    /// Valid ranges of the annotations.
    pub(crate) annotated: Vec<String>,
    /// Service tags, unchecked.
    pub(crate) tags: Vec<String>,
    /// What is no range in the field, and what is none in the annotations; both are dropped.
    pub(crate) invalid: (Vec<String>, Vec<String>),
    wants_deny: bool,
    is_internal: bool,
}

impl Access {
    pub(crate) fn of(service: &Service) -> Self {
        let annotated = [ALLOWED_RANGES, LEGACY_RANGES].into_iter().flat_map(|key| service.annotations.items(key));
        let annotated = annotated.filter(|item| !item.is_empty());
        let (field, wrong_field) =
            service.source_ranges.iter().map(|own| own.trim().to_owned()).partition(|own: &String| is_range(own));
        let (annotated, wrong_annotated) = annotated.partition(|own| is_range(own));
        Self {
            field,
            annotated,
            tags: service.annotations.items(ALLOWED_TAGS),
            invalid: (wrong_field, wrong_annotated),
            wants_deny: service.annotations.is_true_in_any_case(DENY_ALL),
            // The third way to read the same annotation: neither trimmed nor exact.
            is_internal: service.annotations.is_true_in_any_case(INTERNAL),
        }
    }

    /// True if both ways to give ranges are used.
    pub(crate) fn is_contradictory(&self) -> bool {
        !self.field.is_empty() && !self.annotated.is_empty()
    }

    /// # Errors
    /// If both ways to give ranges are used.
    pub(crate) fn check(&self) -> Result<(), CloudError> {
        if self.is_contradictory() {
            return Err(CloudError::local(
                "cannot set both spec.LoadBalancerSourceRanges and service annotation service.beta.kubernetes.io/azure-allowed-ip-ranges",
            ));
        }
        Ok(())
    }

    /// Valid ranges of a family, sorted.
    pub(crate) fn ranges(&self, family: Family) -> Vec<String> {
        let fits = |range: &&String| range.contains(':') == (family == Family::V6);
        let mut ranges: Vec<String> = self.field.iter().chain(&self.annotated).filter(fits).cloned().collect();
        ranges.sort();
        ranges.dedup();
        ranges
    }

    /// True if anybody on the Internet may come, because nobody was named and the Service is public.
    pub(crate) fn is_open(&self) -> bool {
        let is_all = |range: &String| range.ends_with("/0");
        let is_closed = |ranges: &[String]| !ranges.is_empty() && !ranges.iter().any(is_all);
        !self.is_internal && self.tags.is_empty() && !is_closed(&self.field) && !is_closed(&self.annotated)
    }

    /// True if everybody else is refused: on demand where there are ranges, and where something given was none.
    pub(crate) fn denies_the_rest(&self) -> bool {
        let has_ranges = !self.field.is_empty() || !self.annotated.is_empty();
        (self.wants_deny && has_ranges) || !self.invalid.0.is_empty() || !self.invalid.1.is_empty()
    }
}

/// Host bits have to be zero.
fn is_range(text: &str) -> bool {
    let network = text.split('/').next().unwrap_or_default();
    text.parse::<Cidr>().is_ok_and(|range| network.parse::<IpAddr>().is_ok_and(|address| range.contains(address)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn access(annotations: &[(&str, &str)], ranges: &[&str]) -> Access {
        let mut service = Service::of(&json!({"spec": {"loadBalancerSourceRanges": ranges}}));
        for (key, value) in annotations {
            service.annotations.set(key, Some(value));
        }
        Access::of(&service)
    }

    #[test]
    fn only_a_public_service_that_names_nobody_is_open() {
        assert!(access(&[], &[]).is_open());
        assert!(access(&[], &["0.0.0.0/0"]).is_open());
        assert!(!access(&[], &["10.0.0.0/8"]).is_open());
        assert!(!access(&[(ALLOWED_TAGS, "AzureCloud")], &[]).is_open());
        assert!(!access(&[(INTERNAL, "True")], &[]).is_open(), "this reader takes any case for internal");
        assert!(access(&[(INTERNAL, "true ")], &[]).is_open());
    }

    #[test]
    fn an_invalid_range_is_dropped_and_closes_the_door() {
        let wrong = access(&[(ALLOWED_RANGES, "10.0.0.1/8, nonsense, 10.1.0.0/16")], &[]);
        assert_eq!(wrong.annotated, ["10.1.0.0/16"]);
        assert_eq!(wrong.invalid.1, ["10.0.0.1/8", "nonsense"]);
        assert!(wrong.denies_the_rest());
        assert!(!access(&[(DENY_ALL, "true")], &[]).denies_the_rest(), "nothing to except");
        assert!(access(&[(DENY_ALL, "True")], &["10.0.0.0/8"]).denies_the_rest());
    }

    #[test]
    fn ranges_in_two_places_are_an_error_if_both_are_valid() {
        assert!(access(&[(ALLOWED_RANGES, "10.0.0.0/8")], &["10.0.0.0/8"]).check().is_err());
        assert!(access(&[(LEGACY_RANGES, "10.0.0.0/8")], &["10.0.0.0/8"]).check().is_err());
        assert!(access(&[(ALLOWED_RANGES, "nonsense")], &["10.0.0.0/8"]).check().is_ok());
    }

    #[test]
    fn a_blank_list_of_tags_is_one_empty_tag() {
        assert_eq!(access(&[(ALLOWED_TAGS, " ")], &[]).tags, [""]);
        assert_eq!(access(&[], &[]).tags, Vec::<String>::new());
    }
}
