//! What scripts ask: the same deeds as the pages, as JSON, below `/api/v1`.
//!
//! Who asks says so by a script's token in `Authorization: Bearer …`, and may do what its scopes say ([`crate::scripts`]).
//! Cookies count for nothing here, so that no browser does anything by itself, and other origins are told nothing. What can
//! be asked, and what comes back, is described by the document at [`DOCUMENT`], which is made of the code.

#![allow(unused_qualifications, reason = "what describes an operation names its types by their crates")]

mod answers;
mod audit;
pub mod bodies;
mod document;
mod extract;
mod logins;
mod orders;
mod people;
mod select;
mod stations;
mod tokens;
mod whoami;

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use utoipa::OpenApi;

use self::document::Common;
use crate::App;

/// What all of it lies below.
pub(crate) const BASE: &str = "/api/v1/";
/// Where the description is.
pub(crate) const DOCUMENT: &str = "/api/v1/openapi.json";

/// The one list of what there is: the routes, and the document that describes them.
macro_rules! places {
    ($($method:ident $path:literal $module:ident $handler:ident;)+) => {
        pub(crate) fn routes() -> Router<App> {
            Router::new().route(DOCUMENT, get(described))
                $(.route(concat!("/api/v1", $path), $method($module::$handler)))+
        }

        /// Every method and path of [`routes`] but the description itself.
        #[cfg(test)]
        pub(crate) const PLACES: &[(&str, &str)] = &[$((stringify!($method), concat!("/api/v1", $path))),+];

        #[derive(OpenApi)]
        #[openapi(paths($($module::$handler),+), modifiers(&Common))]
        struct Document;
    };
}

places! {
    get "/whoami" whoami whoami;

    get "/stations" stations list;
    post "/stations" stations add;
    post "/stations/import" stations import;
    get "/stations/{mac}" stations one;
    delete "/stations/{mac}" stations remove;
    put "/stations/{mac}/location" stations relocate;
    post "/stations/sign-in" stations sign_in;
    post "/stations/sign-out" stations sign_out;
    post "/stations/revoke" stations revoke;
    post "/stations/provision-again" stations provision_again;
    post "/stations/fetch-login-codes" stations fetch_login_codes;
    post "/stations/codes" stations make_codes;
    post "/stations/revoke-codes" stations revoke_codes;
    post "/login-codes/find" logins find;
    post "/login-codes/accept" logins accept;
    post "/login-codes/refuse" logins refuse;

    get "/orders" orders list;
    post "/orders" orders give;
    get "/orders/{order}" orders one;
    get "/orders/{order}/lines" orders lines;
    get "/orders/{order}/results" orders results;
    get "/orders/{order}/conflicts" orders conflicts;
    post "/orders/{order}/conflicts/{conflict}" orders settle;
    put "/orders/{order}/audience" orders redirect;
    post "/orders/{order}/cancel" orders cancel;
    post "/orders/{order}/retry" orders retry;
    post "/orders/{order}/release" orders release;
    post "/orders/{order}/export" orders export;

    get "/tokens" tokens find;
    get "/tokens/{entry}" tokens one;
    get "/tokens/{entry}/events" tokens events;
    post "/tokens/{entry}/codes" tokens codes;
    post "/tokens/{entry}/drift" tokens drift;
    post "/tokens/{entry}/explain" tokens explain;
    post "/tokens/identify" tokens identify;

    get "/audit/events" audit events;
    post "/audit/verify" audit verify;
    post "/audit/checkpoint" audit checkpoint;

    get "/people" people list;
    post "/people" people add;
    get "/people/{name}" people one;
    put "/people/{name}/roles" people roles;
    post "/people/{name}/disable" people disable;
    post "/people/{name}/enable" people enable;
    post "/people/{name}/reset" people reset;
}

/// The description of the API, as JSON: version 3.1 of the OpenAPI specification.
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = Document::openapi().to_pretty_json().expect("the document is plain data");
        text.push('\n');
        text
    });
    &TEXT
}

/// For anybody: it says nothing of this desk.
async fn described() -> Response {
    ([("content-type", "application/json")], openapi()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::scripts::Scope;

    fn document() -> Value {
        serde_json::from_str(openapi()).unwrap()
    }

    #[test]
    fn every_place_is_described_and_every_description_has_its_place() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            described.extend(item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
        }
        let routed = PLACES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
        // The one beside the API: for balancers.
        let health = [("get".to_owned(), "/healthz".to_owned())];
        assert_eq!(described, routed.chain(health).collect());
    }

    #[test]
    fn every_scope_opens_something_and_nothing_is_open_to_all() {
        let document = document();
        let mut used = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let scopes = operation["security"][0]["script"].as_array();
                match path.as_str() {
                    "/healthz" => assert!(scopes.is_none()),
                    "/api/v1/whoami" => assert!(scopes.unwrap().is_empty()),
                    _ => used.extend(scopes.unwrap().iter().map(|scope| scope.as_str().unwrap().to_owned())),
                }
                assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{path}");
                assert!(operation["responses"]["default"].is_object(), "{path}");
            }
        }
        assert_eq!(used, Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect());
    }
}
