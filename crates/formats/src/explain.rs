//! Why does a token show other codes than its seed makes? Every usual mistake is tried.

use std::fmt;

use data_encoding::BASE64_NOPAD;
use oathburn_oath::{Algorithm, Drift, Seed, Sighting, TimeStep, Totp, TotpParams, UnixTime, Window};
use zeroize::Zeroizing;

use crate::{FormatError, KeyUri, Look, look, read_seed};

/// A clock is looked for up to a day off, both ways.
const DAY: u32 = 86_400;
/// Where two things are wrong at once, the clock must be right to ten minutes.
const NEAR: u32 = 600;
/// Below this distance a clock is as right as tokens' clocks are, in seconds.
const USUAL: i64 = 120;

/// One thing that differs from what the seed and its parameters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The text was read in another way.
    Reading {
        /// How.
        read_as: &'static str,
        /// How it should be read.
        expected: &'static str,
    },
    /// Some bytes are missing at the end.
    Truncated {
        /// How many bytes the token has.
        to: usize,
        /// How many there are.
        of: usize,
    },
    /// The seed was repeated until it was long enough.
    Repeated {
        /// The length it was brought to, in bytes.
        to: usize,
    },
    /// Zeros were put before it, as before a number.
    ZerosBefore {
        /// The length it was brought to, in bytes.
        to: usize,
    },
    /// Another hash.
    Algorithm {
        /// The one that makes the code.
        shown: Algorithm,
        /// The one that was expected.
        expected: Algorithm,
    },
    /// Another time step.
    Step {
        /// The one that makes the code.
        shown: TimeStep,
        /// The one that was expected.
        expected: TimeStep,
    },
    /// Another number of digits.
    Digits {
        /// The displayed number.
        shown: u8,
        /// The expected number.
        expected: u8,
    },
    /// The clock is further off than tokens are.
    Clock {
        /// How far, in whole steps.
        drift: Drift,
    },
}

/// Half a sentence: "the token …".
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { read_as, expected } => write!(f, "has the seed read as {read_as} instead of {expected}"),
            Self::Truncated { to, of } => write!(f, "has only the first {to} of the seed's {of} bytes"),
            Self::Repeated { to } => write!(f, "has the seed repeated to {to} bytes"),
            Self::ZerosBefore { to } => write!(f, "has the seed with zeros before it, {to} bytes in all"),
            Self::Algorithm { shown, expected } => write!(f, "uses {shown} instead of {expected}"),
            Self::Step { shown, expected } => {
                write!(f, "changes its code every {shown} s instead of every {expected} s")
            }
            Self::Digits { shown, expected } => write!(f, "shows {shown} digits instead of {expected}"),
            Self::Clock { drift } => {
                let how = if drift.seconds() > 0 { "ahead" } else { "behind" };
                write!(f, "has a clock that is about {} {how}", Span(drift.seconds().unsigned_abs()))
            }
        }
    }
}

impl Difference {
    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Reading { .. } => {
                "burn the seed again and say its encoding with --encoding, or register at the service what the token has"
            }
            Self::Truncated { .. } | Self::Repeated { .. } | Self::ZerosBefore { .. } => {
                "burn the seed again from the original text, copied to its last character"
            }
            Self::Algorithm { .. } | Self::Step { .. } | Self::Digits { .. } => {
                "set the service to what the token does, or burn the seed again with --algorithm and --time-step as the service says"
            }
            Self::Clock { .. } => {
                "set the token's clock (`oathburn sync`), or burn the same seed again, which sets it too; check this computer's clock first"
            }
        }
    }
}

/// Minutes and hours for people.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

/// One way in which the displayed code comes about.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What differs; empty when the token shows what it should.
    pub differences: Vec<Difference>,
    /// The parameters that make the code.
    pub params: TotpParams,
    /// Steps (of those parameters) that the token is ahead.
    pub drift_steps: i64,
    /// How many ways that are as likely as this one or likelier would show the code by chance.
    pub false_hits: f64,
}

impl Explanation {
    /// The answer in one sentence, without its full stop.
    pub fn sentence(&self) -> String {
        if self.differences.is_empty() {
            return "the token shows what this seed makes: seed, parameters and clock are right".into();
        }
        let parts: Vec<_> = self.differences.iter().map(ToString::to_string).collect();
        format!("the token {}", parts.join(" and "))
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        if self.differences.is_empty() {
            return "if the service refuses the code it has another seed for this user: register the token there once more".into();
        }
        let mut remedies: Vec<_> = self.differences.iter().map(Difference::remedy).collect();
        remedies.dedup();
        remedies.join("; ")
    }
}

/// What came of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The explanations, likeliest first.
    pub explanations: Vec<Explanation>,
    /// How many codes were compared.
    pub searched: u64,
}

/// Looks for a way in which this text, taken for a seed, makes what a display shows at a time.
///
/// Up to two things may be wrong at once: the encoding, the length, the hash, the time step, and a clock up to a day
/// off. The search stops at nothing, so explanations must be weighed by their [`Explanation::false_hits`].
pub fn explain(text: &str, sighting: Sighting, at: UnixTime) -> Result<Explained, FormatError> {
    let (text, params) = expected(text)?;
    let variants = variants(&text)?;
    let mut found = Vec::new();
    // How many codes are compared in each class: with so many differences, and the clock usual or not.
    let mut classes = [[0_u64; 2]; 4];
    for (variant, seed) in &variants {
        for algorithm in Algorithm::ALL {
            for step in steps(params.step) {
                let shown = TotpParams { algorithm, step, digits: sighting.digits() };
                let differences = differences(variant, params, shown);
                let (count, range) = match differences.len() {
                    count @ 0..=1 => (count, DAY),
                    2 => (2, NEAR),
                    _ => continue,
                };
                let window = Window::around(range / step.seconds());
                let usual = 2 * USUAL.unsigned_abs() / u64::from(step.seconds()) + 1;
                classes[count][0] += usual;
                classes[count][1] += window.steps().saturating_sub(usual);
                let totp = Totp::new(seed, shown);
                for drift_steps in sighting.find(&totp, at, window) {
                    found.push((differences.clone(), shown, drift_steps));
                }
            }
        }
    }
    let digits = (sighting.digits() != params.digits)
        .then(|| Difference::Digits { shown: sighting.digits().get(), expected: params.digits.get() });
    let mut explanations: Vec<_> =
        found.into_iter().map(|found| explanation(found, digits, sighting, &classes)).collect();
    explanations.sort_by(|one, other| {
        let key = |one: &Explanation| (one.differences.len(), one.drift_steps.unsigned_abs());
        one.false_hits.total_cmp(&other.false_hits).then(key(one).cmp(&key(other)))
    });
    Ok(Explained { explanations, searched: classes.iter().flatten().sum() })
}

fn explanation(
    (mut differences, params, drift_steps): (Vec<Difference>, TotpParams, i64),
    digits: Option<Difference>,
    sighting: Sighting,
    classes: &[[u64; 2]; 4],
) -> Explanation {
    let drift = Drift::from_seconds(drift_steps * i64::from(params.step.seconds()));
    let far = drift.seconds().abs() > USUAL;
    // Likelier are all with fewer differences, where an unusual clock counts as one.
    let weight = differences.len() + usize::from(far);
    let likelier = classes.iter().enumerate().flat_map(|(count, class)| {
        class.iter().enumerate().filter(move |(far, _)| count + far <= weight).map(|(_, codes)| codes)
    });
    let false_hits = sighting.false_hits(likelier.sum());
    differences.extend(digits);
    if far {
        differences.push(Difference::Clock { drift });
    }
    Explanation { differences, params, drift_steps, false_hits }
}

/// The text of the seed itself, and the parameters that go with it.
fn expected(text: &str) -> Result<(Zeroizing<String>, TotpParams), FormatError> {
    if look(text) == Look::TotpUri {
        let uri = KeyUri::parse(text.trim())?;
        let params = TotpParams {
            algorithm: uri.algorithm.unwrap_or_default(),
            digits: uri.digits.unwrap_or_default(),
            step: uri.step.unwrap_or_default(),
        };
        return Ok((uri.seed.to_base32(), params));
    }
    if !matches!(look(text), Look::Base32 | Look::Hex | Look::Base32OrHex | Look::Base64) {
        // Refused with what it looks like.
        read_seed(text, None)?;
    }
    // Room for all of it at once: a buffer that grows leaves unwiped copies behind.
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    compact.extend(text.chars().filter(|c| !c.is_whitespace() && *c != '-'));
    Ok((compact, TotpParams::default()))
}

/// The steps that tokens have, and the expected one.
fn steps(expected: TimeStep) -> Vec<TimeStep> {
    let mut steps = vec![TimeStep::S30, TimeStep::S60, expected];
    steps.dedup();
    steps.sort_unstable();
    steps.dedup();
    steps
}

fn differences(variant: &[Difference], expected: TotpParams, shown: TotpParams) -> Vec<Difference> {
    let mut differences = variant.to_vec();
    if shown.algorithm != expected.algorithm {
        differences.push(Difference::Algorithm { shown: shown.algorithm, expected: expected.algorithm });
    }
    if shown.step != expected.step {
        differences.push(Difference::Step { shown: shown.step, expected: expected.step });
    }
    differences
}

/// The seeds that people and programs make of a text, each with what is different about it, the right one first.
fn variants(text: &str) -> Result<Vec<(Vec<Difference>, Seed)>, FormatError> {
    let readings = readings(text)?;
    let mut variants: Vec<(Vec<Difference>, Seed)> = Vec::new();
    for (reading, seed) in &readings {
        let reading: Vec<_> = reading.iter().copied().collect();
        add(&mut variants, reading.clone(), seed.clone());
        for (length, other) in lengths(seed) {
            add(&mut variants, [reading.clone(), vec![length]].concat(), other);
        }
    }
    Ok(variants)
}

/// Two ways to the same codes are one, the first.
fn add(variants: &mut Vec<(Vec<Difference>, Seed)>, differences: Vec<Difference>, seed: Seed) {
    // Zeros at the end do not count (RFC 2104, section 2).
    let same = |other: &Seed| {
        Algorithm::ALL.iter().all(|&one| other.shortest_equivalent(one) == seed.shortest_equivalent(one))
    };
    if !variants.iter().any(|(_, other)| same(other)) {
        variants.push((differences, seed));
    }
}

/// The ways to read a text, the right one first.
fn readings(text: &str) -> Result<Vec<(Option<Difference>, Seed)>, FormatError> {
    let hex = ("hex", Seed::from_hex(text).ok());
    let base32 = ("Base32", Seed::from_base32(text).ok());
    let base64 = ("Base64", from_base64(text));
    let ascii = ("plain characters", Seed::new(text.as_bytes().to_vec()).ok());
    let all = match look(text) {
        Look::Hex => [hex, base32, base64, ascii],
        Look::Base64 => [base64, base32, hex, ascii],
        _ => [base32, hex, base64, ascii],
    };
    // What cannot be read in the likeliest way is read in the next; plain characters are no encoding.
    let Some((expected, Some(right))) = all[..3].iter().find(|(_, seed)| seed.is_some()).cloned() else {
        // Says what the text looks like instead.
        return read_seed(text, None).map(|input| vec![(None, input.seed)]);
    };
    let mut readings = vec![(None, right.clone())];
    for (read_as, seed) in all.into_iter().filter(|(read_as, _)| *read_as != expected) {
        readings.extend(seed.map(|seed| (Some(Difference::Reading { read_as, expected }), seed)));
    }
    // A program wrote the seed out, and the next one took the letters for the seed.
    let mut lettered = |read_as, letters: &str| {
        let seed = Seed::new(letters.as_bytes().to_vec());
        readings.extend(seed.ok().map(|seed| (Some(Difference::Reading { read_as, expected }), seed)));
    };
    let (hex, base32) = (right.to_hex(), right.to_base32());
    lettered("the characters of its hex", &hex);
    lettered("the characters of its hex in capitals", &Zeroizing::new(hex.to_ascii_uppercase()));
    lettered("the characters of its Base32", &base32);
    Ok(readings)
}

fn from_base64(text: &str) -> Option<Seed> {
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    compact.extend(text.trim_end_matches('=').chars().map(|c| if c == '_' { '/' } else { c }));
    BASE64_NOPAD.decode(compact.as_bytes()).ok().and_then(|bytes| Seed::new(bytes).ok())
}

/// The lengths that seeds are brought to by programs with little room or too much.
fn lengths(seed: &Seed) -> Vec<(Difference, Seed)> {
    const USUAL_LENGTHS: [usize; 5] = [10, 16, 20, 32, 64];
    // Written out and read again, two letters a byte.
    let (hex, of) = (seed.to_hex(), seed.len());
    let mut found = Vec::new();
    let mut push = |difference, hex: &str| found.extend(Seed::from_hex(hex).ok().map(|seed| (difference, seed)));
    for to in USUAL_LENGTHS.into_iter().filter(|&to| to < of).chain([of - 1, of.saturating_sub(2)]) {
        push(Difference::Truncated { to, of }, &hex[..2 * to]);
    }
    for to in USUAL_LENGTHS.into_iter().filter(|&to| to > of) {
        let repeated = Zeroizing::new(hex.repeat(to / of + 1));
        push(Difference::Repeated { to }, &repeated[..2 * to]);
        push(Difference::ZerosBefore { to }, &Zeroizing::new("00".repeat(to - of) + &hex));
    }
    found
}

#[cfg(test)]
mod tests;
