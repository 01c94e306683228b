//! As much of a page as somebody sees who reads it: texts, links, forms with their labels and buttons.

/// What was filled in.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// The text of one of several.
    Option(String),
    Tick,
    File(String, Vec<u8>),
}

impl Value {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Option(text) => text,
            _ => panic!("{self:?} is no text"),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::File(_, bytes) => bytes.clone(),
            other => other.text().into(),
        }
    }
}

/// A form as it is sent.
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) is_post: bool,
    pub(crate) is_multipart: bool,
    pub(crate) fields: Vec<(String, Value)>,
}

#[derive(Debug)]
enum Token {
    Open(String, Vec<(String, String)>),
    Close(String),
    Text(String),
}

impl Token {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Open(own, _) if own == name)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let Self::Open(_, attributes) = self else { return None };
        attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A page of ours: it is well formed.
pub(crate) struct Html(Vec<Token>);

impl Html {
    pub(crate) fn read(text: &str) -> Self {
        let (mut tokens, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find('<') {
            if at > 0 {
                tokens.push(Token::Text(plain(&rest[..at])));
            }
            let end = at + rest[at..].find('>').expect("a tag ends");
            tokens.push(tag(&rest[at + 1..end]));
            rest = &rest[end + 1..];
        }
        Self(tokens)
    }

    /// What there is to read.
    pub(crate) fn text(&self) -> String {
        self.text_in(0..self.0.len())
    }

    fn text_in(&self, range: std::ops::Range<usize>) -> String {
        let texts = self.0[range].iter().filter_map(|token| match token {
            Token::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// What an element holds.
    fn within(&self, open: usize) -> std::ops::Range<usize> {
        let Token::Open(name, _) = &self.0[open] else { panic!("no element") };
        let mut depth = 0;
        for (at, token) in self.0.iter().enumerate().skip(open) {
            match token {
                Token::Open(own, _) if own == name => depth += 1,
                Token::Close(own) if own == name => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return open + 1..at;
            }
        }
        panic!("{name} does not end")
    }

    fn text_of(&self, open: usize) -> String {
        self.text_in(self.within(open)).trim().to_owned()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.0.len()).filter(move |&at| self.0[at].is(name))
    }

    /// Where the link with this text leads.
    pub(crate) fn link(&self, text: &str) -> String {
        let found = self.all("a").find(|&at| self.text_of(at) == text);
        self.href(found.unwrap_or_else(|| panic!("no link {text}: {}", self.text())))
    }

    /// Where the first link in the row of a table leads that holds this text.
    pub(crate) fn link_in_row(&self, text: &str) -> String {
        let row = self.all("tr").find(|&at| self.text_of(at).contains(text));
        let row = self.within(row.unwrap_or_else(|| panic!("no row of {text}: {}", self.text())));
        self.href(self.all("a").find(|at| row.contains(at)).expect("the row has a link"))
    }

    fn href(&self, link: usize) -> String {
        self.0[link].attribute("href").expect("a link leads somewhere").to_owned()
    }

    /// What is set apart to be copied.
    pub(crate) fn code(&self) -> String {
        let is_code = |&at: &usize| self.0[at].attribute("class") == Some("code");
        self.text_of(self.all("code").find(is_code).unwrap_or_else(|| panic!("no code: {}", self.text())))
    }

    /// The form of a button, filled in.
    pub(crate) fn submit(&self, button: &str, typed: Vec<(String, Value)>) -> Form {
        let at = self.all("button").find(|&at| self.text_of(at) == button);
        let at = at.unwrap_or_else(|| panic!("no button {button}: {}", self.text()));
        let form = self.all("form").find(|&form| self.within(form).contains(&at)).expect("a button has a form");
        let mut typed: Vec<Option<(String, Value)>> = typed.into_iter().map(Some).collect();
        let mut fields = Vec::new();
        for control in self.within(form) {
            if let Some(field) = self.field(control, &mut typed) {
                fields.push(field);
            }
        }
        let left: Vec<_> = typed.iter().flatten().map(|(label, _)| label).collect();
        assert!(left.is_empty(), "{left:?} cannot be filled in beside {button}");
        let pressed = &self.0[at];
        fields.extend(
            pressed
                .attribute("name")
                .map(|name| (name.to_owned(), Value::Text(pressed.attribute("value").unwrap_or_default().to_owned()))),
        );
        let action = pressed.attribute("formaction").or(self.0[form].attribute("action"));
        Form {
            action: action.unwrap_or_default().to_owned(),
            is_post: self.0[form].attribute("method") == Some("post"),
            is_multipart: self.0[form].attribute("enctype") == Some("multipart/form-data"),
            fields,
        }
    }

    /// What a control sends.
    fn field(&self, at: usize, typed: &mut [Option<(String, Value)>]) -> Option<(String, Value)> {
        let control = &self.0[at];
        let is_control = ["input", "select", "textarea"].iter().any(|name| control.is(name));
        let name = control.attribute("name").filter(|_| is_control)?.to_owned();
        let value = || control.attribute("value").unwrap_or_default().to_owned();
        let own = self.label(at);
        let mine = typed.iter_mut().find(|one| one.as_ref().is_some_and(|(label, _)| Some(label) == own.as_ref()));
        let mine = mine.and_then(Option::take).map(|(_, value)| value);
        let kind = control.attribute("type").unwrap_or_default();
        let sent = match (mine, kind) {
            (Some(Value::Tick), "checkbox" | "radio") => Value::Text(value()),
            (Some(Value::Option(text)), _) if control.is("select") => {
                let range = self.within(at);
                let option = self.all("option").find(|at| range.contains(at) && self.text_of(*at) == text);
                Value::Text(self.0[option.unwrap_or_else(|| panic!("no {text}"))].attribute("value")?.to_owned())
            }
            (Some(file @ Value::File(..)), "file") => file,
            (Some(text @ Value::Text(_)), _) if !["checkbox", "radio", "file"].contains(&kind) => text,
            (Some(other), _) => panic!("{own:?} does not take {other:?}"),
            (None, "checkbox" | "radio") => Value::Text(control.attribute("checked").map(|_| value())?),
            (None, "file") => Value::File(String::new(), Vec::new()),
            (None, _) if control.is("textarea") => Value::Text(self.text_of(at)),
            (None, _) if control.is("select") => {
                let range = self.within(at);
                let options: Vec<_> = self.all("option").filter(|at| range.contains(at)).collect();
                let chosen = options.iter().find(|at| self.0[**at].attribute("selected").is_some()).or(options.first());
                Value::Text(self.0[*chosen?].attribute("value")?.to_owned())
            }
            (None, _) => Value::Text(value()),
        };
        Some((name, sent))
    }

    /// What stands beside a control.
    fn label(&self, at: usize) -> Option<String> {
        let control = &self.0[at];
        let named = control
            .attribute("id")
            .and_then(|id| self.all("label").find(|&label| self.0[label].attribute("for") == Some(id)));
        let around = || self.all("label").find(|&label| self.within(label).contains(&at));
        let label = named.or_else(around).map(|label| self.text_of(label));
        label.or_else(|| control.attribute("aria-label").map(ToOwned::to_owned))
    }
}

fn tag(text: &str) -> Token {
    if let Some(name) = text.strip_prefix('/') {
        return Token::Close(name.into());
    }
    let (name, mut rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        rest = rest.trim_start();
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inside, after) = quoted.split_once('"').expect("a value ends");
            (value, rest) = (plain(inside), after);
        }
        attributes.push((name, value));
    }
    Token::Open(name.to_lowercase(), attributes)
}

fn plain(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (name, sign)| text.replace(name, sign))
}
