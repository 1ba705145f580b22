//! One document a person wrote: its kind, its content, and places in it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, Fix, On, Place, Severity, Step, did_you_mean};
use crate::domain::annotation;
use crate::domain::commit::RepoPath;
use crate::domain::kubernetes::{Namespace, ObjectKey};
use crate::domain::name::EnvironmentName;
use crate::repo::code;
use crate::repo::decode::{Nulls, decode};
use crate::repo::schema::private_endpoint::PrivateEndpoint;
use crate::repo::schema::private_link_service::PrivateLinkService;
use crate::repo::schema::service::{Service, ServiceSpec};
use crate::repo::schema::service_rule;
use crate::repo::settings::OtherKinds;
use crate::repo::yaml;

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its file.
    pub file: RepoPath,
    /// Which document of the file, from 0.
    pub number: usize,
    /// The environment whose folder it lies in.
    pub environment: EnvironmentName,
    /// What it says.
    pub body: Body,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `v1/Service`.
    Service(Box<ServiceManifest>),
    /// `privlink.dev/v1alpha1/PrivateLinkService`.
    PrivateLinkService(Box<PrivateLinkService>),
    /// `privlink.dev/v1alpha1/PrivateEndpoint`.
    PrivateEndpoint(Box<PrivateEndpoint>),
}

/// A Service as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceManifest {
    /// Its namespace (`default` if it names none) and name.
    pub key: ObjectKey,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its specification, checked.
    pub spec: ServiceSpec,
    /// The whole manifest: this is what is applied.
    pub manifest: Manifest,
}

/// A manifest as its file says it.
///
/// Its value is ten times its text and only a plan needs it, so it is read again by whoever asks. Two manifests are equal
/// if their values are.
#[derive(Clone, Debug)]
pub struct Manifest {
    text: Arc<str>,
    range: Range<usize>,
}

impl Manifest {
    /// A document of a file's text that was read before and in which nothing was refused.
    pub(crate) fn new(text: Arc<str>, range: Range<usize>) -> Self {
        Self { text, range }
    }

    /// Its value, verbatim but for keys without a value.
    pub fn value(&self) -> Value {
        let mut value = yaml::value(&self.text, self.range.clone()).unwrap_or_default();
        without_nulls(&mut value);
        value
    }

    /// What stands in the file as the value at a path.
    fn written(&self, path: &[Step]) -> Option<&str> {
        let range = yaml::entries(&self.text, self.range.clone()).get(path)?.value.clone();
        self.text.get(range)
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

/// The kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKind {
    /// A Kubernetes Service.
    Service,
    /// Publishes a Service.
    PrivateLinkService,
    /// Consumes one.
    PrivateEndpoint,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Service, Self::PrivateLinkService, Self::PrivateEndpoint];

    /// Its `apiVersion`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Service => "v1",
            Self::PrivateLinkService | Self::PrivateEndpoint => "privlink.dev/v1alpha1",
        }
    }

    /// Its `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::PrivateLinkService => "PrivateLinkService",
            Self::PrivateEndpoint => "PrivateEndpoint",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Document {
    /// The Service that it is.
    pub fn service(&self) -> Option<&ServiceManifest> {
        if let Body::Service(service) = &self.body { Some(service) } else { None }
    }

    /// The PrivateLinkService that it is.
    pub fn private_link_service(&self) -> Option<&PrivateLinkService> {
        if let Body::PrivateLinkService(service) = &self.body { Some(service) } else { None }
    }

    /// The PrivateEndpoint that it is.
    pub fn private_endpoint(&self) -> Option<&PrivateEndpoint> {
        if let Body::PrivateEndpoint(endpoint) = &self.body { Some(endpoint) } else { None }
    }

    /// Its kind.
    pub fn kind(&self) -> DocumentKind {
        match &self.body {
            Body::Service(_) => DocumentKind::Service,
            Body::PrivateLinkService(_) => DocumentKind::PrivateLinkService,
            Body::PrivateEndpoint(_) => DocumentKind::PrivateEndpoint,
        }
    }

    /// Its name: `metadata.name`, for a Service `namespace/name`.
    pub fn name(&self) -> String {
        match &self.body {
            Body::Service(service) => service.key.to_string(),
            Body::PrivateLinkService(service) => service.metadata.name.to_string(),
            Body::PrivateEndpoint(endpoint) => endpoint.metadata.name.to_string(),
        }
    }

    /// The document as a place.
    pub fn place(&self) -> Place {
        Place::document(&self.file, self.number)
    }

    /// The place of a value in it, such as `spec.nat.count`; it need not be there.
    pub fn path_of(&self, path: &str) -> Place {
        self.place().at(path)
    }

    /// The place of an annotation in it.
    pub fn annotation(&self, key: &str) -> Place {
        self.path_of("metadata.annotations").child(key)
    }
}

/// Reads the content of a document; `None` if it is ignored or in error. `written` is where the value was read.
pub(crate) fn read(
    (value, written): (Value, Manifest),
    root: &Place,
    others: OtherKinds,
    diagnostics: &mut Diagnostics,
) -> Option<Body> {
    match kind_of(&value, root, others) {
        Err(problem) => {
            diagnostics.extend(problem);
            None
        }
        Ok(DocumentKind::Service) => service((value, written), root, diagnostics).map(|it| Body::Service(Box::new(it))),
        Ok(DocumentKind::PrivateLinkService) => {
            decode(&value, Nulls::Refused, root, diagnostics).map(|it| Body::PrivateLinkService(Box::new(it)))
        }
        Ok(DocumentKind::PrivateEndpoint) => {
            decode(&value, Nulls::Refused, root, diagnostics).map(|it| Body::PrivateEndpoint(Box::new(it)))
        }
    }
}

// `Err(None)` is a document of a kind that is ignored.
fn kind_of(value: &Value, root: &Place, others: OtherKinds) -> Result<DocumentKind, Option<Diagnostic>> {
    let Value::Object(entries) = value else {
        let message = "a document must be a mapping with `apiVersion` and `kind`";
        return Err(Some(Diagnostic::error(code::WRONG_TYPE, message).label(root.clone(), "not a mapping")));
    };
    let word = |key: &'static str| match entries.get(key) {
        Some(Value::String(word)) => Ok(word.as_str()),
        None => Err(Some(
            Diagnostic::error(code::MISSING_KEY, format!("`{key}` is missing in this document"))
                .label(Place { on: On::Whole, ..root.clone() }, "what is this?")
                .help(format!("known are {}", known_kinds())),
        )),
        Some(_) => Err(Some(
            Diagnostic::error(code::WRONG_TYPE, format!("`{key}` must be text"))
                .label(root.clone().child(key), "not text"),
        )),
    };
    let (version, kind) = (word("apiVersion")?, word("kind")?);
    let named = DocumentKind::ALL.into_iter().find(|known| known.as_str() == kind);
    match named {
        Some(known) if known.api_version() == version => Ok(known),
        _ => Err(unknown(version, kind, root, others)),
    }
}

fn unknown(version: &str, kind: &str, root: &Place, others: OtherKinds) -> Option<Diagnostic> {
    let kinds = DocumentKind::ALL.map(DocumentKind::as_str);
    let ours = version.starts_with("privlink.dev/");
    let named = DocumentKind::ALL.into_iter().find(|known| known.as_str() == kind);
    // With other kinds ignored, a slip of the finger must not make a document vanish.
    let near = crate::diagnostic::closest(kind, kinds).is_some();
    let meant = ours || (near && version == "v1");
    if others == OtherKinds::Ignore && !meant {
        return None;
    }
    let message = format!("`{version}` `{kind}` is not a kind that is known here");
    let diagnostic = Diagnostic::error(code::UNKNOWN_KIND, message);
    Some(match named {
        Some(known) => diagnostic
            .label(root.clone().child("apiVersion"), "not this version")
            .help(format!("write `apiVersion: {}`", known.api_version()))
            .fix(Fix::value(root.clone().child("apiVersion"), known.api_version())),
        None if near => diagnostic.label(root.clone().child("kind"), "not known").help(did_you_mean(kind, kinds)),
        None => diagnostic.label(root.clone().child("kind"), "not known").help(format!(
            "known are {}; `[check] other-kinds = \"ignore\"` in privlink.toml passes over all others",
            known_kinds()
        )),
    })
}

fn known_kinds() -> String {
    DocumentKind::ALL.map(|kind| format!("`{}` `{kind}`", kind.api_version())).join(", ")
}

/// Fields that a server fills in, with the mapping they lie in.
const SERVER_FIELDS: [(&str, &str); 10] = [
    ("", "status"),
    ("metadata", "uid"),
    ("metadata", "resourceVersion"),
    ("metadata", "managedFields"),
    ("metadata", "generation"),
    ("metadata", "creationTimestamp"),
    ("metadata", "deletionTimestamp"),
    ("metadata", "deletionGracePeriodSeconds"),
    ("metadata", "selfLink"),
    ("metadata", "generateName"),
];

fn service(
    (mut value, manifest): (Value, Manifest),
    root: &Place,
    diagnostics: &mut Diagnostics,
) -> Option<ServiceManifest> {
    without_nulls(&mut value);
    let mut found = Diagnostics::new();
    refuse_server_fields(&mut value, root, &mut found);
    let service: Option<Service> = decode(&value, Nulls::Absent, root, &mut found);
    let refused = found.iter().any(|it| it.severity == Severity::Error && !is_unquoted(it));
    let service = service.or_else(|| as_meant((&mut value, &manifest), root, &found));
    if let Some(service) = &service {
        service_rule::check(service, root, &mut found);
    }
    diagnostics.extend(found.into_iter().map(of_annotation));
    let Service { api_version: _, kind: _, metadata, spec } = service.filter(|_| !refused)?;
    let namespace = metadata.namespace.unwrap_or_else(Namespace::default_namespace);
    Some(ServiceManifest {
        key: ObjectKey { namespace, name: metadata.name },
        annotations: metadata.annotations.unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        spec,
        manifest,
    })
}

// True for `true` or `8` in a mapping of texts, which has one right text: the same in quotes.
fn is_unquoted(diagnostic: &Diagnostic) -> bool {
    let path = diagnostic.place().map_or(&[][..], |place| place.path.as_slice());
    let in_texts = matches!(path, [_, Step::Key(map), Step::Key(_)]
        if matches!(map.as_str(), "annotations" | "labels" | "selector"));
    diagnostic.code == code::WRONG_TYPE && in_texts && diagnostic.fix.is_some()
}

// The Service if nothing is wrong with it but values without quotes. It stays an error, but does not hide what else there
// is to say.
fn as_meant((value, manifest): (&mut Value, &Manifest), root: &Place, found: &Diagnostics) -> Option<Service> {
    if !found.iter().all(is_unquoted) {
        return None;
    }
    for place in found.iter().filter_map(Diagnostic::place) {
        let [Step::Key(parent), Step::Key(map), Step::Key(key)] = place.path.as_slice() else { return None };
        *value.get_mut(parent)?.get_mut(map)?.get_mut(key)? = manifest.written(&place.path)?.into();
    }
    decode(value, Nulls::Absent, root, &mut Diagnostics::new())
}

// An annotation that is not text has a name of its own among the ways to break a load balancer.
fn of_annotation(diagnostic: Diagnostic) -> Diagnostic {
    let path = diagnostic.place().map_or(&[][..], |place| place.path.as_slice());
    let ours = matches!(path, [_, Step::Key(map), Step::Key(key)]
        if map == "annotations" && key.starts_with(annotation::PREFIX));
    if ours && diagnostic.code == code::WRONG_TYPE {
        Diagnostic { code: code::ANNOTATION_TYPE, ..diagnostic }
    } else {
        diagnostic
    }
}

fn refuse_server_fields(manifest: &mut Value, root: &Place, diagnostics: &mut Diagnostics) {
    for (parent, field) in SERVER_FIELDS {
        let mapping = if parent.is_empty() { Some(&mut *manifest) } else { manifest.get_mut(parent) };
        if mapping.and_then(Value::as_object_mut).and_then(|mapping| mapping.remove(field)).is_none() {
            continue;
        }
        if field == "generateName" {
            stand_in_name(manifest);
        }
        let help = match field {
            "generateName" => "give the Service a name: two applies would make two Services",
            _ => "remove it: it comes from `kubectl get -o yaml`, not from a person",
        };
        diagnostics.push(
            Diagnostic::error(code::SERVER_FIELD, format!("`{field}` is not something a file can say"))
                .label(root.clone().at(parent).child(field).on_key(), "the API server fills this in")
                .help(help),
        );
    }
}

// The name is not missing besides: one mistake, one error. The manifest is refused anyway.
fn stand_in_name(manifest: &mut Value) {
    if let Some(Value::Object(metadata)) = manifest.get_mut("metadata") {
        metadata.entry("name").or_insert_with(|| "generated".into());
    }
}

// To the API server a key without a value is an absent key. Values of annotations and labels are left alone: there a
// missing value is a mistake.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries.iter_mut() {
                if !matches!(key.as_str(), "annotations" | "labels" | "selector") {
                    without_nulls(value);
                }
            }
            entries.retain(|_, value| !value.is_null());
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
