//! An ensemble of one under test: clients of it, its clock, and what it tells.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{
    Acked, Acl, Answer, Change, CreateMode, ErrorCode, Event, Fault, Op, Outcome, Password,
    Principal, Read, ServerId, SessionId, WatchSpec, Write, Xid, ZnodePath, Zxid,
};
use zareba_replica::{AuditRecord, Config, ConnectionId, Input, Now, Output, Replica};
use zareba_tree::{Record, RecordKey};
use zareba_wire::{Hello, ServerMessage, SessionKind, Welcome, encode_record};
use zareba_zab::Role;

use super::durable::Durable;
use super::guests::{Guest, Guests, description_of};

/// What one client has been told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) welcome: Option<Welcome>,
    pub(crate) answers: BTreeMap<Xid, Answer>,
    pub(crate) events: Vec<Event>,
    pub(crate) goodbye: Option<Fault>,
}

/// A server that leads itself, or one of several.
pub(crate) struct Solo {
    replica: Replica<Guests>,
    config: Config,
    guest: Option<Guest>,
    pub(crate) durable: Durable,
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
    /// What was written down of requests.
    pub(crate) audited: Vec<AuditRecord>,
    /// What other servers are to be told.
    pub(crate) sent: Vec<(ServerId, Input)>,
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
        Self::with_guest(None)
    }

    /// A server whose plugins all are this guest.
    pub(crate) fn with_guest(guest: Option<Guest>) -> Self {
        let me = ServerId(1);
        let mut solo = Self::member(me, &[me], guest, Durable::default());
        solo.lead();
        solo
    }

    /// A server of an ensemble, as it starts from its disk.
    pub(crate) fn member(
        me: ServerId,
        members: &[ServerId],
        guest: Option<Guest>,
        durable: Durable,
    ) -> Self {
        let mut config = Config::new(zareba_zab::Config::new(me, members.iter().copied()));
        config.checkpoint_txns = 64;
        config.checkpoint_batch = 16;
        config.audits = true;
        let now = Now {
            wall_ms: 1_700_000_000_000,
            ..Now::default()
        };
        let mut outputs = Vec::new();
        let (begin, runtime) = (durable.recover(), Guests(guest));
        let replica = Replica::new(config.clone(), begin, runtime, now, &mut outputs);
        Self {
            replica,
            config,
            guest,
            durable,
            now,
            outputs,
            told: BTreeMap::new(),
            xids: BTreeMap::new(),
            connections: 0,
            disk_waits: false,
            writes: Vec::new(),
            warned: Vec::new(),
            audited: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Time passes until this server leads.
    pub(crate) fn lead(&mut self) {
        while !matches!(self.replica.role(), Role::Leading { .. }) {
            self.pass(10);
        }
    }

    /// The process ends and starts again from its disk; all connections are gone.
    pub(crate) fn restart(&mut self) {
        assert!(
            self.writes.is_empty(),
            "what waits for the disk would be lost"
        );
        let (begin, runtime) = (self.durable.recover(), Guests(self.guest));
        self.outputs.clear();
        let config = self.config.clone();
        self.replica = Replica::new(config, begin, runtime, self.now, &mut self.outputs);
    }

    /// A record of the image becomes another one behind the server's back, which starts from it and
    /// leads again.
    pub(crate) fn write_into_the_image(&mut self, key: Bytes, record: Bytes) {
        let (records, _) = self.tree().records_after(None, usize::MAX);
        let encoded = |(key, record): (RecordKey, Record)| {
            (
                encode_record(&key).unwrap(),
                encode_record(&record).unwrap(),
            )
        };
        let mut image: BTreeMap<_, _> = records.into_iter().map(encoded).collect();
        assert!(
            image.insert(key, record).is_some(),
            "there is such a record"
        );
        self.durable.replace_image(image, self.tree().applied());
        self.restart();
        self.lead();
    }

    /// What this server is.
    pub(crate) fn role(&self) -> Role {
        self.replica.role()
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
        let last = self.xids.get(&connection).copied().unwrap_or(0);
        self.send_acking(connection, last, op)
    }

    /// The same, with the newest answer that has reached the client.
    pub(crate) fn send_acking(&mut self, connection: ConnectionId, acked: u64, op: Op) -> Xid {
        let last = self.xids.entry(connection).or_default();
        *last += 1;
        let xid = Xid(*last);
        self.give(Input::Request {
            connection,
            xid,
            acked: Acked::up_to(Xid(acked)),
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
        let answer = self.try_to_identify(connection, who);
        assert!(matches!(answer, Ok(Outcome::Authenticated(_))));
    }

    /// The same, if there is room for it.
    pub(crate) fn try_to_identify(&mut self, connection: ConnectionId, who: &str) -> Answer {
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
        answer.expect("a proof is answered")
    }

    /// Everything that waits for the disk is durable now.
    pub(crate) fn write(&mut self) {
        for write in std::mem::take(&mut self.writes) {
            self.give(write);
        }
    }

    pub(crate) fn give(&mut self, input: Input) {
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
            Output::Persist { token, write } => {
                self.durable.persist(write);
                let written = Input::Persisted(token);
                match self.disk_waits {
                    true => self.writes.push(written),
                    false => return Some(written),
                }
                None
            }
            Output::Image(write) => {
                self.durable.write_image(write);
                Some(Input::ImageWritten)
            }
            Output::Compile { sha256, .. } => {
                let result = Ok(description_of(&sha256));
                Some(Input::Compiled { sha256, result })
            }
            Output::SendZab { to, message } => {
                let from = self.config.zab.me;
                for to in to {
                    let message = message.clone();
                    self.sent.push((to, Input::Zab { from, message }));
                }
                None
            }
            Output::SendRelay { to, relay } => {
                let from = self.config.zab.me;
                self.sent.push((to, Input::Relay { from, relay }));
                None
            }
            Output::Audit(record) => {
                self.audited.push(record);
                None
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
            Output::PluginLog { .. } => None,
            other => panic!("nothing here does this: {other:?}"),
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
