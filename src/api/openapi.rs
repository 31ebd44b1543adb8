//! `GET /openapi.json`: the API in the words of [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0), made from the wire types
//! and from the table of `operations`.

mod operations;

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::routes::needs;
use super::types::{ErrorBody, ErrorCode};
pub use operations::{Operation, operations};

/// Where the schemas of the wire types stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// A wire type, by what makes its schema.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What an operation answers when all is well.
pub enum Answer {
    /// A JSON document, with this status.
    Json(u16, SchemaOf),
    /// A JSON document, 200 when what it tells is well and 503 when not.
    Verdict(SchemaOf),
    /// A text or a stream of this media type.
    Text(&'static str),
}

/// `GET /openapi.json`
pub async fn openapi() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

/// The document.
pub fn document() -> Value {
    let settings = |settings: SchemaSettings| {
        settings.with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        })
    };
    // What is asked for may leave fields out; what is answered never does.
    let mut asked = settings(SchemaSettings::draft2020_12().for_deserialize()).into_generator();
    let mut answered = settings(SchemaSettings::draft2020_12().for_serialize()).into_generator();
    let mut paths: Map<String, Value> = Map::new();
    let needs = needs();
    for operation in operations() {
        let (_, _, need) = needs
            .iter()
            .find(|(method, path, _)| *path == operation.path && method.as_str().eq_ignore_ascii_case(operation.method))
            .expect("a test keeps operations and routes the same");
        let entry = paths.entry(operation.path).or_insert_with(|| json!({}));
        entry[operation.method] = describe(&operation, &mut asked, &mut answered);
        entry[operation.method]["description"] = need.who().into();
    }
    let mut schemas = asked.take_definitions(true);
    schemas.extend(answered.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jobsd",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
            "description": "HTTP/1.1 over the daemon's Unix socket. The caller is known by the credentials of the connection; what it may do \
                is told by the configuration. Clients ignore fields and words that they do not know: new ones may come under /v1.",
        },
        "servers": [{ "url": "http://localhost", "description": "curl --unix-socket /run/jobsd/jobsd.sock http://localhost/v1/jobs" }],
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn describe(operation: &Operation, asked: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
    let mut described = json!({ "summary": operation.summary, "operationId": id(operation) });
    let mut parameters: Vec<Value> = path_parameters(operation.path);
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(query(asked).as_value()));
    }
    if operation.is_conditional {
        parameters.extend(CONDITIONS.map(condition));
    }
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = operation.body {
        let schema = body(asked);
        described["requestBody"] =
            json!({ "required": false, "content": { "application/json": { "schema": schema } } });
    }
    if let Some(kind) = operation.text {
        described["requestBody"] = json!({ "required": true, "content": { kind: {} } });
    }
    let json = |schema: SchemaOf, answered: &mut SchemaGenerator| json!({ "application/json": { "schema": schema(answered) } });
    let (status, content) = match operation.answer {
        Answer::Json(status, schema) => (status, json(schema, answered)),
        Answer::Verdict(schema) => (200, json(schema, answered)),
        Answer::Text(kind) => (200, json!({ kind: {} })),
    };
    let codes: Vec<String> = ErrorCode::ALL.iter().map(|code| format!("{} ({})", code.name(), code.status())).collect();
    described["responses"] = json!({
        status.to_string(): { "description": "as asked", "content": content },
        "default": {
            "description": format!("refused; `code` is one of {}", codes.join(", ")),
            "content": { "application/json": { "schema": answered.subschema_for::<ErrorBody>() } },
        },
    });
    if let Answer::Verdict(_) = operation.answer {
        described["responses"]["503"] =
            json!({ "description": "not well", "content": described["responses"]["200"]["content"] });
    }
    described
}

/// Unique and stable: clients that are made from the document name their functions so.
fn id(operation: &Operation) -> String {
    let place = operation.path.trim_start_matches("/v1/").replace(['{', '}'], "").replace(['/', '.'], "_");
    format!("{}_{}", operation.method, place.trim_matches('_'))
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let schema = match name {
            "number" => json!({ "type": "integer", "minimum": 1 }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    names.map(parameter).collect()
}

/// What a change of a file is made under; one of them must be said.
const CONDITIONS: [(&str, &str); 2] = [
    ("If-Match", "The entity tag of the file that is replaced or deleted; * for any."),
    ("If-None-Match", "* for a file that must not be there yet."),
];

fn condition((name, description): (&str, &str)) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": { "type": "string" } })
}

/// The fields of a query's type, each a parameter.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, field): (&String, &Value)| {
        let mut field = field.clone();
        let description = field.as_object_mut().and_then(|field| field.remove("description")).unwrap_or_default();
        json!({ "name": name, "in": "query", "required": false, "description": description, "schema": field })
    };
    fields.map(parameter).collect()
}

/// A type's own schema, its fields at hand, rather than a reference to it.
fn fields_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|field| references(field, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let place = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(place).is_some(), "{reference}");
        }
    }

    #[test]
    fn operations_have_ids_of_their_own() {
        let ids: Vec<String> = operations().iter().map(id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn answers_leave_nothing_out_and_requests_may() {
        let document = document();
        let required = |name: &str| document["components"]["schemas"][name]["required"].as_array().map_or(0, Vec::len);
        let fields = |name: &str| document["components"]["schemas"][name]["properties"].as_object().map_or(0, Map::len);
        assert_eq!(required("Job"), fields("Job"));
        assert_eq!(required("PauseRequest"), 0);
        assert!(fields("PauseRequest") > 0);
    }
}
