//! The chores of oathburn: `cargo xtask help` lists them.
#![expect(clippy::print_stdout, reason = "tasks talk to people and to continuous integration")]
#![expect(clippy::print_stderr, reason = "what goes wrong is said on standard error")]

mod axe;
mod bench;
mod demo;
mod emulator;
mod failure;
mod fuzz;
mod hands;
mod judges;
mod needs;
mod paint;
mod picture;
mod place;
mod screenshots;
mod setup;
mod soak;
mod test;
mod vpcd;

use std::env;
use std::process::ExitCode;

use crate::failure::Failure;

/// One chore: a name, its arguments, one line of help, and what runs it.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const TASKS: &[Task] = &[
    Task {
        name: "setup",
        arguments: "[--check]",
        about: "install what building and testing need (--check only says what is missing)",
        run: setup::run,
    },
    Task { name: "demo", arguments: "", about: "burn an emulated token, from beginning to end", run: demo::run },
    Task { name: "picture", arguments: "", about: "draw docs/demo.svg from a real run", run: picture::run },
    Task {
        name: "screenshots",
        arguments: "",
        about: "take the README's pictures of the desk's pages, in a real browser",
        run: screenshots::run,
    },
    Task { name: "test", arguments: "", about: "set up, then format, lint, docs and every test", run: test::run },
    Task {
        name: "bench",
        arguments: "[burns|batch|codes|escrow|formats]",
        about: "our cost beside the bare work, release build",
        run: bench::run,
    },
    Task {
        name: "soak",
        arguments: "[batch [TOKENS KILLS SEED]|escrow [KILLS]]",
        about: "thousands of tokens burned, officers who come and go; kills at random, judged to the last row",
        run: soak::run,
    },
    Task {
        name: "judges",
        arguments: "",
        about: "heavy foreign importers read what we write (downloads them, once)",
        run: judges::run,
    },
    Task {
        name: "fuzz",
        arguments: "[SECONDS] [TARGET]",
        about: "strange bytes for every reader of them, so long each (30 s)",
        run: fuzz::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("help", &[][..]), |(name, rest)| (name.as_str(), rest));
    if matches!(name, "help" | "-h" | "--help") {
        help();
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprintln!("there is no task {name:?}; `cargo xtask help` lists them");
        return ExitCode::from(2);
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.shown());
            failure.exit_code()
        }
    }
}

fn help() {
    println!("The chores of oathburn. Usage: cargo xtask TASK\n");
    for Task { name, arguments, about, .. } in TASKS {
        println!("  {:<24} {about}", format!("{name} {arguments}"));
    }
}
