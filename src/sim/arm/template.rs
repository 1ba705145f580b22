//! The expressions of deployment templates: `[concat('a', parameters('b'))]`.
//!
//! The functions are those that clients' own templates use. Any other one is refused by name, so that nobody takes an
//! unevaluated text for a value.

use serde_json::{Map, Value, json};

use crate::sim::arm::error::ArmError;

/// What expressions can speak of.
pub(crate) struct Scope<'a> {
    pub(crate) subscription: &'a str,
    pub(crate) group: &'a str,
    pub(crate) location: &'a str,
    pub(crate) deployment: &'a str,
    pub(crate) parameters: &'a Map<String, Value>,
    pub(crate) variables: &'a Map<String, Value>,
    /// The properties of a resource, by id or by the name it has in the template; only outputs may ask.
    pub(crate) reference: &'a dyn Fn(&str) -> Option<Value>,
}

pub(crate) fn invalid(why: impl AsRef<str>) -> ArmError {
    ArmError::invalid("InvalidTemplate", format!("Deployment template validation failed: '{}'.", why.as_ref()))
}

impl Scope<'_> {
    /// Evaluates every expression in a value.
    ///
    /// # Errors
    /// `InvalidTemplate` if an expression cannot be read or names something that is not there.
    pub(crate) fn evaluate(&self, value: &Value) -> Result<Value, ArmError> {
        match value {
            Value::String(text) => self.evaluate_text(text),
            Value::Array(items) => items.iter().map(|item| self.evaluate(item)).collect(),
            Value::Object(fields) => {
                let evaluated = fields.iter().map(|(key, value)| Ok((key.clone(), self.evaluate(value)?)));
                Ok(Value::Object(evaluated.collect::<Result<_, ArmError>>()?))
            }
            other => Ok(other.clone()),
        }
    }

    /// A text in brackets is an expression; two opening brackets stand for one that is none.
    fn evaluate_text(&self, text: &str) -> Result<Value, ArmError> {
        if text.starts_with("[[") {
            return Ok(json!(text[1..]));
        }
        let Some(source) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            return Ok(json!(text));
        };
        let mut reader = Reader { rest: source.trim(), scope: self };
        let value = reader.expression()?;
        if reader.rest.is_empty() { Ok(value) } else { Err(invalid(format!("the expression {text} does not end"))) }
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, ArmError> {
        let text = |index: usize| arguments.get(index).and_then(Value::as_str).unwrap_or_default();
        let named = |values: &Map<String, Value>, kind: &str| {
            let found = values.iter().find(|(name, _)| name.eq_ignore_ascii_case(text(0)));
            found
                .map(|(_, value)| value.clone())
                .ok_or_else(|| invalid(format!("the {kind} '{}' is not there", text(0))))
        };
        match function.to_ascii_lowercase().as_str() {
            "concat" => Ok(concat(arguments)),
            "format" => Ok(json!(format(text(0), arguments.get(1..).unwrap_or_default()))),
            "tolower" => Ok(json!(text(0).to_lowercase())),
            "toupper" => Ok(json!(text(0).to_uppercase())),
            "parameters" => named(self.parameters, "parameter"),
            "variables" => self.evaluate(&named(self.variables, "variable")?),
            "resourceid" => self.resource_id(arguments),
            "reference" => (self.reference)(text(0))
                .ok_or_else(|| invalid(format!("the resource '{}' cannot be referred to here", text(0)))),
            "resourcegroup" => Ok(json!({
                "id": format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.group),
                "name": self.group, "location": self.location,
            })),
            "subscription" => {
                Ok(json!({"id": format!("/subscriptions/{}", self.subscription), "subscriptionId": self.subscription}))
            }
            "deployment" => Ok(json!({"name": self.deployment})),
            _ => Err(invalid(format!("the template function '{function}' is not served by the simulator"))),
        }
    }

    /// `resourceId([subscription], [group], type, name…)`: the type is the first argument with a slash.
    fn resource_id(&self, arguments: &[Value]) -> Result<Value, ArmError> {
        let words: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        let at = words.iter().position(|word| word.contains('/')).filter(|at| *at <= 2);
        let Some(at) = at else { return Err(invalid("resourceId names no resource type")) };
        let (subscription, group) = match words[..at] {
            [subscription, group] => (subscription, group),
            [group] => (self.subscription, group),
            _ => (self.subscription, self.group),
        };
        let mut types = words[at].split('/');
        let namespace = types.next().unwrap_or_default();
        let (types, names): (Vec<&str>, &[&str]) = (types.collect(), &words[at + 1..]);
        if types.len() != names.len() {
            return Err(invalid(format!("resourceId of {} has {} names", words[at], names.len())));
        }
        let pairs: Vec<String> = types.iter().zip(names).map(|(kind, name)| format!("{kind}/{name}")).collect();
        let home = format!("/subscriptions/{subscription}/resourceGroups/{group}");
        Ok(json!(format!("{home}/providers/{namespace}/{}", pairs.join("/"))))
    }
}

fn concat(arguments: &[Value]) -> Value {
    if arguments.iter().any(Value::is_array) {
        return arguments.iter().flat_map(|list| list.as_array().cloned().unwrap_or_default()).collect();
    }
    json!(arguments.iter().map(plain).collect::<String>())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn format(pattern: &str, arguments: &[Value]) -> String {
    let numbered = arguments.iter().enumerate();
    numbered.fold(pattern.to_owned(), |text, (index, value)| text.replace(&format!("{{{index}}}"), &plain(value)))
}

/// Reads an expression from left to right and evaluates it on the way.
struct Reader<'a> {
    rest: &'a str,
    scope: &'a Scope<'a>,
}

impl Reader<'_> {
    fn take(&mut self, sign: char) -> bool {
        let found = self.rest.strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest).trim_start();
        found.is_some()
    }

    fn word(&mut self, fits: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word.to_owned()
    }

    fn expression(&mut self) -> Result<Value, ArmError> {
        let mut value = self.operand()?;
        loop {
            if self.take('.') {
                let name = self.word(|c| c.is_alphanumeric() || c == '_');
                value = value.get(&name).cloned().ok_or_else(|| invalid(format!("there is no property '{name}'")))?;
            } else if self.take('[') {
                let index = self.expression()?;
                let found = match &index {
                    Value::String(name) => value.get(name),
                    index => index.as_u64().and_then(|index| value.get(usize::try_from(index).ok()?)),
                };
                value = found.cloned().ok_or_else(|| invalid(format!("there is no element {index}")))?;
                if !self.take(']') {
                    return Err(invalid("a bracket is not closed"));
                }
            } else {
                return Ok(value);
            }
        }
    }

    fn operand(&mut self) -> Result<Value, ArmError> {
        if self.rest.starts_with('\'') {
            return self.text();
        }
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            let digits = self.word(|c| c.is_ascii_digit() || c == '-');
            return digits.parse::<i64>().map(Value::from).map_err(|_| invalid(format!("{digits} is no number")));
        }
        let name = self.word(|c| c.is_alphanumeric() || c == '_');
        if name.is_empty() || !self.take('(') {
            return Err(invalid(format!("'{}{}' is no expression", name, self.rest)));
        }
        let mut arguments = Vec::new();
        while !self.take(')') {
            arguments.push(self.expression()?);
            if !self.take(',') && !self.rest.starts_with(')') {
                return Err(invalid(format!("the call of {name} is not closed")));
            }
        }
        self.scope.call(&name, &arguments)
    }

    /// A text in quotes; two quotes stand for one.
    fn text(&mut self) -> Result<Value, ArmError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            match (character, characters.peek()) {
                ('\'', Some((_, '\''))) => {
                    text.push('\'');
                    characters.next();
                }
                ('\'', _) => {
                    self.rest = self.rest[at + 1..].trim_start();
                    return Ok(json!(text));
                }
                (other, _) => text.push(other),
            }
        }
        Err(invalid("a text is not closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(text: &str) -> Result<Value, String> {
        let fields = |value: Value| value.as_object().cloned().unwrap();
        let parameters = fields(json!({"name": "web", "list": [1, 2]}));
        let variables = fields(json!({"id": "[concat('v', '-', parameters('name'))]"}));
        let scope = Scope {
            subscription: "S",
            group: "rg",
            location: "eastus2",
            deployment: "d",
            parameters: &parameters,
            variables: &variables,
            reference: &|name| (name == "lb").then(|| json!({"state": "here"})),
        };
        scope.evaluate(&json!(text)).map_err(|error| error.message)
    }

    #[test]
    fn functions_properties_and_elements_are_evaluated() {
        for (text, expected) in [
            ("plain", json!("plain")),
            ("[[not('this')]", json!("[not('this')]")),
            ("[concat(parameters('NAME'), '''', 1)]", json!("web'1")),
            ("[variables('id')]", json!("v-web")),
            ("[parameters('list')[1]]", json!(2)),
            ("[resourceGroup().location]", json!("eastus2")),
            ("[format('{0}-{1}', toUpper('a'), subscription().subscriptionId)]", json!("A-S")),
            ("[reference('lb').state]", json!("here")),
            (
                "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
                json!("/subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"),
            ),
            ("[resourceId('other', 'A.B/c', 'd')]", json!("/subscriptions/S/resourceGroups/other/providers/A.B/c/d")),
        ] {
            assert_eq!(evaluate(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused_by_name() {
        for (text, part) in [
            ("[uniqueString('a')]", "'uniqueString' is not served"),
            ("[parameters('none')]", "parameter 'none' is not there"),
            ("[reference('x')]", "'x' cannot be referred to"),
            ("[concat('a']", "concat is not closed"),
            ("[concat('a') b]", "does not end"),
            ("['a]", "not closed"),
        ] {
            let message = evaluate(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
