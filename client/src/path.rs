//! What may stand for a path in a call. Knows no request.

use zareba_model::{PathError, ZnodePath};

/// A path, or a text that is checked to be one. A [`ZnodePath`] spares the check.
pub trait IntoPath {
    /// The path.
    fn into_path(self) -> Result<ZnodePath, PathError>;
}

impl IntoPath for ZnodePath {
    fn into_path(self) -> Result<ZnodePath, PathError> {
        Ok(self)
    }
}

impl IntoPath for &ZnodePath {
    fn into_path(self) -> Result<ZnodePath, PathError> {
        Ok(self.clone())
    }
}

impl IntoPath for &str {
    fn into_path(self) -> Result<ZnodePath, PathError> {
        ZnodePath::parse(self)
    }
}

impl IntoPath for String {
    fn into_path(self) -> Result<ZnodePath, PathError> {
        ZnodePath::parse(&self)
    }
}

impl IntoPath for &String {
    fn into_path(self) -> Result<ZnodePath, PathError> {
        ZnodePath::parse(self)
    }
}
