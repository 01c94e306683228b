//! The words of a command line: some stand by their place, some by their name (`name=value`).

use std::collections::VecDeque;

use crate::{EmulatorError, ReaderId};

pub(crate) struct Words<'a>(VecDeque<&'a str>);

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Self(line.split_ascii_whitespace().collect())
    }

    /// The next word by its place; `what` names it for the error.
    pub(crate) fn next(&mut self, what: &str) -> Result<&'a str, EmulatorError> {
        self.0.pop_front().ok_or_else(|| EmulatorError::words(format!("{what} is missing")))
    }

    /// The next word, if it is this one.
    pub(crate) fn next_is(&mut self, word: &str) -> bool {
        let is = self.0.front() == Some(&word);
        if is {
            self.0.pop_front();
        }
        is
    }

    /// Whether this word stands anywhere.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let at = self.0.iter().position(|other| *other == word);
        at.and_then(|at| self.0.remove(at)).is_some()
    }

    /// The next word as a reader.
    pub(crate) fn reader(&mut self) -> Result<ReaderId, EmulatorError> {
        let word = self.next("a reader")?;
        word.parse()
            .map_err(|_| EmulatorError::words(format!("a reader is a number, or nfc and a number, not `{word}`")))
    }

    /// The value of the word `name=value`, wherever it stands.
    pub(crate) fn named(&mut self, name: &str) -> Option<&'a str> {
        let value = |word: &&'a str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
        let at = self.0.iter().position(|word| value(word).is_some())?;
        self.0.remove(at).as_ref().and_then(value)
    }

    /// The value of the word `name=value`, read as what it must be.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, EmulatorError> {
        let Some(value) = self.named(name) else { return Ok(None) };
        let wrong = || EmulatorError::words(format!("{name} is {what}, not `{value}`"));
        parse(value).ok_or_else(wrong).map(Some)
    }

    /// The value of a word that has to be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, EmulatorError> {
        self.parsed(name, what, parse)?.ok_or_else(|| EmulatorError::words(format!("{name}= is missing")))
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), EmulatorError> {
        match self.0.front() {
            None => Ok(()),
            Some(word) => Err(EmulatorError::words(format!("`{word}` is one word too many"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_places_or_names() {
        let mut words = Words::new(" insert 3  at=7 token ");
        assert_eq!(words.next("a command").unwrap(), "insert");
        assert_eq!(words.reader().unwrap(), ReaderId::Pcsc(3));
        assert_eq!(words.parsed("at", "a number", |v| v.parse().ok()).unwrap(), Some(7_u32));
        assert_eq!(words.named("at"), None);
        assert!(words.take("token") && !words.take("token") && !words.next_is("token"));
        words.end().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = |error: EmulatorError| error.to_string();
        assert_eq!(text(Words::new("").next("a reader").unwrap_err()), "a reader is missing");
        assert_eq!(text(Words::new("x").reader().unwrap_err()), "a reader is a number, or nfc and a number, not `x`");
        assert_eq!(text(Words::new("x").end().unwrap_err()), "`x` is one word too many");
        let wrong = Words::new("at=x").required("at", "a number", |v| v.parse::<u8>().ok());
        assert_eq!(text(wrong.unwrap_err()), "at is a number, not `x`");
        let missing = Words::new("").required("at", "a number", |v| v.parse::<u8>().ok());
        assert_eq!(text(missing.unwrap_err()), "at= is missing");
    }
}
