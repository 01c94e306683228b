//! The oathburn command line.

mod cli;
mod commands;
mod context;
mod countdown;
mod echo;
mod exit;
mod failure;
mod host_clock;
mod new_file;
mod output;
mod privacy;
mod progress;
mod prompt;
mod whole_file;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, When};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    oathburn_reader::host_libnfc();
    privacy::keep_memory_private();
    // What this program writes is for its user alone, whatever the shell's umask says.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let as_json = cli.globals.json;
    set_color(cli.globals.color);
    trace(cli.globals.verbose, cli.command.serves() && !cli.globals.quiet);
    let result =
        Context::new(cli.globals, cli.command.needs_models()).and_then(|context| commands::run(cli.command, &context));
    match result {
        Ok(outcome) => match output::print(&outcome, as_json) {
            Ok(()) => outcome.exit.into(),
            Err(error) => {
                let failure = Failure::new(Exit::Bug, "stdout", format!("failed to write the result: {error}"), "");
                output::print_failure(&failure, false);
                failure.exit.into()
            }
        },
        Err(failure) => {
            output::print_failure(&failure, as_json);
            failure.exit.into()
        }
    }
}

/// Help and version are data; anything else that clap has to say is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    let as_json = std::env::args_os().any(|argument| argument == OsStr::new("--json"));
    if error.use_stderr() && as_json {
        let message = error.render().to_string();
        // What is missing or in the way is listed below the first line.
        let lines: Vec<_> = message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let message = lines.join(" ").trim_start_matches("error: ").to_owned();
        output::print_failure(&Failure::usage(message, "see `oathburn --help`"), true);
    } else {
        // Nobody is left to tell when this fails.
        let _ = error.print();
    }
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

fn set_color(when: When) {
    match when {
        When::Auto => {}
        When::Always => anstream::ColorChoice::Always.write_global(),
        When::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// `-v` traces what goes over the wire. Secret bodies are left out where they are built. Who serves has nobody at the
/// keyboard, and keeps a log.
fn trace(verbose: u8, log: bool) {
    let level = match verbose {
        0 if log => tracing_subscriber::filter::LevelFilter::INFO,
        0 => return,
        1 => tracing_subscriber::filter::LevelFilter::DEBUG,
        _ => tracing_subscriber::filter::LevelFilter::TRACE,
    };
    let writer = std::io::stderr;
    tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_ansi(false).init();
}
