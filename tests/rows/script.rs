//! A case as a text: the rows it shows, the world it starts in, the edit as a person makes it, what is told, what happens.
//!
//! ```text
//! rows: DIF001
//! --- start environments/prod/other.yaml     an edit that is converged before
//! --- before                                 what others do then, past the program
//! --- edit environments/prod/orders.yaml     lines with - go, lines with + come in their place
//! --- add FILE   --- remove FILE
//! --- plan                                   what the program says
//! --- happens                                what the world then is, against what it was
//! ```

use std::path::Path;
use std::path::PathBuf;

/// What a commit does to a file.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// Lines go and others come in their place.
    Lines { file: String, hunks: Vec<(String, String)> },
    /// A file is new.
    Add { file: String, text: String },
    /// A file goes.
    Remove { file: String },
}

/// A case.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) path: PathBuf,
    pub(super) title: String,
    pub(super) rows: Vec<String>,
    /// Edits that are applied before the case begins.
    pub(super) start: Vec<Edit>,
    /// What others do before the case begins.
    pub(super) before: Vec<String>,
    pub(super) edits: Vec<Edit>,
    pub(super) plan: String,
    pub(super) happens: String,
}

/// The cases of the folder, in the order of their names.
pub(super) fn all() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rows/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Script::read(path)).collect()
}

impl Script {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (head, sections) = split(&text);
        let line = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
        let mut script = Self {
            path: path.to_owned(),
            title: line("#").to_owned(),
            rows: line("rows:").split_whitespace().map(ToOwned::to_owned).collect(),
            start: Vec::new(),
            before: Vec::new(),
            edits: Vec::new(),
            plan: String::new(),
            happens: String::new(),
        };
        for (heading, body) in sections {
            let (word, file) = heading.split_once(' ').unwrap_or((heading, ""));
            match word {
                "start" => script.start.push(edit("edit", file, &body)),
                "start-add" => script.start.push(edit("add", file, &body)),
                "before" => script.before = body.lines().map(ToOwned::to_owned).collect(),
                "plan" => script.plan = body,
                "happens" => script.happens = body,
                _ => script.edits.push(edit(word, file, &body)),
            }
        }
        script
    }

    /// Writes what was told and what happened in place of what was expected.
    pub(super) fn bless(&self, plan: &str, happens: &str) {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let given = text.split("--- plan\n").next().unwrap();
        std::fs::write(&self.path, format!("{given}--- plan\n{plan}--- happens\n{happens}")).unwrap();
    }
}

/// The lines before the first heading, and what stands under each. A heading begins with `--- ` and a word.
fn split(text: &str) -> (Vec<&str>, Vec<(&str, String)>) {
    let mut head = Vec::new();
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("--- "), sections.last_mut()) {
            (Some(heading), _) => sections.push((heading, String::new())),
            (None, Some((_, body))) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => head.push(line),
        }
    }
    (head, sections)
}

fn edit(word: &str, file: &str, body: &str) -> Edit {
    let file = format!("environments/prod/{file}");
    match word {
        "edit" => Edit::Lines { file, hunks: hunks(body) },
        "add" => Edit::Add { file, text: body.to_owned() },
        "remove" => Edit::Remove { file },
        other => panic!("a case has no section {other}"),
    }
}

/// Lines that go, each group with the lines that come in its place. A group of new lines alone follows a line with a blank.
fn hunks(body: &str) -> Vec<(String, String)> {
    let mut hunks: Vec<(String, String)> = Vec::new();
    let mut is_open = false;
    for line in body.lines() {
        let (sign, rest) = line.split_at(1);
        if sign != "+" && !is_open {
            hunks.push((String::new(), String::new()));
        }
        is_open = sign != "+";
        let (old, new) = hunks.last_mut().expect("a line that goes or stays comes first");
        for (part, belongs) in [(old, sign != "+"), (new, sign != "-")] {
            if belongs {
                part.push_str(rest);
                part.push('\n');
            }
        }
    }
    hunks
}
