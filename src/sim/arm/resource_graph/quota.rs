//! Queries per user: 15 in five seconds [Microsoft's throttling page].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sim::arm::error::ArmError;

const QUERIES: u32 = 15;
const WINDOW: Duration = Duration::from_secs(5);

/// What each principal has used in its window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    used: BTreeMap<String, (Duration, u32)>,
}

impl Quota {
    /// Takes one query, and returns the headers that say how many are left and until when they have to do.
    pub(super) fn take(&mut self, principal: &str, now: Duration) -> Result<Vec<(String, String)>, ArmError> {
        let (started, used) = self.used.entry(principal.to_owned()).or_insert((now, 0));
        if now.saturating_sub(*started) >= WINDOW {
            (*started, *used) = (now, 0);
        }
        let rest = WINDOW.saturating_sub(now.saturating_sub(*started));
        let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
        let headers = |remaining: u32| {
            vec![
                ("x-ms-user-quota-remaining".to_owned(), remaining.to_string()),
                ("x-ms-user-quota-resets-after".to_owned(), format!("00:00:{seconds:02}")),
            ]
        };
        if *used >= QUERIES {
            let message = "Client application has been throttled and should not attempt to repeat the request until an \
                           amount of time has elapsed.";
            let mut error = ArmError::new(429, "RateLimiting", message);
            error.headers = headers(0);
            error.headers.push(("Retry-After".to_owned(), seconds.to_string()));
            return Err(error);
        }
        *used += 1;
        Ok(headers(QUERIES - *used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_fifteen_queries_in_five_seconds() {
        let mut quota = Quota::default();
        let at = Duration::from_millis;
        for left in (0..15).rev() {
            assert_eq!(quota.take("a", at(100)).unwrap()[0].1, left.to_string());
        }
        let refused = quota.take("a", at(1_200)).unwrap_err();
        assert_eq!((refused.status, refused.headers[1].1.as_str()), (429, "00:00:04"));
        assert!(quota.take("b", at(1_200)).is_ok(), "another one has its own");
        assert_eq!(quota.take("a", at(5_100)).unwrap()[0].1, "14");
    }
}
