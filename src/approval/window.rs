//! May the plan run at this time? What the change windows say, and when they open.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::window::Calendar;
use crate::domain::window::Grade;
use crate::domain::window::Window;
use crate::domain::window::are_open;
use crate::domain::window::opening;

/// That changes are not applied at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Whose changes are not.
    pub grades: BTreeSet<Grade>,
    /// The windows that deny them, each with its reason.
    pub denied: Vec<String>,
    /// When all changes of the plan may be applied; `None` if they never may again.
    pub opens: Option<Opening>,
}

/// A moment at which change windows open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The moment.
    pub at: Timestamp,
    /// The same as the clocks of the windows' zone show it.
    pub shown: String,
    /// The windows that are open then.
    pub windows: Vec<String>,
}

/// That changes of these grades may not be applied at a time; `None` if they may.
pub fn closed(calendars: &[Calendar], grades: &BTreeSet<Grade>, at: Timestamp) -> Option<Closed> {
    if are_open(calendars, grades, at) {
        return None;
    }
    let is_shut = |grade: &&Grade| calendars.iter().any(|calendar| !calendar.is_open(**grade, at));
    let pairs = calendars.iter().flat_map(|calendar| grades.iter().map(move |grade| (calendar, *grade)));
    let denied: BTreeSet<String> = pairs.filter_map(|(it, grade)| it.denying(grade, at)).map(reasoned).collect();
    Some(Closed {
        grades: grades.iter().filter(is_shut).copied().collect(),
        denied: denied.into_iter().collect(),
        opens: opening(calendars, grades, at).and_then(|opens| told(calendars, grades, opens)),
    })
}

fn told(calendars: &[Calendar], grades: &BTreeSet<Grade>, at: Timestamp) -> Option<Opening> {
    let allowing = |calendar: &Calendar| {
        let open = grades.iter().flat_map(|grade| calendar.allowing(*grade)).filter(|it| calendar.covers(it, at));
        open.map(ToString::to_string).collect::<Vec<_>>()
    };
    let windows: BTreeSet<String> = calendars.iter().flat_map(allowing).collect();
    let shown = calendars.first()?.zone.show(at);
    Some(Opening { at, shown, windows: windows.into_iter().collect() })
}

fn reasoned(window: &Window) -> String {
    match &window.reason {
        Some(reason) => format!("{window}: {reason}"),
        None => window.to_string(),
    }
}
