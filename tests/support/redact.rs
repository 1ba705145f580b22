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
    let filters = [
        (r"\b[0-9a-f]{64}\b", "[PLAN]"),
        (r"\b[0-9a-f]{40}\b", "[COMMIT]"),
        (r"\b(at|commit|main|prod) (\(?)[0-9a-f]{10}\b", "$1 $2[COMMIT]"),
        (r"(127\.0\.0\.1|localhost):\d+", "[HOST]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
        (r"first seen \d{4}-\d\d-\d\d", "first seen [DAY]"),
        (r"\(\d+\.\d+s\)", "([TOOK])"),
        (r"\(\d+s ago\)", "([AGE] ago)"),
        (r" for \d+s:", " for [AGE]:"),
        (r":3\d{4}/TCP", ":3[NP]/TCP"),
        (r"(?m)TCP( +)\d{1,2}s$", "TCP${1}0s"),
        // Steps run side by side: who gets which free address or uid depends on who comes first.
        (r"10\.(224|225|240)\.0\.\d\b ", "10.$1.0.N "),
        (r"10\.50\.1\.\d\b", "10.50.1.N"),
        (r"pls-[0-9a-f]{32}", "pls-[UID                          ]"),
        (r"\ba[0-9a-f]{31}\b", "[FRONTEND]"),
        (r"\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.eastus2", ".[GUID].eastus2"),
        (r"\b\d{9}\b", "[LINK-ID]"),
        (r"-{100,}", "[LINE]"),
    ];
    for (pattern, replacement) in filters {
        settings.add_filter(pattern, replacement);
    }
}
