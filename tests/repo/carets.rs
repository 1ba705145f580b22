//! Places in files of every encoding trick: line and column count as an editor does, and the caret stands under the mistake.

use std::collections::BTreeMap;

use privlink::domain::commit::{File, Snapshot};
use privlink::render::findings;
use privlink::repo::settings;
use privlink::repo::{Reading, read};
use proptest::prelude::*;

const SETTINGS: &str = "version = 1\nowner = \"6f1c0000-0000-4000-8000-000000000001\"\n[environments.prod]\npath = \
                        \"environments/prod\"\nsubscription = \"00000000-0000-0000-0000-000000000001\"\n";

fn reading(text: &str) -> Reading {
    let (settings, _) = settings::parse(&"privlink.toml".parse().unwrap(), SETTINGS);
    let files = [("environments/prod/a.yaml".parse().unwrap(), File::Bytes(text.as_bytes().to_vec()))];
    read(&Snapshot { files: BTreeMap::from(files), ..Snapshot::default() }, &settings.unwrap())
}

/// Lines and columns of everything that is told.
fn places(text: &str) -> Vec<(usize, usize)> {
    let reading = reading(text);
    let place = |it: &privlink::diagnostic::Diagnostic| reading.sources.line_column(it.place()?);
    reading.diagnostics.iter().filter_map(place).collect()
}

/// A Service whose label is `label`, with a misspelt key behind it on the same line.
fn labelled(label: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{ labels: {{ a: \"{label}\" }}, nam: app }}\nspec: {{}}\n")
}

#[test]
fn line_ends_of_windows_change_no_place() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n  lables: {}\nspec:\n  ports:\n  - prot: 80\n";
    let expected = places(text);
    assert!(expected.contains(&(5, 3)) && expected.contains(&(8, 5)), "{expected:?}");
    assert_eq!(places(&text.replace('\n', "\r\n")), expected);
}

#[test]
fn a_byte_order_mark_is_told_and_changes_no_other_place() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: { name: app, lables: {} }\nspec: {}\n";
    let expected = places(text);
    assert!(expected.contains(&(3, 24)), "{expected:?}");
    assert_eq!(places(&format!("\u{feff}{text}")), [&[(1, 1)], expected.as_slice()].concat());
}

#[test]
fn the_caret_stands_under_the_mistake_behind_wide_and_foreign_letters() {
    let shown = ["rocket 🚀🚀", "日本語", "e\u{301}te\u{301}", "שלום"].map(|label| {
        let reading = reading(&labelled(label));
        let text = privlink::render::diagnostic::render(&reading.diagnostics, &reading.sources, false);
        let lines = text.lines().skip_while(|line| !line.contains("a.yaml:3:"));
        lines.take(4).map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    });
    insta::assert_snapshot!(shown.join("\n"), @r#"
     --> environments/prod/a.yaml:3:41
      |
    3 | metadata: { labels: { a: "rocket 🚀🚀" }, nam: app }
      |                                           ^^^ nothing reads this

     --> environments/prod/a.yaml:3:35
      |
    3 | metadata: { labels: { a: "日本語" }, nam: app }
      |                                      ^^^ nothing reads this

     --> environments/prod/a.yaml:3:37
      |
    3 | metadata: { labels: { a: "été" }, nam: app }
      |                                   ^^^ nothing reads this

     --> environments/prod/a.yaml:3:36
      |
    3 | metadata: { labels: { a: "שלום" }, nam: app }
      |                                    ^^^ nothing reads this
    "#);
}

#[test]
fn the_caret_stands_under_the_mistake_behind_and_between_tabs() {
    let line = "metadata: {\tlabels: { a: \"b\tc\" },\tnam: app }";
    let reading = reading(&labelled("").replace("metadata: { labels: { a: \"\" }, nam: app }", line));
    assert_eq!(places(&labelled("").replace("metadata: { labels: { a: \"\" }, nam: app }", line))[0], (3, 35));
    let text = privlink::render::diagnostic::render(&reading.diagnostics, &reading.sources, false);
    let shown: Vec<&str> =
        text.lines().skip_while(|line| !line.contains("a.yaml:3:")).take(4).map(str::trim_end).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
     --> environments/prod/a.yaml:3:35
      |
    3 | metadata: {    labels: { a: "b    c" },    nam: app }
      |                                            ^^^ nothing reads this
    "#);
}

#[test]
fn a_tab_that_indents_is_told_where_it_stands() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n\tname: app\nspec: {}\n";
    let reading = reading(text);
    let text = privlink::render::diagnostic::render(&reading.diagnostics, &reading.sources, false);
    insta::assert_snapshot!(text, @"
    error[REPO004]: a tab is used for indentation
     --> environments/prod/a.yaml:4:1
      |
    4 |     name: app
      | ^ a tab
      |
      = help: indent with spaces

    1 error in 1 file
    ");
}

#[test]
fn programs_are_told_how_columns_are_counted() {
    let reading = reading(&labelled("🚀"));
    let sarif: serde_json::Value =
        serde_json::from_str(&findings::sarif(&reading.diagnostics, &reading.sources)).unwrap();
    assert_eq!(sarif["runs"][0]["columnKind"], "unicodeCodePoints");
}

proptest! {
    #[test]
    fn a_column_counts_characters(label in "[a-z 🚀日é\u{301}ש😀️]{0,12}") {
        let text = labelled(&label);
        let line = text.lines().nth(2).unwrap();
        let column = line[..line.find("nam:").unwrap()].chars().count() + 1;
        prop_assert!(places(&text).contains(&(3, column)), "{text}: {:?}", places(&text));
    }
}
