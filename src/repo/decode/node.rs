//! The serde deserializer over a value: knows the path of keys that leads to it, and what to step over.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use crate::diagnostic::Step;
use crate::repo::decode::error::WireError;
use crate::repo::decode::{Nulls, Rules};

/// The way to a value, kept as a list on the stack and only written out for an error.
pub(super) enum Trail<'t> {
    Root,
    Key(&'t Self, &'t str),
    Index(&'t Self, usize),
}

impl Trail<'_> {
    fn path(&self) -> Vec<Step> {
        match self {
            Trail::Root => Vec::new(),
            Trail::Key(parent, key) => parent.with((*key).into()),
            Trail::Index(parent, index) => parent.with((*index).into()),
        }
    }

    fn with(&self, step: Step) -> Vec<Step> {
        let mut path = self.path();
        path.push(step);
        path
    }
}

/// A value, where it stands and the rules it is read by.
pub(super) struct Node<'de, 't> {
    pub(super) value: &'de Value,
    pub(super) trail: &'t Trail<'t>,
    pub(super) rules: &'t Rules,
}

impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = WireError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WireError> {
        let trail = self.trail;
        let result = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), next: 0, trail, rules: self.rules }),
            Value::Object(entries) => visitor.visit_map(Entries::new(entries, trail, self.rules)),
        };
        result.map_err(|error| error.at(|| trail.path()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WireError> {
        if self.value.is_null() && self.rules.nulls == Nulls::Absent {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, WireError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WireError> {
        let trail = self.trail;
        match self.value {
            Value::String(word) => visitor.visit_enum(Word(word)).map_err(|error| error.at(|| trail.path())),
            other => Err(WireError::not_one_of(other, variants).at(|| trail.path())),
        }
    }

    // serde's derive would also take a list, field by field in order: nobody means that.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WireError> {
        match self.value {
            Value::Object(_) => self.deserialize_any(visitor),
            other => Err(WireError::wrong_type(other, "a mapping").at(|| self.trail.path())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

// All our enums on the wire are plain words.
struct Word<'de>(&'de str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = WireError;
    type Variant = NoContent;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, NoContent), WireError> {
        let word: StrDeserializer<'de, WireError> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, NoContent))
    }
}

struct NoContent;

impl<'de> serde::de::VariantAccess<'de> for NoContent {
    type Error = WireError;

    fn unit_variant(self) -> Result<(), WireError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, WireError> {
        seed.deserialize(().into_deserializer())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, WireError> {
        visitor.visit_unit()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WireError> {
        visitor.visit_unit()
    }
}

struct Items<'de, 't> {
    items: std::slice::Iter<'de, Value>,
    next: usize,
    trail: &'t Trail<'t>,
    rules: &'t Rules,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = WireError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, WireError> {
        for value in self.items.by_ref() {
            let trail = Trail::Index(self.trail, self.next);
            self.next += 1;
            if self.rules.skip.is_empty() || !self.rules.skip.contains(&trail.path()) {
                let node = Node { value, trail: &trail, rules: self.rules };
                return seed.deserialize(node).map(Some).map_err(|error| error.at(|| trail.path()));
            }
        }
        Ok(None)
    }
}

struct Entries<'de, 't> {
    entries: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
    trail: &'t Trail<'t>,
    rules: &'t Rules,
}

impl<'de, 't> Entries<'de, 't> {
    fn new(entries: &'de Map<String, Value>, trail: &'t Trail<'t>, rules: &'t Rules) -> Self {
        Self { entries: entries.iter(), current: None, trail, rules }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = WireError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, WireError> {
        for (key, value) in self.entries.by_ref() {
            let trail = Trail::Key(self.trail, key);
            if self.rules.skip.is_empty() || !self.rules.skip.contains(&trail.path()) {
                self.current = Some((key, value));
                let name = serde::de::value::BorrowedStrDeserializer::new(key);
                return seed.deserialize(name).map(Some).map_err(|error: WireError| error.at_key(|| trail.path()));
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, WireError> {
        let (key, value) = self.current.take().expect("serde asks for a value only after its key");
        let trail = Trail::Key(self.trail, key);
        let node = Node { value, trail: &trail, rules: self.rules };
        seed.deserialize(node).map_err(|error| error.at(|| trail.path()))
    }
}
