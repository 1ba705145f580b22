//! How many calls Azure still takes of us: a bucket of tokens, as a value. The time is passed in.
//!
//! ```text
//! take ─▶ a token, or how long until there is one ─▶ (call) ─▶ learn: what Azure counts
//!                                                          └▶ refused: nothing until its wait is over
//! ```
//! Azure refills its bucket all the time and says after each call what is left of it; others may drink from it too. So its
//! number is believed, less what is still on its way. Before Azure said a number nothing is held back.

use std::time::Duration;

/// The size of a bucket and its refill a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// How many calls may come at once.
    pub size: f64,
    /// How many more a second.
    pub refill: f64,
}

/// Of a principal in a subscription and region. Source: Azure Resource Manager, throttling, "token bucket".
pub const READS: Limit = Limit { size: 250.0, refill: 25.0 };
/// As [`READS`], for writes.
pub const WRITES: Limit = Limit { size: 200.0, refill: 10.0 };
/// As [`READS`], for deletes.
pub const DELETES: Limit = Limit { size: 200.0, refill: 10.0 };

/// What is left for others who sign in as the same principal: a tenth, as Microsoft advises to slow down there.
const SPARED: f64 = 0.1;

/// A bucket, at the time of its last change. Times are since any fixed moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    limit: Limit,
    /// What is left; below what is spared if calls wait for their turn. `None` before Azure said it.
    tokens: Option<f64>,
    /// Until when it was refilled; in the future while a refusal is waited for.
    at: Duration,
    /// Calls without an answer yet.
    under_way: u32,
}

impl Bucket {
    /// A bucket of which nothing is known.
    pub fn new(limit: Limit) -> Self {
        Self { limit, tokens: None, at: Duration::ZERO, under_way: 0 }
    }

    fn refill(&mut self, now: Duration) {
        if let Some(tokens) = &mut self.tokens {
            let gained = self.limit.refill * now.saturating_sub(self.at).as_secs_f64();
            *tokens = (*tokens + gained).min(self.limit.size);
        }
        self.at = self.at.max(now);
    }

    /// Takes a token. Answers how long the call has to wait for it: whoever comes later waits longer.
    pub fn take(&mut self, now: Duration) -> Duration {
        self.refill(now);
        self.under_way += 1;
        let blocked = self.blocked(now);
        let Some(tokens) = &mut self.tokens else { return blocked };
        *tokens -= 1.0;
        let lacking = (self.limit.size * SPARED - *tokens).max(0.0);
        blocked + Duration::from_secs_f64(lacking / self.limit.refill)
    }

    /// How long nothing may be sent, because Azure said so.
    pub fn blocked(&self, now: Duration) -> Duration {
        self.at.saturating_sub(now)
    }

    /// A call ended, and Azure counts so many left; `None` if it did not say.
    pub fn learn(&mut self, remaining: Option<f64>, now: Duration) {
        self.refill(now);
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(remaining) = remaining {
            self.tokens = Some(remaining.min(self.limit.size) - f64::from(self.under_way));
        }
    }

    /// A call was refused for coming too soon: nothing is sent for so long, and then at the pace of the refill. The first one
    /// does not wait for that, too: the wait is Azure's word for when there is a token again.
    pub fn refused(&mut self, wait: Duration, now: Duration) {
        self.refill(now);
        self.under_way = self.under_way.saturating_sub(1);
        let promised = self.limit.size * SPARED + 1.0;
        self.tokens = Some(self.tokens.map_or(promised, |tokens| tokens.min(promised)));
        self.at = self.at.max(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn nothing_is_held_back_before_azure_says_a_number() {
        let mut bucket = Bucket::new(READS);
        assert!((0..1000).all(|_| bucket.take(SECOND).is_zero()));
    }

    #[test]
    fn what_azure_counts_is_believed_less_what_is_on_its_way() {
        let mut bucket = Bucket::new(READS);
        (0..3).for_each(|_| assert!(bucket.take(SECOND).is_zero()));
        bucket.learn(Some(30.0), SECOND);
        // Two are on their way; three more are above the tenth that is spared, and the fourth waits for a refill.
        let waits: Vec<Duration> = (0..4).map(|_| bucket.take(SECOND)).collect();
        assert_eq!(waits[..3], [Duration::ZERO; 3]);
        assert_eq!(waits[3], Duration::from_millis(40));
    }

    #[test]
    fn a_refusal_holds_everybody_and_lets_them_go_one_by_one() {
        let mut bucket = Bucket::new(WRITES);
        bucket.take(SECOND);
        bucket.refused(Duration::from_secs(7), SECOND);
        assert_eq!(bucket.blocked(SECOND * 3), SECOND * 5);
        assert_eq!(bucket.take(SECOND * 3), Duration::from_millis(5_000));
        assert_eq!(bucket.take(SECOND * 3), Duration::from_millis(5_100));
        assert_eq!(bucket.blocked(SECOND * 8), Duration::ZERO);
    }

    /// Azure's side, by its documentation: refuses when its bucket is empty.
    struct Azure {
        tokens: f64,
        at: Duration,
    }

    impl Azure {
        fn answer(&mut self, now: Duration) -> Result<f64, ()> {
            let gained = WRITES.refill * now.saturating_sub(self.at).as_secs_f64();
            (self.tokens, self.at) = ((self.tokens + gained).min(WRITES.size), now);
            if self.tokens < 1.0 {
                return Err(());
            }
            self.tokens -= 1.0;
            Ok(self.tokens.floor())
        }
    }

    proptest! {
        #[test]
        fn whoever_waits_as_told_is_never_refused_even_where_others_drink_too(
            full in 30.0..200.0f64,
            gaps in prop::collection::vec(0u64..120, 1..400),
            others in prop::collection::vec(any::<bool>(), 400),
        ) {
            let mut azure = Azure { tokens: full, at: Duration::ZERO };
            let mut bucket = Bucket::new(WRITES);
            let mut now = Duration::ZERO;
            let mut drunk = 0.0;
            for (gap, other) in gaps.into_iter().zip(others) {
                now += Duration::from_millis(gap);
                now += bucket.take(now);
                let left = azure.answer(now);
                prop_assert!(left.is_ok(), "refused at {now:?}");
                bucket.learn(left.ok(), now);
                // Others take a tenth of the pace at most: that much is spared.
                if other && drunk < now.as_secs_f64() * WRITES.refill / 10.0 && azure.answer(now).is_ok() {
                    drunk += 1.0;
                }
            }
        }

        #[test]
        fn a_wait_is_never_longer_than_the_calls_before_it_explain(calls in 1u32..500, left in 0.0..250.0f64) {
            let mut bucket = Bucket::new(READS);
            bucket.take(SECOND);
            bucket.learn(Some(left), SECOND);
            let longest = (1..=calls).map(|_| bucket.take(SECOND)).max().unwrap();
            prop_assert!(longest.as_secs_f64() <= (f64::from(calls) + READS.size * SPARED) / READS.refill + 1e-9);
        }
    }
}
