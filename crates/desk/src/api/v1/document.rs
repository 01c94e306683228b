//! What the document says beside the places themselves.

use utoipa::openapi::path::{OperationBuilder, PathItemBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, License, ObjectBuilder, OpenApi, Ref, RefOr,
    ResponseBuilder, ResponsesBuilder,
};
use utoipa::{Modify, PartialSchema as _, ToSchema};

use super::answers::{Failed, RowProblem, Trouble};
use crate::scripts::Scope;

const ABOUT: &str = "The deeds of the desk's pages, for scripts. A script has a token of its own, made by an admin or by \
    `oathburn desk token add`, sent in `Authorization: Bearer …`, with scopes; each operation names the one that it \
    needs. Errors are objects with a stable `code`, a `message` and a `remedy`. Times are RFC 3339 in UTC. What is not \
    described is refused in requests; answers may get further fields.";

/// Who may ask, errors, and the place beside the API.
pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        document.info = InfoBuilder::new()
            .title("The desk of oathburn")
            .version("1")
            .description(Some(ABOUT))
            .license(Some(License::new("MIT OR Apache-2.0")))
            .build();
        let mut http = Http::new(HttpAuthScheme::Bearer);
        let scopes: Vec<_> = Scope::ALL.iter().map(|scope| format!("* `{scope}`: {}", scope.describe())).collect();
        http.description = Some(format!("A script's token. Its scopes:\n\n{}", scopes.join("\n")));
        let components = ComponentsBuilder::from(document.components.take().unwrap_or_default())
            .security_scheme("script", SecurityScheme::Http(http))
            .schema("Failed", Failed::schema())
            .schema("Trouble", Trouble::schema())
            .schema("RowProblem", RowProblem::schema());
        document.components = Some(components.build());
        health(document);
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten() {
                let failed = ContentBuilder::new().schema(Some(Ref::from_schema_name(Failed::name()))).build();
                let failed = ResponseBuilder::new()
                    .description("What was refused, or went wrong.")
                    .content("application/json", failed)
                    .build();
                operation.responses.responses.insert("default".into(), failed.into());
                // The specification wants one for each; what comes back says itself what it is.
                for response in operation.responses.responses.values_mut() {
                    if let RefOr::T(response) = response
                        && response.description.is_empty()
                    {
                        response.description = "It is done, or this is what was asked for.".into();
                    }
                }
            }
        }
    }
}

/// The place for balancers, which needs no token.
fn health(document: &mut OpenApi) {
    let object = ObjectBuilder::new().property("status", String::schema()).required("status").build();
    let well = ResponseBuilder::new()
        .description("The escrow's store answers.")
        .content("application/json", ContentBuilder::new().schema(Some(object)).build());
    let operation = OperationBuilder::new()
        .tag("desk")
        .operation_id(Some("health"))
        .summary(Some("Whether the desk can work"))
        .responses(ResponsesBuilder::new().response("200", well));
    let item = PathItemBuilder::new().operation(HttpMethod::Get, operation).build();
    document.paths.paths.insert("/healthz".into(), item);
}
