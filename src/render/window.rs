//! Change windows in words: those that a plan has to keep to, and that they are closed.

use std::collections::BTreeSet;

use crate::approval;
use crate::approval::window::Closed;
use crate::desired::policy::Freeze;
use crate::domain::window::Calendar;
use crate::domain::window::Grade;
use crate::domain::window::Window;
use crate::plan::Plan;
use crate::render::Label;
use crate::render::Text;
use crate::render::shown;

/// A window that a plan has to keep to.
pub(super) struct Kept<'a> {
    pub(super) calendar: &'a Calendar,
    pub(super) window: &'a Window,
    /// True if it denies what it covers.
    pub(super) denies: bool,
    /// Those of the plan's grades that it is about.
    pub(super) grades: Vec<Grade>,
}

/// The windows that a plan has to keep to. Never what the clock says of them: the same plan reads the same at all times.
pub(super) fn kept(plan: &Plan) -> Vec<Kept<'_>> {
    let has: BTreeSet<Grade> = approval::grades(plan);
    let both = |calendar| [(calendar, false), (calendar, true)];
    let lists = plan.policy.windows.iter().flat_map(both).flat_map(|(calendar, denies)| {
        let windows = if denies { &calendar.deny } else { &calendar.allow };
        windows.iter().map(move |window| (calendar, window, denies))
    });
    let kept = lists.map(|(calendar, window, denies)| {
        let grades = window.grades.intersection(&has).copied().collect();
        Kept { calendar, window, denies, grades }
    });
    kept.filter(|it| !it.grades.is_empty()).collect()
}

/// The same as lines, and that the environment is frozen.
pub(super) fn remarks(plan: &Plan) -> Vec<String> {
    let freeze = plan.policy.freeze.iter();
    let frozen =
        freeze.map(|Freeze { reason, until }| format!("no changes before {until}: {}", shown::one_line(reason)));
    frozen.chain(kept(plan).iter().map(remark)).collect()
}

fn remark(Kept { calendar, window, denies, grades }: &Kept<'_>) -> String {
    let grades = listed(grades);
    let reason = window.reason.as_ref().map(|reason| format!(": {}", shown::one_line(reason))).unwrap_or_default();
    let what = if *denies { "no changes" } else { "change window" };
    format!("{what} ({grades}): {window}, {}{reason}", calendar.zone)
}

fn listed<'a>(grades: impl IntoIterator<Item = &'a Grade>) -> String {
    grades.into_iter().map(|grade| grade.as_str()).collect::<Vec<_>>().join(", ")
}

/// Says that windows are closed, why, and when they open.
pub fn closed(closed: &Closed) -> Text {
    let Closed { grades, denied, opens } = closed;
    let mut text = Text::new();
    text.line(
        Label::Notable,
        format!("  {} changes are not applied now, outside their change windows", listed(grades)),
    );
    for window in denied {
        text.line(Label::Plain, format!("  no changes {}", shown::one_line(window)));
    }
    match opens {
        None => text.line(Label::Warning, "  no window opens for this plan any more"),
        Some(opening) if opening.windows.is_empty() => text.line(Label::Plain, format!("  until {}", opening.shown)),
        Some(opening) => {
            let windows = opening.windows.join("; ");
            text.line(Label::Plain, format!("  the next window opens {}: {windows}", opening.shown))
        }
    };
    text
}
