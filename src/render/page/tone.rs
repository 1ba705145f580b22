//! What is good, what wants a look, what is bad: one set of tones for states, risks and connections. Words always say it too.

use jiff::Timestamp;

use crate::domain::resource::connection::ConnectionStatus;
use crate::plan::risk::Risk;
use crate::render::page::html::Element;
use crate::render::page::html::el;
use crate::status::document::Condition;
use crate::status::document::ConditionStatus;
use crate::status::reason;

/// How something is, from the best to the worst that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// As it shall be.
    #[default]
    Good,
    /// Nothing to worry about.
    Note,
    /// Nobody knows.
    Unknown,
    /// On its way, or waiting for somebody.
    Warn,
    /// Not as it shall be, or about to hurt somebody.
    Bad,
}

/// The reasons of conditions that are not true and need nothing but time or somebody's answer.
const ON_THEIR_WAY: &[&str] = &[
    reason::ADDRESS_PENDING,
    reason::NOT_CREATED,
    reason::PROVISIONING,
    reason::ALIAS_PENDING,
    reason::NOT_PUBLISHED,
    reason::PENDING_APPROVAL,
    reason::REQUESTS_WAIT,
    reason::LINK_PENDING,
    reason::DELETING,
];

impl Tone {
    /// The class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// Of a risk.
    pub(super) fn of_risk(risk: Risk) -> Self {
        match risk {
            Risk::Safe => Self::Good,
            Risk::Notable => Self::Note,
            Risk::Disruptive => Self::Warn,
            Risk::Severing | Risk::Exposing => Self::Bad,
        }
    }

    /// Of a condition.
    pub(super) fn of_condition(condition: &Condition) -> Self {
        match condition.status {
            // A service that nobody wants any more and that still serves is true, and trouble.
            ConditionStatus::True if condition.reason == reason::STILL_PUBLISHED => Self::Warn,
            ConditionStatus::True => Self::Good,
            ConditionStatus::Unknown => Self::Unknown,
            ConditionStatus::False if ON_THEIR_WAY.contains(&condition.reason.as_str()) => Self::Warn,
            ConditionStatus::False => Self::Bad,
        }
    }

    /// Of a connection, in Azure's words.
    pub(super) fn of_connection(status: &str) -> Self {
        let is = |known: ConnectionStatus| status == known.to_string();
        if is(ConnectionStatus::Approved) {
            Self::Good
        } else if is(ConnectionStatus::Pending) {
            Self::Warn
        } else if is(ConnectionStatus::Rejected) || is(ConnectionStatus::Disconnected) {
            Self::Bad
        } else {
            Self::Unknown
        }
    }
}

/// A word in its tone.
pub(super) fn badge(tone: Tone, word: impl AsRef<str>) -> Element {
    el("span").class(format!("badge {}", tone.class())).text(word)
}

/// A time, to the minute.
pub(super) fn time(at: Timestamp) -> Element {
    el("time").attr("datetime", at.to_string()).text(at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
