//! `emulate`: readers and tokens without hardware, behind a real PC/SC service of one's own.
#![expect(clippy::print_stdout, reason = "the program's answers are its standard output")]
#![expect(clippy::print_stderr, reason = "what goes wrong is said on standard error")]

mod cli;
mod inside;
mod outside;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use oathburn_emulator::EmulatorError;
use oathburn_oath::Remedy;
use serde_json::json;

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match (&cli.inside, &cli.connect) {
        (Some(folder), _) => inside::run(&cli, folder),
        (None, Some(address)) => serve::run_connected(&cli, address),
        (None, None) => outside::run(&cli),
    };
    result.unwrap_or_else(|error| {
        report(&error);
        ExitCode::FAILURE
    })
}

/// For people on standard error, for programs as the line they are waiting for.
fn report(error: &EmulatorError) {
    eprintln!("emulate: {error}");
    if let Some(remedy) = error.remedy() {
        eprintln!("\nto mend it: {remedy}");
    }
    say(&json!({ "ready": false, "error": error.to_string(), "code": error.code(), "remedy": error.remedy() }));
}

/// One line of JSON on standard output.
fn say(line: &serde_json::Value) {
    println!("{line}");
}
