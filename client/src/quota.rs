//! How much a part of the tree may hold and does. Knows no connection.

use serde::Deserialize;
use zareba_model::{ErrorCode, Op, Outcome, Quota, Usage, Write, ZnodePath};

use crate::call::from_json;
use crate::client::unexpected;
use crate::{Client, Error, IntoPath};

/// Where quotas are shown.
const QUOTAS_PATH: &str = "/zareba/quotas";

/// What a node there holds.
#[derive(Deserialize)]
struct Shown {
    nodes: u64,
    nodes_soft: Option<u64>,
    nodes_hard: Option<u64>,
    bytes: u64,
    bytes_soft: Option<u64>,
    bytes_hard: Option<u64>,
}

impl Client {
    /// Limits how many nodes, and how many bytes of data, a node and all below it may hold together, in
    /// place of what limited it before. Beyond a soft limit the ensemble warns in its log; a change
    /// beyond a hard one is refused with `QUOTA_EXCEEDED`. It may hold more than that already: less is
    /// always allowed.
    ///
    /// Refused with `NO_NODE`, `NO_AUTH` (it takes ADMIN on `/zareba`), `TOO_LARGE` (10,000 quotas),
    /// `BAD_ARGUMENTS`.
    ///
    /// Cancellation: a dropped future may or may not have set it; [`quota`](Self::quota) tells.
    pub async fn set_quota(&self, path: impl IntoPath, quota: Quota) -> Result<(), Error> {
        let path = self.absolute(path)?;
        let op = Op::Write(Write::SetQuota { path, quota });
        match self.request(op).await?.outcome {
            Outcome::QuotaSet => Ok(()),
            other => Err(unexpected("a quota", &other)),
        }
    }

    /// Takes the limits away. Refused with `NO_NODE` if there are none, `NO_AUTH`.
    pub async fn remove_quota(&self, path: impl IntoPath) -> Result<(), Error> {
        self.set_quota(path, Quota::default()).await
    }

    /// The limits of a node itself, and how much it and all below it hold; nothing if it has none. A limit
    /// of a node above it counts too, and is that node's to show.
    pub async fn quota(&self, path: impl IntoPath) -> Result<Option<(Quota, Usage)>, Error> {
        let path = self.absolute(path)?;
        let shown = ZnodePath::parse(QUOTAS_PATH)?.join(&escape(path.as_str()))?;
        let data = match self.whole().get(shown).await {
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
            got => got?.0,
        };
        let shown: Shown = from_json(&data)?;
        let quota = Quota {
            nodes_soft: shown.nodes_soft,
            nodes_hard: shown.nodes_hard,
            bytes_soft: shown.bytes_soft,
            bytes_hard: shown.bytes_hard,
        };
        let (nodes, bytes) = (shown.nodes, shown.bytes);
        Ok(Some((quota, Usage { nodes, bytes })))
    }
}

/// A path as one name.
fn escape(path: &str) -> String {
    path.replace('%', "%25").replace('/', "%2F")
}
