//! Links that are ordered, slow, and break; each end learns of it in its own time.

use std::collections::{BTreeMap, VecDeque};

use zareba_model::ServerId;
use zareba_zab::Message;

use crate::rng::Rng;

/// Words on their way: when they arrive, over which link, what.
type Queue = VecDeque<(u64, u64, Message)>;

/// Both ends of every link.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The number of the link that stands between two servers, smaller id first.
    standing: BTreeMap<(ServerId, ServerId), u64>,
    links: u64,
    /// What the first server believes of its link to the second, and when it looks again.
    views: BTreeMap<(ServerId, ServerId), (Option<u64>, u64)>,
    queues: BTreeMap<(ServerId, ServerId), Queue>,
    /// A direction is stuck until then.
    stuck: BTreeMap<(ServerId, ServerId), u64>,
}

/// What a server learns of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    Up,
    Down,
}

fn pair(a: ServerId, b: ServerId) -> (ServerId, ServerId) {
    (a.min(b), a.max(b))
}

impl Network {
    pub fn stands(&self, a: ServerId, b: ServerId) -> bool {
        self.standing.contains_key(&pair(a, b))
    }

    pub fn connect(&mut self, a: ServerId, b: ServerId) {
        self.links += 1;
        self.standing.insert(pair(a, b), self.links);
    }

    pub fn cut(&mut self, a: ServerId, b: ServerId) {
        self.standing.remove(&pair(a, b));
        self.queues.remove(&(a, b));
        self.queues.remove(&(b, a));
    }

    /// A server forgets everything.
    pub fn forget(&mut self, server: ServerId) {
        self.views.retain(|(owner, _), _| *owner != server);
    }

    pub fn stick(&mut self, from: ServerId, to: ServerId, until: u64) {
        self.stuck.insert((from, to), until);
    }

    pub fn send(&mut self, from: ServerId, to: ServerId, at: u64, message: Message) {
        let link = self.standing.get(&pair(from, to)).copied();
        let view = self.views.get(&(from, to)).and_then(|view| view.0);
        if let Some(link) = link
            && view == Some(link)
        {
            let queue = self.queues.entry((from, to)).or_default();
            let at = queue.back().map_or(at, |last| last.0.max(at));
            queue.push_back((at, link, message));
        }
    }

    /// Bytes of payload on their way.
    pub fn entry_bytes(&self, from: ServerId, to: ServerId) -> usize {
        let queue = self.queues.get(&(from, to)).into_iter().flatten();
        let entries = queue.flat_map(|(_, _, message)| match message {
            Message::Propose { entries, .. } | Message::Inform { entries, .. } => entries.iter(),
            _ => [].iter(),
        });
        entries.map(|entry| entry.payload.len()).sum()
    }

    pub fn receive(&mut self, from: ServerId, to: ServerId, now: u64) -> Option<Message> {
        if self
            .stuck
            .get(&(from, to))
            .is_some_and(|until| *until > now)
        {
            return None;
        }
        let view = self.views.get(&(to, from)).and_then(|view| view.0);
        let queue = self.queues.get_mut(&(from, to))?;
        let &(at, link, _) = queue.front()?;
        if at > now || view != Some(link) {
            return None;
        }
        queue.pop_front().map(|(_, _, message)| message)
    }

    /// What `owner` learns now of its link to `other`.
    pub fn look(&mut self, owner: ServerId, other: ServerId, now: u64, rng: &mut Rng) -> Vec<News> {
        let link = self.standing.get(&pair(owner, other)).copied();
        let view = self.views.entry((owner, other)).or_insert((None, 0));
        if view.0 == link {
            view.1 = now + 1 + rng.below(6);
            return Vec::new();
        }
        if now < view.1 {
            return Vec::new();
        }
        let mut news = Vec::new();
        if view.0.is_some() && (link.is_none() || rng.one_in(2)) {
            news.push(News::Down);
        }
        if link.is_some() {
            news.push(News::Up);
        }
        view.0 = link;
        news
    }
}
