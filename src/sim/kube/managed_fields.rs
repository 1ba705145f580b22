//! Who owns which field: the `metadata.managedFields` of an object.

use serde_json::{Value, json};

use super::field_path::{self, FieldSet, difference};
use super::schema::Schema;

/// Who wrote: the identity of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writer {
    /// `fieldManager`, or the first word of the user agent.
    pub(crate) manager: String,
    /// True for server-side apply, false for every other write.
    pub(crate) is_apply: bool,
    /// The API version of the object that was sent.
    pub(crate) api_version: String,
    /// `status`, if that subresource was written.
    pub(crate) subresource: Option<&'static str>,
}

/// One entry: a writer and what it owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) writer: Writer,
    pub(crate) time: String,
    pub(crate) fields: FieldSet,
}

impl Writer {
    /// Names the writer as conflict messages do: an applier without its version, nobody with a time.
    pub(crate) fn describe(&self) -> String {
        let subresource = self.subresource.map(|name| format!(" with subresource {name:?}")).unwrap_or_default();
        let version = if self.is_apply { String::new() } else { format!(" using {}", self.api_version) };
        format!("{:?}{subresource}{version}", self.manager)
    }
}

/// All entries of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ManagedFields(Vec<Entry>);

impl ManagedFields {
    /// Reads them from an object.
    pub(crate) fn of(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        Self(entries.filter_map(read_entry).collect())
    }

    /// The managers to start a write from: those of the live object, unless the client resets or edits the list.
    pub(crate) fn for_write(live: &Value, sent: &Value) -> Self {
        match sent["metadata"]["managedFields"].as_array().map(Vec::as_slice) {
            // `[{}]` is the documented way of giving up all ownership.
            Some([only]) if only.as_object().is_some_and(serde_json::Map::is_empty) => Self::default(),
            Some([_, ..]) => Self::of(sent),
            Some([]) | None => Self::of(live),
        }
    }

    /// Writes them into an object.
    pub(crate) fn write_to(&self, object: &mut Value) {
        let entries: Vec<Value> = self.0.iter().map(write_entry).collect();
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    /// What a writer owns.
    pub(crate) fn owned_by(&self, writer: &Writer) -> FieldSet {
        self.0.iter().find(|entry| entry.writer == *writer).map(|entry| entry.fields.clone()).unwrap_or_default()
    }

    /// Everybody else's entries.
    pub(crate) fn others<'a>(&'a self, writer: &'a Writer) -> impl Iterator<Item = &'a Entry> {
        self.0.iter().filter(move |entry| entry.writer != *writer)
    }

    /// Takes paths away from everybody but the writer.
    pub(crate) fn take_from_others(&mut self, writer: &Writer, paths: &FieldSet) {
        for entry in self.0.iter_mut().filter(|entry| entry.writer != *writer) {
            entry.fields.retain(|path| !paths.contains(path));
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Sets what a writer owns. The time moves only if that changed, so an unchanged write stays unchanged.
    pub(crate) fn set(&mut self, writer: &Writer, fields: FieldSet, now: &str) {
        let index = self.0.iter().position(|entry| entry.writer == *writer);
        match index {
            Some(index) if fields.is_empty() => drop(self.0.remove(index)),
            Some(index) if self.0[index].fields == fields => {}
            Some(index) => {
                now.clone_into(&mut self.0[index].time);
                self.0[index].fields = fields;
            }
            None if fields.is_empty() => {}
            None => self.0.push(Entry { writer: writer.clone(), time: now.to_owned(), fields }),
        }
    }

    /// Accounts for a write that is not an apply: what it changed is the writer's now.
    pub(crate) fn record_update(
        &mut self,
        schema: &Schema,
        (live, new): (&Value, &Value),
        (writer, now): (&Writer, &str),
    ) {
        let diff = difference(schema, live, new);
        let mut lost = diff.changed.clone();
        lost.extend(diff.removed.iter().cloned());
        self.take_from_others(writer, &lost);
        let mut owned = self.owned_by(writer);
        owned.extend(diff.changed);
        owned.retain(|path| !diff.removed.contains(path));
        self.set(writer, owned, now);
    }
}

fn read_entry(entry: &Value) -> Option<Entry> {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let writer = Writer {
        manager: text("manager")?,
        is_apply: entry["operation"] == "Apply",
        api_version: text("apiVersion")?,
        subresource: (entry["subresource"] == "status").then_some("status"),
    };
    Some(Entry { writer, time: text("time").unwrap_or_default(), fields: field_path::decode(&entry["fieldsV1"]) })
}

fn write_entry(entry: &Entry) -> Value {
    let Entry { writer: Writer { manager, is_apply, api_version, subresource }, time, fields } = entry;
    let mut value = json!({
        "manager": manager,
        "operation": if *is_apply { "Apply" } else { "Update" },
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": field_path::encode(fields),
    });
    if let Some(name) = subresource {
        value["subresource"] = json!(name);
    }
    value
}
