//! `--fix`: shows or writes the repairs, and says what is left to a person.

use crate::cli::Exit;
use crate::cli::check;
use crate::cli::check::CheckArguments;
use crate::cli::printer::Printer;
use crate::git::Repository;
use crate::reconcile::checking;
use crate::reconcile::checking::Checked;
use crate::reconcile::checking::Left;
use crate::reconcile::checking::Repaired;
use crate::reconcile::checking::Why;
use crate::reconcile::error_chain;
use crate::render::Label;
use crate::render::count;
use crate::render::repairs;

/// Shows what would be written; `end` is that of the files as they are.
pub(super) fn show(repaired: &Repaired, end: Exit, printer: &mut Printer<'_>) -> Exit {
    let Repaired { files, left, checked } = repaired;
    printer.raw_result(&repairs::diff(files, printer.colours_out()));
    say_left(left, printer);
    let remain = count(checked.diagnostics.len(), "finding");
    match files.len() {
        0 => printer.line(Label::Plain, format!("nothing to repair; {remain}")),
        number => {
            let text =
                format!("{} would be repaired, and nothing was written; {remain} would be left", count(number, "file"));
            printer.line(Label::Plain, text);
        }
    }
    end
}

/// Writes the repairs, and tells what is left.
pub(super) fn write(arguments: &CheckArguments, repaired: Repaired, printer: &mut Printer<'_>) -> (Exit, Checked) {
    let Repaired { files, left, mut checked } = repaired;
    let mut failed = false;
    for (path, (before, after)) in &files {
        match Repository::replace_in_folder(&arguments.folder, path, before, after) {
            Ok(()) => printer.line(Label::Changed, format!("repaired {path}")),
            Err(error) => {
                failed = true;
                printer.line(Label::Error, format!("error: {}", error_chain(&error)));
            }
        }
    }
    if failed {
        // What was meant to be in the files is not: they are told as they are.
        match check::snapshot(arguments) {
            Ok(snapshot) => checked = checking::check(snapshot, arguments.remarks),
            Err(error) => printer.line(Label::Error, format!("error: {}", error_chain(&error))),
        }
    }
    say_left(&left, printer);
    let end = check::tell(arguments, &checked, printer);
    (if failed { Exit::Failed } else { end }, checked)
}

fn say_left(left: &[Left], printer: &mut Printer<'_>) {
    for Left { file, line, why } in left {
        let why = match why {
            Why::NewFinding(code) => format!("repaired alone it would bring {code}"),
            Why::NoFewer => "repaired it would be told something else".to_owned(),
            Why::NotTried => "too many others do not get better by repairs".to_owned(),
        };
        printer.line(Label::Notable, format!("left alone {file}:{line}: {why}"));
    }
}
