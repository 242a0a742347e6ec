//! A place in line: an ephemeral sequential node that stands for a caller until it is dropped. Knows
//! not what the line is for.

use bytes::Bytes;
use zareba_model::{ErrorCode, EventKind, ZnodePath};

use crate::{Client, Error, Watch};

/// See the file's head.
#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    path: ZnodePath,
    /// Transaction that created it. Those behind it in line have greater ones.
    czxid: u64,
    is_kept: bool,
}

/// What stands before a place.
#[derive(Debug)]
pub(super) enum Ahead {
    /// Nothing that matters.
    Nobody,
    /// The nearest that does.
    Name(String),
}

impl Place {
    /// Takes a place below `parent`. If the future is dropped before the node's creation was answered,
    /// the node goes as soon as it is there.
    pub(super) async fn take(
        client: &Client,
        parent: &ZnodePath,
        prefix: &str,
        data: Bytes,
    ) -> Result<Self, Error> {
        let path = parent.join(prefix)?;
        let create = client.create_node(path).data(data);
        let create = create.ephemeral().sequential().parents();
        let owner = client.clone();
        // A task of its own ends even if nobody waits for it, and then drops the place.
        let task = client.runtime().spawn(async move {
            let (path, stat) = create.await?;
            Ok(Self::at(owner, path, stat.czxid.to_u64()))
        });
        task.await.unwrap_or(Err(Error::Closed))
    }

    /// A node that is there already and stands for the caller from here on.
    pub(super) fn at(client: Client, path: ZnodePath, czxid: u64) -> Self {
        Self {
            client,
            path,
            czxid,
            is_kept: true,
        }
    }

    pub(super) fn path(&self) -> &ZnodePath {
        &self.path
    }

    pub(super) fn czxid(&self) -> u64 {
        self.czxid
    }

    /// Waits until nobody who matters stands before this place. Each in line watches one other only,
    /// the nearest that matters to it, so that nobody is woken in vain but by one who gives up.
    pub(super) async fn come_first(&self, matters: fn(&str) -> bool) -> Result<(), Error> {
        loop {
            let Ahead::Name(name) = self.ahead(matters).await? else {
                return Ok(());
            };
            let nearest = self.parent()?.join(&name)?;
            let (there, watch) = self.client.exists_and_watch(nearest).await?;
            if there.is_some() {
                fired(watch).await?;
            }
        }
    }

    /// The nearest before this place who matters.
    pub(super) async fn ahead(&self, matters: fn(&str) -> bool) -> Result<Ahead, Error> {
        let names = match self.client.children(self.parent()?).await {
            Err(error) if error.is(ErrorCode::NoNode) => Vec::new(),
            names => names?,
        };
        nearest(&names, self.path.name(), matters).ok_or_else(|| self.gone())
    }

    /// Returns when this place is lost: its node was deleted, or the session is over.
    pub(super) async fn lost(&self) {
        while let Ok((Some(_), watch)) = self.client.exists_and_watch(&self.path).await {
            match watch.await {
                Ok(event) if event.kind == EventKind::Deleted => return,
                Ok(_) | Err(Error::WatchLost) => {}
                Err(_) => return,
            }
        }
    }

    /// Gives the place up and returns when the next one in line has been told. Dropping the future
    /// gives it up all the same.
    pub(super) async fn leave(mut self) -> Result<(), Error> {
        self.is_kept = false;
        let (client, path) = (self.client.clone(), self.path.clone());
        let task = self
            .client
            .runtime()
            .spawn(async move { client.delete(path, None).await });
        match task.await.unwrap_or(Err(Error::Closed)) {
            Err(error) if error.is(ErrorCode::NoNode) => Err(self.gone()),
            left => left,
        }
    }

    /// The node is known to be gone, or is somebody else's to delete.
    pub(super) fn forget(mut self) {
        self.is_kept = false;
    }

    pub(super) fn gone(&self) -> Error {
        Error::NodeGone {
            path: self.path.clone(),
        }
    }

    fn parent(&self) -> Result<ZnodePath, Error> {
        self.path.parent().ok_or_else(|| self.gone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_kept {
            let (client, path) = (self.client.clone(), self.path.clone());
            // An ended session has no node left.
            let _detached = self
                .client
                .runtime()
                .spawn(async move { client.delete(path, None).await });
        }
    }
}

/// Waits for a watch of a recipe, which looks again in any case.
pub(super) async fn fired(watch: Watch) -> Result<(), Error> {
    match watch.await {
        Ok(_) | Err(Error::WatchLost) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Who stands before `own` and matters, the nearest of them; `None` if `own` is not in line. The order is
/// that of the numbers at the names' ends, which become longer when ten digits do not suffice.
fn nearest(names: &[String], own: &str, matters: fn(&str) -> bool) -> Option<Ahead> {
    let place = number(own)?;
    if !names.iter().any(|name| name == own) {
        return None;
    }
    let before = names.iter().filter(|name| matters(name));
    let before = before.filter_map(|name| Some((number(name)?, name)));
    let nearest = before.filter(|(it, _)| *it < place).max();
    Some(nearest.map_or(Ahead::Nobody, |(_, name)| Ahead::Name(name.clone())))
}

/// The number at the end of a sequential node's name.
fn number(name: &str) -> Option<u64> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(names: &[&str], own: &str, matters: fn(&str) -> bool) -> Option<String> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        match nearest(&names, own, matters) {
            None => Some("not in line".to_owned()),
            Some(Ahead::Nobody) => None,
            Some(Ahead::Name(name)) => Some(name),
        }
    }

    #[test]
    fn the_nearest_before_is_the_one_with_the_next_smaller_number() {
        let line = [
            "w-0000000007",
            "w-0000000003",
            "r-0000000009",
            "r-0000000005",
        ];
        let any = |_: &str| true;
        assert_eq!(ahead(&line, "w-0000000003", any), None);
        assert_eq!(
            ahead(&line, "w-0000000007", any).as_deref(),
            Some("r-0000000005")
        );
        assert_eq!(
            ahead(&line, "r-0000000009", any).as_deref(),
            Some("w-0000000007")
        );
        let writers = |name: &str| name.starts_with("w-");
        assert_eq!(
            ahead(&line, "r-0000000005", writers).as_deref(),
            Some("w-0000000003")
        );
        assert_eq!(
            ahead(&line, "r-0000000008", any).as_deref(),
            Some("not in line")
        );
    }

    #[test]
    fn numbers_beyond_ten_digits_keep_the_order_and_strangers_do_not_matter() {
        let line = ["l-9999999999", "l-10000000000", "readme", "note-x"];
        let any = |_: &str| true;
        assert_eq!(
            ahead(&line, "l-10000000000", any).as_deref(),
            Some("l-9999999999")
        );
        assert_eq!(ahead(&line, "l-9999999999", any), None);
    }
}
