//! The annotations of a Service as a JSON Schema: the cloud provider's by name, with meaning and form, any other as text.
//!
//! An editor completes and explains them with it. It refuses no text that the cloud provider takes; what is legal and
//! unwise is for `privlink check` to say.

use schemars::Schema;
use schemars::SchemaGenerator;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::domain::annotation;

const BYTE: &str = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const GUID: &str = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}";
const TRUE_OR_FALSE: &str = "([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])";

/// The schema of `metadata.annotations` of a Service.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let known: Map<String, Value> =
        annotation::MEANINGS.iter().map(|(key, meaning)| ((*key).to_owned(), of(key, meaning))).collect();
    let schema = json!({
        "type": "object",
        "properties": known,
        "patternProperties": { port_keys(): {
            "type": "string",
            "description": "What holds for one port only: its number stands in the key.",
        } },
        "additionalProperties": { "type": "string" },
    });
    schema.try_into().expect("it is an object")
}

fn of(key: &str, meaning: &str) -> Value {
    let mut schema = form(key);
    schema["type"] = json!("string");
    schema["description"] = json!(meaning.trim());
    schema
}

/// The keys of single ports, such as `service.beta.kubernetes.io/port_443_no_probe_rule`.
fn port_keys() -> String {
    let prefix = annotation::PREFIX.replace('.', "\\.");
    format!("^{prefix}port_[0-9]+_({})$", annotation::PORT_SUFFIXES.join("|"))
}

/// How the text of one annotation is written.
fn form(key: &str) -> Value {
    let list = |item: &str| format!("^ *({item}( +{item})*)? *$");
    let address = format!("{BYTE}(\\.{BYTE}){{3}}");
    match key {
        // Any other spelling leaves the load balancer public.
        annotation::INTERNAL => json!({ "enum": ["true", "false"] }),
        annotation::PLS_CREATE | annotation::PLS_PROXY_PROTOCOL => {
            words(&["true", "false"], &format!("^\\s*{TRUE_OR_FALSE}\\s*$"))
        }
        annotation::HA_PORTS
        | annotation::DISABLE_FLOATING_IP
        | annotation::DISABLE_TCP_RESET
        | annotation::DISABLE_NSG_RULE
        | annotation::DENY_ALL => words(&["true", "false"], &format!("^{TRUE_OR_FALSE}$")),
        annotation::IPV4 => json!({ "pattern": format!("^{address}$"), "examples": ["10.224.10.224"] }),
        annotation::IPV6 => json!({ "pattern": "^[0-9A-Fa-f:.]+$", "examples": ["fd00:1::25"] }),
        annotation::PLS_ADDRESSES => json!({ "pattern": list(&address), "examples": ["10.225.1.8 10.225.1.9"] }),
        annotation::PLS_ADDRESS_COUNT => words(&["1", "2", "3", "4", "5", "6", "7", "8"], "^\\s*\\+?0*[1-8]\\s*$"),
        annotation::PLS_VISIBILITY => json!({
            "pattern": list(&format!("(\\*|{GUID})")),
            "examples": ["*", "00000000-0000-0000-0000-000000000002 00000000-0000-0000-0000-000000000003"],
        }),
        annotation::PLS_AUTO_APPROVAL => {
            json!({ "pattern": list(GUID), "examples": ["00000000-0000-0000-0000-000000000002"] })
        }
        annotation::PLS_FQDNS => json!({ "examples": ["orders.example.com orders.example.net"] }),
        annotation::PLS_NAME => json!({
            "pattern": "^\\s*[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?\\s*$",
            "examples": ["pls-orders"],
        }),
        annotation::IDLE_TIMEOUT => json!({ "pattern": "^\\s*\\+?0*([4-9]|[1-9][0-9]|100)\\s*$", "examples": ["4"] }),
        annotation::PROBE_PROTOCOL => words(&["tcp", "http", "https"], "^([Tt][Cc][Pp]|[Hh][Tt][Tt][Pp][Ss]?)$"),
        annotation::PROBE_PATH => json!({ "examples": ["/healthz"] }),
        annotation::PROBE_INTERVAL | annotation::PROBE_COUNT => json!({ "pattern": "^\\s*\\+?[0-9]+\\s*$" }),
        annotation::ALLOWED_RANGES | annotation::SOURCE_RANGES => json!({ "examples": ["10.0.0.0/8,192.168.0.0/16"] }),
        annotation::ALLOWED_TAGS => json!({ "examples": ["AzureFrontDoor.Backend"] }),
        annotation::INTERNAL_SUBNET | annotation::PLS_SUBNET => json!({ "examples": ["apps-subnet"] }),
        _ => json!({}),
    }
}

/// The usual words, offered by editors, and whatever else means the same.
fn words(usual: &[&str], pattern: &str) -> Value {
    json!({ "anyOf": [{ "enum": usual }, { "pattern": pattern }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_annotation_that_the_cloud_provider_reads_has_its_meaning() {
        let schema = super::schema(&mut SchemaGenerator::default()).to_value();
        for key in annotation::KNOWN {
            let meaning = schema["properties"][key]["description"].as_str().unwrap_or_default();
            assert!(meaning.ends_with('.') && !meaning.starts_with(' '), "{key}: {meaning:?}");
        }
    }

    #[test]
    fn the_keys_of_single_ports_are_those_that_are_read() {
        assert_eq!(
            port_keys(),
            "^service\\.beta\\.kubernetes\\.io/port_[0-9]+_(no_lb_rule|no_probe_rule|health-probe_protocol|\
             health-probe_port|health-probe_interval|health-probe_num-of-probe|health-probe_request-path)$"
        );
    }
}
