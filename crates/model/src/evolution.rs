//! What changes for callers when a plugin gets another revision, and whether it breaks them. Compares
//! descriptions alone: what a plugin does with its nodes must never be known here.
//!
//! Shapes are compared field by field where both are written as the guest SDK writes them,
//! `{"name": string, "wait"?: bool}`. Any other text is compared as a whole.

use std::collections::BTreeMap;
use std::fmt;

use crate::{OpDescription, PluginDescription};

/// Shapes nested deeper than so are compared as a whole.
const DEPTH_MAX: usize = 16;

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: String,
    /// True if a caller that got along with the old revision may not get along with the new one.
    pub breaking: bool,
}

impl Difference {
    fn breaks(what: impl Into<String>) -> Self {
        let (what, breaking) = (what.into(), true);
        Self { what, breaking }
    }

    fn fits(what: impl Into<String>) -> Self {
        let (what, breaking) = (what.into(), false);
        Self { what, breaking }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// All that changes from one revision to another, operations first.
pub fn differences(old: &PluginDescription, new: &PluginDescription) -> Vec<Difference> {
    let mut found = Vec::new();
    for op in &old.ops {
        match new.op(&op.name) {
            None => found.push(Difference::breaks(format!("operation {} goes", op.name))),
            Some(now) => compare_ops(op, now, &mut found),
        }
    }
    for op in &new.ops {
        if old.op(&op.name).is_none() {
            found.push(Difference::fits(format!("operation {} comes", op.name)));
        }
    }
    for watch in &old.watches {
        if !new.watches.contains(watch) {
            let what = format!("events of {} are taken no more", watch.pattern);
            found.push(Difference::fits(what));
        }
    }
    for watch in &new.watches {
        if !old.watches.contains(watch) {
            let what = format!("events of {} are taken", watch.pattern);
            found.push(Difference::fits(what));
        }
    }
    if old.state_version != new.state_version {
        found.push(Difference::fits(format!(
            "nodes are laid out anew: version {} becomes {}, by migrate",
            old.state_version, new.state_version
        )));
    }
    found
}

fn compare_ops(old: &OpDescription, new: &OpDescription, found: &mut Vec<Difference>) {
    let name = &old.name;
    if old.read_only != new.read_only {
        let kind = |read_only| if read_only { "query" } else { "command" };
        found.push(Difference::breaks(format!(
            "operation {name} was a {} and is a {}",
            kind(old.read_only),
            kind(new.read_only)
        )));
    }
    match (old.may_park, new.may_park) {
        (false, true) => found.push(Difference::breaks(format!(
            "operation {name} may wait, and never did"
        ))),
        (true, false) => found.push(Difference::fits(format!(
            "operation {name} never waits any more"
        ))),
        _ => {}
    }
    for (what, side, old, new) in [
        ("input", Side::Input, &old.input, &new.input),
        ("answer", Side::Answer, &old.output, &new.output),
    ] {
        let before = found.len();
        compare_shapes(&format!("{name}: its {what}"), side, old, new, found);
        if old != new && found.len() == before {
            let what = format!("{name}: its {what} is written in another way");
            found.push(Difference::fits(what));
        }
    }
}

/// Who has to get along with the shape: the plugin with what callers send, or callers with what comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    Answer,
}

fn compare_shapes(at: &str, side: Side, old: &str, new: &str, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    match (Shape::parse(old), Shape::parse(new)) {
        (Some(old), Some(new)) => compare(at, side, &old, &new, found),
        _ => found.push(Difference::breaks(format!("{at} was {old} and is {new}"))),
    }
}

fn compare(at: &str, side: Side, old: &Shape, new: &Shape, found: &mut Vec<Difference>) {
    match (old, new) {
        (Shape::Object(old), Shape::Object(new)) => compare_fields(at, side, old, new, found),
        (Shape::List(old), Shape::List(new)) => {
            compare(&format!("{at}, each of it,"), side, old, new, found);
        }
        (Shape::Word(old), Shape::Word(new)) if old == new => {}
        // Whoever took integers takes them among numbers, and whoever took one kind takes it among any.
        (Shape::Word(old), Shape::Word(new))
            if side == Side::Input && old == "integer" && new == "number" =>
        {
            found.push(Difference::fits(format!("{at} may be any number")));
        }
        (_, Shape::Word(new)) if side == Side::Input && new == "any" => {
            found.push(Difference::fits(format!("{at} may be anything")));
        }
        _ => found.push(Difference::breaks(format!("{at} was {old} and is {new}"))),
    }
}

fn compare_fields(
    at: &str,
    side: Side,
    old: &BTreeMap<String, Field>,
    new: &BTreeMap<String, Field>,
    found: &mut Vec<Difference>,
) {
    for (name, was) in old {
        let Some(is) = new.get(name) else {
            found.push(Difference::breaks(format!("{at} has no {name:?} any more")));
            continue;
        };
        match (side, was.optional, is.optional) {
            (Side::Input, true, false) => {
                found.push(Difference::breaks(format!("{at} must have {name:?}")));
            }
            (Side::Answer, false, true) => {
                found.push(Difference::breaks(format!("{at} may lack {name:?}")));
            }
            _ => {}
        }
        compare(
            &format!("{at}, {name:?},"),
            side,
            &was.shape,
            &is.shape,
            found,
        );
    }
    for (name, is) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        match (side, is.optional) {
            (Side::Input, false) => {
                found.push(Difference::breaks(format!("{at} must have {name:?}")));
            }
            (Side::Input, true) => {
                found.push(Difference::fits(format!("{at} may have {name:?}")));
            }
            (Side::Answer, _) => found.push(Difference::fits(format!("{at} has {name:?}"))),
        }
    }
}

/// A shape as the guest SDK writes it.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Object(BTreeMap<String, Field>),
    List(Box<Self>),
    /// `string`, `integer` and so on.
    Word(String),
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    optional: bool,
    shape: Shape,
}

impl Shape {
    fn parse(text: &str) -> Option<Self> {
        let (shape, rest) = Self::begin(text, 0)?;
        rest.trim().is_empty().then_some(shape)
    }

    /// The shape that the text begins with, and what is behind it.
    fn begin(text: &str, depth: usize) -> Option<(Self, &str)> {
        if depth > DEPTH_MAX {
            return None;
        }
        let text = text.trim_start();
        if let Some(inside) = text.strip_prefix('[') {
            let (each, rest) = Self::begin(inside, depth + 1)?;
            let rest = rest.trim_start().strip_prefix(']')?;
            return Some((Self::List(Box::new(each)), rest));
        }
        if let Some(inside) = text.strip_prefix('{') {
            return Self::fields(inside, depth);
        }
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        (!word.is_empty()).then(|| (Self::Word(word.to_owned()), rest))
    }

    fn fields(inside: &str, depth: usize) -> Option<(Self, &str)> {
        let mut fields = BTreeMap::new();
        let mut rest = inside.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((Self::Object(fields), rest));
        }
        loop {
            let (name, behind) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
            let (optional, behind) = match behind.strip_prefix('?') {
                Some(behind) => (true, behind),
                None => (false, behind),
            };
            let behind = behind.trim_start().strip_prefix(':')?;
            let (shape, behind) = Self::begin(behind, depth + 1)?;
            let field = Field { optional, shape };
            if fields.insert(name.to_owned(), field).is_some() {
                return None;
            }
            let behind = behind.trim_start();
            match behind.strip_prefix(',') {
                Some(more) => rest = more,
                None => return Some((Self::Object(fields), behind.strip_prefix('}')?)),
            }
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::List(each) => write!(f, "[{each}]"),
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, field)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let mark = if field.optional { "?" } else { "" };
                    write!(f, "{comma}{name:?}{mark}: {}", field.shape)?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(input: &str, output: &str) -> OpDescription {
        OpDescription {
            name: "take".into(),
            input: input.into(),
            output: output.into(),
            ..OpDescription::default()
        }
    }

    fn description(ops: Vec<OpDescription>) -> PluginDescription {
        PluginDescription {
            ops,
            ..PluginDescription::default()
        }
    }

    fn between(old: OpDescription, new: OpDescription) -> Vec<(String, bool)> {
        let found = differences(&description(vec![old]), &description(vec![new]));
        found.into_iter().map(|it| (it.what, it.breaking)).collect()
    }

    #[test]
    fn what_only_adds_breaks_nobody() {
        let old = op(r#"{"a": string}"#, r#"{"n": integer}"#);
        let new = op(
            r#"{"a": string, "b"?: bool}"#,
            r#"{"n": integer, "m": [string]}"#,
        );
        assert_eq!(
            between(old.clone(), new),
            [
                (r#"take: its input may have "b""#.to_owned(), false),
                (r#"take: its answer has "m""#.to_owned(), false)
            ]
        );
        let found = differences(&description(vec![]), &description(vec![old]));
        assert_eq!(found, [Difference::fits("operation take comes")]);
    }

    #[test]
    fn what_callers_rely_on_may_not_go() {
        let old = op(r#"{"a"?: string}"#, r#"{"n": {"deep": integer}}"#);
        for (input, output, what) in [
            (
                r#"{"a": string}"#,
                r#"{"n": {"deep": integer}}"#,
                "must have \"a\"",
            ),
            (r#"{}"#, r#"{"n": {"deep": integer}}"#, "no \"a\" any more"),
            (
                r#"{"a"?: string, "b": bool}"#,
                r#"{"n": {"deep": integer}}"#,
                "must have \"b\"",
            ),
            (
                r#"{"a"?: integer}"#,
                r#"{"n": {"deep": integer}}"#,
                "was string and is integer",
            ),
            (
                r#"{"a"?: string}"#,
                r#"{"n": {"deep"?: integer}}"#,
                "may lack \"deep\"",
            ),
            (r#"{"a"?: string}"#, r#"{"n": {}}"#, "no \"deep\" any more"),
            (
                r#"{"a"?: string}"#,
                r#"{"n": integer}"#,
                "was {\"deep\": integer} and is integer",
            ),
        ] {
            let found = between(old.clone(), op(input, output));
            assert!(
                found
                    .iter()
                    .any(|(text, breaking)| *breaking && text.contains(what)),
                "{what}: {found:?}"
            );
        }
        let found = differences(&description(vec![old]), &description(vec![]));
        assert_eq!(found, [Difference::breaks("operation take goes")]);
    }

    #[test]
    fn a_command_is_no_query_and_does_not_begin_to_wait() {
        let old = op("any", "any");
        let query = OpDescription {
            read_only: true,
            ..old.clone()
        };
        assert!(
            between(old.clone(), query)
                .iter()
                .all(|(_, breaking)| *breaking)
        );
        let waits = OpDescription {
            may_park: true,
            ..old.clone()
        };
        assert_eq!(
            between(old.clone(), waits.clone()),
            [("operation take may wait, and never did".to_owned(), true)]
        );
        assert!(!between(waits, old)[0].1);
    }

    #[test]
    fn a_shape_of_another_kind_is_compared_as_a_whole() {
        let found = between(op("see the README", "any"), op("see the book", "any"));
        assert_eq!(found.len(), 1);
        assert!(found[0].1);
        let deep = "[".repeat(100_000);
        assert!(Shape::parse(&deep).is_none());
        for text in [
            "",
            "{",
            "{\"a\"",
            "{\"a\": }",
            "{\"a\": any, \"a\": any}",
            "[any",
            "any any",
        ] {
            assert!(Shape::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_same_in_other_words_breaks_nobody() {
        let old = op(r#"{"a": string, "b"?: integer}"#, "any");
        let new = op(r#"{ "b"?: number, "a": string }"#, "any");
        assert!(between(old, new).iter().all(|(_, breaking)| !breaking));
    }
}
