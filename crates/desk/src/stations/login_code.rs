//! Login codes: what a station shows, and an admin types at the desk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long one is good, in seconds.
pub const LIFE: u32 = 15 * 60;
/// How many letters and digits it has.
pub const LEN: usize = 9;

/// Letters and digits of which none is taken for another: no 0 O Q, no 1 I L, no 2 Z, no 5 S, no 8 B, no U beside V.
const ALPHABET: &[u8; 23] = b"ACDEFGHJKMNPRTVWXY34679";

/// Nine letters and digits, shown as `ACD-EFG-346`; capitals or not is all the same.
///
/// It is no secret of its own: it names a station that waits, for the quarter of an hour in which somebody tells it to an
/// admin who knows whom to expect. 23 letters, nine of them: 1.8 * 10^12.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginCode(String);

/// Why a text is no login code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLoginCode {
    /// Too many letters and digits, or too few.
    Length,
    /// A letter that no code has.
    Letter(char),
}

impl LoginCode {
    /// A new random code.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let most = 256 - 256 % ALPHABET.len();
        let mut code = String::with_capacity(LEN);
        while code.len() < LEN {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)?;
            let fair = bytes.into_iter().map(usize::from).filter(|&byte| byte < most);
            let missing = LEN - code.len();
            code.extend(fair.take(missing).map(|byte| char::from(ALPHABET[byte % ALPHABET.len()])));
        }
        Ok(Self(code))
    }

    /// The bare letters and digits, in capitals: what it is found by.
    pub fn plain(&self) -> &str {
        &self.0
    }
}

/// In groups of three.
impl fmt::Display for LoginCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", &self.0[..3], &self.0[3..6], &self.0[6..])
    }
}

impl FromStr for LoginCode {
    type Err = NoLoginCode;

    fn from_str(text: &str) -> Result<Self, NoLoginCode> {
        if text.len() > 64 {
            return Err(NoLoginCode::Length);
        }
        let typed = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}' | '\t'));
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let unknown = code.chars().find(|&c| !ALPHABET.iter().any(|&one| char::from(one) == c));
        match unknown {
            Some(letter) => Err(NoLoginCode::Letter(letter)),
            None if code.len() == LEN => Ok(Self(code)),
            None => Err(NoLoginCode::Length),
        }
    }
}

impl From<LoginCode> for String {
    fn from(code: LoginCode) -> Self {
        code.0
    }
}

impl TryFrom<String> for LoginCode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|_| "no login code")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_read_as_people_say_them() {
        let code: LoginCode = "acd-efg-346".parse().unwrap();
        assert_eq!(code.plain(), "ACDEFG346");
        assert_eq!(code.to_string(), "ACD-EFG-346");
        assert_eq!(" ACDEFG 346 ".parse(), Ok(code));
    }

    #[test]
    fn what_no_station_shows_is_named() {
        let fault = |text: &str| text.parse::<LoginCode>().unwrap_err();
        assert_eq!(fault("ACD-EFG-340"), NoLoginCode::Letter('0'));
        assert_eq!(fault("acd-efg-34l"), NoLoginCode::Letter('L'));
        assert_eq!(fault("ACD-EFG-34"), NoLoginCode::Length);
        assert_eq!(fault("ACD-EFG-3466"), NoLoginCode::Length);
        assert_eq!(fault("ACD-EFG-34ß"), NoLoginCode::Letter('ß'));
        assert_eq!(fault(""), NoLoginCode::Length);
        assert_eq!(fault(&"A".repeat(1000)), NoLoginCode::Length);
    }

    #[test]
    fn codes_are_random_and_have_no_look_alikes() {
        let codes: HashSet<_> = (0..1000).map(|_| LoginCode::generate().unwrap()).collect();
        assert_eq!(codes.len(), 1000);
        let letters: HashSet<_> = codes.iter().flat_map(|code| code.plain().chars()).collect();
        assert_eq!(letters.len(), ALPHABET.len(), "each letter turns up");
        for pair in ["0O", "1I", "1L", "IL", "2Z", "5S", "8B", "UV", "OQ"] {
            assert!(!pair.chars().all(|letter| letters.contains(&letter)), "{pair}");
        }
    }
}
