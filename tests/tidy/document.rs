//! Reads a document that names tests: what it names in code spans, and whether a file has such a test.
//! It must never know which document or which promise it reads.

/// What a code span names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// `file.rs::name`.
    Test { file: &'a str, name: &'a str },
    /// `sim::name`: an invariant of the simulator.
    Invariant(&'a str),
    /// `planted::name`: a bug of the bank.
    Bug(&'a str),
}

/// Everything that a text names; other code is passed over.
pub(super) fn named(text: &str) -> Vec<Named<'_>> {
    // Behind every second backquote a span begins.
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter_map(of_span).collect()
}

fn of_span(span: &str) -> Option<Named<'_>> {
    let (owner, name) = span.split_once("::")?;
    match owner {
        "sim" => Some(Named::Invariant(name)),
        "planted" => Some(Named::Bug(name)),
        file if file.ends_with(".rs") => Some(Named::Test { file, name }),
        _ => None,
    }
}

/// The headings of the third level whose text neither names a test nor says that it has none.
pub(super) fn untested(text: &str) -> Vec<&str> {
    let sections = text.split("\n### ").skip(1);
    let bare = sections.filter(|section| {
        // A heading of a higher level ends it.
        let own = section.split("\n## ").next().unwrap_or_default();
        named(own).is_empty() && !own.contains("no test of its own yet")
    });
    bare.filter_map(|section| section.lines().next()).collect()
}

/// True if that source has a test of that name.
pub(super) fn has_test(source: &str, name: &str) -> bool {
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        }
        let line = line.strip_prefix("async ").unwrap_or(line);
        if let Some(function) = line.strip_prefix("fn ") {
            let rest = function.strip_prefix(name);
            if is_test && rest.is_some_and(|rest| rest.starts_with('(')) {
                return true;
            }
            is_test = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_invariants_and_bugs_are_named_and_other_code_is_not() {
        let text = "`a/b.rs::it_holds`, `sim::reads`\nand `planted::zk-1`; `Client::get`, `std`.";
        let (file, name) = ("a/b.rs", "it_holds");
        let expected = [
            Named::Test { file, name },
            Named::Invariant("reads"),
            Named::Bug("zk-1"),
        ];
        assert_eq!(named(text), expected);
    }

    #[test]
    fn a_promise_without_a_test_is_found_unless_it_says_so() {
        let text = "# T\n\n### One\n`a.rs::t`\n\n### Two\nNothing.\n\n## `sim::x`\n\n### Three\nno test of its own yet";
        assert_eq!(untested(text), ["Two"]);
    }

    #[test]
    fn a_function_is_a_test_only_behind_the_attribute() {
        let source = "#[test]\nfn one() {}\nfn two() {}\n  #[tokio::test(flavor = \"x\")]\n  async fn three() {}";
        for (name, expected) in [
            ("one", true),
            ("two", false),
            ("three", true),
            ("on", false),
        ] {
            assert_eq!(has_test(source, name), expected, "{name}");
        }
    }
}
