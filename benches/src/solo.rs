//! One replica as an ensemble of one, with a disk that writes at once: the request path alone.
//! Must never know what its client asks.

use bytes::Bytes;
use zareba_model::{Acked, Answer, Op, ServerId, Sha256, Xid, Zxid};
use zareba_plugin_host::{CompileLimits, PluginEngine, PluginHost, compile};
use zareba_replica::recovery::{RecoveredLog, Recovery};
use zareba_replica::{Config, ConnectionId, ImageWrite, Input, Now, Output, Replica};
use zareba_wire::{Hello, ServerMessage};
use zareba_zab::Role;

const CLIENT: ConnectionId = ConnectionId(1);

/// Steps of ten milliseconds within which the server must lead.
const ELECTION_STEPS_MAX: usize = 1_000;

/// A server that leads itself, and one client with a session. Time stands still, so that no
/// session ends however slow the machine is.
pub struct Solo {
    replica: Replica<PluginHost>,
    engine: PluginEngine,
    now: Now,
    outputs: Vec<Output>,
    xid: Xid,
    answers: u64,
    welcomed: bool,
    last_answer: Option<Answer>,
}

impl Solo {
    /// Starts the server on an empty disk and opens the session.
    pub fn start() -> Self {
        let me = ServerId(1);
        let engine = PluginEngine::new().expect("an engine starts everywhere");
        let log = RecoveredLog {
            may_vote: true,
            ..RecoveredLog::default()
        };
        let recovery = Recovery::new(Zxid::ZERO, Zxid::ZERO, None);
        let recovered = recovery.finish(log).expect("an empty disk is recovered");
        let config = Config::new(zareba_zab::Config::new(me, [me]));
        let now = Now {
            wall_ms: 1_700_000_000_000,
            ..Now::default()
        };
        let host = PluginHost::new(engine.clone());
        let mut outputs = Vec::new();
        let replica = Replica::new(config, recovered, host, now, &mut outputs);
        let mut solo = Self {
            replica,
            engine,
            now,
            outputs,
            xid: Xid(0),
            answers: 0,
            welcomed: false,
            last_answer: None,
        };
        solo.lead();
        solo.enter();
        solo
    }

    /// Sends the requests at once, as one batch, and returns when all are answered.
    pub fn ask_all(&mut self, ops: impl IntoIterator<Item = Op>) {
        let acked = Acked::up_to(self.xid);
        for op in ops {
            self.xid = Xid(self.xid.0 + 1);
            let request = Input::Request {
                connection: CLIENT,
                xid: self.xid,
                acked: acked.clone(),
                op,
            };
            self.replica.handle(self.now, request, &mut self.outputs);
        }
        self.settle();
        assert_eq!(self.answers, self.xid.0, "every request is answered");
    }

    /// Sends one request and returns its outcome.
    pub fn ask(&mut self, op: Op) -> Option<Answer> {
        self.ask_all([op]);
        self.last_answer.take()
    }

    fn lead(&mut self) {
        for _ in 0..ELECTION_STEPS_MAX {
            self.now.monotonic = self.now.monotonic.after_ms(10);
            self.replica
                .handle(self.now, Input::Tick, &mut self.outputs);
            self.settle();
            if matches!(self.replica.role(), Role::Leading { .. }) {
                return;
            }
        }
        panic!("a server alone must come to lead");
    }

    fn enter(&mut self) {
        let hello = Input::Hello {
            connection: CLIENT,
            hello: Hello::Open { timeout_ms: 10_000 },
            random: [1; 16],
            principals: Vec::new(),
        };
        self.replica.handle(self.now, hello, &mut self.outputs);
        self.settle();
        assert!(self.welcomed, "a client is let in");
    }

    /// Closes the batch and carries out what comes of it, until nothing does.
    fn settle(&mut self) {
        self.replica.flush(self.now, &mut self.outputs);
        while !self.outputs.is_empty() {
            let mut reports = Vec::new();
            for output in std::mem::take(&mut self.outputs) {
                reports.extend(self.carry_out(output));
            }
            for report in reports {
                self.replica.handle(self.now, report, &mut self.outputs);
            }
            self.replica.flush(self.now, &mut self.outputs);
        }
    }

    /// Does one thing; returns what the replica is to hear of it.
    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Persist { token, .. } => Some(Input::Persisted(token)),
            Output::Image(ImageWrite::Batch { .. } | ImageWrite::Finish { .. }) => {
                Some(Input::ImageWritten)
            }
            Output::Compile { sha256, pieces } => Some(self.compile(sha256, &pieces)),
            Output::Send { message, .. } => {
                self.read(message);
                None
            }
            Output::Role(_)
            | Output::Ensemble(_)
            | Output::PluginLog { .. }
            | Output::Audit(_)
            | Output::QuotaPassed { .. } => None,
            Output::Close { .. }
            | Output::Removed { .. }
            | Output::ReadLog { .. }
            | Output::SendZab { .. }
            | Output::SendRelay { .. }
            | Output::Image(_) => panic!("a server alone has nobody to do this with: {output:?}"),
        }
    }

    fn read(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Reply { answer, .. } => {
                if let Err(fault) = &answer {
                    panic!("a measured request must go well: {fault}");
                }
                self.answers += 1;
                self.last_answer = Some(answer);
            }
            ServerMessage::Welcome(_) => self.welcomed = true,
            ServerMessage::Goodbye(fault) => panic!("the client must not be sent away: {fault}"),
            ServerMessage::Event(_)
            | ServerMessage::Pong { .. }
            | ServerMessage::Status(_)
            | ServerMessage::Joined(_)
            | ServerMessage::Members { .. }
            | ServerMessage::Renewed { .. } => {}
        }
    }

    fn compile(&mut self, sha256: Sha256, pieces: &[Bytes]) -> Input {
        let bytes = pieces.concat();
        let limits = CompileLimits::default();
        let compiled =
            compile(&self.engine, &bytes, &limits).expect("committed components compile");
        let result = Ok(compiled.description().clone());
        self.replica.plugins_mut().install(sha256, compiled);
        Input::Compiled { sha256, result }
    }
}
