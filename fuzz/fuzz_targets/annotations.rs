//! Annotations of a Service: every parser reads any text, and what is decoded can be encoded again.
//!
//! The input is one annotation a line, `azure-pls-create: true`, without the prefix of the keys.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use privlink::domain::annotation;
use privlink::domain::annotation::Encoder;
use privlink::domain::annotation::PrivateLinkAnnotations;
use privlink::domain::annotation::Token;
use privlink::domain::resource::private_link_service::AutoApproval;
use privlink::value::Value;

fuzz_target!(|text: &str| {
    parsers(text);
    let annotations: BTreeMap<String, String> = text.lines().filter_map(entry).collect();
    for (key, text) in &annotations {
        parsers(text);
        annotation::port_key(key);
        decodes_again(key, text);
    }
    annotation::pinned_addresses(&annotations);
    publishes_again(&annotations);
});

fn entry(line: &str) -> Option<(String, String)> {
    let (key, text) = line.split_once(": ")?;
    // An escape lets a text hold what ends a line.
    Some((format!("{}{key}", annotation::PREFIX), text.replace("\\n", "\n")))
}

fn parsers(text: &str) {
    let tokens: Vec<Token<'_>> = annotation::tokens(text).collect();
    in_order(text, &tokens);
    assert!(tokens.iter().all(|token| !token.text.is_empty() && !token.text.contains(' ')));
    let items: Vec<Token<'_>> = annotation::items(text).collect();
    in_order(text, &items);
    assert_eq!(items.len(), text.matches(',').count() + 1);
    let (exact, folded, trimmed) =
        (annotation::is_true_exact(text), annotation::is_true_folded(text), annotation::is_true_trimmed(text));
    assert!((!exact || folded) && (!folded || trimmed), "a stricter reading is true only where a looser one is");
    assert!(!folded || annotation::is_boolean_folded(text));
    assert!(!exact || !annotation::is_misspelt_internal(text));
    if let Some(number) = annotation::int32(text) {
        assert_eq!(annotation::int32(&number.to_string()), Some(number));
    }
}

fn in_order(text: &str, tokens: &[Token<'_>]) {
    let mut end = 0;
    for token in tokens {
        assert!(token.range.start >= end);
        assert_eq!(text.get(token.range.clone()), Some(token.text));
        assert_eq!(token.text.trim(), token.text);
        end = token.range.end;
    }
}

fn decodes_again(key: &str, text: &str) {
    let value = annotation::decode(key, text);
    let again = match &value {
        Value::Set(items) => items.iter().cloned().collect::<Vec<_>>().join(" "),
        Value::List(items) => items.join(" "),
        Value::Integer(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => text.to_owned(),
    };
    assert_eq!(annotation::decode(key, &again), value);
}

fn publishes_again(annotations: &BTreeMap<String, String>) {
    match PrivateLinkAnnotations::read(annotations) {
        Ok(None) => assert!(!annotation::wants_private_link(annotations)),
        Ok(Some(read)) => {
            let written = encode(&read);
            assert_eq!(PrivateLinkAnnotations::read(&written), Ok(Some(read)));
        }
        Err(errors) => assert!(errors.iter().all(|error| annotation::PLS_KEYS.contains(&error.key))),
    }
}

fn encode(read: &PrivateLinkAnnotations) -> BTreeMap<String, String> {
    let PrivateLinkAnnotations {
        name,
        resource_group,
        subnet,
        count,
        addresses,
        fqdns,
        proxy_protocol,
        visibility,
        auto_approval,
    } = read;
    let encoder = Encoder::new()
        .text(annotation::PLS_NAME, name.as_ref())
        .text(annotation::PLS_RESOURCE_GROUP, resource_group.as_ref())
        .text(annotation::PLS_SUBNET, subnet.as_ref())
        .text(annotation::PLS_ADDRESS_COUNT, Some(count))
        .list(annotation::PLS_ADDRESSES, addresses)
        .list(annotation::PLS_FQDNS, fqdns)
        .text(annotation::PLS_PROXY_PROTOCOL, Some(proxy_protocol))
        .visibility(visibility);
    let encoder = match auto_approval {
        AutoApproval::Everybody => encoder.text(annotation::PLS_AUTO_APPROVAL, Some("*")),
        AutoApproval::Subscriptions(ids) => encoder.list(annotation::PLS_AUTO_APPROVAL, ids),
    };
    encoder.finish()
}
