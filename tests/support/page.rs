//! Pages whose commands are executed: what stands under a command is what it prints.

use std::process::Command;

/// The commands in the `console` blocks of a page, each with the output that stands under it; the lines of its `emulate`
/// blocks, for the window of the emulated readers, are commands that begin with `emulate `.
pub(crate) fn steps(page: &str) -> Vec<(String, String)> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (mut inside, mut emulated, mut steps) = (false, false, Vec::<(String, String)>::new());
    for line in text.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => inside = true,
            ("```emulate", _) => emulated = true,
            ("```", _) => (inside, emulated) = (false, false),
            (line, _) if emulated => steps.push((format!("emulate {line}"), String::new())),
            (_, Some(command)) if inside => steps.push((command.to_owned(), String::new())),
            _ if inside => {
                let output = &mut steps.last_mut().expect("a block begins with a command").1;
                output.push_str(line);
                output.push('\n');
            }
            _ => {}
        }
    }
    steps
}

/// A command that somebody types, and what stands under it.
pub(crate) struct Step {
    pub(crate) who: String,
    pub(crate) command: String,
    pub(crate) expected: String,
}

/// The commands in the `console` blocks of a page where several people work, each behind a prompt such as `bob$`.
pub(crate) fn conversation(page: &str) -> Vec<Step> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (mut indent, mut steps) = (None, Vec::<Step>::new());
    for line in text.lines() {
        let Some(inside) = indent else {
            indent = line.trim_start().starts_with("```console").then(|| line.len() - line.trim_start().len());
            continue;
        };
        // A block within a list is as far to the right as the list's text.
        let line = line.get(inside..).unwrap_or_default();
        let typed = line
            .split_once("$ ")
            .filter(|(who, _)| !who.is_empty() && who.bytes().all(|byte| byte.is_ascii_lowercase()));
        match (line, typed) {
            ("```", _) => indent = None,
            (_, Some((who, command))) => {
                steps.push(Step { who: who.into(), command: command.into(), expected: String::new() });
            }
            (line, None) => {
                let expected = &mut steps.last_mut().expect("a block begins with a command").expected;
                expected.push_str(line);
                expected.push('\n');
            }
        }
    }
    steps
}

/// The commands in the `console stations` blocks of a page, each with the machine at which it is typed (`anna$ …`) and the
/// output that stands under it; the lines of its `emulate stations` blocks are typed at the machine `emulate`.
pub(crate) fn at_machines(page: &str) -> Vec<(String, String, String)> {
    let steps = |(kind, lines): (String, Vec<String>)| match kind.as_str() {
        "emulate stations" => lines.into_iter().map(|line| ("emulate".into(), line, String::new())).collect(),
        _ => typed(&lines),
    };
    blocks(page, &["console stations", "emulate stations"]).into_iter().flat_map(steps).collect()
}

/// The blocks of a page whose kind begins so, with their lines.
pub(crate) fn blocks(page: &str, kinds: &[&str]) -> Vec<(String, Vec<String>)> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (mut blocks, mut inside) = (Vec::<(String, Vec<String>)>::new(), false);
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some("") => inside = false,
            Some(kind) if kinds.iter().any(|wanted| kind.starts_with(wanted)) => {
                inside = true;
                blocks.push((kind.to_owned(), Vec::new()));
            }
            _ if inside => blocks.last_mut().expect("a block has begun").1.push(line.to_owned()),
            _ => {}
        }
    }
    blocks
}

/// The commands of a block at several machines (`ulm$ …`): the machine, the command, what stands under it.
pub(crate) fn typed(lines: &[String]) -> Vec<(String, String, String)> {
    let mut steps = Vec::<(String, String, String)>::new();
    for line in lines {
        let prompt = line.split_once("$ ").filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase()));
        if let Some((machine, command)) = prompt {
            steps.push((machine.to_owned(), command.to_owned(), String::new()));
        } else {
            let output = &mut steps.last_mut().expect("a block begins with a command").2;
            output.push_str(line);
            output.push('\n');
        }
    }
    steps
}

/// What a command of a page prints, on both streams, in a shell in the home folder.
pub(crate) fn output(shell: &mut Command, command: &str) -> String {
    let output = shell.arg(format!("{{ {command}\n}} 2>&1")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Whether the clock of the machine that runs the tests is synchronised is not the page's business.
    let of_the_page = |line: &&str| !line.starts_with("warning: this machine's clock is not synchronised");
    text.lines().filter(of_the_page).flat_map(|line| [line, "\n"]).collect()
}

/// Compares an output with what a page says, where `[..]` stands for anything within a line.
pub(crate) fn compare(command: &str, output: &str, expected: &str) {
    let same = output.lines().count() == expected.lines().count()
        && output.lines().zip(expected.lines()).all(|(line, pattern)| matches(line.trim_end(), pattern));
    assert!(same, "$ {command}\n--- printed:\n{output}--- the page says:\n{expected}");
}

fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
