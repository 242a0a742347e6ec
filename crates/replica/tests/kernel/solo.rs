//! An ensemble of one under test: clients of it, its clock, and what it tells.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{
    Acked, Acl, Answer, Change, CreateMode, ErrorCode, Event, Fault, Op, Outcome, Password,
    Principal, Read, ServerId, SessionId, Sha256, WatchSpec, Write, Xid, ZnodePath, Zxid,
};
use zareba_replica::plugin::{GuestAnswer, GuestFailure, Invocation, PluginRuntime, Stage};
use zareba_replica::recovery::{RecoveredLog, Recovery};
use zareba_replica::{Config, ConnectionId, ImageWrite, Input, Now, Output, Replica};
use zareba_wire::{Hello, ServerMessage, SessionKind, Welcome};
use zareba_zab::Role;

/// Nobody calls a plugin here.
struct NoPlugins;

impl PluginRuntime for NoPlugins {
    fn is_ready(&self, _: &Sha256) -> bool {
        false
    }

    fn invoke(
        &mut self,
        _: &Invocation,
        _: Box<dyn Stage>,
    ) -> (Box<dyn Stage>, Result<GuestAnswer, GuestFailure>) {
        unreachable!("no plugin is mounted")
    }
}

/// What one client has been told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) welcome: Option<Welcome>,
    pub(crate) answers: BTreeMap<Xid, Answer>,
    pub(crate) events: Vec<Event>,
    pub(crate) goodbye: Option<Fault>,
}

/// A server that leads itself.
pub(crate) struct Solo {
    replica: Replica<NoPlugins>,
    now: Now,
    outputs: Vec<Output>,
    told: BTreeMap<ConnectionId, Told>,
    xids: BTreeMap<ConnectionId, u64>,
    connections: u64,
    /// Writes wait until they are asked for.
    pub(crate) disk_waits: bool,
    writes: Vec<Input>,
    /// Paths of quotas that were warned of.
    pub(crate) warned: Vec<String>,
}

pub(crate) fn path(text: &str) -> ZnodePath {
    ZnodePath::parse(text).unwrap()
}

pub(crate) fn principal(text: &str) -> Principal {
    let (scheme, id) = text.split_once(':').unwrap();
    Principal {
        scheme: scheme.to_owned(),
        id: id.to_owned(),
    }
}

pub(crate) fn create(at: &str, mode: CreateMode) -> Op {
    create_with(at, mode, Acl::open())
}

pub(crate) fn create_with(at: &str, mode: CreateMode, acl: Acl) -> Op {
    change(Change::Create {
        path: path(at),
        data: Bytes::from_static(b"data"),
        mode,
        acl,
    })
}

pub(crate) fn set(at: &str, data: &'static str) -> Op {
    change(Change::Set {
        path: path(at),
        data: Bytes::from_static(data.as_bytes()),
        version: None,
    })
}

pub(crate) fn delete(at: &str) -> Op {
    change(Change::Delete {
        path: path(at),
        version: None,
    })
}

pub(crate) fn change(change: Change) -> Op {
    Op::Write(Write::Change(change))
}

pub(crate) fn exists(at: &str, watch: bool) -> Op {
    Op::Read(Read::Exists {
        path: path(at),
        watch,
    })
}

impl Solo {
    pub(crate) fn start() -> Self {
        let me = ServerId(1);
        let log = RecoveredLog {
            may_vote: true,
            ..RecoveredLog::default()
        };
        let recovery = Recovery::new(Zxid::ZERO, Zxid::ZERO, None);
        let recovered = recovery.finish(log).unwrap();
        let mut config = Config::new(zareba_zab::Config::new(me, [me]));
        config.checkpoint_txns = u64::MAX;
        let now = Now {
            wall_ms: 1_700_000_000_000,
            ..Now::default()
        };
        let mut outputs = Vec::new();
        let replica = Replica::new(config, recovered, NoPlugins, now, &mut outputs);
        let mut solo = Self {
            replica,
            now,
            outputs,
            told: BTreeMap::new(),
            xids: BTreeMap::new(),
            connections: 0,
            disk_waits: false,
            writes: Vec::new(),
            warned: Vec::new(),
        };
        while !matches!(solo.replica.role(), Role::Leading { .. }) {
            solo.pass(10);
        }
        solo
    }

    /// Time passes, a tick for each ten milliseconds.
    pub(crate) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now.monotonic = self.now.monotonic.after_ms(10);
            self.now.wall_ms += 10;
            self.give(Input::Tick);
        }
    }

    /// The time of day.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.now.wall_ms
    }

    /// The tree.
    pub(crate) fn tree(&self) -> &zareba_tree::Tree {
        self.replica.tree()
    }

    /// A client comes with a session of the ensemble.
    pub(crate) fn enter(&mut self, who: &[&str]) -> ConnectionId {
        let client = self.come(
            Hello::Open {
                timeout_ms: 600_000,
            },
            who,
        );
        assert!(self.told(client).welcome.is_some(), "a client is let in");
        client
    }

    /// A client comes.
    pub(crate) fn come(&mut self, hello: Hello, who: &[&str]) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.say_hello(connection, hello, who);
        connection
    }

    pub(crate) fn say_hello(&mut self, connection: ConnectionId, hello: Hello, who: &[&str]) {
        self.told.entry(connection).or_default();
        self.give(Input::Hello {
            connection,
            hello,
            random: [7; 16],
            principals: who.iter().map(|text| principal(text)).collect(),
        });
    }

    /// A client comes back with its session, having been told what `last` says.
    pub(crate) fn come_back(
        &mut self,
        client: ConnectionId,
        last_zxid: Zxid,
        watches: Vec<WatchSpec>,
        who: &[&str],
    ) -> ConnectionId {
        let welcome = self.told(client).welcome.clone().unwrap();
        let hello = Hello::Attach {
            session: welcome.session,
            password: welcome.password,
            last_zxid,
            watches,
        };
        let back = self.come(hello, who);
        let last = self.xids.get(&client).copied().unwrap_or(0);
        self.xids.insert(back, last);
        back
    }

    /// A client's connection breaks.
    pub(crate) fn leave(&mut self, connection: ConnectionId) {
        self.give(Input::Disconnected { connection });
    }

    pub(crate) fn session(&self, client: ConnectionId) -> SessionId {
        self.told[&client].welcome.as_ref().unwrap().session
    }

    pub(crate) fn told(&mut self, client: ConnectionId) -> &mut Told {
        self.told.get_mut(&client).unwrap()
    }

    /// What a client was told by watches since this was asked last: kind and path.
    pub(crate) fn events(&mut self, client: ConnectionId) -> Vec<String> {
        let events = std::mem::take(&mut self.told(client).events);
        let shown = |event: Event| format!("{:?} {}", event.kind, event.path);
        events.into_iter().map(shown).collect()
    }

    /// A client asks; it is answered now unless the disk waits.
    pub(crate) fn send(&mut self, connection: ConnectionId, op: Op) -> Xid {
        let last = self.xids.entry(connection).or_default();
        let acked = Acked::up_to(Xid(*last));
        *last += 1;
        let xid = Xid(*last);
        self.give(Input::Request {
            connection,
            xid,
            acked,
            op,
        });
        xid
    }

    pub(crate) fn ask(&mut self, client: ConnectionId, op: Op) -> Answer {
        let xid = self.send(client, op);
        let answer = self.told(client).answers.remove(&xid);
        answer.expect("a request is answered")
    }

    /// Asks for what must go well.
    pub(crate) fn done(&mut self, client: ConnectionId, op: Op) -> Outcome {
        let shown = format!("{op:?}");
        self.ask(client, op)
            .unwrap_or_else(|fault| panic!("{shown}: {fault}"))
    }

    /// Asks for what must be refused.
    pub(crate) fn refused(&mut self, client: ConnectionId, op: Op) -> ErrorCode {
        let shown = format!("{op:?}");
        match self.ask(client, op) {
            Ok(outcome) => panic!("{shown} is done: {outcome:?}"),
            Err(fault) => fault.code,
        }
    }

    /// A client proves one more identity.
    pub(crate) fn identify(&mut self, connection: ConnectionId, who: &str) {
        let last = self.xids.entry(connection).or_default();
        let acked = Acked::up_to(Xid(*last));
        *last += 1;
        let xid = Xid(*last);
        self.give(Input::Identified {
            connection,
            xid,
            acked,
            result: Ok(vec![principal(who)]),
        });
        let answer = self.told(connection).answers.remove(&xid);
        assert!(matches!(answer, Some(Ok(Outcome::Authenticated(_)))));
    }

    /// Everything that waits for the disk is durable now.
    pub(crate) fn write(&mut self) {
        for write in std::mem::take(&mut self.writes) {
            self.give(write);
        }
    }

    fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            for input in std::mem::take(&mut inputs) {
                self.replica.handle(self.now, input, &mut self.outputs);
            }
            self.replica.flush(self.now, &mut self.outputs);
            for output in std::mem::take(&mut self.outputs) {
                inputs.extend(self.carry_out(output));
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Persist { token, .. } if self.disk_waits => {
                self.writes.push(Input::Persisted(token));
                None
            }
            Output::Persist { token, .. } => Some(Input::Persisted(token)),
            Output::Image(ImageWrite::Batch { .. } | ImageWrite::Finish { .. }) => {
                Some(Input::ImageWritten)
            }
            Output::Send {
                connection,
                message,
            } => {
                self.hear(connection, message);
                None
            }
            Output::QuotaPassed { path, .. } => {
                self.warned.push(path.to_string());
                None
            }
            Output::Role(_) | Output::Ensemble(_) | Output::Close { .. } => None,
            other => panic!("a server alone has nobody to do this with: {other:?}"),
        }
    }

    fn hear(&mut self, connection: ConnectionId, message: ServerMessage) {
        let told = self.told.entry(connection).or_default();
        match message {
            ServerMessage::Reply { xid, answer, .. } => {
                assert!(told.answers.insert(xid, answer).is_none());
            }
            ServerMessage::Welcome(welcome) => told.welcome = Some(welcome),
            ServerMessage::Event(event) => told.events.push(event),
            ServerMessage::Goodbye(fault) => told.goodbye = Some(fault),
            ServerMessage::Members { .. } | ServerMessage::Renewed { .. } => {}
            other => panic!("no client expects {other:?}"),
        }
    }
}

#[test]
fn a_client_is_let_in_with_a_session_of_the_whole_ensemble() {
    let mut solo = Solo::start();
    let client = solo.enter(&[]);
    let welcome = solo.told(client).welcome.clone().unwrap();
    assert_eq!(welcome.kind, SessionKind::Full);
    assert!(!welcome.session.is_local() && welcome.password != Password([0; 16]));
}
