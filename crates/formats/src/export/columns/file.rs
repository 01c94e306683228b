//! Columns files: TOML with a `[[format]]` for each.

use std::collections::BTreeSet;

use oathburn_oath::{Algorithm, Digits, Seed};
use serde::Deserialize;
use toml::Spanned;

use super::template::{Cell, Field};
use super::{Columns, Layout, Quote};
use crate::export::Uniform;
use crate::{Carried, Fidelity, FormatError};

/// Larger columns files are refused unread: a hundred formats fit in.
pub const MAX_COLUMNS_FILE: usize = 256 * 1024;
/// More formats, cells in a line, values in a list and bytes in a text than anybody needs.
const MAX_FORMATS: usize = 100;
const MAX_CELLS: usize = 64;
const MAX_VALUES: usize = 64;
const MAX_TEXT: usize = 512;
/// A format before it is known what it carries.
const NOTHING: Fidelity = Fidelity {
    algorithms: &[],
    digits: &[],
    steps: None,
    event_based: false,
    max_seed_len: 0,
    serial: Carried::No,
    manufacturer: Carried::No,
    model: Carried::No,
    upn: Carried::No,
    issuer: Carried::No,
};
/// What a target can need.
const NEEDED: [&str; 5] = ["serial", "manufacturer", "model", "upn", "issuer"];

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    format: Vec<Table>,
}

/// One `[[format]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    id: Spanned<String>,
    title: Spanned<String>,
    extension: Option<Spanned<String>>,
    /// What is not known of the target.
    unconfirmed: Option<Spanned<String>>,
    /// A byte order mark at the beginning.
    #[serde(default)]
    bom: bool,
    /// Lines before the header.
    preamble: Option<Spanned<Vec<String>>>,
    header: Option<Spanned<Vec<String>>>,
    cells: Option<Spanned<Vec<String>>>,
    event_cells: Option<Spanned<Vec<String>>>,
    delimiter: Option<Spanned<String>>,
    quote: Option<Spanned<String>>,
    newline: Option<Spanned<String>>,
    comment: Option<Spanned<String>>,
    uniform: Option<Spanned<Vec<String>>>,
    takes: Spanned<Takes>,
}

/// What the target takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Takes {
    algorithms: Spanned<Vec<String>>,
    digits: Spanned<Vec<u8>>,
    /// Any, when it is left out.
    steps: Option<Spanned<Vec<u32>>>,
    max_seed_bytes: Option<Spanned<usize>>,
    needs: Option<Spanned<Vec<String>>>,
}

/// The file's text, to say lines.
#[derive(Clone, Copy)]
struct Place<'a>(&'a str);

impl Place<'_> {
    /// What is wrong with the value of a key.
    fn wrong<T>(self, value: &Spanned<T>, key: &str, problem: impl std::fmt::Display) -> FormatError {
        FormatError::ColumnsFile { line: self.line(value.span().start), problem: format!("{key}: {problem}") }
    }

    /// The line, counted from 1, that a byte is in.
    fn line(self, offset: usize) -> usize {
        self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

/// A format as it was read, before it is kept.
pub(super) struct Described {
    id: String,
    title: String,
    extension: String,
    unconfirmed: Option<String>,
    algorithms: Vec<Algorithm>,
    digits: Vec<u8>,
    steps: Option<Vec<u32>>,
    /// The rest of what it can carry; its lists are those above.
    fidelity: Fidelity,
    uniform: Vec<Uniform>,
    layout: Layout,
}

impl Described {
    /// The format, kept until the program ends.
    pub(super) fn keep(self) -> &'static Columns {
        let fidelity = Fidelity {
            algorithms: self.algorithms.leak(),
            digits: self.digits.leak(),
            steps: self.steps.map(|steps| &*steps.leak()),
            ..self.fidelity
        };
        Box::leak(Box::new(Columns {
            id: self.id.leak(),
            title: self.title.leak(),
            extension: self.extension.leak(),
            unconfirmed: self.unconfirmed.map(|text| &*text.leak()),
            fidelity: Box::leak(Box::new(fidelity)),
            uniform: self.uniform,
            layout: self.layout,
        }))
    }
}

pub(super) fn read(text: &str) -> Result<Vec<Described>, FormatError> {
    let whole = |problem: &str| FormatError::ColumnsFile { line: 1, problem: problem.into() };
    if text.len() > MAX_COLUMNS_FILE {
        return Err(whole("the file is too large"));
    }
    let place = Place(text);
    let file: File = toml::from_str(text).map_err(|error| FormatError::ColumnsFile {
        line: place.line(error.span().map_or(0, |span| span.start)),
        problem: error.message().lines().next().unwrap_or("not TOML").to_owned(),
    })?;
    if file.format.len() > MAX_FORMATS {
        return Err(whole("there are too many formats"));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = file.format.iter().find(|table| !ids.insert(table.id.get_ref())) {
        return Err(place.wrong(&twice.id, "id", "another format has it"));
    }
    file.format.iter().map(|table| table.described(place)).collect()
}

impl Table {
    fn described(&self, place: Place<'_>) -> Result<Described, FormatError> {
        let id = self.id.get_ref();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.is_empty() || id.len() > 32 || !id.chars().all(plain) || id.starts_with('-') {
            return Err(place.wrong(&self.id, "id", "1 to 32 of a to z, 0 to 9 and dashes"));
        }
        let line = |text: &Spanned<String>, key: &str| {
            let line = text.get_ref().trim();
            let fits = !line.is_empty() && line.len() <= MAX_TEXT && !line.chars().any(char::is_control);
            if fits { Ok(line.to_owned()) } else { Err(place.wrong(text, key, "a line of text")) }
        };
        let title = line(&self.title, "title")?;
        let unconfirmed = self.unconfirmed.as_ref().map(|text| line(text, "unconfirmed")).transpose()?;
        let extension = self.extension.as_ref().map_or(Ok("csv"), |extension| {
            let text = extension.get_ref();
            let fits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if fits { Ok(text.as_str()) } else { Err(place.wrong(extension, "extension", "1 to 8 letters and digits")) }
        })?;
        let layout = self.layout(place)?;
        let uniform = list(self.uniform.as_ref(), "uniform", MAX_VALUES, place)?;
        let uniform = uniform.iter().map(|name| Uniform::named(name)).collect::<Option<Vec<_>>>();
        let uniform = match (uniform, &self.uniform) {
            (None, Some(names)) => {
                return Err(place.wrong(names, "uniform", "any of type, algorithm, digits, step"));
            }
            (uniform, _) => uniform.unwrap_or_default(),
        };
        let mut described = Described {
            id: id.clone(),
            title,
            extension: extension.to_owned(),
            unconfirmed,
            algorithms: Vec::new(),
            digits: Vec::new(),
            steps: None,
            fidelity: NOTHING,
            uniform,
            layout,
        };
        self.fill(&mut described, place)?;
        Ok(described)
    }

    fn layout(&self, place: Place<'_>) -> Result<Layout, FormatError> {
        let delimiter = self.delimiter.as_ref().map_or(Ok(","), |delimiter| match delimiter.get_ref().as_str() {
            text @ ("," | ", " | ";" | "; " | "\t" | "|" | " ") => Ok(text),
            _ => Err(place.wrong(delimiter, "delimiter", "one of , ; | tab space, the first two also with a space")),
        })?;
        let quote = choice(
            self.quote.as_ref(),
            "quote",
            &[("needed", Quote::Needed), ("never", Quote::Never), ("always", Quote::Always)],
            place,
        )?;
        let newline = choice(self.newline.as_ref(), "newline", &[("crlf", "\r\n"), ("lf", "\n")], place)?;
        let comment = self.comment.as_ref().map(|comment| {
            let mut characters = comment.get_ref().chars();
            let one = characters.next().filter(|_| characters.next().is_none());
            one.ok_or_else(|| place.wrong(comment, "comment", "one character"))
        });
        let cells = |cells: Option<&Spanned<Vec<String>>>, key: &str| {
            let texts = list(cells, key, MAX_CELLS, place)?;
            let parsed = texts.iter().map(|text| Cell::parse(text)).collect::<Result<Vec<_>, _>>();
            match (parsed, cells) {
                (Err(problem), Some(cells)) => Err(place.wrong(cells, key, problem)),
                (parsed, _) => Ok(parsed.unwrap_or_default()),
            }
        };
        let mut layout = Layout {
            head: String::new(),
            delimiter: delimiter.into(),
            quote,
            newline,
            comment: comment.transpose()?,
            time_based: cells(self.cells.as_ref(), "cells")?,
            event_based: cells(self.event_cells.as_ref(), "event-cells")?,
        };
        layout.head = self.head(&layout, place)?;
        for (cells, key, source) in
            [(&layout.time_based, "cells", &self.cells), (&layout.event_based, "event-cells", &self.event_cells)]
        {
            let Some(source) = source else { continue };
            if !cells.iter().any(Cell::has_seed) {
                return Err(place.wrong(source, key, "the seed is in none of them"));
            }
        }
        if self.cells.is_none() && self.event_cells.is_none() {
            return Err(place.wrong(&self.id, "cells", "they are missing"));
        }
        Ok(layout)
    }

    /// Byte order mark, preamble, header.
    fn head(&self, layout: &Layout, place: Place<'_>) -> Result<String, FormatError> {
        let mut head = if self.bom { "\u{feff}".to_owned() } else { String::new() };
        for line in list(self.preamble.as_ref(), "preamble", MAX_VALUES, place)? {
            head.push_str(line);
            head.push_str(layout.newline);
        }
        if let Some(header) = &self.header {
            let names = list(Some(header), "header", MAX_CELLS, place)?;
            let fits = |cells: &Vec<Cell>| cells.is_empty() || cells.len() == names.len();
            if !fits(&layout.time_based) || !fits(&layout.event_based) {
                return Err(place.wrong(header, "header", "it has another number of columns than the cells"));
            }
            let mut line = Vec::new();
            for name in names {
                let cell = super::write::quoted(name, layout);
                line.push(
                    cell.ok_or_else(|| place.wrong(header, "header", "a name needs quotes, and quote is never"))?,
                );
            }
            head.push_str(&line.join(&layout.delimiter));
            head.push_str(layout.newline);
        }
        Ok(head)
    }

    /// What the format can carry, from its cells and from what the target takes.
    fn fill(&self, described: &mut Described, place: Place<'_>) -> Result<(), FormatError> {
        let (layout, uniform) = (&described.layout, &described.uniform);
        let takes = self.takes.get_ref();
        let algorithms = list(Some(&takes.algorithms), "algorithms", MAX_VALUES, place)?;
        let algorithms = algorithms.iter().map(|name| name.parse()).collect::<Result<Vec<Algorithm>, _>>();
        let algorithms =
            algorithms.map_err(|_| place.wrong(&takes.algorithms, "algorithms", "any of sha1, sha256, sha512"))?;
        let digits = takes.digits.get_ref();
        if !digits.iter().all(|digits| Digits::new(*digits).is_ok()) || digits.len() > MAX_VALUES {
            return Err(place.wrong(&takes.digits, "digits", "numbers from 6 to 10"));
        }
        let steps = takes.steps.as_ref().map(Spanned::get_ref);
        if let Some(wrong) = takes.steps.as_ref().filter(|steps| {
            let list = steps.get_ref();
            list.is_empty() || list.contains(&0) || list.len() > MAX_VALUES
        }) {
            return Err(place.wrong(wrong, "steps", "seconds, at least 1"));
        }
        let max_seed_len = takes.max_seed_bytes.as_ref().map_or(Ok(Seed::MAX_LEN), |max| match *max.get_ref() {
            len @ 1..=Seed::MAX_LEN => Ok(len),
            _ => Err(place.wrong(max, "max-seed-bytes", format_args!("1 to {}", Seed::MAX_LEN))),
        })?;
        if algorithms.is_empty() || digits.is_empty() {
            return Err(place.wrong(&self.takes, "takes", "algorithms and digits may not be empty"));
        }
        let all = || [&layout.time_based, &layout.event_based].into_iter().filter(|cells| !cells.is_empty());
        let says = |field| all().all(|cells| cells.iter().any(|cell| cell.says(field)));
        let told_apart = [
            (algorithms.len() > 1, Uniform::Algorithm, says(Field::Algorithm)),
            (digits.len() > 1, Uniform::Digits, says(Field::Digits)),
            (
                !layout.time_based.is_empty() && steps.is_none_or(|steps| steps.len() > 1),
                Uniform::Step,
                layout.time_based.iter().any(|cell| cell.says(Field::Step)),
            ),
            (
                all().count() > 1,
                Uniform::Type,
                says(Field::Type) || layout.time_based.len() != layout.event_based.len(),
            ),
        ];
        if let Some((_, kind, _)) =
            told_apart.iter().find(|(several, kind, said)| *several && !said && !uniform.contains(kind))
        {
            let problem = format!("several of {kind} are taken, which neither a cell nor uniform tells apart");
            return Err(place.wrong(&self.takes, "takes", problem));
        }
        if !layout.event_based.is_empty() && !layout.event_based.iter().any(|cell| cell.says(Field::Counter)) {
            let source = self.event_cells.as_ref().map_or(0, |cells| cells.span().start);
            let problem = "event-cells: the counter is in none of them".to_owned();
            return Err(FormatError::ColumnsFile { line: place.line(source), problem });
        }
        let needs = list(takes.needs.as_ref(), "needs", MAX_VALUES, place)?;
        if let Some(wrong) = takes.needs.as_ref().filter(|_| !needs.iter().all(|name| NEEDED.contains(&name.as_str())))
        {
            return Err(place.wrong(wrong, "needs", format_args!("any of {}", NEEDED.join(", "))));
        }
        let carried = |name: &str, field| match (needs.iter().any(|need| need == name), says(field)) {
            (true, _) => Carried::Needed,
            (false, true) => Carried::Yes,
            (false, false) => Carried::No,
        };
        described.fidelity = Fidelity {
            event_based: !layout.event_based.is_empty(),
            max_seed_len,
            serial: carried("serial", Field::Serial),
            manufacturer: carried("manufacturer", Field::Manufacturer),
            model: carried("model", Field::Model),
            upn: carried("upn", Field::Upn),
            issuer: carried("issuer", Field::Issuer),
            ..NOTHING
        };
        described.steps = if layout.time_based.is_empty() { Some(Vec::new()) } else { steps.cloned() };
        (described.algorithms, described.digits) = (algorithms, digits.clone());
        Ok(())
    }
}

/// The texts of a list, which is not too long; none where there is no list.
fn list<'a>(
    source: Option<&'a Spanned<Vec<String>>>,
    key: &str,
    max: usize,
    place: Place<'_>,
) -> Result<&'a [String], FormatError> {
    let Some(source) = source else { return Ok(&[]) };
    let texts = source.get_ref();
    if texts.len() > max || texts.iter().any(|text| text.len() > MAX_TEXT) {
        return Err(place.wrong(source, key, format_args!("at most {max} texts of {MAX_TEXT} bytes")));
    }
    if texts.iter().any(|text| text.chars().any(char::is_control)) {
        return Err(place.wrong(source, key, "a text has control characters"));
    }
    Ok(texts)
}

/// One of some names; the first when nothing is said.
fn choice<T: Copy>(
    source: Option<&Spanned<String>>,
    key: &str,
    among: &[(&str, T)],
    place: Place<'_>,
) -> Result<T, FormatError> {
    let Some(source) = source else { return Ok(among[0].1) };
    let names = || among.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = among.iter().find(|(name, _)| name == source.get_ref());
    found.map(|(_, value)| *value).ok_or_else(|| place.wrong(source, key, format_args!("one of {}", names())))
}
