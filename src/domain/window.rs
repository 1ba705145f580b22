//! Change windows: the times at which changes of some weight may be applied.
//!
//! ```text
//!  time ───────[allow]────[deny]────[allow]──▶   open where an allow covers the moment and no deny does
//! ```
//!
//! A window begins on each of its days and lasts less than a day more than that. Its ends are moments of its zone: one that
//! the clock leaves out in spring is the moment of the leap, and one that it shows twice in autumn is the first of the two.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::clock::Clock;
use crate::domain::clock::Days;
use crate::domain::clock::Zone;

/// How far ahead an opening is looked for after the last moment at which a date says something else: a year of weeks, and
/// the changes of the clock in it.
const AHEAD: usize = 400;

/// How heavy changes are, as rules tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Nobody notices.
    Safe,
    /// Something new, or something narrower.
    Notable,
    /// Traffic is interrupted or moves.
    Disruptive,
    /// Somebody is cut off, or let in.
    Severing,
}

impl Grade {
    /// All of them, the lightest first.
    pub const ALL: [Self; 4] = [Self::Safe, Self::Notable, Self::Disruptive, Self::Severing];

    /// The word that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Notable => "notable",
            Self::Disruptive => "disruptive",
            Self::Severing => "severing",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A span of time that comes back on some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days on which it begins.
    pub days: Days,
    /// When it begins.
    pub from: Clock,
    /// When it ends: on the next day if that is not after `from`.
    pub to: Clock,
    /// The first day on which it begins.
    pub first: Option<Date>,
    /// The last one.
    pub last: Option<Date>,
    /// Whose changes it is about.
    pub grades: BTreeSet<Grade>,
    /// Why, in the words of whoever wrote it.
    pub reason: Option<String>,
}

impl Window {
    /// Its beginning and its end where it begins on a day.
    fn on(&self, day: Date, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
        let is_meant = self.days.has(day.weekday())
            && self.first.is_none_or(|first| first <= day)
            && self.last.is_none_or(|last| day <= last);
        if !is_meant {
            return None;
        }
        let end = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let (from, to) = (zone.moment(day, self.from)?, zone.moment(end, self.to)?);
        (from < to).then_some((from, to))
    }

    fn covers(&self, at: Timestamp, zone: &Zone) -> bool {
        let today = zone.date(at);
        let days = [today.yesterday().ok(), Some(today)];
        let spans = days.into_iter().flatten().filter_map(|day| self.on(day, zone));
        spans.into_iter().any(|(from, to)| from <= at && at < to)
    }

    /// How many minutes after midnight it ends, which may be more than a day has.
    fn end(&self) -> u16 {
        let next_day = if self.to > self.from { 0 } else { Clock::END.minutes() };
        self.to.minutes() + next_day
    }

    /// True if every moment of it is one of the other, in the same zone.
    fn is_within(&self, other: &Self) -> bool {
        let begins = match (self.first, other.first) {
            (_, None) => true,
            (first, Some(other)) => first.is_some_and(|first| first >= other),
        };
        let ends = match (self.last, other.last) {
            (_, None) => true,
            (last, Some(other)) => last.is_some_and(|last| last <= other),
        };
        begins && ends && self.days.is_within(other.days) && other.from <= self.from && self.end() <= other.end()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = if self.days == Days::ALL { "every day".to_owned() } else { self.days.to_string() };
        write!(f, "{days} {}-{}", self.from, self.to)?;
        match (self.first, self.last) {
            (Some(first), Some(last)) => write!(f, " from {first} to {last}"),
            (Some(first), None) => write!(f, " from {first}"),
            (None, Some(last)) => write!(f, " until {last}"),
            (None, None) => Ok(()),
        }
    }
}

/// When changes may be applied, in one zone. Where no `allow` names a grade, its changes may be applied whenever no `deny`
/// names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The zone of its days and times.
    pub zone: Zone,
    /// When changes may be applied.
    pub allow: Vec<Window>,
    /// When they may not, whatever else allows it.
    pub deny: Vec<Window>,
}

impl Calendar {
    /// The windows in which changes of a grade may be applied.
    pub fn allowing(&self, grade: Grade) -> impl Iterator<Item = &Window> {
        self.allow.iter().filter(move |window| window.grades.contains(&grade))
    }

    /// The window that denies changes of a grade at a moment.
    pub fn denying(&self, grade: Grade, at: Timestamp) -> Option<&Window> {
        self.deny.iter().find(|window| window.grades.contains(&grade) && window.covers(at, &self.zone))
    }

    /// True if a window of it covers a moment.
    pub fn covers(&self, window: &Window, at: Timestamp) -> bool {
        window.covers(at, &self.zone)
    }

    /// True if changes of a grade may be applied at a moment.
    pub fn is_open(&self, grade: Grade, at: Timestamp) -> bool {
        let mut allowing = self.allowing(grade).peekable();
        let is_allowed = allowing.peek().is_none() || allowing.any(|window| window.covers(at, &self.zone));
        is_allowed && self.denying(grade, at).is_none()
    }

    /// The moments at which something may begin to be allowed, in the days after one.
    fn turns(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first = self.zone.date(after).yesterday().unwrap_or(Date::MIN);
        let days = move || first.series(jiff::Span::new().days(1)).take(AHEAD);
        let begins =
            self.allow.iter().flat_map(move |it| days().filter_map(|day| it.on(day, &self.zone))).map(|it| it.0);
        let ends = self.deny.iter().flat_map(move |it| days().filter_map(|day| it.on(day, &self.zone))).map(|it| it.1);
        begins.chain(ends)
    }

    /// The moments from which on dates say something else.
    fn bounds(&self) -> impl Iterator<Item = Timestamp> {
        let dates = self.allow.iter().chain(&self.deny).flat_map(|window| [window.first, window.last]);
        dates.flatten().filter_map(|date| self.zone.moment(date, Clock::MIDNIGHT))
    }

    /// What it allows that another does not, each as half a sentence.
    pub fn loosens(&self, other: &Self) -> Vec<String> {
        let is_bound = !(other.allow.is_empty() && other.deny.is_empty());
        if is_bound && self.zone != other.zone {
            return vec![format!("change windows are in the time zone {} instead of {}", self.zone, other.zone)];
        }
        let is_lifted = |denied: &&Window| {
            let by = |mine: &Window, grade| mine.grades.contains(grade) && denied.is_within(mine);
            !denied.grades.iter().all(|grade| self.deny.iter().any(|mine| by(mine, grade)))
        };
        let denied = other.deny.iter().filter(is_lifted);
        let denied = denied.map(|window| format!("changes are not denied any more on {window}")).collect::<Vec<_>>();
        let mut allowed: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for grade in Grade::ALL {
            for more in self.allows_more(other, grade) {
                allowed.entry(more).or_default().push(grade.as_str());
            }
        }
        let whose =
            |grades: &[&str]| if grades.len() == Grade::ALL.len() { "all".to_owned() } else { grades.join(", ") };
        let allowed = allowed.into_iter().map(|(more, grades)| format!("{} changes {more}", whose(&grades)));
        denied.into_iter().chain(allowed).collect()
    }

    fn allows_more(&self, other: &Self, grade: Grade) -> Vec<String> {
        if other.allowing(grade).next().is_none() {
            return Vec::new();
        }
        if self.allowing(grade).next().is_none() {
            return vec!["need no change window any more".to_owned()];
        }
        let is_more = |window: &&Window| !other.allowing(grade).any(|before| window.is_within(before));
        self.allowing(grade).filter(is_more).map(|window| format!("may be applied on {window}")).collect()
    }
}

/// True if changes of all these grades may be applied at a moment, by all calendars.
pub fn are_open(calendars: &[Calendar], grades: &BTreeSet<Grade>, at: Timestamp) -> bool {
    calendars.iter().all(|calendar| grades.iter().all(|grade| calendar.is_open(*grade, at)))
}

/// The first moment, not before another, at which changes of all these grades may be applied by all calendars; `None` if
/// there is none.
pub fn opening(calendars: &[Calendar], grades: &BTreeSet<Grade>, after: Timestamp) -> Option<Timestamp> {
    if are_open(calendars, grades, after) {
        return Some(after);
    }
    // Beyond its dates a calendar repeats itself, but for the clock's changes, of which a year has all.
    let bounds = calendars.iter().flat_map(Calendar::bounds).filter(|bound| *bound > after);
    let begins: BTreeSet<Timestamp> = bounds.chain([after]).collect();
    begins.into_iter().find_map(|begin| {
        let turns: BTreeSet<Timestamp> = calendars.iter().flat_map(|it| it.turns(begin)).collect();
        turns.into_iter().filter(|turn| *turn > after).find(|turn| are_open(calendars, grades, *turn))
    })
}
