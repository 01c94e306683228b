//! The header: which column is which, in the spellings that are in circulation.

use oathburn_oath::Encoding;

use super::cells::Cells;
use super::{UsersFault, UsersProblem};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Upn,
    Serial,
    Seed(Option<Encoding>),
    Algorithm,
    Step,
    Issuer,
    Label,
}

/// The columns that are known, by the name that messages use.
const NAMES: [(&str, Kind); 7] = [
    ("upn", Kind::Upn),
    ("serial", Kind::Serial),
    ("seed", Kind::Seed(None)),
    ("algorithm", Kind::Algorithm),
    ("time step", Kind::Step),
    ("issuer", Kind::Issuer),
    ("label", Kind::Label),
];

/// Which cell holds what.
pub(super) struct Columns {
    /// In the order of the file, with the name as it stands there.
    pub(super) all: Vec<(Kind, String)>,
}

impl Columns {
    pub(super) fn read(header: &Cells<'_>) -> Result<Self, Vec<UsersProblem>> {
        let mut problems = Vec::new();
        let mut all: Vec<(Kind, String)> = Vec::new();
        for index in 0..header.len() {
            let name = String::from_utf8_lossy(header.cell(index)).trim().to_owned();
            let mut problem =
                |fault| problems.push(UsersProblem { row: header.row, column: Some(name.clone()), fault });
            match kind(&name) {
                Some(kind) if all.iter().any(|(other, _)| same(*other, kind)) => problem(UsersFault::ColumnTwice),
                Some(kind) => all.push((kind, name)),
                None => problem(UsersFault::UnknownColumn { meant: nearest(&name) }),
            }
        }
        if !all.iter().any(|(kind, _)| *kind == Kind::Upn) && !problems.iter().any(|one| means_upn(&one.fault)) {
            problems.push(UsersProblem { row: header.row, column: Some("upn".into()), fault: UsersFault::NoUpnColumn });
        }
        if problems.is_empty() { Ok(Self { all }) } else { Err(problems) }
    }
}

fn means_upn(fault: &UsersFault) -> bool {
    matches!(fault, UsersFault::UnknownColumn { meant: Some("upn") })
}

fn same(one: Kind, other: Kind) -> bool {
    one == other || matches!((one, other), (Kind::Seed(_), Kind::Seed(_)))
}

fn kind(name: &str) -> Option<Kind> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Some(match plain.as_str() {
        "upn" | "userprincipalname" | "user" => Kind::Upn,
        "serial" | "serialnumber" => Kind::Serial,
        "seed" => Kind::Seed(None),
        "seedhex" | "secretkeyhex" | "secrethex" => Kind::Seed(Some(Encoding::Hex)),
        "seedbase32" | "secretkey" | "secret" | "secretkeybase32" => Kind::Seed(Some(Encoding::Base32)),
        "algorithm" | "hash" | "hashfunction" => Kind::Algorithm,
        "timestep" | "timeinterval" | "period" => Kind::Step,
        "issuer" => Kind::Issuer,
        "label" => Kind::Label,
        _ => return None,
    })
}

/// The known column whose name differs least, if it differs by two letters or fewer.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let candidates = NAMES.iter().map(|(known, _)| (distance(&name, known), *known));
    candidates.filter(|(distance, known)| *distance <= 2 && *distance < known.len()).min().map(|(_, known)| known)
}

/// How many letters must be changed, added or left out (Levenshtein); long names are far from everything.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(32).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[other.len()]
}
