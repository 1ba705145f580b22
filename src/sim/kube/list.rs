//! Lists: selectors, pages, and which objects a watch may show.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::kind::{Kind, Target};
use super::schema::text_map;
use super::status_error::ApiError;
use super::store::{Key, Store};

/// Which objects of a kind somebody asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    namespace: Option<String>,
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Equals(String, String),
    Differs(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
}

impl Selection {
    /// Reads the selectors of a query.
    ///
    /// # Errors
    /// 400 if a selector cannot be read or names a field that cannot be selected.
    pub(crate) fn of(target: &Target, labels: Option<&str>, fields: Option<&str>) -> Result<Self, ApiError> {
        let mut fields = parse(fields.unwrap_or_default())?;
        fields.extend(target.name.iter().map(|name| Requirement::Equals("metadata.name".to_owned(), name.clone())));
        if let Some(Requirement::Equals(field, _) | Requirement::Differs(field, _)) =
            fields.iter().find(|requirement| !requirement.is_selectable(target.kind))
        {
            return Err(ApiError::bad_request(format!("field label not supported: {field}")));
        }
        Ok(Self { namespace: target.namespace.clone(), labels: parse(labels.unwrap_or_default())?, fields })
    }

    /// True if an object belongs to the selection.
    pub(crate) fn takes(&self, key: &Key, object: &Value) -> bool {
        let labels = text_map(object["metadata"].get("labels"));
        self.namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace)
            && self.labels.iter().all(|requirement| requirement.holds(|name| labels.get(name).cloned()))
            && self.fields.iter().all(|requirement| requirement.holds(|name| field_text(object, name)))
    }
}

fn field_text(object: &Value, path: &str) -> Option<String> {
    let value = object.pointer(&format!("/{}", path.replace('.', "/")))?;
    value.as_str().map(str::to_owned).or_else(|| Some(value.to_string()))
}

impl Requirement {
    fn is_selectable(&self, kind: &Kind) -> bool {
        let (Self::Equals(field, _) | Self::Differs(field, _)) = self else { return false };
        let own: &[&str] = match kind.plural {
            "services" => &["spec.type", "spec.clusterIP"],
            "events" => &[
                "involvedObject.kind",
                "involvedObject.name",
                "involvedObject.namespace",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.fieldPath",
                "involvedObject.resourceVersion",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            "nodes" => &["spec.unschedulable"],
            "namespaces" => &["status.phase"],
            _ => &[],
        };
        matches!(field.as_str(), "metadata.name" | "metadata.namespace") || own.contains(&field.as_str())
    }

    fn holds(&self, value: impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Equals(key, wanted) => value(key).unwrap_or_default() == *wanted,
            Self::Differs(key, unwanted) => value(key).unwrap_or_default() != *unwanted,
            Self::In(key, wanted) => value(key).is_some_and(|value| wanted.contains(&value)),
            Self::NotIn(key, unwanted) => value(key).is_none_or(|value| !unwanted.contains(&value)),
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
        }
    }
}

fn parse(selector: &str) -> Result<Vec<Requirement>, ApiError> {
    split_outside_parentheses(selector).into_iter().map(parse_one).collect()
}

fn split_outside_parentheses(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = selector.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn parse_one(part: &str) -> Result<Requirement, ApiError> {
    let own = |text: &str| text.trim().to_owned();
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Requirement::Differs(own(key), own(value)));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::Equals(own(key), own(value)));
    }
    for word in [" notin ", " in "] {
        let Some((key, rest)) = part.split_once(word) else { continue };
        let values = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        let values = values.ok_or_else(|| ApiError::bad_request(format!("unable to parse requirement: {part:?}")))?;
        let (key, values) = (own(key), values.split(',').map(own).collect());
        return Ok(if word == " in " { Requirement::In(key, values) } else { Requirement::NotIn(key, values) });
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(Requirement::Missing(own(key))),
        None if part.contains(' ') => Err(ApiError::bad_request(format!("unable to parse requirement: {part:?}"))),
        None => Ok(Requirement::Exists(own(part))),
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<String>,
}

/// What a list found.
pub(crate) struct Found {
    pub(crate) items: Vec<Value>,
    pub(crate) metadata: Value,
}

/// Lists objects, a page at a time if asked.
///
/// # Errors
/// 400 if the continue token is not one of ours, 410 if it is older than the history.
pub(crate) fn list(store: &Store, (kind, selection): (&Kind, &Selection), page: &Page) -> Result<Found, ApiError> {
    let start = page.after.as_deref().map(|token| read_token(store, token)).transpose()?;
    let all: Vec<(&Key, &Value)> = store
        .list(kind, None)
        .filter(|(key, object)| selection.takes(key, object))
        .filter(|(key, _)| start.as_ref().is_none_or(|start| (&key.namespace, &key.name) > (&start.0, &start.1)))
        .collect();
    let count = page.limit.filter(|limit| *limit > 0).unwrap_or(all.len()).min(all.len());
    let mut metadata = json!({"resourceVersion": store.version().to_string()});
    if let (true, Some((last, _))) = (count < all.len(), all[..count].last()) {
        metadata["continue"] = json!(write_token(store.version(), last));
        metadata["remainingItemCount"] = json!(all.len() - count);
    }
    Ok(Found { items: all[..count].iter().map(|(_, object)| (*object).clone()).collect(), metadata })
}

fn write_token(version: u64, last: &Key) -> String {
    URL_SAFE_NO_PAD.encode(format!("{version}/{}/{}", last.namespace, last.name))
}

fn read_token(store: &Store, token: &str) -> Result<(String, String), ApiError> {
    let invalid = || ApiError::bad_request("continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    let mut parts = text.splitn(3, '/');
    let (Some(version), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let version: u64 = version.parse().map_err(|_| invalid())?;
    if version < store.oldest() {
        return Err(ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list \
             without the continue parameter.",
        ));
    }
    Ok((namespace.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::kube::kind::target_of;

    #[test]
    fn selectors_choose_by_label_and_field() {
        let target = target_of("/api/v1/services").unwrap();
        let object =
            json!({"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"}}});
        let key = Key::new(target.kind, Some("shop"), "web");
        let takes = |labels: &str, fields: &str| {
            Selection::of(&target, Some(labels), Some(fields)).map(|selection| selection.takes(&key, &object))
        };
        assert!(takes("app=web,tier in (front, back),!x", "metadata.name=web").unwrap());
        assert!(takes("tier notin (back),zone notin (one)", "").unwrap());
        assert!(!takes("app!=web", "").unwrap());
        assert_eq!(takes("", "spec.selector=x").unwrap_err().code, 400);
    }
}
