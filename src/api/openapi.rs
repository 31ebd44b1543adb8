//! The description of the API for programs: OpenAPI 3.1, made of the table of routes and of the wire types.
//!
//! Each route of the table says what it takes and what it answers, so that no path can be without its description.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::types::ErrorBody;

/// What one path with one method takes and answers.
#[derive(Clone, Debug)]
pub struct Operation {
    summary: &'static str,
    query: Option<Shape>,
    body: Option<Shape>,
    answers: Vec<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    what: &'static str,
    media_type: &'static str,
    shape: Option<Shape>,
}

impl Operation {
    /// An operation whose answer is told next.
    pub const fn new(summary: &'static str) -> Self {
        Self { summary, query: None, body: None, answers: Vec::new() }
    }

    /// With these parameters in its query.
    #[must_use]
    pub fn query<T: ToSchema>(self) -> Self {
        Self { query: Some(Shape::of::<T>()), ..self }
    }

    /// With this body, which may be left out.
    #[must_use]
    pub fn body<T: ToSchema>(self) -> Self {
        Self { body: Some(Shape::of::<T>()), ..self }
    }

    /// Answers 200 with this in JSON.
    #[must_use]
    pub fn gives<T: ToSchema>(self) -> Self {
        self.gives_as::<T>(200)
    }

    /// Answers with this status, and this in JSON.
    #[must_use]
    pub fn gives_as<T: ToSchema>(mut self, status: u16) -> Self {
        let (what, media_type) = ("What was asked for.", "application/json");
        self.answers.push(Answer { status, what, media_type, shape: Some(Shape::of::<T>()) });
        self
    }

    /// Answers 200 with something that is no JSON object.
    #[must_use]
    pub fn streams(mut self, media_type: &'static str, what: &'static str) -> Self {
        self.answers.push(Answer { status: 200, what, media_type, shape: None });
        self
    }

    /// Answers 200 with a stream, each of whose parts is one of these in JSON.
    #[must_use]
    pub fn streams_of<T: ToSchema>(mut self, media_type: &'static str, what: &'static str) -> Self {
        self.answers.push(Answer { status: 200, what, media_type, shape: Some(Shape::of::<T>()) });
        self
    }

    fn describe(&self, method: &str, path: &str, schemas: &mut Schemas) -> Value {
        let mut parameters: Vec<Value> = parameters_of_path(path).map(path_parameter).collect();
        parameters.extend(self.query.iter().flat_map(|query| query_parameters(*query, schemas)));
        let mut responses = Map::new();
        for Answer { status, what, media_type, shape } in &self.answers {
            let schema = shape.map_or_else(|| json!({"type": "string"}), |shape| schemas.reference(shape));
            let response = responses.entry(status.to_string()).or_insert_with(|| json!({"description": what}));
            response["content"][media_type] = json!({"schema": schema});
        }
        let error = schemas.reference(Shape::of::<ErrorBody>());
        let content = json!({"application/json": {"schema": error}});
        responses.insert("default".to_owned(), json!({"description": "What went wrong.", "content": content}));
        let mut operation = json!({
            "operationId": operation_id(method, path),
            "summary": self.summary,
            "responses": responses,
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if let Some(body) = self.body {
            let content = json!({"application/json": {"schema": schemas.reference(body)}});
            operation["requestBody"] = json!({"required": false, "content": content});
        }
        operation
    }
}

/// A wire type, as far as its description goes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    name: fn() -> std::borrow::Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
    nested: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    fn of<T: ToSchema>() -> Self {
        Self { name: T::name, schema: T::schema, nested: T::schemas }
    }

    fn to_json(self) -> Value {
        serde_json::to_value((self.schema)()).expect("a schema has text keys")
    }
}

/// The schemas that operations refer to, by name.
#[derive(Debug, Default)]
struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    fn reference(&mut self, shape: Shape) -> Value {
        let name = (shape.name)().into_owned();
        self.0.insert(name.clone(), shape.to_json());
        self.add_nested(shape);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn add_nested(&mut self, shape: Shape) {
        let mut nested = Vec::new();
        (shape.nested)(&mut nested);
        for (name, schema) in nested {
            self.0.insert(name, serde_json::to_value(schema).expect("a schema has text keys"));
        }
    }
}

/// The whole description of `routes`: method, path and operation of each.
pub fn document<'a>(routes: impl Iterator<Item = (&'static str, &'static str, &'a Operation)>) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Schemas::default());
    for (method, path, operation) in routes {
        let described = operation.describe(method, path, &mut schemas);
        paths.entry(path).or_insert_with(|| json!({}))[method] = described;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jobsd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP over a Unix socket. The caller is known by the socket; there is no other \
                            authentication. Every answer names its request in the header X-Request-Id.",
            "license": {"name": env!("CARGO_PKG_LICENSE")},
        },
        "paths": paths,
        "components": {"schemas": schemas.0},
    })
}

fn parameters_of_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let schema = match name {
        "number" => json!({"type": "integer", "minimum": 1}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema})
}

/// Each field of a query is a parameter of its own.
fn query_parameters(query: Shape, schemas: &mut Schemas) -> Vec<Value> {
    schemas.add_nested(query);
    let mut described = query.to_json();
    let Some(Value::Object(fields)) = described.get_mut("properties").map(Value::take) else { return Vec::new() };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
    };
    fields.into_iter().map(parameter).collect()
}

/// A name for generated clients, as in `get_jobs_job_next`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(['/', '.', '_']).map(|part| part.trim_matches(['{', '}']));
    let words: Vec<&str> = words.filter(|part| !part.is_empty() && *part != "v1").collect();
    format!("{method}_{}", words.join("_"))
}
