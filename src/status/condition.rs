//! Conditions and their times: `since` changes only when the status does.

use crate::status::document::Condition;
use crate::status::document::ConditionStatus;
use crate::status::document::ConditionType;
use crate::status::reason;

/// What was found out in this pass; the time comes with [`settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: ConditionType,
    pub(super) status: ConditionStatus,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn yes(kind: ConditionType, reason: &'static str) -> Self {
        Self { kind, status: ConditionStatus::True, reason, message: String::new() }
    }

    pub(super) fn no(kind: ConditionType, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: ConditionStatus::False, reason, message: message.into() }
    }

    pub(super) fn unread(kind: ConditionType, gap: &crate::observed::Gap) -> Self {
        let message = format!("{} could not be read: {}", gap.area, gap.reason);
        Self { kind, status: ConditionStatus::Unknown, reason: reason::NOT_READ, message }
    }

    #[must_use]
    pub(super) fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Says that the last apply failed on it, unless it is as it shall be all the same.
    #[must_use]
    pub(super) fn blame(mut self, failure: Option<&str>) -> Self {
        if let (ConditionStatus::False, Some(failure)) = (self.status, failure) {
            self.reason = reason::APPLY_FAILED;
            failure.clone_into(&mut self.message);
        }
        self
    }
}

/// Gives each finding its time: that of the previous condition of the same status, or now.
pub(super) fn settle(findings: Vec<Finding>, previous: &[Condition], now: jiff::Timestamp) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = findings
        .into_iter()
        .map(|Finding { kind, status, reason, message }| {
            let before = previous.iter().find(|before| before.kind == kind && before.status == status);
            // The reason why something could not be read may change with every try: the first one stays.
            let kept = before.filter(|_| status == ConditionStatus::Unknown);
            let message = kept.map_or(message, |before| before.message.clone());
            Condition { kind, status, reason: reason.to_owned(), message, since: before.map_or(now, |it| it.since) }
        })
        .collect();
    conditions.sort_by_key(|condition| condition.kind);
    conditions
}
