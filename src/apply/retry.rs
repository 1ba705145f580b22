//! Whether, and after how long, a failed piece of work is tried again. Only the class of the failure decides.

use std::time::Duration;

use crate::domain::failure::ErrorClass;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after this long.
    Wait(Duration),
    /// Give up.
    GiveUp,
}

/// How often transient and throttled failures are tried again.
pub const ATTEMPTS: u32 = 8;
/// How often a conflict is read again and retried: more often means somebody fights with us.
pub const CONFLICTS: u32 = 3;

const BASE: Duration = Duration::from_millis(500);
const CAP: Duration = Duration::from_secs(60);

/// Decides about the `attempt`-th failure (from 0). `seed` spreads the waits of many steps (full jitter).
pub fn decide(class: ErrorClass, attempt: u32, seed: u64) -> Verdict {
    match class {
        ErrorClass::Transient { retry_after } | ErrorClass::Throttled { retry_after } if attempt < ATTEMPTS => {
            Verdict::Wait(retry_after.unwrap_or_else(|| jitter(attempt, seed)))
        }
        // The step's deadline ends it.
        ErrorClass::Busy { retry_after } => Verdict::Wait(retry_after.unwrap_or_else(|| jitter(attempt, seed))),
        ErrorClass::Conflict if attempt < CONFLICTS => Verdict::Wait(jitter(attempt, seed)),
        ErrorClass::Transient { .. }
        | ErrorClass::Throttled { .. }
        | ErrorClass::Conflict
        | ErrorClass::NotFound
        | ErrorClass::Denied
        | ErrorClass::Invalid
        | ErrorClass::Unknown => Verdict::GiveUp,
    }
}

/// Between nothing and the exponential ceiling, by a hash of seed and attempt.
fn jitter(attempt: u32, seed: u64) -> Duration {
    let ceiling = BASE.saturating_mul(1 << attempt.min(10)).min(CAP);
    // splitmix64: enough to spread, and the same for the same inputs.
    let mut z =
        seed.wrapping_add(u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let fraction = u32::try_from((z ^ (z >> 31)) & 0xFFFF).expect("16 bits fit");
    ceiling * fraction / 0xFFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_class_decides() {
        let transient = ErrorClass::Transient { retry_after: None };
        assert!(matches!(decide(transient, 0, 1), Verdict::Wait(wait) if wait <= BASE));
        assert!(matches!(decide(transient, 7, 1), Verdict::Wait(wait) if wait <= CAP));
        assert_eq!(decide(transient, ATTEMPTS, 1), Verdict::GiveUp);
        let throttled = ErrorClass::Throttled { retry_after: Some(Duration::from_secs(9)) };
        assert_eq!(decide(throttled, 0, 1), Verdict::Wait(Duration::from_secs(9)));
        let busy = ErrorClass::Busy { retry_after: None };
        assert!(
            matches!(decide(busy, ATTEMPTS * 100, 1), Verdict::Wait(wait) if wait <= CAP),
            "only its deadline ends it"
        );
        assert_eq!(decide(ErrorClass::Conflict, CONFLICTS, 1), Verdict::GiveUp);
        assert_eq!(decide(ErrorClass::Denied, 0, 1), Verdict::GiveUp);
        assert_eq!(decide(ErrorClass::Invalid, 0, 1), Verdict::GiveUp);
    }
}
