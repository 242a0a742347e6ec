//! What a leader may say only once a quorum has confirmed that it still leads: the answer to another
//! server's question, for syncs and linearizable reads, and every refusal, for it rests on a state that
//! may be an old one.

use std::collections::VecDeque;

use zareba_model::{Attachment, Relay, ServerId, SessionId, Zxid};
use zareba_zab::Role;

use super::{Deferred, Replica};
use crate::output::Output;
use crate::plugin::PluginRuntime;

/// What a leader has to say, in order, as soon as it may.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(VecDeque<Word>);

#[derive(Debug)]
struct Word {
    to: ServerId,
    relay: Relay,
    /// The connection of a client that it is meant for, if it answers a request.
    client: Option<(SessionId, Attachment)>,
    /// It is said once this round is confirmed.
    round: u64,
}

impl Unconfirmed {
    /// A server is gone or joins anew: whatever has no answer it asks again, and by then the answer
    /// may be another one.
    pub(super) fn forget(&mut self, server: ServerId) {
        self.0.retain(|word| word.to != server);
    }
}

impl<P: PluginRuntime> Replica<P> {
    /// Sends this batch's question, if there is one.
    pub(super) fn ask_for_confirmation(&mut self, outputs: &mut Vec<Output>) {
        if self.role == Role::Looking {
            return;
        }
        if let Some(nonce) = self.confirming.ask() {
            self.tell_leader(Relay::Confirm { nonce }, outputs);
        }
    }

    /// A server asks this leader what is committed now: nobody can have been told of anything behind
    /// it.
    pub(super) fn lead_confirm(&mut self, from: ServerId, nonce: u64) {
        let zxid = self.zab.committed();
        self.say_once_confirmed(from, Relay::Confirmed { nonce, zxid }, None);
    }

    /// Says this as soon as a quorum has confirmed that this server leads now, which is asked once for
    /// all words of a batch. One that leads no more says nothing: its successor is asked again.
    pub(super) fn say_once_confirmed(
        &mut self,
        to: ServerId,
        relay: Relay,
        client: Option<(SessionId, Attachment)>,
    ) {
        let Some(leading) = &mut self.leading else {
            return;
        };
        let Ok(round) = self.zab.request_confirmation() else {
            return;
        };
        leading.unconfirmed.0.push_back(Word {
            to,
            relay,
            client,
            round,
        });
    }

    /// Answers a server, at once or, if it is a refusal, once that is confirmed; what was staged for
    /// it is taken back then.
    pub(super) fn answer_or_refuse(
        &mut self,
        to: ServerId,
        relay: Relay,
        is_refusal: bool,
        outputs: &mut Vec<Output>,
    ) {
        if is_refusal {
            self.world.abort();
            self.say_once_confirmed(to, relay, None);
        } else {
            self.answer_server(to, relay, outputs);
        }
    }

    /// Says what a quorum has confirmed.
    pub(super) fn say_confirmed(&mut self, outputs: &mut Vec<Output>) {
        let leading = self.leading.as_ref();
        if leading.is_none_or(|leading| leading.unconfirmed.0.is_empty()) {
            return;
        }
        let confirmed = self.zab.confirmed_round();
        loop {
            let words = self
                .leading
                .as_mut()
                .map(|leading| &mut leading.unconfirmed.0);
            let ready = |word: &mut Word| word.round <= confirmed;
            let Some(word) = words.and_then(|all| all.pop_front_if(ready)) else {
                return;
            };
            // A client that has come back meanwhile asks again over its new connection.
            let moved = |(session, attachment)| {
                let live = self.world.session(session);
                live.is_some_and(|live| live.attachment != attachment)
            };
            if !word.client.is_some_and(moved) {
                self.answer_server(word.to, word.relay, outputs);
            }
        }
    }

    /// That server asks again whatever it has no answer to.
    pub(super) fn forget_words_to(&mut self, server: ServerId) {
        if let Some(leading) = &mut self.leading {
            leading.unconfirmed.forget(server);
        }
    }

    /// The leader led when it was asked: what was committed then is what reads must show.
    pub(super) fn on_confirmed(&mut self, nonce: u64, zxid: Zxid, outputs: &mut Vec<Output>) {
        self.defer(zxid, Deferred::Confirmed(nonce), outputs);
    }

    /// This server has applied what the leader named.
    pub(super) fn settle_confirmed(&mut self, question: u64, outputs: &mut Vec<Output>) {
        for session in self.confirming.answered(question) {
            if let Some(held) = self.held.get_mut(session) {
                held.confirm(question);
                self.pump(session, outputs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use zareba_model::{Epoch, ErrorCode, Password};
    use zareba_wire::{Hello, ServerMessage};
    use zareba_zab::{Candidate, Join, Message, Phase, Vote};

    use super::*;
    use crate::config::Config;
    use crate::input::{ConnectionId, Input, Now};
    use crate::plugin::{Invocation, Ran, Stage};
    use crate::recovery::{RecoveredLog, Recovery};

    /// Nobody calls a plugin here.
    struct NoPlugins;

    impl PluginRuntime for NoPlugins {
        fn is_ready(&self, _: &zareba_model::Sha256) -> bool {
            false
        }

        fn invoke(&mut self, _: &Invocation, _: Box<dyn Stage>) -> Ran {
            unreachable!("no plugin is mounted")
        }
    }

    const ME: ServerId = ServerId(3);
    const OTHER: ServerId = ServerId(1);

    /// One input in a batch of its own; writes are durable at once.
    fn step(replica: &mut Replica<NoPlugins>, input: Input) -> Vec<Output> {
        step_at(replica, Now::default(), input)
    }

    fn step_at(replica: &mut Replica<NoPlugins>, now: Now, input: Input) -> Vec<Output> {
        let (mut all, mut inputs) = (Vec::new(), vec![input]);
        while let Some(input) = inputs.pop() {
            let mut outputs = Vec::new();
            replica.handle(now, input, &mut outputs);
            replica.flush(now, &mut outputs);
            inputs.extend(outputs.iter().filter_map(|output| match output {
                Output::Persist { token, .. } => Some(Input::Persisted(*token)),
                _ => None,
            }));
            all.extend(outputs);
        }
        all
    }

    fn hear(replica: &mut Replica<NoPlugins>, message: Message) -> Vec<Output> {
        let from = OTHER;
        step(replica, Input::Zab { from, message })
    }

    /// The other joins the first epoch, with all that there is in its log.
    fn join(replica: &mut Replica<NoPlugins>, join: Join, known: Epoch) {
        let (epoch, last_zxid) = (Epoch(1), replica.zab.last_logged());
        for message in [
            Message::FollowerInfo {
                join,
                accepted_epoch: known,
                last_zxid,
                may_vote: true,
            },
            Message::AckEpoch {
                join,
                epoch,
                current_epoch: known,
                last_zxid,
            },
            Message::AckNewLeader {
                join,
                epoch,
                last_zxid,
            },
        ] {
            hear(replica, message);
        }
    }

    /// Server 3 of three, which one of the others has made the leader of the first epoch.
    fn leader() -> Replica<NoPlugins> {
        let config = Config::new(zareba_zab::Config::new(ME, (1..=3).map(ServerId)));
        let log = RecoveredLog {
            may_vote: true,
            ..RecoveredLog::default()
        };
        let recovery = Recovery::new(Zxid::ZERO, Zxid::ZERO, None);
        let recovered = recovery.finish(log).expect("nothing to recover");
        let mut replica = Replica::new(
            config,
            recovered,
            NoPlugins,
            Now::default(),
            &mut Vec::new(),
        );
        step(&mut replica, Input::PeerUp(OTHER));
        hear(
            &mut replica,
            Message::Vote(Vote {
                round: 1,
                candidate: Candidate {
                    may_lead: true,
                    stays: true,
                    current_epoch: Epoch(0),
                    last_zxid: Zxid::ZERO,
                    server: ME,
                },
                phase: Phase::Looking,
                ensemble_version: 0,
            }),
        );
        join(&mut replica, Join(1), Epoch(0));
        let epoch = Epoch(1);
        assert_eq!(replica.role(), Role::Leading { epoch });
        // All that it has proposed by itself so far is committed.
        let zxid = replica.last_proposed();
        hear(&mut replica, Message::Ack { epoch, zxid });
        assert_eq!(replica.tree().applied(), zxid);
        replica
    }

    fn goodbye(outputs: &[Output]) -> Option<ErrorCode> {
        outputs.iter().find_map(|output| match output {
            Output::Send {
                message: ServerMessage::Goodbye(fault),
                ..
            } => Some(fault.code),
            _ => None,
        })
    }

    /// A client comes with a session that this leader does not know; the ping that this causes.
    fn come_with_unknown_session(replica: &mut Replica<NoPlugins>) -> (Epoch, u64) {
        let hello = Hello::Attach {
            session: SessionId(77),
            password: Password([0; 16]),
            last_zxid: Zxid::ZERO,
            watches: Vec::new(),
        };
        let hello = Input::Hello {
            connection: ConnectionId(1),
            hello,
            random: [1; 16],
            principals: Vec::new(),
        };
        let outputs = step(replica, hello);
        assert_eq!(goodbye(&outputs), None);
        let asked = outputs.iter().find_map(|output| match output {
            Output::SendZab {
                message: Message::Ping { epoch, number, .. },
                ..
            } => Some((*epoch, *number)),
            _ => None,
        });
        asked.expect("it asks for the others' word")
    }

    #[test]
    fn a_leader_that_may_have_a_successor_does_not_say_that_a_session_is_over() {
        let mut replica = leader();
        let (epoch, number) = come_with_unknown_session(&mut replica);
        let before = Message::Pong {
            epoch,
            number: number - 1,
        };
        assert_eq!(goodbye(&hear(&mut replica, before)), None);
        let outputs = hear(&mut replica, Message::Pong { epoch, number });
        assert_eq!(goodbye(&outputs), Some(ErrorCode::SessionExpired));
    }

    #[test]
    fn a_server_that_joins_anew_hears_nothing_that_was_meant_for_its_earlier_self() {
        let mut replica = leader();
        let refused = || {
            Relay::Refused(zareba_model::Refused {
                session: SessionId(7),
                xid: zareba_model::Xid(1),
                fault: None,
                after: Zxid::ZERO,
            })
        };
        let is_told = |outputs: &[Output]| {
            outputs
                .iter()
                .any(|output| matches!(output, Output::SendRelay { to: OTHER, .. }))
        };
        for (rejoins, told) in [(false, true), (true, false)] {
            replica.say_once_confirmed(OTHER, refused(), None);
            let (epoch, number) = (Epoch(1), replica.zab.request_confirmation().expect("leads"));
            step(&mut replica, Input::Tick);
            if rejoins {
                join(&mut replica, Join(2), epoch);
            }
            let outputs = hear(&mut replica, Message::Pong { epoch, number });
            assert_eq!(is_told(&outputs), told);
        }
    }

    /// The clock goes on to that millisecond, and the other confirms each ping but acks nothing.
    fn let_pass(replica: &mut Replica<NoPlugins>, from_ms: u64, to_ms: u64) -> Now {
        let mut now = Now::default();
        for ms in (from_ms..=to_ms).step_by(10) {
            now.monotonic = zareba_zab::Now(ms * 1_000);
            for output in step_at(replica, now, Input::Tick) {
                if let Output::SendZab {
                    message: Message::Ping { epoch, number, .. },
                    ..
                } = output
                {
                    let (from, message) = (OTHER, Message::Pong { epoch, number });
                    step_at(replica, now, Input::Zab { from, message });
                }
            }
        }
        now
    }

    fn enter(hello: Hello, connection: u64) -> Input {
        Input::Hello {
            connection: ConnectionId(connection),
            hello,
            random: [1; 16],
            principals: Vec::new(),
        }
    }

    #[test]
    fn a_session_whose_return_is_on_its_way_does_not_end_for_silence() {
        let mut replica = leader();
        step(&mut replica, enter(Hello::Open { timeout_ms: 1_000 }, 1));
        let (epoch, zxid) = (Epoch(1), replica.last_proposed());
        let outputs = hear(&mut replica, Message::Ack { epoch, zxid });
        let welcome = outputs.iter().find_map(|output| match output {
            Output::Send {
                message: ServerMessage::Welcome(welcome),
                ..
            } => Some(welcome.clone()),
            _ => None,
        });
        let welcome = welcome.expect("a session");
        let connection = ConnectionId(1);
        step(&mut replica, Input::Disconnected { connection });
        let now = let_pass(&mut replica, 10, 900);
        let attach = Hello::Attach {
            session: welcome.session,
            password: welcome.password,
            last_zxid: welcome.zxid,
            watches: Vec::new(),
        };
        step_at(&mut replica, now, enter(attach, 2));
        let returned = replica.last_proposed();
        assert!(returned > zxid);
        // Nobody has acked it, and the time that began with the opening is over.
        let_pass(&mut replica, 910, 1_500);
        assert_eq!(replica.last_proposed(), returned);
        // Silence from then on ends it.
        let_pass(&mut replica, 1_510, 2_500);
        assert!(replica.last_proposed() > returned);
    }
}
