//! Znode paths: parsed once, valid ever after. Knows nothing of what a path names.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::limits::PATH_BYTES_MAX;

/// An absolute, normal path such as `/locks/db`. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZnodePath(Arc<str>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// Paths are absolute.
    #[error("a path starts with '/', but {0:?} does not")]
    NotAbsolute(String),
    /// Only the root ends in a slash.
    #[error("a path does not end with '/', but {0:?} does")]
    TrailingSlash(String),
    /// Two slashes in a row.
    #[error("a path has no empty part, but {0:?} has one")]
    EmptyPart(String),
    /// `.` and `..` are refused, never resolved.
    #[error("a path has no '.' or '..' part, but {0:?} has one")]
    RelativePart(String),
    /// Control characters and surrogate-like code points are refused, as in ZooKeeper.
    #[error("a path has no control character, but {0:?} has one")]
    ControlCharacter(String),
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("a path has at most {PATH_BYTES_MAX} bytes, but this one has {0}")]
    TooLong(usize),
}

impl ZnodePath {
    /// The root, `/`.
    pub fn root() -> Self {
        Self(Arc::from("/"))
    }

    /// Checks a text and keeps it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong(text.len()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathError::NotAbsolute(text.to_owned()));
        };
        if rest.is_empty() {
            return Ok(Self::root());
        }
        if rest.ends_with('/') {
            return Err(PathError::TrailingSlash(text.to_owned()));
        }
        for part in rest.split('/') {
            if part.is_empty() {
                return Err(PathError::EmptyPart(text.to_owned()));
            }
            if part == "." || part == ".." {
                return Err(PathError::RelativePart(text.to_owned()));
            }
        }
        if rest
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{f8ff}' | '\u{fff0}'..='\u{ffff}'))
        {
            return Err(PathError::ControlCharacter(text.to_owned()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }

    /// The text of the parent's path; `None` for the root.
    pub fn parent_str(&self) -> Option<&str> {
        if self.is_root() {
            return None;
        }
        match self.0.rsplit_once('/') {
            Some(("", _)) | None => Some("/"),
            Some((parent, _)) => Some(parent),
        }
    }

    /// The parent; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.parent_str().map(|parent| Self(Arc::from(parent)))
    }

    /// This path and all above it, the root last.
    pub fn ancestry(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |path| match path.rsplit_once('/') {
            Some(("", "")) | None => None,
            Some(("", _)) => Some("/"),
            Some((parent, _)) => Some(parent),
        })
    }

    /// This path with one more part, or with a relative path of several parts.
    pub fn join(&self, relative: &str) -> Result<Self, PathError> {
        if self.is_root() {
            Self::parse(&format!("/{relative}"))
        } else {
            Self::parse(&format!("{}/{relative}", self.0))
        }
    }

    /// The path with a suffix glued to its last part, as sequential nodes need.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, PathError> {
        Self::parse(&format!("{}{suffix}", self.0))
    }

    /// True if `self` is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.relative_to(ancestor).is_some()
    }

    /// The part of `self` below `ancestor`, without a leading slash; empty if they are equal.
    pub fn relative_to(&self, ancestor: &Self) -> Option<&str> {
        if ancestor.is_root() {
            return self.0.strip_prefix('/');
        }
        let rest = self.0.strip_prefix(&*ancestor.0)?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix('/')
        }
    }
}

impl fmt::Debug for ZnodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl fmt::Display for ZnodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for ZnodePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ZnodePath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl Serialize for ZnodePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ZnodePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = ZnodePath;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a znode path")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ZnodePath, E> {
                ZnodePath::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths_are_kept_as_written() {
        for text in ["/", "/a", "/a/b.c", "/a/..b", "/ä/ /x"] {
            assert_eq!(ZnodePath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn bad_paths_are_refused_with_their_reason() {
        assert!(matches!(
            ZnodePath::parse("a"),
            Err(PathError::NotAbsolute(_))
        ));
        assert!(matches!(
            ZnodePath::parse(""),
            Err(PathError::NotAbsolute(_))
        ));
        assert!(matches!(
            ZnodePath::parse("/a/"),
            Err(PathError::TrailingSlash(_))
        ));
        assert!(matches!(
            ZnodePath::parse("/a//b"),
            Err(PathError::EmptyPart(_))
        ));
        assert!(matches!(
            ZnodePath::parse("/a/../b"),
            Err(PathError::RelativePart(_))
        ));
        assert!(matches!(
            ZnodePath::parse("/a\0"),
            Err(PathError::ControlCharacter(_))
        ));
        let long = format!("/{}", "x".repeat(PATH_BYTES_MAX));
        assert!(matches!(
            ZnodePath::parse(&long),
            Err(PathError::TooLong(_))
        ));
    }

    #[test]
    fn family_of_a_path() {
        let path = ZnodePath::parse("/a/b").unwrap();
        assert_eq!(path.name(), "b");
        assert_eq!(path.parent().unwrap().as_str(), "/a");
        assert_eq!(path.parent().unwrap().parent().unwrap(), ZnodePath::root());
        assert_eq!(ZnodePath::root().parent(), None);
        assert_eq!(ZnodePath::root().join("a/b").unwrap(), path);
        assert_eq!(path.relative_to(&ZnodePath::root()), Some("a/b"));
        assert_eq!(path.relative_to(&path), Some(""));
        assert!(!path.is_within(&ZnodePath::parse("/a/bc").unwrap()));
        assert!(!ZnodePath::parse("/a/bc").unwrap().is_within(&path));
    }

    #[test]
    fn above_a_path_are_its_parents_up_to_the_root() {
        let above = |text| {
            let path = ZnodePath::parse(text).unwrap();
            path.ancestry().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(above("/"), ["/"]);
        assert_eq!(above("/a"), ["/a", "/"]);
        assert_eq!(above("/a/bc/d"), ["/a/bc/d", "/a/bc", "/a", "/"]);
    }
}
