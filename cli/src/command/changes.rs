//! The JSON lines of a multi, one change each. Knows no session.

use serde::Deserialize;
use zareba_client::model::{Change, ZnodePath};

use super::records::{LifetimeRecord, Mode, data, read_acl};

/// One change of a multi.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ChangeRecord {
    Create {
        path: ZnodePath,
        data: Option<String>,
        base64: Option<String>,
        #[serde(default)]
        mode: Mode,
        acl: Option<Vec<String>>,
        lifetime: Option<LifetimeRecord>,
    },
    Set {
        path: ZnodePath,
        data: Option<String>,
        base64: Option<String>,
        version: Option<u64>,
    },
    #[serde(rename = "set-acl")]
    SetAcl {
        path: ZnodePath,
        acl: Vec<String>,
        version: Option<u64>,
    },
    Delete {
        path: ZnodePath,
        version: Option<u64>,
    },
    Check {
        path: ZnodePath,
        version: Option<u64>,
    },
}

impl ChangeRecord {
    /// The change.
    pub(super) fn read(self) -> anyhow::Result<Change> {
        Ok(match self {
            Self::Create {
                path,
                data: text,
                base64,
                mode,
                acl,
                lifetime,
            } => Change::Create {
                path,
                data: data(text, base64)?,
                mode: mode.with(lifetime)?,
                acl: read_acl(acl)?,
            },
            Self::Set {
                path,
                data: text,
                base64,
                version,
            } => Change::Set {
                path,
                data: data(text, base64)?,
                version,
            },
            Self::SetAcl { path, acl, version } => Change::SetAcl {
                path,
                acl: read_acl(Some(acl))?,
                version,
            },
            Self::Delete { path, version } => Change::Delete { path, version },
            Self::Check { path, version } => Change::Check { path, version },
        })
    }
}

#[cfg(test)]
mod tests {
    use zareba_client::model::{Acl, CreateMode};

    use super::*;

    #[test]
    fn changes_are_read_with_their_defaults() {
        let read = |text: &str| serde_json::from_str::<ChangeRecord>(text).unwrap().read();
        let path = ZnodePath::parse("/a").unwrap();
        let created = read(r#"{"op":"create","path":"/a","base64":"AAE="}"#).unwrap();
        let Change::Create { data, mode, .. } = created else {
            panic!("{created:?}");
        };
        assert_eq!((&data[..], mode), (&[0, 1][..], CreateMode::Persistent));
        let job =
            r#"{"op":"create","path":"/a","mode":"persistent-sequential","lifetime":{"ttlMs":9}}"#;
        let Change::Create { mode, acl, .. } = read(job).unwrap() else {
            panic!("a create was expected");
        };
        assert_eq!((mode, acl), (CreateMode::TtlSequential(9), Acl::open()));
        assert!(read(&job.replace("persistent-seq", "ephemeral-seq")).is_err());
        let listed = read(r#"{"op":"set-acl","path":"/a","acl":["world:anyone:r"],"version":2}"#);
        let Change::SetAcl { acl, version, .. } = listed.unwrap() else {
            panic!("a list was expected");
        };
        assert_eq!((acl.0.len(), version), (1, Some(2)));
        let deleted = read(r#"{"op":"delete","path":"/a"}"#).unwrap();
        let version = None;
        assert_eq!(deleted, Change::Delete { path, version });
        assert!(read(r#"{"op":"set","path":"/a","data":"x","base64":"AA=="}"#).is_err());
        assert!(serde_json::from_str::<ChangeRecord>(r#"{"op":"drop","path":"/a"}"#).is_err());
    }
}
