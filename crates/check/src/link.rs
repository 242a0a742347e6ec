//! The links between two servers, one after the other: ordered words in each direction, and what each
//! end believes. Knows no word's meaning.

use std::collections::VecDeque;

use zareba_zab::Message;

/// What one end believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The link stands.
    Up,
    /// It stands, but it broke: what is said is lost, and news of it is on its way.
    Broken,
    /// There is none; news of a new one may come.
    Gone,
}

/// What an end learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Up,
    Down,
}

/// One end and the words on their way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Half {
    pub(crate) end: End,
    pub(crate) arriving: VecDeque<Message>,
}

/// Both ends. The words belong to the newest link, whichever ends know of it yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    pub(crate) low: Half,
    pub(crate) high: Half,
}

impl Link {
    /// Nobody has heard of a link yet.
    pub(crate) fn new() -> Self {
        let half = Half {
            end: End::Gone,
            arriving: VecDeque::new(),
        };
        Self {
            low: half.clone(),
            high: half,
        }
    }

    /// This end, and the other.
    pub(crate) fn halves(&self, at_low: bool) -> (&Half, &Half) {
        if at_low {
            (&self.low, &self.high)
        } else {
            (&self.high, &self.low)
        }
    }

    /// This end, and the other, to change them.
    pub(crate) fn halves_mut(&mut self, at_low: bool) -> (&mut Half, &mut Half) {
        if at_low {
            (&mut self.low, &mut self.high)
        } else {
            (&mut self.high, &mut self.low)
        }
    }

    /// True if both ends know of the same link.
    pub(crate) fn stands(&self) -> bool {
        self.low.end == End::Up && self.high.end == End::Up
    }

    /// Says something from one end; false if it is lost, because the link it believes in broke.
    pub(crate) fn send(&mut self, from_low: bool, message: Message) -> bool {
        let (own, other) = self.halves_mut(from_low);
        let stands = own.end == End::Up;
        if stands {
            other.arriving.push_back(message);
        }
        stands
    }

    /// The link breaks; neither end knows yet.
    pub(crate) fn cut(&mut self) {
        for half in [&mut self.low, &mut self.high] {
            half.arriving.clear();
            if half.end == End::Up {
                half.end = End::Broken;
            }
        }
    }

    /// What an end can learn now, if anything.
    pub(crate) fn news(&self, at_low: bool) -> Option<News> {
        match self.halves(at_low).0.end {
            End::Up => None,
            End::Broken => Some(News::Down),
            End::Gone => Some(News::Up),
        }
    }

    /// It learns it.
    pub(crate) fn learn(&mut self, at_low: bool) {
        let half = self.halves_mut(at_low).0;
        half.end = match half.end {
            End::Up | End::Gone => End::Up,
            End::Broken => End::Gone,
        };
    }

    /// One end's process is another one now, which has heard of no link.
    pub(crate) fn restart(&mut self, low: bool) {
        self.cut();
        self.halves_mut(low).0.end = End::Gone;
    }
}
