//! What the fuzz targets share: laws of everything that is told about somebody's files.
//!
//! A target states what must hold for any bytes, and the fuzzer looks for bytes for which it does not. The corpora in
//! `corpus/<target>` are kept small; they begin with what people write and with what hostile people write.

use privlink::diagnostic::Diagnostics;
use privlink::diagnostic::Place;
use privlink::render;
use privlink::repo::source::Sources;

/// Asserts that every finding can be shown in every form, and that its places lie inside the text.
pub fn can_be_shown(diagnostics: &Diagnostics, sources: &Sources) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.is_empty(), "{} says nothing", diagnostic.code);
        diagnostic.labels.iter().for_each(|label| lies_inside(&label.place, sources));
    }
    let plain = render::diagnostic::render(diagnostics, sources, false);
    assert_eq!(plain.is_empty(), diagnostics.is_empty());
    is_json(&render::findings::json(diagnostics, sources));
    is_json(&render::findings::sarif(diagnostics, sources));
    let commands = render::findings::github(diagnostics, sources);
    assert_eq!(commands.lines().count(), diagnostics.len(), "a finding is one workflow command");
}

fn lies_inside(place: &Place, sources: &Sources) {
    let Some(range) = sources.range(place) else { return };
    let text = &sources.get(&place.file).expect("a range comes from a text").text;
    let part = text.get(range).expect("a place lies inside its text, at whole characters");
    assert!(!part.contains('\n'), "a place is on one line");
    let region = sources.region(place).expect("what has a range has a region");
    assert!(region.line >= 1 && region.column >= 1 && region.end_column > region.column);
    assert!(region.line <= text.matches('\n').count() + 1);
}

fn is_json(text: &str) {
    serde_json::from_str::<serde_json::Value>(text).expect("a form for programs can be read by them");
}
