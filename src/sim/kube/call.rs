//! One request to the Kubernetes API and its answer, without HTTP.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Cluster;
use super::access::{self, Caller};
use super::discovery;
use super::event;
use super::kind::{Target, target_of};
use super::list::{self, Page, Selection};
use super::status_error::ApiError;
use super::table::table;
use super::write::{PatchKind, Strictness, Write, Written};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    pub(crate) body: Value,
    pub(crate) caller: Caller,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
    /// Texts of `Warning` headers.
    pub warnings: Vec<String>,
    /// The content type of the body.
    pub content_type: &'static str,
}

impl Call {
    /// A request for a path, which may carry a query.
    pub fn new(method: &str, path_and_query: &str) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Self { method: method.to_owned(), path: path.to_owned(), query: parse_query(query), ..Self::default() }
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = body;
        self
    }

    /// Sets the content type.
    #[must_use]
    pub fn content_type(mut self, content_type: &str) -> Self {
        content_type.clone_into(&mut self.content_type);
        self
    }

    /// Sets the user agent, which names the field manager if nothing else does.
    #[must_use]
    pub fn agent(mut self, user_agent: &str) -> Self {
        user_agent.clone_into(&mut self.user_agent);
        self
    }

    /// Sets who calls; without it somebody who may do everything.
    #[must_use]
    pub(crate) fn caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// Sets what the client accepts.
    #[must_use]
    pub fn accept(mut self, accept: &str) -> Self {
        accept.clone_into(&mut self.accept);
        self
    }

    /// True if the request is for a watch rather than for a list.
    pub(crate) fn is_watch(&self) -> bool {
        self.method == "GET" && self.flag("watch")
    }

    /// True if the client prefers a Table.
    pub(crate) fn wants_table(&self) -> bool {
        self.accept.split(',').next().is_some_and(|first| first.contains("as=Table"))
    }

    /// True if the client prefers YAML.
    pub(crate) fn wants_yaml(&self) -> bool {
        self.accept.split(',').next().is_some_and(|first| first.trim().starts_with("application/yaml"))
    }

    /// True if the client prefers all of discovery in one answer.
    pub(crate) fn wants_aggregated_discovery(&self) -> bool {
        self.accept.split(',').next().is_some_and(|first| {
            first.contains("as=APIGroupDiscoveryList")
                && first.contains("g=apidiscovery.k8s.io")
                && first.contains("v=v2")
                && !first.contains("v=v2beta1")
        })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text == "true" || text == "1")
    }

    pub(crate) fn selection(&self, target: &Target) -> Result<Selection, ApiError> {
        Selection::of(target, self.text("labelSelector"), self.text("fieldSelector"))
    }

    fn strictness(&self) -> Result<Strictness, ApiError> {
        let given = self.text("fieldValidation").or(self.body["fieldValidation"].as_str());
        match given {
            None | Some("Warn") => Ok(Strictness::Warn),
            Some("Ignore") => Ok(Strictness::Ignore),
            Some("Strict") => Ok(Strictness::Strict),
            Some(other) => Err(ApiError::bad_request(format!("fieldValidation: Unsupported value: {other:?}"))),
        }
    }

    fn is_dry_run(&self) -> Result<bool, ApiError> {
        match self.text("dryRun").or(self.body["dryRun"][0].as_str().filter(|_| self.method == "DELETE")) {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(ApiError::bad_request(format!("dryRun: Unsupported value: {other:?}: supported values: \"All\"")))
            }
        }
    }

    fn manager(&self) -> String {
        let from_agent = || self.user_agent.split('/').next().filter(|word| !word.is_empty()).unwrap_or("unknown");
        self.text("fieldManager").unwrap_or_else(from_agent).to_owned()
    }

    fn patch_kind(&self) -> Result<PatchKind, ApiError> {
        match self.content_type.split(';').next().unwrap_or_default().trim() {
            "application/merge-patch+json" => Ok(PatchKind::Merge),
            "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
            "application/json-patch+json" => Ok(PatchKind::Json),
            "application/apply-patch+yaml" => Ok(PatchKind::Apply),
            other => Err(ApiError::unsupported_media_type(
                other,
                "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
                 application/apply-patch+yaml",
            )),
        }
    }
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body, warnings: Vec::new(), content_type: "application/json" }
    }

    pub(crate) fn refusal(error: &ApiError) -> Self {
        Self { status: error.code, ..Self::ok(error.to_value()) }
    }

    /// The body of a success, or the failure it describes.
    ///
    /// # Errors
    /// If the status is not a success.
    pub fn into_result(self) -> Result<Value, ApiError> {
        if self.status < 300 {
            return Ok(self.body);
        }
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        let known =
            ["AlreadyExists", "BadRequest", "Conflict", "Expired", "Forbidden", "Invalid", "NotFound", "Unauthorized"];
        let reason = known.into_iter().find(|reason| self.body["reason"] == *reason).unwrap_or_default();
        Err(ApiError { code: self.status, reason, message, details: self.body["details"].clone() })
    }
}

impl Cluster {
    /// Answers a request in process. Watches are only served over HTTP.
    pub fn call(&self, call: &Call) -> Answer {
        self.try_call(call).unwrap_or_else(|error| Answer::refusal(&error))
    }

    fn try_call(&self, call: &Call) -> Result<Answer, ApiError> {
        access::check(call)?;
        if let Some(answer) = discovery::answer(self, call) {
            return answer;
        }
        let target = target_of(&call.path).ok_or_else(ApiError::unknown_path)?;
        match (target.subresource.as_deref(), target.name.is_some(), call.method.as_str()) {
            (None | Some("status"), true, "GET") => self.read(call, &target),
            (None, false, "GET") => self.read_list(call, &target),
            (Some("status"), _, _) if !target.kind.has_status => Err(ApiError::unknown_path()),
            (None, false, "POST") | (None | Some("status"), true, "PUT" | "PATCH") => self.write(call, &target),
            (None, true, "DELETE") => self.delete_one(call, &target),
            (None, false, "DELETE") => self.delete_collection(call, &target),
            (None | Some("status"), _, _) => Err(ApiError::method_not_allowed()),
            (Some(_), _, _) => Err(ApiError::unknown_path()),
        }
    }

    fn read(&self, call: &Call, target: &Target) -> Result<Answer, ApiError> {
        let name = target.name.as_deref().unwrap_or_default();
        let key = super::Key::new(target.kind, target.namespace.as_deref(), name);
        let found = self.state().store.get(&key).cloned();
        let object = found.ok_or_else(|| ApiError::not_found(&target.kind.qualified(), name))?;
        Ok(Answer::ok(self.render(call, target, object)))
    }

    /// An object as the client asked for it: itself or a table of one row.
    pub(crate) fn render(&self, call: &Call, target: &Target, object: Value) -> Value {
        if call.wants_table() {
            let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            return table((target.kind, call.text("includeObject")), &[object], (metadata, self.now()));
        }
        if target.kind.is_spelling { event::from_core(&object) } else { object }
    }

    fn read_list(&self, call: &Call, target: &Target) -> Result<Answer, ApiError> {
        let selection = call.selection(target)?;
        let number = |name: &str| call.text(name).map(|text| text.parse::<usize>()).transpose();
        let limit = number("limit").map_err(|_| ApiError::bad_request("limit is not a number"))?;
        let page = Page { limit, after: call.text("continue").map(str::to_owned) };
        let found = list::list(&self.state().store, (target.kind, &selection), &page)?;
        if call.wants_table() {
            let kind = (target.kind, call.text("includeObject"));
            return Ok(Answer::ok(table(kind, &found.items, (found.metadata, self.now()))));
        }
        let items = found.items.into_iter().map(|object| without_type(self.render(call, target, object)));
        let items = items.collect::<Vec<_>>();
        let kind = format!("{}List", target.kind.name);
        let version = target.kind.api_version();
        Ok(Answer::ok(json!({"kind": kind, "apiVersion": version, "metadata": found.metadata, "items": items})))
    }

    fn write(&self, call: &Call, target: &Target) -> Result<Answer, ApiError> {
        let write = self.write_of(call, target)?;
        let sent = if target.kind.is_spelling { &event::to_core(&call.body) } else { &call.body };
        let mut state = self.state();
        if call.method != "POST"
            && write.name.as_deref().is_some_and(|name| state.store.get(&write.key(name)).is_none())
        {
            access::check_creation(call)?;
        }
        let written = match call.method.as_str() {
            "POST" => state.create(&write, sent),
            "PUT" => state.replace(&write, sent),
            _ => {
                let kind = call.patch_kind()?;
                check_apply_options(call, kind)?;
                state.patch(&write, kind, sent)
            }
        };
        let version = state.store.version();
        drop(state);
        self.announce(version);
        let Written { object, is_new, warnings } = written?;
        let body = self.render(call, target, object);
        Ok(Answer { status: if is_new { 201 } else { 200 }, warnings, ..Answer::ok(body) })
    }

    fn write_of(&self, call: &Call, target: &Target) -> Result<Write, ApiError> {
        let Target { kind, namespace, name, subresource } = target.clone();
        Ok(Write {
            kind: kind.stored(),
            is_new_spelling: kind.is_spelling,
            namespace,
            name,
            is_status: subresource.as_deref() == Some("status"),
            manager: call.manager(),
            force: call.flag("force"),
            dry_run: call.is_dry_run()?,
            strictness: call.strictness()?,
            now: self.now().to_string(),
        })
    }

    fn delete_one(&self, call: &Call, target: &Target) -> Result<Answer, ApiError> {
        let write = self.write_of(call, target)?;
        let mut state = self.state();
        let deleted = state.delete(&write, &call.body);
        let version = state.store.version();
        drop(state);
        self.announce(version);
        deleted.map(Answer::ok)
    }

    fn delete_collection(&self, call: &Call, target: &Target) -> Result<Answer, ApiError> {
        let selection = call.selection(target)?;
        let found = list::list(&self.state().store, (target.kind, &selection), &Page::default())?;
        for object in &found.items {
            let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
            let one = Target { name: text("name"), namespace: text("namespace"), ..target.clone() };
            self.delete_one(call, &one)?;
        }
        Ok(Answer::ok(json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})))
    }

    /// The time as the cluster sees it, in whole seconds.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock().unix_seconds()).unwrap_or_default()
    }
}

fn check_apply_options(call: &Call, kind: PatchKind) -> Result<(), ApiError> {
    let (field, why) = match kind {
        PatchKind::Apply if call.text("fieldManager").is_none() => {
            ("fieldManager", "Required value: is required for apply patch")
        }
        PatchKind::Merge | PatchKind::Strategic | PatchKind::Json if call.flag("force") => {
            ("force", "Forbidden: may not be specified for non-apply patch")
        }
        _ => return Ok(()),
    };
    let message = format!("PatchOptions.meta.k8s.io \"\" is invalid: {field}: {why}");
    Err(ApiError { code: 422, reason: "Invalid", message, details: Value::Null })
}

/// Items of a list carry no `kind` and `apiVersion` of their own.
fn without_type(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn parse_query(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = text.get(index + 1..index + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[index], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                index += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
