//! What exists: resources as opaque JSON, each with an etag, under its folded id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sim::arm::index::{Facts, Index, Taken};
use crate::sim::arm::kind::{Home, Kind};
use crate::sim::arm::route::ResourcePath;

/// A resource group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) subscription: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Value,
    /// True while a delete of the whole group runs.
    pub(crate) is_deleting: bool,
}

impl Group {
    pub(crate) fn id(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.name)
    }
}

/// One resource with a place of its own.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) path: ResourcePath,
    pub(crate) etag: String,
    /// `properties.provisioningState`.
    pub(crate) state: String,
    /// Everything but id, name, type, etag and provisioningState, which are added when it is shown.
    pub(crate) body: Value,
}

impl Resource {
    /// `properties.<name>`, or null.
    pub(crate) fn property(&self, name: &str) -> &Value {
        &self.body["properties"][name]
    }

    /// The elements of a list property.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.property(name).as_array().map_or(&[], Vec::as_slice)
    }

    /// The list property, made if it is missing.
    pub(crate) fn list_mut(&mut self, name: &str) -> &mut Vec<Value> {
        list_mut(properties_mut(&mut self.body), name)
    }

    pub(crate) fn location(&self) -> &str {
        self.body["location"].as_str().unwrap_or_default()
    }
}

/// An object, made if the value is something else.
pub(crate) fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made an object")
}

/// `properties` of a body, made if it is missing.
pub(crate) fn properties_mut(body: &mut Value) -> &mut Map<String, Value> {
    object_mut(object_mut(body).entry("properties").or_insert(Value::Null))
}

/// A list in an object, made if it is missing.
pub(crate) fn list_mut<'a>(object: &'a mut Map<String, Value>, name: &str) -> &'a mut Vec<Value> {
    let list = object.entry(name).or_insert(Value::Null);
    if !list.is_array() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().expect("it was just made a list")
}

/// True if an element of a child list has this name.
pub(crate) fn is_named(element: &Value, name: &str) -> bool {
    element["name"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(name))
}

/// All resources and groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    resources: BTreeMap<String, Resource>,
    groups: BTreeMap<String, Group>,
    index: Index,
}

impl Store {
    pub(crate) fn group(&self, subscription: &str, name: &str) -> Option<&Group> {
        self.groups.get(&group_key(subscription, name))
    }

    pub(crate) fn group_mut(&mut self, subscription: &str, name: &str) -> Option<&mut Group> {
        self.groups.get_mut(&group_key(subscription, name))
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub(crate) fn put_group(&mut self, group: Group) {
        self.groups.insert(group_key(&group.subscription, &group.name), group);
    }

    pub(crate) fn remove_group(&mut self, subscription: &str, name: &str) {
        self.groups.remove(&group_key(subscription, name));
    }

    pub(crate) fn get(&self, path: &ResourcePath) -> Option<&Resource> {
        self.resources.get(&path.key())
    }

    /// Changes a resource. Returns what the change returns, or `None` if there is no such resource.
    pub(crate) fn update<T>(&mut self, path: &ResourcePath, change: impl FnOnce(&mut Resource) -> T) -> Option<T> {
        let key = path.key();
        let resource = self.resources.get_mut(&key)?;
        let before = Facts::of(resource);
        let result = change(resource);
        let after = Facts::of(resource);
        if before != after {
            self.index.remove((path.kind, &key), &before);
            self.index.add((path.kind, &key), after);
        }
        Some(result)
    }

    /// Gives a resource another etag, and a state if there is one. Neither is anything that others could ask for.
    pub(crate) fn stamp(&mut self, key: &str, etag: String, state: Option<&str>) {
        if let Some(resource) = self.resources.get_mut(key) {
            resource.etag = etag;
            if let Some(state) = state {
                state.clone_into(&mut resource.state);
            }
        }
    }

    pub(crate) fn by_key(&self, key: &str) -> Option<&Resource> {
        self.resources.get(key)
    }

    /// The resource behind an id in any spelling.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Resource> {
        self.get(&ResourcePath::parse(id)?)
    }

    pub(crate) fn put(&mut self, resource: Resource) {
        self.remove(&resource.path);
        let key = resource.path.key();
        self.index.add((resource.path.kind, &key), Facts::of(&resource));
        self.resources.insert(key, resource);
    }

    pub(crate) fn remove(&mut self, path: &ResourcePath) -> Option<Resource> {
        let key = path.key();
        let gone = self.resources.remove(&key)?;
        self.index.remove((gone.path.kind, &key), &Facts::of(&gone));
        Some(gone)
    }

    /// The resources whose folded id starts with a prefix, in order.
    pub(crate) fn below(&self, prefix: &str) -> impl Iterator<Item = &Resource> + use<'_> {
        let prefix = prefix.to_owned();
        let found = self.resources.range(prefix.clone()..);
        found.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(_, resource)| resource)
    }

    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Resource> + use<'_> {
        self.of_kind_below(kind, "")
    }

    /// The resources of a kind whose folded id starts with a prefix, in order.
    pub(crate) fn of_kind_below(&self, kind: Kind, prefix: &str) -> impl Iterator<Item = &Resource> + use<'_> {
        self.index.of_kind(kind, prefix.to_owned()).filter_map(|key| self.by_key(key))
    }

    /// The resources of a kind that name an id, in order.
    pub(crate) fn referrers(&self, id: &str, kind: Kind) -> impl Iterator<Item = &Resource> + use<'_> {
        let named = self.index.referrers(&id.to_ascii_lowercase()).filter_map(|key| self.by_key(key));
        named.filter(move |own| own.path.kind == kind)
    }

    /// The resources of a kind that name something whose folded id starts with a prefix.
    pub(crate) fn referrers_below(&self, prefix: &str, kind: Kind) -> impl Iterator<Item = &Resource> + use<'_> {
        let named = self.index.referrers_below(prefix.to_owned()).filter_map(|key| self.by_key(key));
        named.filter(move |own| own.path.kind == kind)
    }

    #[cfg(test)]
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// The addresses that are taken in a subnet.
    pub(crate) fn taken(&self, subnet: &ResourcePath) -> Taken {
        self.index.taken(&subnet.key())
    }

    /// The Private Link Service with an alias.
    pub(crate) fn by_alias(&self, alias: &str) -> Option<&Resource> {
        self.by_key(self.index.by_alias(alias)?)
    }

    /// The resource that holds this one: itself, or the parent in whose list it is.
    pub(crate) fn holder_path(path: &ResourcePath) -> ResourcePath {
        match path.kind.home() {
            Home::Own => path.clone(),
            Home::InParent => path.parent().unwrap_or_else(|| path.clone()),
        }
    }

    /// The element of a child list that a path addresses.
    pub(crate) fn element(&self, path: &ResourcePath) -> Option<&Value> {
        let holder = self.get(&Self::holder_path(path))?;
        holder.list(path.segment()).iter().find(|element| is_named(element, path.name()))
    }

    /// True if the path addresses something that exists.
    pub(crate) fn exists(&self, path: &ResourcePath) -> bool {
        match path.kind.home() {
            Home::Own => self.get(path).is_some(),
            Home::InParent => self.element(path).is_some(),
        }
    }

    /// The path with the spelling under which things were created; what is new keeps its own.
    pub(crate) fn canonical(&self, path: &ResourcePath) -> ResourcePath {
        let mut path = path.clone();
        if let Some(group) = self.group(&path.subscription, &path.group) {
            path.group.clone_from(&group.name);
        }
        if let Some(parent) = path.parent() {
            let parent = self.canonical(&parent);
            let depth = parent.names.len();
            path.names[..depth].clone_from_slice(&parent.names);
        }
        let own = match path.kind.home() {
            Home::Own => self.get(&path).map(|resource| resource.path.name().to_owned()),
            Home::InParent => self.element(&path).and_then(|element| element["name"].as_str().map(str::to_owned)),
        };
        if let (Some(own), Some(last)) = (own, path.names.last_mut()) {
            *last = own;
        }
        path
    }
}

/// The folded id of a resource group, which is how the keys of everything in it start.
pub(crate) fn group_key(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{name}").to_ascii_lowercase()
}
