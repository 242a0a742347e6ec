//! Types as their JSON looks, for the people who call an operation: `{"name": string, "wait"?: bool}`.
//! Knows no value.

use std::collections::{BTreeMap, BTreeSet};

/// A type that can say how its JSON looks. Derive it beside serde's traits: optional and defaulted fields
/// are marked `?`, renamings are followed.
///
/// ```
/// use zareba_guest_sdk::Shape;
///
/// #[derive(serde::Deserialize, Shape)]
/// struct Acquire {
///     name: String,
///     #[serde(default)]
///     wait: bool,
///     timeout_ms: Option<u64>,
/// }
///
/// assert_eq!(Acquire::shape(), r#"{"name": string, "wait"?: bool, "timeout_ms"?: integer}"#);
/// ```
pub trait Shape {
    /// The shape, as text.
    fn shape() -> String;
}

/// An object of such fields: name, whether it may be left out, shape.
pub fn object(fields: &[(&str, bool, String)]) -> String {
    let field = |(name, optional, shape): &(&str, bool, String)| {
        let mark = if *optional { "?" } else { "" };
        format!("{name:?}{mark}: {shape}")
    };
    let fields: Vec<String> = fields.iter().map(field).collect();
    format!("{{{}}}", fields.join(", "))
}

macro_rules! shapes {
    ($($ty:ty => $text:literal),* $(,)?) => {
        $(impl Shape for $ty {
            fn shape() -> String {
                $text.into()
            }
        })*
    };
}

shapes! {
    bool => "bool",
    String => "string",
    u8 => "integer", u16 => "integer", u32 => "integer", u64 => "integer",
    i8 => "integer", i16 => "integer", i32 => "integer", i64 => "integer",
    f32 => "number", f64 => "number",
    serde_json::Value => "any",
}

/// What may be left out is marked at its field.
impl<T: Shape> Shape for Option<T> {
    fn shape() -> String {
        T::shape()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn shape() -> String {
        format!("[{}]", T::shape())
    }
}

impl<T: Shape> Shape for BTreeSet<T> {
    fn shape() -> String {
        format!("[{}]", T::shape())
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn shape() -> String {
        format!("{{string: {}}}", T::shape())
    }
}
