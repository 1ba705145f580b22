//! `$filter` as the authorization API understands it: a few forms, joined by `and`.

use crate::sim::arm::error::ArmError;
use crate::sim::arm::request::Request;

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// `atScope()`: at the scope or above it.
    AtScope,
    /// `atScopeAndBelow()`.
    AtScopeAndBelow,
    /// `principalId eq '…'` or `assignedTo('…')`; there are no groups that could make a difference.
    Principal(String),
    /// `roleName eq '…'`.
    RoleName(String),
    /// `type eq 'BuiltInRole'` or `'CustomRole'`.
    RoleType(String),
}

/// Reads the `$filter` of a request; none is no condition.
pub(super) fn conditions(request: &Request) -> Result<Vec<Condition>, ArmError> {
    let text = request.query.get("$filter").map(|text| text.trim()).unwrap_or_default();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    parts(text).into_iter().map(condition).collect()
}

/// Splits at ` and ` outside quotes.
fn parts(text: &str) -> Vec<&str> {
    let folded = text.to_ascii_lowercase();
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, _) in folded.match_indices(" and ") {
        if at >= from && folded[..at].matches('\'').count().is_multiple_of(2) {
            parts.push(text[from..at].trim());
            from = at + " and ".len();
        }
    }
    parts.push(text[from..].trim());
    parts
}

fn condition(text: &str) -> Result<Condition, ArmError> {
    let name_end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let rest = rest.trim();
    let parsed = match (name.to_ascii_lowercase().as_str(), equals(rest), rest) {
        ("atscope", _, "()") => Some(Condition::AtScope),
        ("atscopeandbelow", _, "()") => Some(Condition::AtScopeAndBelow),
        ("principalid", Some(id), _) => Some(Condition::Principal(id)),
        ("assignedto", _, call) => {
            let inner = call.strip_prefix('(').and_then(|call| call.strip_suffix(')'));
            inner.and_then(quoted).map(Condition::Principal)
        }
        ("rolename", Some(name), _) => Some(Condition::RoleName(name)),
        ("type", Some(kind), _) => Some(Condition::RoleType(kind)),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let message = format!(
            "The filter '{text}' is not supported. Supported are atScope(), principalId eq '<id>' and \
             assignedTo('<id>') for role assignments, and atScopeAndBelow(), roleName eq '<name>' and type eq '<type>' \
             for role definitions."
        );
        ArmError::invalid("UnsupportedQuery", message)
    })
}

fn equals(rest: &str) -> Option<String> {
    let value = rest.strip_prefix("eq").or_else(|| rest.strip_prefix("EQ"))?;
    quoted(value.trim())
}

/// The text in single quotes; a doubled quote is one.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> Result<Vec<Condition>, ArmError> {
        let mut request = Request::internal("GET", "/x", &[], None);
        request.query.insert("$filter".to_owned(), filter.to_owned());
        conditions(&request)
    }

    #[test]
    fn conditions_are_joined_by_and_outside_quotes() {
        assert_eq!(read("").unwrap(), []);
        let both = [Condition::AtScope, Condition::Principal("a".to_owned())];
        assert_eq!(read("atScope() and assignedTo('a')").unwrap(), both);
        assert_eq!(read("atScope() AND principalId eq 'a'").unwrap(), both);
        let role = read("roleName eq 'Search and rescue' and type eq 'CustomRole'").unwrap();
        assert_eq!(
            role,
            [Condition::RoleName("Search and rescue".to_owned()), Condition::RoleType("CustomRole".to_owned())]
        );
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for filter in ["principalId ne 'a'", "atScope", "assignedTo(a)", "roleName eq", " and ", "é and 'x"] {
            let error = read(filter).unwrap_err();
            assert_eq!((error.status, error.code.as_str()), (400, "UnsupportedQuery"), "{filter}");
        }
    }
}
