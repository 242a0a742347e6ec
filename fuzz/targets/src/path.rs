//! Znode paths, from texts. Must never know what a path names.

use zareba_model::limits::PATH_BYTES_MAX;
use zareba_model::{PathError, ZnodePath};
use zareba_tree::reserved;

use crate::memory::{Bound, within};

/// The path, and in an error's text each character in its longest spelling.
const PATH: Bound = Bound::per_byte(32);

/// The input's first line is a path, the second one a path below it.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (text, relative) = text.split_once('\n').unwrap_or((text, ""));
    let parsed = within(PATH, bytes.len(), || ZnodePath::parse(text));
    match &parsed {
        Ok(path) => valid(path, text),
        Err(error) => refused(error, text),
    }
    if let Ok(path) = parsed {
        below(&path, relative);
    }
    assert_eq!(reserved::unescape(&reserved::escape(text)), text);
}

/// What is promised of every path, said anew.
fn valid(path: &ZnodePath, text: &str) {
    assert_eq!(path.as_str(), text);
    assert!(text.starts_with('/') && text.len() <= PATH_BYTES_MAX);
    assert!(text == "/" || !text.ends_with('/'));
    assert!(!text.contains("//") && !text.chars().any(char::is_control));
    assert!(text.split('/').all(|part| part != "." && part != ".."));
    let Some(parent) = path.parent() else {
        assert!(path.is_root());
        return;
    };
    assert_eq!(ZnodePath::parse(parent.as_str()).as_ref(), Ok(&parent));
    assert_eq!(parent.join(path.name()).as_ref(), Ok(path));
    assert!(path.is_within(&parent) && !parent.is_within(path));
    assert_eq!(path.relative_to(&parent), Some(path.name()));
}

fn refused(error: &PathError, text: &str) {
    let too_long = matches!(error, PathError::TooLong(_));
    assert_eq!(too_long, text.len() > PATH_BYTES_MAX);
    assert!(!error.to_string().is_empty());
}

/// Nothing that is joined to a path leads out of it: plugins are confined to their mounts so.
fn below(path: &ZnodePath, relative: &str) {
    if let Ok(joined) = path.join(relative) {
        assert!(joined.is_within(path), "{joined} out of {path}");
        valid(&joined, joined.as_str());
        if !path.is_root() || !relative.is_empty() {
            assert_eq!(joined.relative_to(path), Some(relative));
        }
    }
    if let Ok(longer) = path.with_suffix(relative) {
        assert!(longer.as_str().starts_with(path.as_str()));
        valid(&longer, longer.as_str());
    }
}
