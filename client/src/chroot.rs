//! A part of the tree taken for the whole: what is asked goes below a prefix, what is answered comes
//! back without it. Knows no request's meaning.
//!
//! Nothing can be named outside, because a [`ZnodePath`] has no `..`, no `.` and no empty part: a
//! prefix in front of it can only be left by cutting it off.

use zareba_model::{Change, Event, Outcome, PathError, ZnodePath};

use crate::{Client, Error, IntoPath};

/// Where a handle's `/` is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chroot {
    /// Never the root itself, which needs no prefix.
    prefix: Option<ZnodePath>,
}

impl Client {
    /// The same session, with `prefix` for its `/`: all paths that this handle is given and gives are
    /// relative to it, those of nodes, multis, watch events and plugins' mounts alike. A chroot of a
    /// chroot lies below it. The session, its status and its end are shared.
    ///
    /// The prefix need not exist yet; [`CreateNode::parents`](crate::CreateNode::parents) makes it.
    /// What a server says in the text of a [`Fault`](crate::Fault) names whole paths, and the
    /// server's own nodes below `/zareba` can be seen from a handle without a prefix only.
    ///
    /// Errors: [`Error::Path`] if the prefix is no path, here; and from every operation whose path
    /// becomes too long with the prefix in front of it.
    ///
    /// ```no_run
    /// # async fn example(client: zareba_client::Client) -> Result<(), zareba_client::Error> {
    /// let app = client.chroot("/apps/shop")?;
    /// let (path, _stat) = app.create_node("/config").parents().await?;
    /// assert_eq!(path.as_str(), "/config"); // it is /apps/shop/config
    /// # Ok(())
    /// # }
    /// ```
    pub fn chroot(&self, prefix: impl IntoPath) -> Result<Self, Error> {
        let prefix = self.absolute(prefix)?;
        Ok(self.with_root(Chroot::at(prefix)))
    }

    /// Where this handle's `/` is in the whole tree.
    pub fn root(&self) -> ZnodePath {
        let prefix = &self.seen_from().prefix;
        prefix.clone().unwrap_or_else(ZnodePath::root)
    }

    /// A path that the caller gave, as the servers know it.
    pub(crate) fn absolute(&self, path: impl IntoPath) -> Result<ZnodePath, PathError> {
        self.seen_from().absolute(path.into_path()?)
    }

    /// A path that a server gave, as the caller knows it.
    pub(crate) fn relative(&self, path: ZnodePath) -> Result<ZnodePath, Error> {
        self.seen_from().relative(path)
    }
}

impl Chroot {
    fn at(prefix: ZnodePath) -> Self {
        Self {
            prefix: (!prefix.is_root()).then_some(prefix),
        }
    }

    fn absolute(&self, path: ZnodePath) -> Result<ZnodePath, PathError> {
        match &self.prefix {
            None => Ok(path),
            Some(prefix) if path.is_root() => Ok(prefix.clone()),
            Some(prefix) => prefix.with_suffix(path.as_str()),
        }
    }

    /// A path that a server gave, as the caller knows it.
    pub(crate) fn relative(&self, path: ZnodePath) -> Result<ZnodePath, Error> {
        let Some(prefix) = &self.prefix else {
            return Ok(path);
        };
        match path.relative_to(prefix) {
            Some(below) => Ok(ZnodePath::root().join(below)?),
            None => Err(Error::Protocol(format!("{path} is not below {prefix}"))),
        }
    }

    /// The same for a change's path.
    pub(crate) fn absolute_change(&self, mut change: Change) -> Result<Change, PathError> {
        let path = match &mut change {
            Change::Create { path, .. }
            | Change::Set { path, .. }
            | Change::Delete { path, .. }
            | Change::Check { path, .. }
            | Change::SetAcl { path, .. } => path,
        };
        *path = self.absolute(path.clone())?;
        Ok(change)
    }

    /// The same for the path of a change's outcome, if it has one.
    pub(crate) fn relative_outcome(&self, outcome: Outcome) -> Result<Outcome, Error> {
        match outcome {
            Outcome::Created { path, stat } => Ok(Outcome::Created {
                path: self.relative(path)?,
                stat,
            }),
            other => Ok(other),
        }
    }

    /// The same for a watch's event.
    pub(crate) fn relative_event(&self, event: Event) -> Result<Event, Error> {
        Ok(Event {
            path: self.relative(event.path)?,
            ..event
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ZnodePath {
        ZnodePath::parse(text).unwrap()
    }

    #[test]
    fn paths_go_below_the_prefix_and_come_back() {
        for prefix in ["/", "/a", "/a/b"] {
            let chroot = Chroot::at(path(prefix));
            for inside in ["/", "/x", "/x/y"] {
                let absolute = chroot.absolute(path(inside)).unwrap();
                assert!(absolute.is_within(&path(prefix)));
                assert_eq!(chroot.relative(absolute), Ok(path(inside)));
            }
        }
        let chroot = Chroot::at(path("/a"));
        assert_eq!(chroot.absolute(path("/")), Ok(path("/a")));
        assert_eq!(chroot.absolute(path("/x")), Ok(path("/a/x")));
    }

    #[test]
    fn nothing_outside_can_be_named_and_nothing_outside_is_believed() {
        for escape in [
            "..",
            "/..",
            "/../b",
            "/x/../../b",
            "//b",
            "/./b",
            "b",
            "/b/",
        ] {
            assert!(escape.into_path().is_err(), "{escape}");
        }
        let chroot = Chroot::at(path("/a"));
        for outside in ["/", "/b", "/ab", "/ab/c"] {
            let told = chroot.relative(path(outside));
            assert!(matches!(told, Err(Error::Protocol(_))), "{outside}");
        }
        let long = format!("/{}", "x".repeat(4095));
        let refused = chroot.absolute(path(&long));
        assert!(matches!(refused, Err(PathError::TooLong(_))));
    }
}
