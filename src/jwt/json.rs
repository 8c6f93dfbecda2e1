//! JSON as tokens and keys may be written: no member twice, not deep, no number that would lose its value.
//!
//! RFC 7515 and RFC 7519 leave it open whether of two members with one name the last counts. Who signs and who
//! reads may then see different claims, so there is no such token here.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// Objects and arrays within one another. Claims have two or three.
const MAX_DEPTH: usize = 16;

/// Numbers from here on are refused, as NGINX Plus does: they would come out as others than they were.
const HUGE: f64 = 9_223_372_036_854_775_808.0;

/// A JSON text, its members in the order in which they are written.
#[derive(Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    Malformed,
    Duplicate,
    Deep,
    Huge,
    NotAnObject,
}

impl Json {
    /// The whole of `text` is one JSON object.
    pub fn object(text: &[u8]) -> Result<Json, Fault> {
        match Json::value(text)? {
            json @ Json::Object(_) => Ok(json),
            _ => Err(Fault::NotAnObject),
        }
    }

    /// The whole of `text` is one value.
    pub fn value(text: &[u8]) -> Result<Json, Fault> {
        let fault = Cell::new(Fault::Malformed);
        let mut reader = serde_json::Deserializer::from_slice(text);
        let seed = Seed { depth: 0, fault: &fault };
        let json = seed.deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
        json.map_err(|error| match error.to_string().starts_with("number out of range") {
            true => Fault::Huge,
            false => fault.get(),
        })
    }

    /// The member of that name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(own, _)| **own == *name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// An object with this member, in place of the one of that name if there is one.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Json {
        if let Json::Object(members) = &mut self {
            let value = value.into();
            match members.iter_mut().find(|(own, _)| **own == *name) {
                Some(member) => member.1 = value,
                None => members.push((name.into(), value)),
            }
        }
        self
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Json]> {
        match self {
            Json::Array(items) => Some(items),
            _ => None,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::String(text.into())
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Json {
        Json::Number(number.into())
    }
}

struct Seed<'f> {
    depth: usize,
    /// Why it failed, where it was not for the syntax.
    fault: &'f Cell<Fault>,
}

impl Seed<'_> {
    fn fail<E: Error>(&self, fault: Fault) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }

    fn inner<E: Error>(&self) -> Result<Self, E> {
        match self.depth {
            MAX_DEPTH => Err(self.fail(Fault::Deep)),
            depth => Ok(Seed { depth: depth + 1, fault: self.fault }),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        match Number::from_f64(value) {
            Some(number) if value.abs() < HUGE => Ok(Json::Number(number)),
            _ => Err(self.fail(Fault::Huge)),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.inner()?)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(name) = access.next_key()? {
            members.push((name, access.next_value_seed(self.inner()?)?));
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(self.fail(Fault::Duplicate)),
            false => Ok(Json::Object(members)),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(value) => serializer.serialize_bool(*value),
            Json::Number(number) => number.serialize(serializer),
            Json::String(text) => serializer.serialize_str(text),
            Json::Array(items) => serializer.collect_seq(items),
            Json::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

/// On one line, without blanks.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Malformed => "not JSON",
            Fault::Duplicate => "JSON in which a member stands twice",
            Fault::Deep => "JSON that is nested too deep",
            Fault::Huge => "JSON with a number that is too large",
            Fault::NotAnObject => "not a JSON object",
        })
    }
}
