//! Whether JSON is as the document describes it: as much of JSON Schema (2020-12) as the document uses.

use serde_json::Value;

/// The schema of an answer, by operation and status; the one of failures for whatever is not described.
pub(crate) fn of_answer<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> &'a Value {
    let (method, status) = (method.to_lowercase(), status.to_string());
    let responses = &document["paths"][path][method.as_str()]["responses"];
    assert!(responses.is_object(), "{method} {path} is not described");
    let response = responses.get(&status).unwrap_or(&responses["default"]);
    &response["content"]["application/json"]["schema"]
}

/// Panics where a value does not fit, and where it holds what is not described.
pub(crate) fn judge(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("no {name}"));
        return judge(document, schema, value, at);
    }
    for (key, _) in schema.as_object().unwrap_or_else(|| panic!("{at}: no schema: {schema}")) {
        let known = [
            "$ref",
            "type",
            "description",
            "properties",
            "required",
            "items",
            "oneOf",
            "format",
            "minimum",
            "maximum",
            "example",
            "examples",
            "minItems",
            "maxItems",
            "additionalProperties",
            "propertyNames",
        ];
        assert!(known.contains(&key.as_str()), "{at}: the judge does not know {key}");
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let fitting: Vec<_> = ways.iter().filter(|way| is_of_type(document, way, value)).collect();
        assert_eq!(fitting.len(), 1, "{at}: {value} fits {} of {schema}", fitting.len());
        return judge(document, fitting[0], value, at);
    }
    assert!(is_of_type(document, schema, value), "{at}: {value} is not {schema}");
    if let Some(minimum) = schema["minimum"].as_f64() {
        assert!(value.is_null() || value.as_f64().unwrap() >= minimum, "{at}: {value}");
    }
    if schema["format"] == "date-time" && !value.is_null() {
        let text = value.as_str().unwrap();
        assert!(text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{at}: {text}");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, value) in values.iter().enumerate() {
            judge(document, items, value, &format!("{at}/{index}"));
        }
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(fields.contains_key(name.as_str().unwrap()), "{at}: no {name} in {value}");
    }
    if let Some(properties) = schema["properties"].as_object() {
        for (name, value) in fields {
            let schema = properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not described"));
            judge(document, schema, value, &format!("{at}/{name}"));
        }
    }
}

fn is_of_type(document: &Value, schema: &Value, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        return is_of_type(document, document.pointer(name.strip_prefix('#').unwrap()).unwrap(), value);
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    };
    match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        _ => panic!("no type in {schema}"),
    }
}

#[test]
fn the_judge_judges() {
    let document = serde_json::json!({ "components": { "schemas": { "A": {
        "type": "object", "required": ["b"],
        "properties": { "b": { "type": "integer", "minimum": 1 }, "c": { "type": ["string", "null"] } },
    } } } });
    let schema = serde_json::json!({ "$ref": "#/components/schemas/A" });
    let fits = |value: Value| std::panic::catch_unwind(|| judge(&document, &schema, &value, "")).is_ok();
    assert!(fits(serde_json::json!({ "b": 1, "c": null })) && fits(serde_json::json!({ "b": 2 })));
    for wrong in [
        serde_json::json!({ "b": 0 }),
        serde_json::json!({ "b": "1" }),
        serde_json::json!({ "c": "x" }),
        serde_json::json!({ "b": 1, "d": 1 }),
        serde_json::json!([]),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
