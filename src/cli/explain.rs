//! `privlink explain`: what a rule means.

use anyhow::bail;
use clap::Args;

use crate::cli::Exit;
use crate::cli::printer::Printer;
use crate::diagnostic::closest;
use crate::render;

/// Explain a rule: what is wrong, what happens, how to avoid it
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Its id, such as ANN003; without it all rules are listed
    rule: Option<String>,
}

pub(super) fn run(arguments: &ExplainArguments, printer: &mut Printer<'_>) -> anyhow::Result<Exit> {
    let ExplainArguments { rule } = arguments;
    let Some(rule) = rule else {
        printer.result(&render::explain::list());
        return Ok(Exit::Done);
    };
    match render::explain::page(&rule.to_ascii_uppercase()) {
        Some(page) => printer.result(&page),
        None => match closest(rule, render::explain::codes()) {
            Some(near) => bail!("there is no rule {rule}: did you mean {near}?"),
            None => bail!("there is no rule {rule}: `privlink explain` lists all of them"),
        },
    }
    Ok(Exit::Done)
}
