//! Takes out of a text what differs between two runs: ids, ports, times, folders.

use super::Stage;

/// The settings under which snapshots of this stage's texts are compared.
pub(crate) fn settings(stage: &Stage) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&stage.folder().display().to_string(), "[DIR]");
    general(&mut settings);
    settings
}

/// Filters that need no stage.
pub(crate) fn general(settings: &mut insta::Settings) {
    settings.add_filter(r"\b[0-9a-f]{64}\b", "[PLAN]");
    settings.add_filter(r"\b[0-9a-f]{40}\b", "[COMMIT]");
    settings.add_filter(r"\b(at|commit|into main|main) \(?[0-9a-f]{10}\b\)?", "$1 [COMMIT]");
    settings.add_filter(r"(127\.0\.0\.1|localhost):\d+", "[HOST]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]");
    settings.add_filter(r"\(\d+\.\d+s\)", "([TOOK])");
    settings.add_filter(r"\(\d+s ago\)", "([AGE] ago)");
    settings.add_filter(r" for \d+s:", " for [AGE]:");
    settings.add_filter(r":3\d{4}/TCP", ":[NODEPORT]/TCP");
    settings.add_filter(r"  \d{1,2}s\n", "  [AGE]\n");
}
