//! The errors that the program makes itself, read from its source: every `Failure::new` and `Failure::usage`.

use std::fs;

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, Lit, Local, Pat};

use crate::{Row, root, sources};

/// The rows in the order of the files.
pub(crate) fn rows() -> Vec<Row> {
    let mut calls = Calls::default();
    for path in sources(&root().join("src")) {
        // What the program does not make is not in its files; this one only passes errors on.
        if path.ends_with("failure.rs") {
            continue;
        }
        calls.file = path.display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        calls.visit_file(&syn::parse_file(&text).unwrap());
    }
    assert!(calls.rows.len() > 10, "the search finds nothing");
    calls.rows
}

/// Collects calls; a message may have been made by the `let` before.
#[derive(Default)]
struct Calls {
    file: String,
    message: Option<String>,
    rows: Vec<Row>,
}

impl Calls {
    fn text(&self, expression: &Expr) -> String {
        literal(expression)
            .or_else(|| self.message.clone().filter(|_| matches!(expression, Expr::Path(_))))
            .unwrap_or_else(|| panic!("{}: a message or remedy that is no literal", self.file))
    }
}

impl<'ast> Visit<'ast> for Calls {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // What a unit test makes up is no error of the program.
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        visit::visit_local(self, local);
        if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init)
            && name.ident == "message"
        {
            // What others have worded is shown as an ellipsis, too.
            self.message = Some(literal(&init.expr).unwrap_or_else(|| "{}".into()));
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let Expr::Path(path) = &*call.func else { return };
        let names: Vec<_> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let arguments: Vec<_> = call.args.iter().collect();
        let (exit, code, message, remedy) = match (names.join("::").as_str(), arguments.as_slice()) {
            ("Failure::new", [exit, code, message, remedy]) => (exit_code(exit), self.text(code), *message, *remedy),
            ("Failure::usage", [message, remedy]) => (2, "usage".to_owned(), *message, *remedy),
            _ => return,
        };
        let (message, remedy) = (shown(&self.text(message)), self.text(remedy));
        self.rows.push(Row { variant: ("", ""), exit, code, message, remedy });
    }
}

/// The text of `"…"` or `format!("…", …)`.
fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        Expr::Macro(call) if call.mac.path.is_ident("format") => {
            let first = call.mac.tokens.clone().into_iter().next()?;
            syn::parse_str::<syn::LitStr>(&first.to_string()).ok().map(|text| text.value())
        }
        _ => None,
    }
}

/// What is put into a message is shown as an ellipsis.
fn shown(format: &str) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        text.push('…');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    text + rest
}

fn exit_code(expression: &Expr) -> u8 {
    use crate::exit::Exit;
    let Expr::Path(path) = expression else { panic!("an exit code that is no literal") };
    let name = path.path.segments.last().unwrap().ident.to_string();
    let all = [
        Exit::Done,
        Exit::Bug,
        Exit::Usage,
        Exit::NoToken,
        Exit::Refused,
        Exit::LinesFailed,
        Exit::Escrow,
        Exit::Input,
        Exit::NotPermitted,
        Exit::NoMatch,
        Exit::Interrupted,
    ];
    let found = all.into_iter().find(|exit| format!("{exit:?}") == name);
    found.unwrap_or_else(|| panic!("no exit code {name}")) as u8
}
