//! Whether a read is asked once more. A lost answer to a read costs nothing but time; writes are the caller's to repeat.

use std::time::Duration;

use crate::azure::error::AzureError;
use crate::domain::failure::ErrorClass;

/// How often a read is repeated.
const ATTEMPTS: u32 = 4;
/// The first ceiling of the wait, which then doubles.
const BASE: Duration = Duration::from_millis(250);
/// Whoever is asked to wait longer than this is told so instead.
const LONGEST: Duration = Duration::from_secs(60);

/// How long to wait before a read that failed for the `attempt`-th time (from 0) is repeated; `None` if it is not.
pub(crate) fn wait(error: &AzureError, attempt: u32) -> Option<Duration> {
    let wish = match (error, error.class()) {
        // A host that does not even take a connection will not do so a second later.
        (AzureError::Unreachable { source, .. }, _) if source.is_connect() => return None,
        (AzureError::Unreachable { .. }, _) => None,
        (
            AzureError::Refused { .. },
            ErrorClass::Transient { retry_after }
            | ErrorClass::Throttled { retry_after }
            | ErrorClass::Busy { retry_after },
        ) => retry_after,
        _ => return None,
    };
    if attempt >= ATTEMPTS || wish.is_some_and(|wish| wish > LONGEST) {
        return None;
    }
    Some(wish.unwrap_or_else(|| jitter(attempt)))
}

/// Anything up to the ceiling: tasks that failed together do not come back together.
fn jitter(attempt: u32) -> Duration {
    let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
    let share = u32::try_from(random & 0xFFFF).expect("16 bits fit");
    BASE * (1 << attempt) * share / 0xFFFF
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::error::Purpose;
    use crate::azure::error::ServiceError;

    fn refused(status: u16, retry_after: Option<u64>) -> AzureError {
        let retry_after = retry_after.map(Duration::from_secs);
        let error = Box::new(ServiceError { status, retry_after, ..ServiceError::default() });
        AzureError::Refused { purpose: Purpose::list("x", "y"), error }
    }

    #[test]
    fn reads_are_repeated_a_few_times_and_only_where_that_may_help() {
        assert!(wait(&refused(500, None), 0).unwrap() <= BASE);
        assert!(wait(&refused(500, None), 3).unwrap() <= BASE * 8);
        assert_eq!(wait(&refused(500, None), ATTEMPTS), None);
        assert_eq!(wait(&refused(429, Some(7)), 0), Some(Duration::from_secs(7)));
        assert_eq!(wait(&refused(429, Some(3600)), 0), None);
        assert_eq!(wait(&refused(403, None), 0), None);
        assert_eq!(wait(&refused(404, None), 0), None);
    }
}
