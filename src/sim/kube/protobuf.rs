//! Bodies in protobuf, as kubectl and the controllers of Kubernetes send them unless told otherwise.
//!
//! A body is four magic bytes and an envelope that names the kind; the object inside is read by the numbers of its schema
//! and becomes the JSON that the same client would have sent. Answers are JSON always: these clients accept that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::kind::KINDS;
use super::schema::metadata::DELETE_OPTIONS;
use super::schema::review::{SELF_SUBJECT_ACCESS_REVIEW, SELF_SUBJECT_REVIEW, SELF_SUBJECT_RULES_REVIEW};
use super::schema::{Field, Schema, Shape};

/// The content type of such bodies.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";

/// One field on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads a body; `None` if it is not one, or of a kind that is not served.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let mut version = String::new();
    let mut kind = String::new();
    let mut raw: &[u8] = &[];
    for (number, wire) in fields(bytes.strip_prefix(MAGIC)?)? {
        match (number, wire) {
            (1, Wire::Bytes(inner)) => {
                for (number, wire) in fields(inner)? {
                    let Wire::Bytes(text) = wire else { continue };
                    let text = String::from_utf8(text.to_vec()).ok()?;
                    if number == 1 { version = text } else { kind = text }
                }
            }
            (2, Wire::Bytes(inner)) => raw = inner,
            _ => {}
        }
    }
    let mut object = message(shape_of(&version, &kind)?, raw)?;
    object.insert("apiVersion".to_owned(), version.into());
    object.insert("kind".to_owned(), kind.into());
    Some(Value::Object(object))
}

fn shape_of(version: &str, kind: &str) -> Option<&'static Shape> {
    let review = match kind {
        // Every group has it.
        "DeleteOptions" => return Some(&DELETE_OPTIONS),
        "SelfSubjectAccessReview" => Some(&SELF_SUBJECT_ACCESS_REVIEW),
        "SelfSubjectReview" => Some(&SELF_SUBJECT_REVIEW),
        "SelfSubjectRulesReview" => Some(&SELF_SUBJECT_RULES_REVIEW),
        _ => None,
    };
    let served = || KINDS.iter().find(|own| own.name == kind && own.api_version() == version).map(|own| own.schema);
    match review.or_else(served)? {
        Schema::Struct(shape) => Some(shape),
        _ => None,
    }
}

/// Splits a message into its fields.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Wire<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let wire = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(take(&mut bytes, length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        found.push((u32::try_from(key >> 3).ok()?, wire));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(length)?;
    *bytes = tail;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn message(shape: &'static Shape, bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (number, wire) in fields(bytes)? {
        // A number that the schema does not have is a field of a newer client; the real server drops it as well.
        let Some(field) = shape.fields.iter().find(|field| field.number == number) else { continue };
        add(&mut object, field, &wire)?;
    }
    Some(object)
}

/// Adds one occurrence of a field: repeated ones collect, zeros that say nothing stay out.
fn add(object: &mut Map<String, Value>, field: &'static Field, wire: &Wire<'_>) -> Option<()> {
    let name = field.name.to_owned();
    let item = match &field.schema {
        Schema::List(item) => Some(*item),
        Schema::Set => Some(&Schema::Text),
        Schema::Keyed(keyed) => Some(&keyed.item),
        _ => None,
    };
    let entry = match &field.schema {
        Schema::Map | Schema::AtomicMap => Some(&Schema::Text),
        Schema::MapOf(value) => Some(*value),
        _ => None,
    };
    match (item, entry, wire) {
        (Some(item), _, wire) => {
            let value = value_of(item, wire)?;
            object.entry(name).or_insert_with(|| json!([])).as_array_mut()?.push(value);
        }
        (None, Some(schema), Wire::Bytes(bytes)) => {
            let (key, value) = map_entry(schema, bytes)?;
            object.entry(name).or_insert_with(|| json!({})).as_object_mut()?.insert(key, value);
        }
        _ => {
            let value = value_of(&field.schema, wire)?;
            let says_nothing = value.is_null() || value == json!(0) || value == json!(false) || value == json!("");
            if !says_nothing || (field.keeps_zero && !value.is_null()) {
                object.insert(name, value);
            }
        }
    }
    Some(())
}

fn map_entry(schema: &'static Schema, bytes: &[u8]) -> Option<(String, Value)> {
    let (mut key, mut value) = (String::new(), json!(""));
    for (number, wire) in fields(bytes)? {
        match (number, &wire) {
            (1, Wire::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
            (2, wire) => value = value_of(schema, wire)?,
            _ => {}
        }
    }
    Some((key, value))
}

fn value_of(schema: &'static Schema, wire: &Wire<'_>) -> Option<Value> {
    match (schema, wire) {
        (Schema::Whole, Wire::Number(number)) => Some(json!(number.cast_signed())),
        (Schema::Flag, Wire::Number(number)) => Some(json!(*number != 0)),
        (Schema::Text, Wire::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).ok().map(Value::from),
        (Schema::Bytes, Wire::Bytes(bytes)) => Some(json!(STANDARD.encode(bytes))),
        (Schema::Time(is_fine), Wire::Bytes(bytes)) => time(bytes, *is_fine),
        (Schema::WholeOrText, Wire::Bytes(bytes)) => whole_or_text(bytes),
        (Schema::Quantity, Wire::Bytes(bytes)) => only_field(bytes).map(|text| json!(String::from_utf8_lossy(text))),
        (Schema::Embedded, Wire::Bytes(bytes)) => serde_json::from_slice(only_field(bytes)?).ok(),
        (Schema::Struct(shape), Wire::Bytes(bytes)) => message(shape, bytes).map(Value::Object),
        _ => None,
    }
}

fn only_field(bytes: &[u8]) -> Option<&[u8]> {
    match fields(bytes)?.into_iter().next()? {
        (1, Wire::Bytes(inner)) => Some(inner),
        _ => None,
    }
}

/// An empty time is none.
fn time(bytes: &[u8], is_fine: bool) -> Option<Value> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    let found = fields(bytes)?;
    if found.is_empty() {
        return Some(Value::Null);
    }
    for (number, wire) in found {
        match (number, wire) {
            (1, Wire::Number(value)) => seconds = value.cast_signed(),
            (2, Wire::Number(value)) => nanoseconds = i32::try_from(value).ok()?,
            _ => {}
        }
    }
    let moment = Timestamp::from_second(seconds).ok()? + SignedDuration::from_nanos(i64::from(nanoseconds));
    Some(json!(if is_fine { format!("{moment:.6}") } else { format!("{moment:.0}") }))
}

fn whole_or_text(bytes: &[u8]) -> Option<Value> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    for (field, wire) in fields(bytes)? {
        match (field, wire) {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value.cast_signed(),
            (3, Wire::Bytes(value)) => text = String::from_utf8(value.to_vec()).ok()?,
            _ => {}
        }
    }
    Some(if is_text { json!(text) } else { json!(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    fn envelope(version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let types = [tagged(1, version.as_bytes()), tagged(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), tagged(1, &types), tagged(2, raw)].concat()
    }

    #[test]
    fn a_service_becomes_the_json_that_the_client_would_have_sent() {
        let metadata = [
            tagged(1, b"web"),
            tagged(2, b""),
            tagged(8, &[]),
            tagged(11, &[tagged(1, b"a"), tagged(2, b"b")].concat()),
        ];
        // Port 80 with the target port "http" and no node port.
        let target = [vec![8, 1, 16, 0], tagged(3, b"http")].concat();
        let port = [tagged(2, b"TCP"), vec![24, 80], tagged(4, &target), vec![40, 0]].concat();
        let spec = [tagged(1, &port), tagged(4, b"LoadBalancer"), vec![0xa0, 1, 0]].concat();
        let raw = [tagged(1, &metadata.concat()), tagged(2, &spec)].concat();
        let expected = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "labels": {"a": "b"}},
            "spec": {
                "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false,
                "ports": [{"port": 80, "protocol": "TCP", "targetPort": "http"}],
            },
        });
        assert_eq!(decode(&envelope("v1", "Service", &raw)).unwrap(), expected);
    }

    #[test]
    fn times_keep_the_fraction_that_their_field_has() {
        let moment = [vec![8], vec![0x80, 0xa4, 0x8c, 0xca, 0x06], vec![16, 0xc0, 0x84, 0x3d]].concat();
        let spec = tagged(4, &moment);
        let lease = decode(&envelope("coordination.k8s.io/v1", "Lease", &tagged(2, &spec))).unwrap();
        let time = lease["spec"]["renewTime"].as_str().unwrap();
        assert!(time.ends_with(".001000Z"), "{time}");
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_refused() {
        let whole = envelope("v1", "ConfigMap", &tagged(1, &tagged(1, b"a")));
        assert!(decode(&whole).is_some());
        assert!(decode(&whole[..whole.len() - 1]).is_none());
        assert!(decode(&envelope("apps/v1", "Deployment", &[])).is_none());
    }
}
