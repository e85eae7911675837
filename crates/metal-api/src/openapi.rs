//! The OpenAPI document, made from the table of operations and the schemas of the models: nothing in it is written
//! by hand, so it cannot tell anything else than the server does.

use metal_model::v1::operation::{ADDED_QUERY, ADDITIONS, ALL, DRY_RUN, MULTIPART};
use metal_model::v1::{Access, Body, Operation, QueryKind, QueryParam, schemas};
use serde_json::{Map, Value, json};

use crate::rest::EVENTS;

const ERROR: &str = "httperrors.HTTPErrorResponse";

/// The document for a server with this base path.
pub fn document(base_path: &str) -> Value {
    let mut paths = Map::new();
    for operation in ALL.iter().chain(ADDITIONS) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = describe(operation);
    }
    let schemas: Map<String, Value> = schemas()
        .into_iter()
        .map(|named| (named.name, serde_json::to_value(named.schema).unwrap_or_default()))
        .collect();
    let server = base_path.trim_end_matches('/');
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "metal-api",
            "description": "API of metal-stack, version 1",
            "version": format!("v{}", env!("CARGO_PKG_VERSION")),
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": if server.is_empty() { "/" } else { server } }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "HMAC": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`<Metal-View|Metal-Edit|Metal-Admin> <signature>` with the headers X-Date and X-Data-Salt",
                },
                "jwt": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
        "security": [{ "HMAC": [] }, { "jwt": [] }],
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": role_of(operation.role),
        "responses": responses(operation),
    });
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = request(operation) {
        described["requestBody"] = body;
    }
    if operation.role == Access::Open {
        described["security"] = json!([{}, { "HMAC": [] }, { "jwt": [] }]);
    }
    described
}

const fn role_of(role: Access) -> &'static str {
    match role {
        Access::Open => "open to anybody",
        Access::Member => "open to all users of the provider's tenant",
        Access::View => "needs role view",
        Access::Edit => "needs role edit",
        Access::Admin => "needs role admin",
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation.path_parameters().map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
    });
    let added = ADDED_QUERY.iter().filter(|(id, _)| *id == operation.id).map(|(_, parameter)| parameter);
    in_path.chain(operation.query.iter().chain(added).map(query_parameter)).collect()
}

fn query_parameter(parameter: &QueryParam) -> Value {
    let schema = match parameter.kind {
        QueryKind::Flag => json!({ "type": "boolean" }),
        QueryKind::Text => json!({ "type": "string" }),
        QueryKind::Number => json!({ "type": "integer", "format": "int64", "minimum": 0 }),
    };
    let mut described = json!({ "name": parameter.name, "in": "query", "required": false, "schema": schema });
    if parameter.name == DRY_RUN.name {
        described["description"] =
            json!("decide and commit nothing; machines and firewalls answer a v1.Explanation");
    }
    described
}

fn request(operation: &Operation) -> Option<Value> {
    let schema = operation.request?;
    if schema == MULTIPART {
        let form = json!({
            "type": "object",
            "properties": { "file": { "type": "string", "contentMediaType": "application/octet-stream" } },
        });
        return Some(json!({ "required": true, "content": { MULTIPART: { "schema": form } } }));
    }
    let is_required = schema != "v1.EmptyBody";
    Some(
        json!({ "required": is_required, "content": { "application/json": { "schema": reference(schema) } } }),
    )
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for code in operation.ok {
        let mut response = json!({ "description": if *code < 400 { "success" } else { "failure" } });
        let content = match operation.response {
            Body::None => None,
            Body::One(schema) => Some(("application/json", reference(schema))),
            Body::List(schema) => {
                Some(("application/json", json!({ "type": "array", "items": reference(schema) })))
            }
            Body::Stream(schema) => Some((EVENTS, reference(schema))),
        };
        if let Some((kind, schema)) = content {
            response["content"] = json!({ kind: { "schema": schema } });
        }
        responses.insert(code.to_string(), response);
    }
    for code in operation.typed {
        responses.insert(code.to_string(), error());
    }
    responses.insert("default".to_owned(), error());
    Value::Object(responses)
}

/// Errors are a string with an object inside, unless the client asks for the general form.
fn error() -> Value {
    json!({
        "description": "error",
        "content": {
            "application/json": {
                "schema": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": reference(ERROR),
                },
            },
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": { "type": "string" },
                        "title": { "type": "string" },
                        "status": { "type": "integer" },
                        "detail": { "type": "string" },
                        "instance": { "type": "string" },
                        "field": { "type": "string" },
                    },
                },
            },
        },
    })
}
