//! Creating, updating, applying and deleting objects: the pipeline between a request and the store.
//!
//! ```text
//! decode → merge or apply → defaults → ownership → admission changes → allocation → validation → admission checks → store
//! ```
//! Ownership is decided after defaults and before allocation, as in the real server: a client that creates a Service owns
//! `sessionAffinity` but not `clusterIP`. An update that changes nothing is not written, so it keeps the resourceVersion.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::admission;
use super::apply::Apply;
use super::delete;
use super::event;
use super::kind::Kind;
use super::managed_fields::{ManagedFields, Writer};
use super::patch;
use super::schema::{Findings, omit_empty};
use super::service::{self, Taken};
use super::status_error::{ApiError, Cause};
use super::store::{Key, Store};
use super::validate;
use crate::sim::world::{AdmissionRule, IpFamily};

/// What to do about fields that the schema does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Drop them.
    Ignore,
    /// Drop them and say so in a `Warning` header.
    Warn,
    /// Refuse the request.
    Strict,
}

/// How an existing object is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Merge,
    Strategic,
    Json,
    Apply,
}

/// The parameters of one write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) kind: &'static Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) is_status: bool,
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    pub(crate) strictness: Strictness,
    /// True if an event came in its newer spelling, whose rules are stricter.
    pub(crate) is_new_spelling: bool,
    /// The time of the request, RFC 3339 in whole seconds.
    pub(crate) now: String,
}

/// An object as it is after a write.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) is_new: bool,
    pub(crate) warnings: Vec<String>,
}

/// The mutable part of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    seed: String,
    created: u64,
    families: Vec<IpFamily>,
    admission: Vec<AdmissionRule>,
}

impl Write {
    pub(crate) fn key(&self, name: &str) -> Key {
        Key::new(self.kind, self.namespace.as_deref(), name)
    }

    fn writer(&self, is_apply: bool) -> Writer {
        Writer {
            manager: self.manager.clone(),
            is_apply,
            api_version: self.kind.api_version(),
            subresource: self.is_status.then_some("status"),
        }
    }

    /// Drops what the schema does not have, and refuses what has a wrong type.
    fn decode(&self, sent: &Value) -> Result<(Value, Vec<String>), ApiError> {
        let mut findings = Findings::default();
        let object = self.kind.schema.decode(sent, "", &mut findings);
        let name = self.kind.name;
        let refuse = |why: String| {
            let version = self.kind.version;
            ApiError::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
        };
        if let Some(wrong) = findings.mistyped.first() {
            let got = json_type(&wrong.got);
            let (path, expected) = (&wrong.path, wrong.expected);
            return Err(refuse(format!("json: cannot unmarshal {got} into field {path} of type {expected}")));
        }
        let unknown: Vec<String> = findings.unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
        match self.strictness {
            Strictness::Strict if !unknown.is_empty() => {
                Err(refuse(format!("strict decoding error: {}", unknown.join(", "))))
            }
            Strictness::Warn => Ok((object, unknown)),
            Strictness::Strict | Strictness::Ignore => Ok((object, Vec::new())),
        }
    }

    /// Checks kind, version and namespace of what was sent, and fills them in.
    fn set_identity(&self, object: &mut Value) -> Result<(), ApiError> {
        let (version, kind) = (self.kind.api_version(), self.kind.name);
        let differs = |field: &str, expected: &str| object[field].as_str().is_some_and(|text| text != expected);
        if differs("apiVersion", &version) || differs("kind", kind) {
            let message = format!(
                "the object provided is unrecognized: expected apiVersion {version:?} and kind {kind:?}, got {} and {}",
                object["apiVersion"], object["kind"]
            );
            return Err(ApiError::bad_request(message));
        }
        if !object.is_object() {
            return Err(ApiError::bad_request("the body of the request is not an object"));
        }
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        if self.kind.is_namespaced {
            let namespace = self.namespace.as_deref().unwrap_or("default");
            if object["metadata"]["namespace"].as_str().is_some_and(|given| given != namespace) {
                return Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            object["metadata"]["namespace"] = json!(namespace);
        }
        Ok(())
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl State {
    pub(crate) fn new(seed: String, families: Vec<IpFamily>) -> Self {
        Self { store: Store::new(), seed, created: 0, families, admission: Vec::new() }
    }

    /// Goes on with what was saved.
    pub(crate) fn resume(store: Store, (seed, families): (String, Vec<IpFamily>), created: u64) -> Self {
        Self { store, seed, created, families, admission: Vec::new() }
    }

    /// Lets these rules look at every Service from now on.
    pub(crate) fn admit_by(&mut self, rules: Vec<AdmissionRule>) {
        self.admission = rules;
    }

    /// How many objects were ever created.
    pub(crate) fn created(&self) -> u64 {
        self.created
    }

    /// A POST.
    pub(crate) fn create(&mut self, write: &Write, sent: &Value) -> Result<Written, ApiError> {
        let (mut object, warnings) = write.decode(sent)?;
        write.set_identity(&mut object)?;
        if write.kind.is_service() {
            object.as_object_mut().map(|fields| fields.remove("status"));
        }
        self.name(&mut object)?;
        set_defaults(write.kind, &mut object);
        omit_empty(&mut object);
        let mut managers = ManagedFields::default();
        managers.record_update(write.kind.schema, (&blank(), &object), (&write.writer(false), &write.now));
        managers.write_to(&mut object);
        let object = self.finish_create(write, object)?;
        Ok(Written { object, is_new: true, warnings })
    }

    /// A PUT. Services and Leases may be created so; other kinds must exist.
    pub(crate) fn replace(&mut self, write: &Write, sent: &Value) -> Result<Written, ApiError> {
        let name = write.name.clone().unwrap_or_default();
        if sent["metadata"]["name"].as_str().is_some_and(|given| given != name) {
            let given = &sent["metadata"]["name"];
            let why = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(ApiError::bad_request(why));
        }
        let mut sent = sent.clone();
        let Some(live) = self.store.get(&write.key(&name)).cloned() else {
            let may_create = matches!(write.kind.plural, "services" | "leases") && !write.is_status;
            sent["metadata"]["name"] = json!(name);
            return if may_create { self.create(write, &sent) } else { Err(not_found(write, &name)) };
        };
        self.change(write, (&live, &sent))
    }

    /// A PATCH of any kind.
    pub(crate) fn patch(&mut self, write: &Write, kind: PatchKind, sent: &Value) -> Result<Written, ApiError> {
        let name = write.name.clone().unwrap_or_default();
        if kind == PatchKind::Apply {
            return self.apply(write, sent);
        }
        let live = self.store.get(&write.key(&name)).cloned().ok_or_else(|| not_found(write, &name))?;
        let new = match kind {
            PatchKind::Merge => patch::merge_patch(&live, sent),
            PatchKind::Strategic => patch::strategic(write.kind.schema, &live, sent),
            PatchKind::Json | PatchKind::Apply => patch::json_patch(&live, sent)?,
        };
        self.change(write, (&live, &new))
    }

    fn change(&mut self, write: &Write, (live, sent): (&Value, &Value)) -> Result<Written, ApiError> {
        let (mut new, warnings) = write.decode(sent)?;
        write.set_identity(&mut new)?;
        check_preconditions(write, live, &new)?;
        let mut managers = ManagedFields::for_write(live, &new);
        isolate(write, live, &mut new);
        set_defaults(write.kind, &mut new);
        omit_empty(&mut new);
        managers.record_update(write.kind.schema, (live, &new), (&write.writer(false), &write.now));
        managers.write_to(&mut new);
        let object = self.finish_update(write, live, new)?;
        Ok(Written { object, is_new: false, warnings })
    }

    fn apply(&mut self, write: &Write, sent: &Value) -> Result<Written, ApiError> {
        let name = write.name.clone().unwrap_or_default();
        let mut config = sent.clone();
        write.set_identity(&mut config)?;
        if config["metadata"].get("managedFields").is_some_and(|list| !list.is_null()) {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        config["metadata"]["name"] = json!(name);
        let live = self.store.get(&write.key(&name)).cloned();
        if live.is_none() && write.is_status {
            return Err(not_found(write, &name));
        }
        if let Some(live) = &live {
            check_preconditions(write, live, &config)?;
        } else if let Some(uid) = config["metadata"]["uid"].as_str() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(&write.kind.qualified(), &name, &why));
        }
        // Fields of the other half (status in a normal apply) are ignored, as the strategy's reset fields do.
        config.as_object_mut().map(|fields| fields.remove(if write.is_status { "spec" } else { "status" }));
        let writer = write.writer(true);
        let (schema, now) = (write.kind.schema, write.now.as_str());
        let apply = Apply { schema, config: &config, writer: &writer, force: write.force, now };
        let mut new = apply.onto(live.as_ref().unwrap_or(&blank()))?;
        set_defaults(write.kind, &mut new);
        let is_new = live.is_none();
        let object = match &live {
            Some(live) => {
                isolate(write, live, &mut new);
                self.finish_update(write, live, new)?
            }
            None => self.finish_create(write, new)?,
        };
        Ok(Written { object, is_new, warnings: Vec::new() })
    }

    fn name(&mut self, object: &mut Value) -> Result<(), ApiError> {
        if object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty()) {
            return Ok(());
        }
        let Some(prefix) = object["metadata"]["generateName"].as_str().map(str::to_owned) else {
            let kind = object["kind"].as_str().unwrap_or_default();
            return Err(ApiError::invalid(
                kind,
                "",
                &[Cause::required("metadata.name", "name or generateName is required")],
            ));
        };
        let suffix: String = self.next_uid().chars().take(5).collect();
        object["metadata"]["name"] = json!(format!("{prefix}{suffix}"));
        Ok(())
    }

    /// A uid in the form of a random UUID that follows from the seed.
    fn next_uid(&mut self) -> String {
        self.created += 1;
        let digest = Sha256::digest(format!("{}/{}", self.seed, self.created).as_bytes());
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn finish_create(&mut self, write: &Write, mut object: Value) -> Result<Value, ApiError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = write.key(&name);
        if self.store.get(&key).is_some() {
            return Err(ApiError::already_exists(&write.kind.qualified(), &name));
        }
        self.check_namespace(write)?;
        object["metadata"]["uid"] = json!(self.next_uid());
        object["metadata"]["creationTimestamp"] = json!(write.now);
        if object["spec"].is_object() {
            object["metadata"]["generation"] = json!(1);
        }
        admission::change(&self.admission, write, &mut object)?;
        self.allocate_and_validate(write, &mut object, None)?;
        admission::check(&self.admission, write, &object)?;
        if write.dry_run { Ok(object) } else { Ok(self.store.put(&key, object)) }
    }

    fn check_namespace(&self, write: &Write) -> Result<(), ApiError> {
        let Some(namespace) = write.namespace.as_deref().filter(|_| write.kind.is_namespaced) else { return Ok(()) };
        let kind = Kind::find("namespaces").expect("namespaces are always served");
        match self.store.get(&Key::new(kind, None, namespace)) {
            None => Err(ApiError::not_found("namespaces", namespace)),
            Some(found) if found["metadata"].get("deletionTimestamp").is_some() => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                Err(ApiError { code: 403, reason: "Forbidden", message: why, details: Value::Null })
            }
            Some(_) => Ok(()),
        }
    }

    fn finish_update(&mut self, write: &Write, live: &Value, mut new: Value) -> Result<Value, ApiError> {
        let name = live["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        for field in
            ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "name"]
        {
            match live["metadata"].get(field) {
                Some(value) => new["metadata"][field] = value.clone(),
                None => drop(new["metadata"].as_object_mut().map(|metadata| metadata.remove(field))),
            }
        }
        admission::change(&self.admission, write, &mut new)?;
        if write.kind.is_service() && !write.is_status {
            service::keep_allocated(&mut new, live);
        }
        self.allocate_and_validate(write, &mut new, Some(live))?;
        admission::check(&self.admission, write, &new)?;
        new["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        if new == *live {
            return Ok(new);
        }
        if new["spec"] != live["spec"] && new["spec"].is_object() {
            let generation = live["metadata"]["generation"].as_u64().unwrap_or_default();
            new["metadata"]["generation"] = json!(generation + 1);
        }
        if write.dry_run {
            return Ok(new);
        }
        let key = write.key(&name);
        let stored = self.store.put(&key, new);
        if delete::is_ready_to_go(&stored) {
            self.remove(&key);
        }
        Ok(stored)
    }

    fn allocate_and_validate(&self, write: &Write, object: &mut Value, live: Option<&Value>) -> Result<(), ApiError> {
        let mut causes = live.map(|live| validate::metadata_update(object, live)).unwrap_or_default();
        if write.kind.is_service() {
            let mut taken = Taken::beside(live, self.store.claims(), &self.families);
            causes.extend(validate::service(object, live, &taken));
            if causes.is_empty() {
                service::allocate(object, &mut taken, write.dry_run);
            }
        } else {
            causes.extend(validate::metadata(object));
            if write.kind.plural == "events" && live.is_none() {
                causes.extend(event::validate(object, write.is_new_spelling));
            }
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid(&write.kind.qualified_name(), name, &causes)) }
    }
}

pub(crate) fn not_found(write: &Write, name: &str) -> ApiError {
    ApiError::not_found(&write.kind.qualified(), name)
}

/// The object that a create starts from: what an empty Go struct has anyway and nobody owns.
fn blank() -> Value {
    json!({"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}})
}

fn set_defaults(kind: &Kind, object: &mut Value) {
    match kind.plural {
        "services" => service::set_defaults(object),
        "namespaces" => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            if !object["status"].is_object() {
                object["status"] = json!({"phase": "Active"});
            }
            object["spec"] = json!({"finalizers": ["kubernetes"]});
        }
        _ => {
            let keeps = |part: &str| object[part].as_object().is_some_and(|fields| !fields.is_empty());
            for part in ["spec", "status"].map(|part| (part, keeps(part))) {
                if let (part, false) = part {
                    object.as_object_mut().map(|fields| fields.remove(part));
                }
            }
        }
    }
}

/// Keeps the half of the object that this endpoint may not write.
fn isolate(write: &Write, live: &Value, new: &mut Value) {
    if !write.kind.has_status {
        return;
    }
    let half = if write.is_status { "spec" } else { "status" };
    match live.get(half) {
        Some(value) => new[half] = value.clone(),
        None => drop(new.as_object_mut().map(|fields| fields.remove(half))),
    }
}

fn check_preconditions(write: &Write, live: &Value, sent: &Value) -> Result<(), ApiError> {
    let text = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (plural, name) = (write.kind.qualified(), text(live, "name"));
    let (given, actual) = (text(sent, "uid"), text(live, "uid"));
    if !given.is_empty() && given != actual {
        let why = format!("Precondition failed: UID in precondition: {given}, UID in object meta: {actual}");
        return Err(ApiError::conflict(&plural, &name, &why));
    }
    let given = text(sent, "resourceVersion");
    if !given.is_empty() && given != text(live, "resourceVersion") {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(ApiError::conflict(&plural, &name, why));
    }
    Ok(())
}
