//! `docs/openapi.json` is what the desk serves. `OATHBURN_UPDATE=1 cargo test --workspace --test api` writes it anew.

use std::path::Path;

use crate::support::Server;

#[test]
fn the_document_beside_the_pages_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let now = oathburn_desk::openapi();
    if std::env::var_os("OATHBURN_UPDATE").is_some() {
        std::fs::write(&path, now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "docs/openapi.json is not up to date: OATHBURN_UPDATE=1 cargo test --workspace --test api");
    let served = Server::start().get("/api/v1/openapi.json").expect(200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.body == now);
}

#[test]
fn the_page_names_every_scope() {
    let page = include_str!("../../../../docs/api.md");
    for scope in oathburn_desk::scripts::Scope::ALL {
        assert!(page.contains(&format!("| `{scope}` | ")), "{scope}");
    }
}
