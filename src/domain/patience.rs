//! Whether a call that failed is sent once more before anybody is told. A pure rule; the adapters wait.
//!
//! What is repeated here changes nothing: a lost answer to a read costs nothing but time, and a call that came too soon had no
//! effect. A write that failed otherwise may have happened: whoever sent it has to look first.

use std::time::Duration;

use crate::domain::failure::ErrorClass;

/// How often a call is repeated.
const ATTEMPTS: u32 = 4;
/// The first ceiling of the wait, which then doubles.
const BASE: Duration = Duration::from_millis(250);
/// Whoever asks for a read and would have to wait longer than this is told so instead.
const LONGEST: Duration = Duration::from_secs(60);
/// The same for a call that came too soon, whatever it does: a person may want to stop a write that is held back longer.
const SHORT: Duration = Duration::from_secs(10);

/// How long to wait after a refusal for coming too soon that does not say how long.
pub const UNSAID: Duration = Duration::from_secs(1);
/// What took longer than this to fail is not tried again: whom nobody reaches would take as long once more.
pub const SLOW: Duration = Duration::from_secs(5);

/// How long to wait before a call that failed for the `attempt`-th time (from 0) is sent again; `None` if it is not. A write
/// is sent again only where it came too soon.
pub fn before_next(class: ErrorClass, is_read: bool, (attempt, random): (u32, u16)) -> Option<Duration> {
    if let ErrorClass::Throttled { retry_after } = class {
        let wait = retry_after.unwrap_or(UNSAID);
        if sends_again(wait, attempt) {
            return Some(wait);
        }
    }
    if is_read { before_next_read(class, attempt, random) } else { None }
}

/// True if a call that was refused for coming too soon is sent again after the wait that the server asks for. It was refused
/// for the `attempt`-th time (from 0).
pub fn sends_again(wait: Duration, attempt: u32) -> bool {
    attempt < ATTEMPTS && wait <= SHORT
}

/// How long to wait before a read that failed for the `attempt`-th time (from 0) is repeated; `None` if it is not. `random`
/// spreads the waits: tasks that failed together do not come back together.
pub fn before_next_read(class: ErrorClass, attempt: u32, random: u16) -> Option<Duration> {
    let wish = match class {
        ErrorClass::Transient { retry_after } | ErrorClass::Busy { retry_after } => retry_after,
        // A shorter one was waited for already, as long as that helps.
        ErrorClass::Throttled { retry_after: Some(wish) } if wish > SHORT => Some(wish),
        ErrorClass::Throttled { .. }
        | ErrorClass::Conflict
        | ErrorClass::NotFound
        | ErrorClass::Denied
        | ErrorClass::Invalid
        | ErrorClass::Unknown => return None,
    };
    if attempt >= ATTEMPTS || wish.is_some_and(|wish| wish > LONGEST) {
        return None;
    }
    Some(wish.unwrap_or_else(|| BASE * (1 << attempt) * u32::from(random) / u32::from(u16::MAX)))
}

/// How long to wait before something is tried again that is tried for ever, after it failed for the `attempt`-th time (from 0).
pub fn for_ever(attempt: u32, random: u16) -> Duration {
    let ceiling = BASE.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    ceiling * u32::from(random) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn reads_are_repeated_a_few_times_and_only_where_that_may_help() {
        let lost = ErrorClass::Transient { retry_after: None };
        let again = |class: ErrorClass| before_next_read(class, 0, u16::MAX);
        assert_eq!((again(lost), before_next_read(lost, 0, 0)), (Some(BASE), Some(Duration::ZERO)));
        assert_eq!(before_next_read(lost, 3, u16::MAX), Some(BASE * 8));
        assert_eq!(before_next_read(lost, ATTEMPTS, 0), None);
        assert_eq!(again(ErrorClass::Busy { retry_after: Some(3 * SECOND) }), Some(3 * SECOND));
        assert_eq!(again(ErrorClass::Transient { retry_after: Some(61 * SECOND) }), None);
        for final_class in [ErrorClass::Denied, ErrorClass::NotFound, ErrorClass::Conflict, ErrorClass::Unknown] {
            assert_eq!(again(final_class), None, "{final_class:?}");
        }
    }

    #[test]
    fn what_is_tried_for_ever_waits_no_longer_than_a_minute() {
        assert_eq!((for_ever(0, u16::MAX), for_ever(1, u16::MAX), for_ever(9, 0)), (BASE, BASE * 2, Duration::ZERO));
        assert_eq!(for_ever(u32::MAX, u16::MAX), LONGEST);
    }

    #[test]
    fn a_write_is_sent_again_only_where_it_came_too_soon() {
        let throttled = |seconds| ErrorClass::Throttled { retry_after: Some(seconds * SECOND) };
        assert_eq!(before_next(ErrorClass::Throttled { retry_after: None }, false, (0, 0)), Some(UNSAID));
        assert_eq!(
            (before_next(throttled(17), false, (0, 0)), before_next(throttled(17), true, (0, 0))),
            (None, Some(17 * SECOND))
        );
        let lost = ErrorClass::Transient { retry_after: None };
        assert_eq!((before_next(lost, false, (0, 0)), before_next(lost, true, (0, 0))), (None, Some(Duration::ZERO)));
        assert_eq!(before_next(ErrorClass::Denied, true, (0, 0)), None);
    }

    #[test]
    fn a_call_that_came_too_soon_is_sent_again_and_then_told() {
        assert!(sends_again(10 * SECOND, 3));
        assert!(!sends_again(10 * SECOND, ATTEMPTS) && !sends_again(11 * SECOND, 0));
        let read = |wait: Duration| before_next_read(ErrorClass::Throttled { retry_after: Some(wait) }, 0, 0);
        assert_eq!((read(SECOND), read(17 * SECOND), read(3600 * SECOND)), (None, Some(17 * SECOND), None));
    }
}
