//! Whether a read is asked once more. A lost answer to a read costs nothing but time; writes are the caller's to repeat.

use std::time::Duration;

use crate::azure::error::AzureError;
use crate::domain::patience;

/// How long to wait before a read that failed for the `attempt`-th time (from 0) is repeated; `None` if it is not.
pub(crate) fn wait(error: &AzureError, attempt: u32) -> Option<Duration> {
    let may_help = match error {
        // A host that does not even take a connection will not do so a second later.
        AzureError::Unreachable { source, .. } => !source.is_connect(),
        AzureError::Refused { .. } => true,
        AzureError::Configuration { .. }
        | AzureError::SignIn { .. }
        | AzureError::Nobody { .. }
        | AzureError::Failed { .. }
        | AzureError::Unexpected { .. }
        | AzureError::ForeignAddress { .. }
        | AzureError::Impossible { .. } => false,
    };
    if may_help { patience::before_next_read(error.class(), attempt, random()) } else { None }
}

/// What spreads the waits.
pub(crate) fn random() -> u16 {
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    u16::from_be_bytes([high, low])
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
    fn only_answers_that_another_try_may_change_are_asked_for_again() {
        assert!(wait(&refused(500, None), 0).is_some());
        assert_eq!(wait(&refused(429, Some(17)), 0), Some(Duration::from_secs(17)));
        assert_eq!(wait(&refused(403, None), 0), None);
        assert_eq!(wait(&refused(404, None), 0), None);
        let AzureError::Refused { purpose, error } = refused(500, None) else { unreachable!() };
        assert_eq!(wait(&AzureError::Failed { purpose, cancelled: true, error }, 0), None, "an operation that is over");
    }
}
