// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What judges documents by a schema.

use serde_json::Value;

/// Two validators that share nothing but the schema.
pub(crate) struct Judges {
    first: jsonschema::Validator,
    schemas: boon::Schemas,
    second: boon::SchemaIndex,
}

impl Judges {
    pub(crate) fn new(schema: &Value) -> Self {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        let name = schema["$id"].as_str().unwrap();
        compiler.add_resource(name, schema.clone()).unwrap();
        Judges {
            first: jsonschema::draft202012::new(schema).unwrap(),
            second: compiler.compile(name, &mut schemas).unwrap(),
            schemas,
        }
    }

    /// What each of them says.
    pub(crate) fn accept(&self, document: &Value) -> [bool; 2] {
        let second = self.schemas.validate(document, self.second).is_ok();
        [self.first.is_valid(document), second]
    }
}
