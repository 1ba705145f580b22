//! Who may reach a Service, as far as an annotation about it can fail the sync.
//!
//! Source: cloud-provider-azure at 7b31c76ce, access control of the network security group.

use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::rule;
use crate::cloud_provider::service::Service;
use crate::domain::cidr::Cidr;

const RANGES: [&str; 2] = ["azure-allowed-ip-ranges", "load-balancer-source-ranges"];

/// Checks the annotations about clients.
///
/// # Errors
/// If ranges are given twice, or an additional address is none.
pub(super) fn check(service: &Service) -> Result<(), Failure> {
    let additional = service.short("azure-additional-public-ips").map(str::trim).filter(|text| !text.is_empty());
    let mut additional = additional.into_iter().flat_map(|text| text.split(','));
    if let Some(wrong) = additional.find(|item| item.parse::<std::net::IpAddr>().is_err()) {
        return refused("is not a valid IP address", format!("{wrong:?} of the additional addresses is no address"));
    }
    let listed = service.source_ranges().iter().any(|range| is_range(range));
    let annotated = RANGES.into_iter().filter_map(|name| service.short(name)).flat_map(|text| text.split(','));
    if listed && annotated.into_iter().any(is_range) {
        let problem = "ranges are given by spec.loadBalancerSourceRanges and by annotation".to_owned();
        return refused("cannot set both", problem);
    }
    Ok(())
}

fn refused(code: &'static str, problem: String) -> Result<(), Failure> {
    Err(Failure { rule: &rule::ACCESS_REFUSED, stage: Stage::Access, code, problem })
}

/// What is no range, or has bits of a host, is dropped in silence.
fn is_range(text: &str) -> bool {
    text.trim().parse::<Cidr>().is_ok()
}
