//! Reads a Rust file as text: what it opens with, and its code without comments and tests. It must
//! never know which rule asks.

/// The code that ships: no comments, no string literals, no `#[cfg(test)]` module.
pub(super) fn production_code(text: &str) -> String {
    without_test_modules(&without_comments(text))
}

/// True if the file begins with what it does, or was written by a program.
pub(super) fn opens_with_docs(text: &str) -> bool {
    text.starts_with("//!") || is_generated(text)
}

/// True if the first lines say that a program wrote this file.
pub(super) fn is_generated(text: &str) -> bool {
    let mark = concat!("@gene", "rated");
    text.lines()
        .take(5)
        .any(|line| line.starts_with("//") && line.contains(mark))
}

/// True if `line` holds `place` as the beginning of an absolute path, not inside a longer one.
pub(super) fn names_absolute(line: &str, place: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || "_-.~}*/".contains(before);
    line.match_indices(place)
        .any(|(at, _)| !line[..at].ends_with(inside))
}

/// Blanks comments and the insides of string and character literals; lines stay lines.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or(0);
        let (skip, after) = rest.split_at(length);
        if skip.is_empty() {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(skip.chars().filter(|c| *c == '\n'));
            code.push(' ');
            rest = after;
        }
    }
    code
}

/// How many bytes at the start of `rest` are a comment or a literal.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if let Some(hashes) = raw_string(rest) {
        let close = format!("\"{}", "#".repeat(hashes));
        let open = 2 + hashes;
        return Some(
            rest[open..]
                .find(&close)
                .map_or(rest.len(), |end| open + end + close.len()),
        );
    }
    match rest.chars().next()? {
        '"' => Some(closing_quote(rest, '"').unwrap_or(rest.len())),
        // A lifetime has no closing quote right behind its first character.
        '\'' if rest[1..].starts_with('\\') => closing_quote(rest, '\''),
        '\'' => {
            let inner = rest[1..].chars().next()?.len_utf8();
            rest[1 + inner..].starts_with('\'').then_some(inner + 2)
        }
        _ => None,
    }
}

/// The number of `#` if `rest` begins with a raw string.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Behind the quote that closes the literal which `rest` begins with.
fn closing_quote(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Drops each item behind `#[cfg(test)]`: up to its closing brace, or its semicolon.
fn without_test_modules(code: &str) -> String {
    let mark = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(mark) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + mark.len()..];
        let mut depth = 0_usize;
        let end = rest.char_indices().find_map(|(at, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            ((c == '}' || c == ';') && depth == 0).then_some(at + 1)
        });
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    kept.push_str(rest);
    kept
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let text = "//! crate::a\nuse b; /* crate::c */ let d = \"crate::\\\"e\"; let f: &'static x = '\"';\n\
                let g = r#\"crate::h\"#;\n#[cfg(test)]\nmod tests { use crate::i; fn j() {} }\nfn k() {}";
    let code = production_code(text);
    assert!(!code.contains("crate::"), "{code}");
    for kept in [
        "use b;",
        "let d =",
        "let f: &'static x =",
        "let g =",
        "fn k() {}",
    ] {
        assert!(code.contains(kept), "{kept} is lost in {code}");
    }
}

#[test]
fn a_place_inside_a_longer_path_is_no_absolute_place() {
    let home = concat!("/ho", "me/");
    assert!(names_absolute(&format!("cd {home}me"), home));
    assert!(names_absolute(&format!("\"{home}me\""), home));
    assert!(!names_absolute(&format!("https://a.example{home}me"), home));
}

#[test]
fn a_file_must_open_with_docs_unless_a_program_wrote_it() {
    assert!(opens_with_docs("//! What it does."));
    assert!(!opens_with_docs("use std::fmt;\n//! Too late."));
    assert!(opens_with_docs(concat!(
        "// @gene",
        "rated by a program\nuse a;"
    )));
}
