//! Links between servers: ordered while they stand, slow, stalled, broken and made anew. Both ends
//! learn of a link's beginning and end at different times.
//!
//! As the real ones: nothing of an older link reaches a server that knows of a newer one, though what
//! was under way may still arrive at an end that has not noticed the break; of each pair the higher
//! server dials, once it knows that its old link is gone, and the lower one then drops what it took
//! for a standing link. Must never know what a message says.

use std::collections::BTreeMap;

use crate::dice::Dice;

/// Two servers, the lower first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair(pub(crate) usize, pub(crate) usize);

impl Pair {
    pub(crate) fn of(a: usize, b: usize) -> Self {
        Self(a.min(b), a.max(b))
    }

    /// The server at an end, and the one at the other.
    pub(crate) fn ends(self, end: usize) -> (usize, usize) {
        if end == 0 {
            (self.0, self.1)
        } else {
            (self.1, self.0)
        }
    }

    pub(crate) fn end_of(self, server: usize) -> usize {
        usize::from(server == self.1)
    }

    pub(crate) fn has(self, server: usize) -> bool {
        self.0 == server || self.1 == server
    }
}

/// What flows towards one end.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// The link that this end takes for standing; 0 for none.
    known: u64,
    /// When the last message arrives.
    last: u64,
    /// Nothing arrives before.
    stalled_until: u64,
    /// What was under way when the link broke still arrives.
    drains: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    generation: u64,
    alive: bool,
    lanes: [Lane; 2],
    slow_until: u64,
    slow_us: u64,
    blocked_until: u64,
}

/// A message's place on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) pair: Pair,
    pub(crate) end: usize,
    pub(crate) generation: u64,
}

/// What becomes of a message that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Over the standing link.
    Good,
    /// Over a broken one, whose end here has not been noticed.
    Drained,
    /// Of a link that this end has dropped, or has not heard of: nobody takes it.
    Zombie,
    /// With the link it was on.
    Lost,
}

/// What an end learns when a link comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It has broken again.
    Nothing,
    Up,
    /// The old one, which it took for standing, is gone, and there is a new one.
    Replaced,
}

/// All links.
#[derive(Debug)]
pub(crate) struct Network {
    links: BTreeMap<Pair, Link>,
    delay_us: u64,
}

impl Network {
    pub(crate) fn new(servers: usize, delay_us: u64) -> Self {
        let pairs = (0..servers).flat_map(|a| (a + 1..servers).map(move |b| Pair(a, b)));
        Self {
            links: pairs.map(|pair| (pair, Link::default())).collect(),
            delay_us,
        }
    }

    pub(crate) fn pairs(&self) -> Vec<Pair> {
        self.links.keys().copied().collect()
    }

    fn link(&mut self, pair: Pair) -> &mut Link {
        self.links.entry(pair).or_default()
    }

    /// A new link, unless the pair is cut off or the dialling end has not noticed the old one's end.
    /// Says when each end learns of it.
    pub(crate) fn connect(
        &mut self,
        pair: Pair,
        now: u64,
        dice: &mut Dice,
    ) -> Option<[(Passage, u64); 2]> {
        let delay_us = self.delay_us;
        let link = self.link(pair);
        let [_, dials] = link.lanes;
        if link.alive || now < link.blocked_until || dials.known != 0 {
            return None;
        }
        link.generation += 1;
        link.alive = true;
        let generation = link.generation;
        let mut at = |end: usize, lane: &mut Lane| {
            lane.last = now + 1 + dice.below(delay_us * 2);
            lane.drains = false;
            let passage = Passage {
                pair,
                end,
                generation,
            };
            (passage, lane.last)
        };
        let [low, high] = &mut link.lanes;
        Some([at(0, low), at(1, high)])
    }

    /// An end learns that its link stands.
    pub(crate) fn come_up(&mut self, at: Passage) -> News {
        if !self.is_alive(at) {
            return News::Nothing;
        }
        match self.lane(at) {
            Some(lane) => match std::mem::replace(&mut lane.known, at.generation) {
                0 => News::Up,
                _ => News::Replaced,
            },
            None => News::Nothing,
        }
    }

    /// An end learns that its link has broken; false if it has another one, or none.
    pub(crate) fn go_down(&mut self, at: Passage) -> bool {
        self.lane(at).is_some_and(|lane| {
            let knew = lane.known == at.generation;
            if knew {
                lane.known = 0;
            }
            knew
        })
    }

    /// Breaks a link: what is under way is lost, or still drains. Both ends, to be told, if there was
    /// one.
    pub(crate) fn break_link(&mut self, pair: Pair, dice: &mut Dice) -> Option<[Passage; 2]> {
        let link = self.link(pair);
        let generation = link.generation;
        std::mem::take(&mut link.alive).then(|| {
            for lane in &mut link.lanes {
                lane.drains = dice.percent(50);
            }
            [0, 1].map(|end| Passage {
                pair,
                end,
                generation,
            })
        })
    }

    /// A server's process is gone: it knows no link.
    pub(crate) fn forget(&mut self, pair: Pair, server: usize) {
        let end = pair.end_of(server);
        if let Some(lane) = self.link(pair).lanes.get_mut(end) {
            lane.known = 0;
        }
    }

    /// Where and when a message arrives; none if its sender knows no link, or one that is gone.
    pub(crate) fn send(
        &mut self,
        from: usize,
        to: usize,
        now: u64,
        dice: &mut Dice,
    ) -> Option<(Passage, u64)> {
        let delay = 20 + dice.below(self.delay_us);
        let pair = Pair::of(from, to);
        let link = self.links.get_mut(&pair)?;
        let generation = link.generation;
        let known = link.lanes.get(pair.end_of(from))?.known;
        if known != generation || !link.alive {
            return None;
        }
        let slow = if now < link.slow_until {
            link.slow_us
        } else {
            0
        };
        let end = pair.end_of(to);
        let lane = link.lanes.get_mut(end)?;
        lane.last = lane.last.max(now + delay + slow).max(lane.stalled_until);
        let passage = Passage {
            pair,
            end,
            generation,
        };
        Some((passage, lane.last))
    }

    /// What becomes of a message that arrives now.
    pub(crate) fn arrive(&mut self, at: Passage) -> Arrival {
        let alive = self.is_alive(at);
        match self.lane(at) {
            Some(lane) if lane.known != at.generation => Arrival::Zombie,
            Some(_) if alive => Arrival::Good,
            Some(lane) if lane.drains => Arrival::Drained,
            _ => Arrival::Lost,
        }
    }

    /// True while a link stands and both ends know it.
    pub(crate) fn stands(&self, pair: Pair) -> bool {
        let knows = |link: &Link| link.lanes.iter().all(|it| it.known == link.generation);
        let link = self.links.get(&pair);
        link.is_some_and(|link| link.alive && knows(link))
    }

    fn is_alive(&self, at: Passage) -> bool {
        self.links
            .get(&at.pair)
            .is_some_and(|link| link.alive && link.generation == at.generation)
    }

    pub(crate) fn block(&mut self, pair: Pair, until: u64) {
        let link = self.link(pair);
        link.blocked_until = link.blocked_until.max(until);
    }

    pub(crate) fn stall(&mut self, pair: Pair, end: usize, until: u64) {
        if let Some(lane) = self.link(pair).lanes.get_mut(end) {
            lane.stalled_until = until;
        }
    }

    pub(crate) fn slow(&mut self, pair: Pair, by_us: u64, until: u64) {
        let link = self.link(pair);
        (link.slow_us, link.slow_until) = (by_us, until);
    }

    /// From now on all links are good.
    pub(crate) fn heal(&mut self) {
        for link in self.links.values_mut() {
            (link.blocked_until, link.slow_until) = (0, 0);
            for lane in &mut link.lanes {
                lane.stalled_until = 0;
            }
        }
    }

    fn lane(&mut self, at: Passage) -> Option<&mut Lane> {
        self.links.get_mut(&at.pair)?.lanes.get_mut(at.end)
    }
}
