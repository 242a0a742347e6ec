//! Answers to requests that change nothing. Knows no watch and no session: who may read was
//! checked before.

use zareba_model::limits::{CHILDREN_PAGE_BYTES_MAX, CHILDREN_PAGE_MAX};
use zareba_model::{
    Acl, Answer, ChildrenPage, ErrorCode, Fault, Outcome, PathsPage, Read, SessionId, Stat,
    ZnodePath,
};

use crate::reserved;
use crate::tree::Tree;

impl Tree {
    /// Answers any read.
    pub fn read(&self, read: &Read) -> Answer {
        match read {
            Read::Get { path, .. } => self.get(path),
            Read::Exists { path, .. } => self.exists(path),
            Read::Children { path, page, .. } => self.children(path, page),
            Read::Acl { path } => self.acl(path),
            Read::Count { path } => self.count(path),
            Read::Ephemerals {
                session,
                under,
                page,
            } => Ok(self.ephemerals_page(*session, under, page)),
            Read::WhoAmI | Read::PluginStats { .. } | Read::PluginLog { .. } => {
                let why = "only the server that holds the session knows that, not the tree";
                Err(Fault::new(ErrorCode::BadArguments, why))
            }
        }
    }

    /// A node's access control list and stat. That of the reserved subtree says who may administer the
    /// ensemble.
    pub fn acl(&self, path: &ZnodePath) -> Answer {
        let stat = self.stat(path).ok_or_else(|| self.no_node(path))?;
        let acl = match self.node(path.as_str()) {
            Some(node) => node.acl().clone(),
            None => match reserved::guard(self, path.as_str()) {
                Some((acl, _)) => acl.clone(),
                None => Acl::open(),
            },
        };
        Ok(Outcome::GotAcl { acl, stat })
    }

    /// How many nodes are below one. A quota's usage is known; everything else is counted node by node,
    /// up to a bound.
    pub fn count(&self, path: &ZnodePath) -> Answer {
        if reserved::is_reserved(path.as_str()) {
            let why = format!("{path} shows records, which are not counted as nodes; list them");
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        let id = self.nodes.find(path.as_str());
        let id = id.ok_or_else(|| self.no_node(path))?;
        if let Some((_, usage)) = self.quota(path.as_str()) {
            return Ok(Outcome::Counted(usage.nodes.saturating_sub(1)));
        }
        match self.nodes.count_below(id, COUNTED_MAX) {
            Some(count) => Ok(Outcome::Counted(count)),
            None => {
                let why = format!(
                    "there are more than {COUNTED_MAX} nodes below {path}, too many to be counted at \
                     once; count below its children, or set a quota, whose usage is kept"
                );
                Err(Fault::new(ErrorCode::TooLarge, why))
            }
        }
    }

    fn ephemerals_page(
        &self,
        session: Option<SessionId>,
        under: &ZnodePath,
        page: &PathsPage,
    ) -> Outcome {
        let limit = page_limit(page.limit);
        let after = page.after.as_ref();
        let mut paths = self.ephemerals.page(session, under, after, limit + 1);
        let mut bytes = 0;
        let fits = paths.iter().take(limit).take_while(|path| {
            bytes += path.as_str().len();
            bytes <= CHILDREN_PAGE_BYTES_MAX
        });
        let fits = fits.count();
        let more = paths.len() > fits;
        paths.truncate(fits);
        Outcome::Paths { paths, more }
    }

    /// Data and stat of a node.
    pub fn get(&self, path: &ZnodePath) -> Answer {
        if reserved::is_reserved(path.as_str()) {
            let data = reserved::data(self, path.as_str()).ok_or_else(|| self.no_node(path))?;
            let stat = reserved::stat(self, path.as_str()).ok_or_else(|| self.no_node(path))?;
            return Ok(Outcome::Got { data, stat });
        }
        let node = self.node(path.as_str()).ok_or_else(|| self.no_node(path))?;
        let stat = visible_stat(path, node.stat());
        Ok(Outcome::Got {
            data: node.data(),
            stat,
        })
    }

    /// Stat of a node, or nothing.
    pub fn exists(&self, path: &ZnodePath) -> Answer {
        Ok(Outcome::Existence(self.stat(path)))
    }

    /// A page of a node's children.
    pub fn children(&self, path: &ZnodePath, page: &ChildrenPage) -> Answer {
        let stat = self.stat(path).ok_or_else(|| self.no_node(path))?;
        let (after, prefix) = (page.after.as_deref(), page.prefix.as_str());
        let (names, more) = if reserved::is_reserved(path.as_str()) {
            let wanted = |name: &String| {
                after.is_none_or(|after| name.as_str() > after) && name.starts_with(prefix)
            };
            fill_page(
                reserved::names(self, path.as_str()).filter(wanted),
                page.limit,
            )
        } else if path.is_root() {
            let own = self
                .child_names("/", after, prefix)
                .filter(|name| *name != reserved::NAME);
            let shown = after.is_none_or(|after| reserved::NAME > after)
                && reserved::NAME.starts_with(prefix);
            let mut virtual_name = shown.then_some(reserved::NAME);
            let mut own = own.peekable();
            let merged = std::iter::from_fn(|| match own.peek() {
                Some(name) if virtual_name.is_none_or(|reserved| *name < reserved) => own.next(),
                _ => virtual_name.take(),
            });
            fill_page(merged.map(str::to_owned), page.limit)
        } else {
            let names = self.child_names(path.as_str(), after, prefix);
            fill_page(names.map(str::to_owned), page.limit)
        };
        Ok(Outcome::Children { names, stat, more })
    }

    /// A node's stat as readers see it; `None` if it is not there.
    pub fn stat(&self, path: &ZnodePath) -> Option<Stat> {
        if reserved::is_reserved(path.as_str()) {
            return reserved::stat(self, path.as_str());
        }
        self.node(path.as_str())
            .map(|node| visible_stat(path, node.stat()))
    }

    /// The fault for a path where no node is, naming how far the path leads.
    pub fn no_node(&self, path: &ZnodePath) -> Fault {
        let mut above = path.parent();
        while let Some(ancestor) = &above {
            if self.stat(ancestor).is_some() {
                break;
            }
            above = ancestor.parent();
        }
        let nearest = above.unwrap_or_else(ZnodePath::root);
        let message = format!("there is no node {path}; the nearest one above it is {nearest}");
        Fault::new(ErrorCode::NoNode, message)
    }
}

/// The root has one child more than the tree keeps: the reserved subtree.
fn visible_stat(path: &ZnodePath, mut stat: Stat) -> Stat {
    if path.is_root() {
        stat.num_children += 1;
    }
    stat
}

fn page_limit(limit: u32) -> usize {
    match limit as usize {
        0 => CHILDREN_PAGE_MAX,
        limit => limit.min(CHILDREN_PAGE_MAX),
    }
}

/// Nodes that one request counts: some tens of milliseconds, in which nothing else is answered.
const COUNTED_MAX: u64 = 200_000;

/// Names up to the limits, and whether there are more.
fn fill_page(names: impl Iterator<Item = String>, limit: u32) -> (Vec<String>, bool) {
    let limit = page_limit(limit);
    let mut page = Vec::new();
    let mut bytes = 0;
    for name in names {
        bytes += name.len();
        if page.len() == limit || bytes > CHILDREN_PAGE_BYTES_MAX {
            return (page, true);
        }
        page.push(name);
    }
    (page, false)
}
