//! Three servers in memory, whose links deliver at once, stand still or break when a test says so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zareba_model::{CreateMode, ErrorCode, Op, ServerId, Write, Zxid};
use zareba_replica::{ConnectionId, Input};
use zareba_zab::Role;

use super::durable::Durable;
use super::solo::{Solo, create, exists};

struct Trio {
    servers: BTreeMap<ServerId, Solo>,
    under_way: VecDeque<(ServerId, ServerId, Input)>,
    /// Who is out of reach of everybody.
    cut: BTreeSet<ServerId>,
    /// What was on the way to this server waits there.
    slow: Option<ServerId>,
}

impl Trio {
    fn start() -> Self {
        let members = [1, 2, 3].map(ServerId);
        let server = |me| (me, Solo::member(me, &members, None, Durable::default()));
        let mut trio = Self {
            servers: members.map(server).into(),
            under_way: VecDeque::new(),
            cut: BTreeSet::new(),
            slow: None,
        };
        for me in members {
            for peer in members.into_iter().filter(|peer| *peer != me) {
                trio.server(me).give(Input::PeerUp(peer));
            }
        }
        while trio.leader().is_none() {
            trio.pass(10);
        }
        trio.pass(100);
        trio
    }

    fn server(&mut self, id: ServerId) -> &mut Solo {
        self.servers.get_mut(&id).unwrap()
    }

    fn leader(&self) -> Option<ServerId> {
        let leads = |solo: &Solo| matches!(solo.role(), Role::Leading { .. });
        let found = self.servers.iter().find(|(_, solo)| leads(solo));
        found.map(|(id, _)| *id)
    }

    fn followers(&self) -> [ServerId; 2] {
        let leader = self.leader().unwrap();
        let others = self.servers.keys().copied().filter(|id| *id != leader);
        others.collect::<Vec<_>>().try_into().unwrap()
    }

    /// Time passes everywhere, and everything arrives that can.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            for solo in self.servers.values_mut() {
                solo.pass(10);
            }
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        let mut waiting = VecDeque::new();
        loop {
            for (from, solo) in &mut self.servers {
                for (to, input) in solo.sent.drain(..) {
                    self.under_way.push_back((*from, to, input));
                }
            }
            let Some((from, to, input)) = self.under_way.pop_front() else {
                break;
            };
            if self.cut.contains(&from) || self.cut.contains(&to) {
                continue;
            }
            match self.slow == Some(to) {
                true => waiting.push_back((from, to, input)),
                false => self.server(to).give(input),
            }
        }
        self.under_way = waiting;
    }

    /// A server loses all its links.
    fn cut(&mut self, id: ServerId) {
        self.cut.insert(id);
        let others: Vec<_> = self
            .servers
            .keys()
            .copied()
            .filter(|it| *it != id)
            .collect();
        for other in others {
            self.server(other).give(Input::PeerDown(id));
            self.server(id).give(Input::PeerDown(other));
        }
        self.deliver();
    }

    fn enter(&mut self, at: ServerId) -> ConnectionId {
        let hello = zareba_wire::Hello::Open { timeout_ms: 60_000 };
        let client = self.server(at).come(hello, &[]);
        self.pass(50);
        assert!(self.server(at).told(client).welcome.is_some());
        client
    }
}

#[test]
fn a_server_without_a_leader_answers_nothing_and_sends_its_clients_elsewhere_in_time() {
    let mut trio = Trio::start();
    let [alone, _] = trio.followers();
    let client = trio.enter(alone);
    let waiting = {
        trio.cut(alone);
        trio.pass(1_000);
        let server = trio.server(alone);
        assert_eq!(server.role(), Role::Looking);
        let read = server.send(client, exists("/", false));
        let hello = zareba_wire::Hello::Open { timeout_ms: 60_000 };
        let late = server.come(hello, &[]);
        (read, late)
    };
    trio.pass(300);
    let (read, late) = waiting;
    let server = trio.server(alone);
    assert!(!server.told(client).answers.contains_key(&read));
    assert!(
        server.told(client).goodbye.is_none(),
        "a leader may come yet"
    );
    trio.pass(1_500);
    let server = trio.server(alone);
    for one in [client, late] {
        let goodbye = server.told(one).goodbye.take().unwrap();
        assert_eq!(goodbye.code, ErrorCode::NotServing);
    }
    assert!(!server.told(client).answers.contains_key(&read));
    assert!(server.told(late).welcome.is_none());
    // Whoever has a leader keeps its clients.
    let leader = trio.leader().unwrap();
    let kept = trio.enter(leader);
    trio.pass(5_000);
    assert!(trio.server(leader).told(kept).goodbye.is_none());
}

#[test]
fn what_is_asked_over_an_older_connection_of_a_session_that_has_moved_is_refused() {
    let mut trio = Trio::start();
    let [old, new] = trio.followers();
    let client = trio.enter(old);
    let welcome = trio.server(old).told(client).welcome.clone().unwrap();
    // The old server hears nothing of the move while it happens, and still takes requests.
    trio.slow = Some(old);
    let hello = zareba_wire::Hello::Attach {
        session: welcome.session,
        password: welcome.password,
        last_zxid: Zxid::ZERO,
        watches: Vec::new(),
    };
    let back = trio.server(new).come(hello, &[]);
    trio.pass(50);
    assert!(trio.server(new).told(back).welcome.is_some());
    let late = trio
        .server(old)
        .send(client, create("/late", CreateMode::Persistent));
    let end = trio
        .server(old)
        .send(client, Op::Write(Write::CloseSession));
    trio.pass(50);
    trio.slow = None;
    trio.pass(50);
    let told = trio.server(old).told(client);
    assert_eq!(told.goodbye.take().unwrap().code, ErrorCode::SessionMoved);
    assert!(!told.answers.contains_key(&late) && !told.answers.contains_key(&end));
    for solo in trio.servers.values() {
        assert!(solo.tree().node("/late").is_none());
        assert!(solo.tree().session(welcome.session).is_some());
    }
    // The same session writes where it is now.
    let early = trio
        .server(new)
        .send(back, create("/new", CreateMode::Persistent));
    trio.pass(50);
    assert!(trio.server(new).told(back).answers[&early].is_ok());
}
