//! What an event says beside who, when and what: names with texts or numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::EscrowError;

/// A text or a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Facts by name. Their JSON is canonical: sorted names, no spaces, so that a signature can cover it.
///
/// Facts are stored in clear: never a seed, never a code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, Fact>);

impl Facts {
    /// The longest text of a fact or a reason, in bytes.
    pub const MAX_TEXT: usize = 4096;

    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// These facts and one more; a fact of the same name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, fact: impl Into<Fact>) -> Self {
        self.0.insert(name.into(), fact.into());
        self
    }

    /// These facts and one more, if there is one.
    #[must_use]
    pub fn with_some(self, name: &str, fact: Option<impl Into<Fact>>) -> Self {
        match fact {
            Some(fact) => self.with(name, fact),
            None => self,
        }
    }

    /// A fact that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Fact::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A fact that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Fact::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// All facts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.0.iter().map(|(name, fact)| (name.as_str(), fact))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses names that are not short and plain, and texts that are too long.
    pub(crate) fn check(&self) -> Result<(), EscrowError> {
        for (name, fact) in &self.0 {
            let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            let long = matches!(fact, Fact::Text(text) if text.len() > Self::MAX_TEXT);
            if name.is_empty() || name.len() > 64 || !plain || long {
                return Err(EscrowError::FactRefused { what: format!("the fact {name:?}") });
            }
        }
        Ok(())
    }

    /// The canonical JSON.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("maps of texts and numbers are JSON")
    }

    /// Reads canonical JSON; `None` for anything else.
    pub(crate) fn from_json(json: &str) -> Option<Self> {
        let facts: Self = serde_json::from_str(json).ok()?;
        (facts.to_json() == json).then_some(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_canonical() {
        let facts = Facts::new().with("b", 7).with("a", "ü\n\"").with_some("c", None::<i64>);
        assert_eq!(facts.to_json(), r#"{"a":"ü\n\"","b":7}"#);
        assert_eq!(Facts::from_json(&facts.to_json()), Some(facts));
        for other in
            [r#"{"b":7,"a":"x"}"#, r#"{"a": 1}"#, r#"{"a":1,"a":1}"#, r#"{"a":1.5}"#, r#"{"a":null}"#, "[]", ""]
        {
            assert_eq!(Facts::from_json(other), None, "{other}");
        }
    }

    #[test]
    fn long_texts_and_odd_names_are_refused() {
        assert!(Facts::new().with("drift_seconds", -3).with("note", "x".repeat(4096)).check().is_ok());
        for facts in
            [Facts::new().with("note", "x".repeat(4097)), Facts::new().with("", 1), Facts::new().with("A b", 1)]
        {
            assert!(matches!(facts.check(), Err(EscrowError::FactRefused { .. })));
        }
    }
}
