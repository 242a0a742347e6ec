//! Finds the knots of a crate: top-level modules that import each other in a circle through `crate::`
//! or `super::` paths. It must never know which crate it looks at.

use std::collections::{BTreeMap, BTreeSet};

/// A knot that may stay, and why.
pub(super) struct Allowed {
    /// The room.
    pub(super) room: &'static str,
    /// The modules, all of them.
    pub(super) modules: &'static [&'static str],
    /// Why they may know each other.
    pub(super) reason: &'static str,
}

type Module = String;
type Knot = BTreeSet<Module>;
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// The offences of one room: each knot beyond the list, and each line of the list without a knot.
pub(super) fn judge(room: &str, knots: &[Knot], allowed: &[Allowed]) -> Vec<String> {
    let covers = |line: &Allowed, knot: &Knot| {
        line.room == room
            && knot
                .iter()
                .all(|module| line.modules.contains(&module.as_str()))
    };
    let beyond = knots
        .iter()
        .filter(|knot| !allowed.iter().any(|line| covers(line, knot)));
    let stale = allowed.iter().filter(|line| line.room == room);
    let stale = stale.filter(|line| !knots.iter().any(|knot| covers(line, knot)));
    beyond
        .map(|knot| {
            format!(
                "{room}: {}",
                knot.iter().cloned().collect::<Vec<_>>().join(" <-> ")
            )
        })
        .chain(stale.map(|line| {
            format!(
                "{room}: allowed and gone: {:?} ({})",
                line.modules, line.reason
            )
        }))
        .collect()
}

/// The knots among the modules of a crate, given its files (relative to `src/`) as plain code.
pub(super) fn knots(files: &BTreeMap<String, String>) -> Vec<Knot> {
    let reach = closure(imports(files));
    let mut knots: Vec<Knot> = Vec::new();
    for (module, reached) in &reach {
        let known = knots.iter().any(|knot| knot.contains(module));
        if !known && reached.contains(module) {
            let mutual = reached
                .iter()
                .filter(|other| reach.get(*other).is_some_and(|back| back.contains(module)));
            knots.push(mutual.cloned().collect());
        }
    }
    knots
}

/// Which top-level modules each top-level module names; itself left out.
fn imports(files: &BTreeMap<String, String>) -> Imports {
    let modules: BTreeSet<_> = files.keys().filter_map(|file| module_of(file)).collect();
    let doors = re_exports(files, &modules);
    let mut imports: Imports = modules
        .iter()
        .map(|module| (module.clone(), BTreeSet::new()))
        .collect();
    for (file, code) in files {
        let Some(module) = module_of(file) else {
            continue;
        };
        let own = imports.entry(module.clone()).or_default();
        for name in names_below_crate(code, depth_of(file)) {
            let target = if modules.contains(&name) {
                Some(&name)
            } else {
                doors.get(&name)
            };
            own.extend(target.filter(|target| **target != module).cloned());
        }
    }
    imports
}

/// The top-level module a file belongs to; none for the crate's root.
fn module_of(file: &str) -> Option<Module> {
    let first = file.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "main", "bin"].contains(&first)).then(|| first.to_owned())
}

/// How many `super::` lead from a file's module to the crate's root.
fn depth_of(file: &str) -> usize {
    file.trim_end_matches("/mod.rs").split('/').count()
}

/// Items that the root offers under its own name, with the module they come from.
fn re_exports(
    files: &BTreeMap<String, String>,
    modules: &BTreeSet<Module>,
) -> BTreeMap<String, Module> {
    let root = files.get("lib.rs").or_else(|| files.get("main.rs"));
    let mut doors = BTreeMap::new();
    for statement in root.map(String::as_str).unwrap_or_default().split(';') {
        let Some((_, path)) = statement.split_once("pub use ") else {
            continue;
        };
        let path = path
            .trim()
            .trim_start_matches("self::")
            .trim_start_matches("crate::");
        let Some((module, items)) = path.split_once("::") else {
            continue;
        };
        if !modules.contains(module) {
            continue;
        }
        let of_module = files
            .iter()
            .filter(|(file, _)| module_of(file).as_deref() == Some(module));
        let names: Vec<_> = if items.ends_with('*') {
            of_module.flat_map(|(_, code)| public_items(code)).collect()
        } else {
            items
                .split(['{', '}', ',', ':', ' ', '\n'])
                .map(str::to_owned)
                .collect()
        };
        doors.extend(names.into_iter().map(|name| (name, module.to_owned())));
    }
    doors
}

/// The names of what a file makes public.
fn public_items(code: &str) -> Vec<String> {
    let items = code.split("pub ").skip(1).filter_map(|item| {
        let mut words = item.split(|c: char| !c.is_alphanumeric() && c != '_');
        let kind = words
            .by_ref()
            .find(|word| !["const", "async"].contains(word) || item.contains(':'))?;
        let named = [
            "struct", "enum", "trait", "type", "fn", "const", "static", "mod",
        ]
        .contains(&kind);
        named
            .then(|| words.find(|word| !word.is_empty()).map(str::to_owned))
            .flatten()
    });
    items.collect()
}

/// The first segments behind `crate::`, or behind as many `super::` as lead to the root.
fn names_below_crate(code: &str, depth: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&prefix) {
            let longer =
                code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !longer && !code[..at].ends_with('$') {
                names.extend(first_segments(&code[at + prefix.len()..]));
            }
        }
    }
    names
}

/// `a::b` gives `a`; `{a::b, c::{d, e}}` gives `a` and `c`.
fn first_segments(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let mut depth = 0_usize;
    let mut segments = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => segments.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    // A group may end with a comma.
    segments.retain(|segment| !segment.is_empty());
    segments
}

/// Everything that each module reaches in one step or more.
fn closure(mut reach: Imports) -> Imports {
    loop {
        let before: usize = reach.values().map(BTreeSet::len).sum();
        let known = reach.clone();
        for reached in reach.values_mut() {
            let further = reached
                .iter()
                .filter_map(|module| known.get(module))
                .flatten()
                .cloned();
            *reached = further.chain(reached.iter().cloned()).collect();
        }
        if reach.values().map(BTreeSet::len).sum::<usize>() == before {
            return reach;
        }
    }
}

#[cfg(test)]
fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter()
        .map(|(file, code)| ((*file).to_owned(), (*code).to_owned()))
        .collect()
}

#[test]
fn a_circle_through_re_exports_groups_and_super_is_found() {
    let crate_ = files(&[
        (
            "lib.rs",
            "pub mod a; pub use a::{Apple, Axe}; mod b; pub use b::*; mod c;",
        ),
        ("a.rs", "use crate::{x, Bean};"),
        ("b/mod.rs", "pub struct Bean; mod pod;"),
        ("b/pod.rs", "use super::super::c::Corn;"),
        ("c.rs", "fn f() { crate::Axe::new() }"),
        ("d.rs", "use crate::a;"),
    ]);
    let expected: Knot = ["a", "b", "c"].map(str::to_owned).into();
    assert_eq!(knots(&crate_), [expected]);
}

#[test]
fn a_star_is_no_knot() {
    let crate_ = files(&[
        ("lib.rs", "mod hall; mod a; mod b; pub use hall::{Hall, };"),
        ("hall.rs", "use crate::{a::A, b::{self, B}};"),
        ("a.rs", "struct A; use crate::{a::inner,};"),
        ("b.rs", "struct B;"),
    ]);
    assert!(knots(&crate_).is_empty());
}

#[test]
fn a_knot_is_judged_by_the_list_and_the_list_by_the_knots() {
    let knot: Knot = ["a", "b"].map(str::to_owned).into();
    let line = Allowed {
        room: "r",
        modules: &["a", "b"],
        reason: "they are one noun",
    };
    assert_eq!(judge("r", std::slice::from_ref(&knot), &[]), ["r: a <-> b"]);
    assert!(judge("r", std::slice::from_ref(&knot), &[line]).is_empty());
    let line = Allowed {
        room: "r",
        modules: &["a", "z"],
        reason: "once",
    };
    assert_eq!(judge("r", &[knot], &[line]).len(), 2);
}
