//! A subtree node by node: parents before children, children in order, several looked at ahead. It
//! holds a page of names and a few stats for each level, however large the subtree is. What comes
//! or goes meanwhile may or may not be met. Knows nothing of what is done with the nodes.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use zareba_client::model::{ChildrenPage, ErrorCode, Stat, ZnodePath};
use zareba_client::{ChildrenList, Client, Error};

/// Nodes looked at ahead: enough to hide the round trips, few beside what a session may ask.
const AHEAD_MAX: usize = 64;

/// Names in one page: as many as are kept for each level and each node looked at ahead.
const PAGE_NAMES: u32 = 256;

/// What the servers show below this is no user's.
const RESERVED: &str = "/zareba";

/// True for what the servers show, which is not made of nodes.
pub(super) fn is_reserved(path: &ZnodePath) -> bool {
    path.as_str()
        .strip_prefix(RESERVED)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A node that was met.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) path: ZnodePath,
    pub(super) stat: Stat,
    /// Levels below the root of the walk.
    pub(super) depth: usize,
    /// No sibling is known to come behind it.
    pub(super) is_last: bool,
}

/// The walk.
pub(super) struct Walk {
    client: Client,
    depth_max: usize,
    root: Option<ZnodePath>,
    prefix: String,
    /// Passes by what the servers show.
    skips_reserved: bool,
    levels: Vec<Level>,
}

type Look = Pin<Box<dyn Future<Output = Result<Option<Seen>, Error>> + Send>>;

/// A node with the first page of its children.
struct Seen {
    path: ZnodePath,
    list: ChildrenList,
}

/// The children of one node.
struct Level {
    parent: ZnodePath,
    prefix: String,
    names: VecDeque<String>,
    after: Option<String>,
    has_more: bool,
    ahead: FuturesOrdered<Look>,
}

impl Walk {
    /// Begins at a node, which is met first.
    pub(super) fn new(client: &Client, root: ZnodePath) -> Self {
        Self {
            client: client.clone(),
            depth_max: usize::MAX,
            root: Some(root),
            prefix: String::new(),
            skips_reserved: false,
            levels: Vec::new(),
        }
    }

    /// Passes by what the servers show below the root, unless that is what the root is.
    pub(super) fn without_reserved(mut self) -> Self {
        self.skips_reserved = self.root.as_ref().is_some_and(ZnodePath::is_root);
        self
    }

    /// Goes down so many levels only.
    pub(super) fn down_to(mut self, depth: usize) -> Self {
        self.depth_max = depth;
        self
    }

    /// Goes only to those children of the root whose names start so.
    pub(super) fn with_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// The next node; nothing at the end. The root must be there; others may have gone.
    pub(super) async fn next(&mut self) -> Result<Option<Met>, Error> {
        if let Some(root) = self.root.take() {
            let page = page(None, &self.prefix);
            let list = self.client.children_page(&root, page).await?;
            let prefix = std::mem::take(&mut self.prefix);
            return Ok(Some(self.meet(Seen { path: root, list }, true, prefix)));
        }
        while let Some(level) = self.levels.last_mut() {
            level.look_ahead(&self.client).await?;
            match level.ahead.next().await {
                None => drop(self.levels.pop()),
                Some(seen) => {
                    let seen =
                        seen?.filter(|seen| !self.skips_reserved || !is_reserved(&seen.path));
                    if let Some(seen) = seen {
                        let is_last = level.is_done();
                        return Ok(Some(self.meet(seen, is_last, String::new())));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Goes into the node if it has children.
    fn meet(&mut self, seen: Seen, is_last: bool, prefix: String) -> Met {
        let depth = self.levels.len();
        let Seen { path, list } = seen;
        if depth < self.depth_max && !list.names.is_empty() {
            self.levels.push(Level {
                parent: path.clone(),
                prefix,
                after: list.names.last().cloned(),
                has_more: list.more,
                names: list.names.into(),
                ahead: FuturesOrdered::new(),
            });
        }
        Met {
            path,
            stat: list.stat,
            depth,
            is_last,
        }
    }
}

impl Level {
    /// Begins to look at the next nodes, and fetches the next page of names when they run out.
    async fn look_ahead(&mut self, client: &Client) -> Result<(), Error> {
        while self.ahead.len() < AHEAD_MAX {
            if let Some(name) = self.names.pop_front() {
                // A name that is a child's makes a path, unless a server has said nonsense.
                let path = self.parent.join(&name)?;
                self.ahead.push_back(Box::pin(look(client.clone(), path)));
                continue;
            }
            if !self.has_more || !self.ahead.is_empty() {
                break;
            }
            let page = page(self.after.clone(), &self.prefix);
            let list = match client.children_page(&self.parent, page).await {
                Ok(list) => list,
                Err(error) if error.is(ErrorCode::NoNode) => {
                    self.has_more = false;
                    break;
                }
                Err(error) => return Err(error),
            };
            self.has_more = list.more && !list.names.is_empty();
            self.after = list.names.last().cloned();
            self.names = list.names.into();
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.names.is_empty() && !self.has_more && self.ahead.is_empty()
    }
}

/// A node's stat and its first children; nothing if it has gone meanwhile.
async fn look(client: Client, path: ZnodePath) -> Result<Option<Seen>, Error> {
    match client.children_page(&path, page(None, "")).await {
        Ok(list) => Ok(Some(Seen { path, list })),
        Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

fn page(after: Option<String>, prefix: &str) -> ChildrenPage {
    ChildrenPage {
        after,
        prefix: prefix.to_owned(),
        limit: PAGE_NAMES,
    }
}
