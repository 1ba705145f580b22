//! Reads arguments, environment and streams, and ends with the exit code of the run.

use std::io::BufReader;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use privlink::cli;
use privlink::cli::printer::Io;

fn main() -> ExitCode {
    // Two crates of the tree would choose differently and then panic: the choice is made here, once.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let mut io = Io {
        out: Box::new(std::io::stdout()),
        err: Box::new(std::io::stderr()),
        input: Box::new(BufReader::new(std::io::stdin())),
        out_is_terminal: std::io::stdout().is_terminal(),
        err_is_terminal: std::io::stderr().is_terminal(),
        input_is_terminal: std::io::stdin().is_terminal(),
    };
    ExitCode::from(cli::run(std::env::args_os().collect(), environment, &mut io).code())
}
