//! Columns as one likes them: formats that are described instead of written, known ones and those of a user's file.

mod file;
mod template;
mod write;

use std::sync::LazyLock;

pub use self::file::MAX_COLUMNS_FILE;
use self::template::Cell;
use crate::export::Uniform;
use crate::{Fidelity, Format, FormatError, WriteFormat};

/// A format whose lines are cells: which, in what order, written how. Known ones are in [`crate::FORMATS`]; others
/// come from a file.
///
/// ```
/// use oathburn_formats::{Columns, Format};
///
/// let formats = Columns::read(
///     r#"
///     [[format]]
///     id = "acme"
///     title = "ACME's import page"
///     header = ["Serial", "Key"]
///     cells = ["{serial}", "{seed:base32}"]
///     takes = { algorithms = ["sha1"], digits = [6], steps = [30], needs = ["serial"] }
///     "#,
/// )?;
/// assert_eq!((formats[0].id(), formats[0].fidelity().max_seed_len), ("acme", 128));
/// # Ok::<(), oathburn_formats::FormatError>(())
/// ```
#[derive(Debug)]
pub struct Columns {
    id: &'static str,
    title: &'static str,
    extension: &'static str,
    unconfirmed: Option<&'static str>,
    fidelity: &'static Fidelity,
    /// What all tokens of a file have in common.
    uniform: Vec<Uniform>,
    layout: Layout,
}

#[derive(Debug)]
struct Layout {
    /// What stands before the first token: byte order mark, comments, header.
    head: String,
    delimiter: String,
    quote: Quote,
    newline: &'static str,
    /// What makes a line a comment when it begins with it.
    comment: Option<char>,
    /// The cells of time-based tokens.
    time_based: Vec<Cell>,
    /// The cells of event-based ones.
    event_based: Vec<Cell>,
}

/// Which cells stand between quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    /// None: the target would take quotes for a part of the text.
    Never,
    /// Those that need it (RFC 4180, section 2).
    Needed,
    /// All.
    Always,
}

/// The formats that come with the program.
static KNOWN: LazyLock<Vec<&'static Columns>> =
    LazyLock::new(|| Columns::read(include_str!("columns/known.toml")).expect("a test reads the file"));

impl Columns {
    /// Reads the text of a columns file: TOML with a `[[format]]` for each. Errors name the line and the key.
    ///
    /// What was read is kept until the program ends, as all formats are.
    pub fn read(text: &str) -> Result<Vec<&'static Self>, FormatError> {
        Ok(file::read(text)?.into_iter().map(file::Described::keep).collect())
    }

    /// Reads a columns file, says how many formats are in it, and keeps nothing.
    pub fn check(text: &str) -> Result<usize, FormatError> {
        Ok(file::read(text)?.len())
    }
}

impl Format for Columns {
    fn id(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn fidelity(&self) -> &'static Fidelity {
        self.fidelity
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self)
    }
}

/// The known format of columns with this id.
pub(crate) struct Known(pub(crate) &'static str);

impl Known {
    fn columns(&self) -> &'static Columns {
        KNOWN.iter().find(|columns| columns.id == self.0).expect("a test looks all of them up")
    }
}

impl Format for Known {
    fn id(&self) -> &'static str {
        self.0
    }

    fn title(&self) -> &'static str {
        self.columns().title
    }

    fn fidelity(&self) -> &'static Fidelity {
        self.columns().fidelity
    }

    fn writer(&self) -> Option<&dyn WriteFormat> {
        Some(self.columns())
    }
}
