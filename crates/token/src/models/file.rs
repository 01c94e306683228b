//! Products that a user adds: a TOML file of `[[model]]` tables.

use oathburn_oath::FamilyId;
use serde::Deserialize;
use toml::Spanned;

use super::{ClockSync, Model, Models};
use crate::{TokenError, family};

/// Larger files are refused unread: a thousand models fit in.
const MAX_LEN: usize = 256 * 1024;

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<Table>,
}

/// One `[[model]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// What its serial numbers begin with.
    prefix: Spanned<String>,
    /// The name to show.
    name: Spanned<String>,
    /// `restricted`, `unrestricted` or `none`.
    sync: Spanned<String>,
    /// The protocol; `token2-single` unless said otherwise.
    family: Option<Spanned<String>>,
    /// `true` unless said otherwise.
    programmable: Option<bool>,
}

impl Models {
    /// Adds the products in the text of a models file, and says how many there were.
    ///
    /// Nothing is added when anything in the text is wrong.
    ///
    /// ```
    /// use oathburn_token::Models;
    ///
    /// let mut models = Models::builtin();
    /// let added = models.add_file("[[model]]\nprefix = '8659699'\nname = 'eSecuOTP-1A'\nsync = 'restricted'\n")?;
    /// assert_eq!(added, 1);
    /// # Ok::<(), oathburn_token::TokenError>(())
    /// ```
    pub fn add_file(&mut self, text: &str) -> Result<usize, TokenError> {
        if text.len() > MAX_LEN {
            return Err(TokenError::ModelsFile { line: 1, problem: "the file is too large".into() });
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let problem = error.message().lines().next().unwrap_or("not TOML").to_owned();
            TokenError::ModelsFile { line: line_of(text, error.span().map_or(0, |span| span.start)), problem }
        })?;
        let models = file.model.iter().map(|table| table.to_model(text)).collect::<Result<Vec<_>, _>>()?;
        for (index, model) in models.iter().enumerate() {
            let same = |other: &&Model| other.prefix == model.prefix && other.family == model.family;
            if models[..index].iter().find(same).is_some() {
                let start = file.model[index].prefix.span().start;
                return Err(wrong(text, start, "the prefix was given before"));
            }
        }
        let added = models.len();
        self.0.extend(models);
        Ok(added)
    }
}

impl Table {
    fn to_model(&self, text: &str) -> Result<Model, TokenError> {
        let prefix = self.prefix.get_ref();
        if prefix.len() < 4 || prefix.len() > 32 || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(text, self.prefix.span().start, "a prefix has 4 to 32 digits"));
        }
        let name = self.name.get_ref();
        if name.trim().is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err(wrong(text, self.name.span().start, "a name has 1 to 64 visible characters"));
        }
        let sync = [ClockSync::Restricted, ClockSync::Unrestricted, ClockSync::None]
            .into_iter()
            .find(|sync| sync.as_str() == self.sync.get_ref())
            .ok_or_else(|| wrong(text, self.sync.span().start, "sync is restricted, unrestricted or none"))?;
        let (id, start) = match &self.family {
            Some(family) => (family.get_ref().as_str(), family.span().start),
            None => ("token2-single", 0),
        };
        let known = FamilyId::new(id).ok().filter(|id| family(id).is_some());
        Ok(Model {
            family: known.ok_or_else(|| wrong(text, start, "there is no such family"))?,
            prefix: prefix.clone(),
            name: name.trim().to_owned(),
            sync,
            programmable: self.programmable.unwrap_or(true),
        })
    }
}

fn wrong(text: &str, offset: usize, problem: &str) -> TokenError {
    TokenError::ModelsFile { line: line_of(text, offset), problem: problem.to_owned() }
}

/// The line, counted from 1, that a byte is in.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use oathburn_oath::SerialNumber;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Models, TokenError> {
        let mut models = Models::builtin();
        models.add_file(text).map(|_| models)
    }

    fn problem(text: &str) -> (usize, String) {
        match read(text) {
            Err(TokenError::ModelsFile { line, problem }) => (line, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn added_models_are_found_and_can_correct_known_ones() {
        let text = "# ours\n[[model]]\nprefix = \"8659699\"\nname = \"eSecuOTP-1A\"\nsync = \"restricted\"\n\n\
                    [[model]]\nprefix = '8659612'\nname = 'P1 new'\nsync = 'restricted'\nprogrammable = false\n";
        let models = read(text).unwrap();
        let lookup = |serial| {
            let family = crate::FAMILIES[0].id();
            models.lookup(&family, &SerialNumber::new(serial).unwrap()).cloned().unwrap()
        };
        assert_eq!(
            (lookup("8659699000001").name.as_str(), lookup("8659699000001").programmable),
            ("eSecuOTP-1A", true)
        );
        let corrected = lookup("8659612000001");
        assert_eq!((corrected.sync, corrected.programmable), (ClockSync::Restricted, false));
        assert_eq!(
            read("").unwrap().lookup(&crate::FAMILIES[0].id(), &SerialNumber::new("8659699000001").unwrap()),
            None
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let model = |fields: &str| format!("# a\n[[model]]\n{fields}\n");
        assert_eq!(problem(&model("prefix = '12'\nname = 'x'\nsync = 'none'")).0, 3);
        assert_eq!(problem(&model("prefix = '1234'\nname = ' '\nsync = 'none'")).0, 4);
        let (line, text) = problem(&model("prefix = '1234'\nname = 'x'\nsync = 'never'"));
        assert_eq!((line, text.as_str()), (5, "sync is restricted, unrestricted or none"));
        assert_eq!(problem(&model("prefix = '1234'\nname = 'x'\nsync = 'none'\nfamily = 'y'")).0, 6);
        assert_eq!(problem(&model("prefix = '1234'\nname = 'x'\nsync = 'none'\ncolour = 'red'")).0, 6);
        assert_eq!(problem(&model("prefix = 1234\nname = 'x'\nsync = 'none'")).0, 3);
        assert_eq!(problem("\n\nx = ").0, 3);
        assert!(problem(&model("prefix = '1234'\nname = 'x'")).1.contains("sync"));
        let twice = "[[model]]\nprefix = '1234'\nname = 'x'\nsync = 'none'\n".repeat(2);
        assert_eq!(problem(&twice), (6, "the prefix was given before".into()));
        assert_eq!(problem(&" ".repeat(MAX_LEN + 1)).1, "the file is too large");
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(\\PC|\n){0,200}") {
            let _ = read(&text);
        }
    }
}
