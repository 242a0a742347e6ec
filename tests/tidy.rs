//! The house's rules that no compiler checks, as tests over the tracked files and the packages'
//! graph. It must never know what any room does, only how rooms may look and whom they may import.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what is missing is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

#[path = "tidy/document.rs"]
mod document;
#[path = "tidy/knot.rs"]
mod knot;
#[path = "tidy/source.rs"]
mod source;

/// Which rooms a room may import: the table of ARCHITECTURE.md, and nothing else. A folder in this
/// table is a room's whole address; `crates/` is left out.
const ALLOWED_IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &["model"]),
    ("zk-wire", &["model"]),
    ("zab", &["model"]),
    ("tree", &["model"]),
    ("log", &["model"]),
    ("replica", &["zab", "tree", "wire", "model"]),
    ("storage", &["log", "wire", "model"]),
    ("transport", &["zab", "wire", "model"]),
    ("plugin-host", &["replica", "model"]),
    ("check", &["zab", "model"]),
    ("authoring", &[]),
    ("sim", &["replica", "zab", "tree", "wire", "log", "model"]),
    (
        "server",
        &[
            "model",
            "wire",
            "zk-wire",
            "zab",
            "tree",
            "log",
            "replica",
            "storage",
            "transport",
            "plugin-host",
        ],
    ),
    ("client", &["wire", "model"]),
    ("cli", &["server", "client", "plugin-host", "authoring"]),
    ("examples", &["client"]),
    ("guest-sdk/macros", &[]),
    ("guest-sdk", &["guest-sdk/macros"]),
    ("plugins", &["guest-sdk"]),
    // Guests under test are plugins of another purpose.
    ("tests/guests", &["guest-sdk"]),
    ("tests/guests/fixtures", &["guest-sdk"]),
];

/// Rooms that may import any other: they prove or build the house and are no part of it.
const IMPORT_ANYTHING: &[&str] = &["tests", "tests/recipes", "benches", "fuzz/targets", "xtask"];

/// Rooms without an operating system. `xtask/src/ci.rs` compiles the same list for wasm32.
const PURE_ROOMS: &[&str] = &["model", "wire", "zk-wire", "zab", "tree", "log", "replica"];

/// What a pure room must not reach, by any number of steps.
const IMPURE_PACKAGES: &[&str] = &["tokio", "quinn", "fjall", "rand", "wasmtime"];

/// What a pure room must not name: threads, the world outside, and the time.
const IMPURE_NAMES: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "std::env",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Names that say a file has no subject.
const NAMES_WITHOUT_A_NOUN: &[&str] = &[
    "utils", "util", "common", "types", "core", "shared", "helpers", "helper", "misc",
];

/// Files that may bear such a name all the same, because a convention outside the house gives it.
const NAMED_BY_CONVENTION: &[&str] = &[
    // In WIT an interface of shared records is named `types`, and its file after it.
    "wit/types.wit",
    // Glue that wit-bindgen generates for Go imports a package of this name.
    "crates/authoring/go/pkg/wit/types/types.go",
];

/// Longest source file, lines; it is split by noun before.
const FILE_LINES_MAX: usize = 800;

/// The document of promises, and what it names beside tests.
const PROMISES: &str = "docs/guarantees.md";
const BUG_BANK: &str = "docs/bug-bank.md";

/// The document that says which bugs of recipes elsewhere cannot happen here.
const RECIPES: &str = "docs/recipes/README.md";
const INVARIANTS: &str = "crates/sim/src/invariants";

/// Modules of one crate that import each other in a circle, with the reason why they may.
const ALLOWED_KNOTS: &[knot::Allowed] = &[
    knot::Allowed {
        room: "model",
        modules: &["explained", "outcome", "txn"],
        reason: "an answer may explain a call by the effects it would have, and effects hold answers",
    },
    knot::Allowed {
        room: "tree",
        modules: &["children", "node", "nodes", "path_index"],
        reason: "a node holds the `NodeId` of its children in the table that holds the nodes",
    },
    knot::Allowed {
        room: "tree",
        modules: &["dirty", "snapshot", "tree"],
        reason: "the tree notes what changed by `RecordKey`, the name its snapshot gives a record",
    },
    knot::Allowed {
        room: "log",
        modules: &["log", "recovery"],
        reason: "recovery makes the `Origin` that the log then keeps",
    },
];

#[test]
fn rooms_import_only_what_the_table_allows() {
    let metadata = metadata();
    let rows: BTreeMap<_, _> = ALLOWED_IMPORTS.iter().copied().collect();
    let mut offenders = Vec::new();
    for package in metadata.workspace_packages() {
        let room = room(&metadata, package);
        if IMPORT_ANYTHING.contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = rows.get(room.as_str()) else {
            offenders.push(format!("{room} has no row in ALLOWED_IMPORTS"));
            continue;
        };
        for dependency in &package.dependencies {
            // Development dependencies are read too: a test may not see what its room may not.
            let Some(folder) = &dependency.path else {
                continue;
            };
            let target = room_of_folder(&metadata, folder.as_std_path());
            if target != room && !allowed.contains(&target.as_str()) {
                offenders.push(format!("{room} must not import {target}"));
            }
        }
    }
    report("forbidden imports between rooms", &offenders);
}

#[test]
fn packages_are_named_after_their_folders() {
    let metadata = metadata();
    let mut offenders = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = folder_in_root(&metadata, package.manifest_path.parent().unwrap().as_ref());
        let name = match folder.strip_prefix("crates/").unwrap_or(&folder) {
            "xtask" => "xtask".to_owned(),
            folder => match folder.strip_prefix("plugins/") {
                Some(plugin) => format!("zareba-plugin-{plugin}"),
                None => format!("zareba-{}", folder.replace('/', "-")),
            },
        };
        if package.name.as_str() != name {
            offenders.push(format!("{folder} holds {}, not {name}", package.name));
        }
    }
    report("packages not named after their folders", &offenders);
}

#[test]
fn pure_rooms_reach_no_impure_package() {
    let metadata = metadata();
    let mut offenders = Vec::new();
    for package in metadata.workspace_packages() {
        let room = room(&metadata, package);
        let forbidden: &[&str] = match room.as_str() {
            "sim" => &["tokio"],
            pure if PURE_ROOMS.contains(&pure) => IMPURE_PACKAGES,
            _ => continue,
        };
        let reached = reached_packages(&metadata, &package.id);
        let named = forbidden.iter().filter(|name| reached.contains(**name));
        offenders.extend(named.map(|name| format!("{room} reaches {name}")));
        let direct = package
            .dependencies
            .iter()
            .filter(|d| forbidden.contains(&d.name.as_str()));
        offenders.extend(direct.map(|d| format!("{room} names {} in its manifest", d.name)));
    }
    report("pure rooms with impure dependencies", &offenders);
}

#[test]
fn pure_rooms_name_no_clock_disk_socket_thread_or_environment() {
    let mut offenders = Vec::new();
    for room in PURE_ROOMS {
        let files = sources(&format!("crates/{room}/src/"));
        assert!(
            !files.is_empty(),
            "the list of pure rooms names {room}, which has no source"
        );
        for (path, text) in files
            .into_iter()
            .filter(|(path, _)| !path.contains("/src/tests"))
        {
            let code = source::production_code(&text);
            let named = IMPURE_NAMES.iter().filter(|name| code.contains(**name));
            offenders.extend(named.map(|name| format!("{path} names {name}")));
        }
    }
    report("pure rooms that touch the world", &offenders);
}

#[test]
fn every_source_file_opens_with_what_it_does() {
    let silent = sources("")
        .into_iter()
        .filter(|(_, text)| !source::opens_with_docs(text));
    report(
        "files that do not open with `//!`",
        &silent.map(|(path, _)| path).collect::<Vec<_>>(),
    );
}

#[test]
fn every_file_is_named_by_a_noun() {
    let nameless = tracked_files().into_iter().filter(|path| {
        let excepted = NAMED_BY_CONVENTION.contains(&path.as_str());
        let mut parts = Path::new(path)
            .components()
            .map(|part| part.as_os_str().to_string_lossy());
        !excepted
            && parts.any(|part| NAMES_WITHOUT_A_NOUN.contains(&part.split('.').next().unwrap()))
    });
    report(
        "files or folders without a subject",
        &nameless.collect::<Vec<_>>(),
    );
}

#[test]
fn no_source_file_is_longer_than_its_limit() {
    let long = sources("").into_iter().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX && !source::is_generated(&text))
            .then(|| format!("{path}: {lines} lines"))
    });
    report("files longer than 800 lines", &long.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_undone_or_ignored() {
    // Joined here, so that this file does not hold them.
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ];
    let mut offenders = Vec::new();
    for (path, text) in sources("") {
        for (number, line) in (1..).zip(text.lines()) {
            let found = marks.iter().filter(|mark| line.contains(**mark));
            offenders.extend(found.map(|mark| format!("{path}:{number} holds {mark}")));
        }
    }
    report("work left undone", &offenders);
}

#[test]
fn modules_of_pure_rooms_form_no_knot() {
    let mut offenders = Vec::new();
    for room in PURE_ROOMS {
        let prefix = format!("crates/{room}/src/");
        let files = sources(&prefix).into_iter().map(|(path, text)| {
            (
                path.strip_prefix(&prefix).unwrap().to_owned(),
                source::production_code(&text),
            )
        });
        let knots = knot::knots(&files.collect());
        offenders.extend(knot::judge(room, &knots, ALLOWED_KNOTS));
    }
    report("modules that import each other in a circle", &offenders);
}

#[test]
fn every_package_takes_the_workspace_lints() {
    let careless = tracked_files().into_iter().filter(|path| {
        let manifest = (path == "Cargo.toml" || path.ends_with("/Cargo.toml")).then(|| read(path));
        manifest.flatten().is_some_and(|text| {
            let mut after = text
                .lines()
                .skip_while(|line| line.trim() != "[lints]")
                .skip(1);
            text.contains("[package]") && after.next().map(str::trim) != Some("workspace = true")
        })
    });
    report(
        "packages without `[lints] workspace = true`",
        &careless.collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let own = root().to_string_lossy().into_owned();
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
    ];
    let places = [homes.as_slice(), &[concat!("/wo", "rk/"), own.as_str()]].concat();
    let mut offenders = Vec::new();
    for path in tracked_files() {
        let Some(text) = read(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            let found = places
                .iter()
                .filter(|place| source::names_absolute(line, place));
            offenders.extend(found.map(|place| format!("{path}:{number} names {place}")));
        }
    }
    report("absolute places of one machine", &offenders);
}

#[test]
fn every_promise_names_tests_that_are_there() {
    let promises = read(PROMISES).unwrap();
    let bank = read(BUG_BANK).unwrap();
    let mut named = document::named(&promises);
    let recipes = read(RECIPES).unwrap();
    let of_recipes = document::named(&recipes);
    assert!(!named.is_empty(), "{PROMISES} names no test");
    assert!(!of_recipes.is_empty(), "{RECIPES} names no test");
    named.extend(of_recipes);
    let missing = named.iter().filter(|named| match named {
        document::Named::Test { file, name } => {
            !read(file).is_some_and(|source| document::has_test(&source, name))
        }
        document::Named::Invariant(name) => read(&format!("{INVARIANTS}/{name}.rs")).is_none(),
        document::Named::Bug(name) => !bank.contains(&format!("`{name}`")),
    });
    let missing: Vec<_> = missing.map(|named| format!("{named:?}")).collect();
    report("named as tests, but not there", &missing);
    report(
        "promises without a word of tests",
        &document::untested(&promises),
    );
}

/// Fails with every offender, not with the first.
fn report<T: AsRef<str>>(what: &str, offenders: &[T]) {
    let list: String = offenders
        .iter()
        .map(|line| format!("\n  {}", line.as_ref()))
        .collect();
    assert!(offenders.is_empty(), "{what}: {}{list}", offenders.len());
}

/// The packages' graph as cargo sees it on this machine; other machines' packages need not be here.
fn metadata() -> Metadata {
    let rustc = Command::new("rustc")
        .arg("-vV")
        .current_dir(root())
        .output()
        .unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options([
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            host.to_owned(),
        ])
        .exec()
        .unwrap()
}

/// A package's room: its folder without `crates/`; guests share a row.
fn room(metadata: &Metadata, package: &Package) -> String {
    room_of_folder(
        metadata,
        package.manifest_path.parent().unwrap().as_std_path(),
    )
}

fn room_of_folder(metadata: &Metadata, folder: &Path) -> String {
    let folder = folder_in_root(metadata, folder);
    let guests = ["plugins", "tests/guests"];
    let shared = guests
        .iter()
        .find(|row| folder.starts_with(&format!("{row}/")));
    let own = || folder.strip_prefix("crates/").unwrap_or(&folder);
    shared.map_or_else(own, |row| *row).to_owned()
}

fn folder_in_root(metadata: &Metadata, folder: &Path) -> String {
    folder
        .strip_prefix(&metadata.workspace_root)
        .unwrap()
        .to_string_lossy()
        .replace('\\', "/")
}

/// The names of all packages that are linked into `start`, tests aside.
fn reached_packages(metadata: &Metadata, start: &PackageId) -> BTreeSet<String> {
    let graph = &metadata.resolve.as_ref().unwrap().nodes;
    let nodes: BTreeMap<_, _> = graph.iter().map(|node| (&node.id, node)).collect();
    let mut reached = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        for edge in &node.deps {
            let linked = edge
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if linked && reached.insert(&edge.pkg) {
                open.push(&edge.pkg);
            }
        }
    }
    let packages = metadata
        .packages
        .iter()
        .filter(|package| reached.contains(&package.id));
    packages.map(|package| package.name.to_string()).collect()
}

/// The tracked Rust files whose paths begin with `prefix`, with their text.
fn sources(prefix: &str) -> Vec<(String, String)> {
    let rust = tracked_files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"));
    let here = rust.filter(|path| path.starts_with(prefix));
    here.filter_map(|path| read(&path).map(|text| (path, text)))
        .collect()
}

/// What git tracks, relative to the root.
fn tracked_files() -> Vec<String> {
    let root = root();
    let output = Command::new("git")
        // A clone that belongs to another user is read all the same.
        .arg("-c")
        .arg(format!("safe.directory={}", root.display()))
        .args(["ls-files", "-z"])
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let list = String::from_utf8(output.stdout).unwrap();
    list.split_terminator('\0').map(str::to_owned).collect()
}

/// A file's text; none if it is no text, or is tracked but deleted.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

fn root() -> PathBuf {
    // Read when the tests run: a build directory may be shared by several clones.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&package).parent().unwrap().to_owned()
}
