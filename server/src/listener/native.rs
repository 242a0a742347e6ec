//! The native protocol on one stream: frames in, inputs to the loop; messages from the loop,
//! frames out. One task for each client. Must never know what a request does.
//!
//! All frames that have come are decoded at once and reach the loop as one batch; all messages the
//! loop has queued are written at once. Neither direction ever copies a batch twice.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncReadExt;
use tokio::time::Sleep;
use zareba_model::{Claim, ErrorCode, Fault, Op, Principal, limits};
use zareba_replica::Input;
use zareba_wire::{ClientMessage, FrameDecoder, Hello, ServerMessage, client, decode};

use crate::admission::Applicant;
use crate::connection::{CREDIT_MAX, ClientConnection, Doorway, Outgoing, request_weight};
use crate::listener::identity::{shown, strongest};
use crate::listener::occupancy::Place;
use crate::process;

/// Why a stream ended, as far as its connection must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The client has left, or its connection broke.
    Left,
    /// The server has said its last word, and it has arrived or was given time to.
    Told,
    /// The client sent something that is no message, and was told.
    Malformed,
    /// The client did not read what it was sent.
    Cut,
}

/// What a client is told before it must go.
#[derive(Debug)]
struct Refusal {
    fault: Fault,
    ending: Ending,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let ending = Ending::Malformed;
        Self { fault, ending }
    }
}

impl Refusal {
    fn of_identity(identity: &Principal) -> Self {
        let identity = shown(identity);
        let why = format!(
            "this server holds as many sessions of {identity} as one identity may have here; close \
             some, go to another server, or raise `limits.sessions_per_identity_max`"
        );
        Self {
            fault: Fault::new(ErrorCode::Throttled, why),
            ending: Ending::Told,
        }
    }
}

/// One client's stream.
#[derive(Debug)]
pub(crate) struct NativeStream {
    connection: ClientConnection,
    principals: Vec<Principal>,
    recv: RecvStream,
    send: SendStream,
    decoder: FrameDecoder,
    read_bytes: usize,
    out: BytesMut,
    /// Runs until the client has said hello.
    hello_deadline: Option<Pin<Box<Sleep>>>,
    doorway: Arc<Doorway>,
    /// Its session counts among those of its identity.
    place: Option<Place<Principal>>,
    /// A new server that waits for its certificate.
    applicant: Option<Applicant>,
}

enum Wake {
    Outgoing(usize),
    Read(usize),
    ReadFailed,
    Cut,
    NoHello,
}

impl NativeStream {
    pub(crate) fn new(
        connection: ClientConnection,
        principals: Vec<Principal>,
        (send, recv): (SendStream, RecvStream),
        doorway: Arc<Doorway>,
    ) -> Self {
        Self {
            connection,
            principals,
            recv,
            send,
            decoder: FrameDecoder::new(limits::FRAME_BYTES_MAX),
            read_bytes: READ_BYTES_MIN,
            out: BytesMut::new(),
            hello_deadline: Some(Box::pin(tokio::time::sleep(HELLO_WITHIN))),
            doorway,
            place: None,
            applicant: None,
        }
    }

    /// Serves the client until one side ends.
    pub(crate) async fn serve(mut self) -> Ending {
        let mut batches = Vec::new();
        loop {
            let ended = match self.wake(&mut batches).await {
                Wake::Outgoing(0) => Some(Ending::Told),
                Wake::Outgoing(_) => self.write(&mut batches).await,
                Wake::Read(0) | Wake::ReadFailed => Some(Ending::Left),
                Wake::Read(bytes) => self.take_in(bytes).await,
                Wake::Cut => Some(Ending::Cut),
                Wake::NoHello => {
                    let fault = Fault::new(
                        ErrorCode::OperationTimeout,
                        "no Hello has come; a client has five seconds to send one",
                    );
                    Some(self.say_goodbye(fault, Ending::Told).await)
                }
            };
            if let Some(ending) = ended {
                return ending;
            }
        }
    }

    async fn wake(&mut self, batches: &mut Vec<Outgoing>) -> Wake {
        let cut = self.connection.cut();
        let buffer = self.decoder.buffer_mut();
        if buffer.is_empty() && buffer.capacity() > IDLE_BYTES_MAX {
            // An idle session holds no large buffer.
            *buffer = BytesMut::new();
        }
        buffer.reserve(self.read_bytes);
        tokio::select! {
            biased;
            () = cut.notified() => Wake::Cut,
            count = self.connection.next_outgoing(batches) => Wake::Outgoing(count),
            read = self.recv.read_buf(buffer) => read.map_or(Wake::ReadFailed, Wake::Read),
            () = until(self.hello_deadline.as_mut()) => Wake::NoHello,
        }
    }

    /// Decodes every frame that is complete and hands all to the loop.
    async fn take_in(&mut self, bytes: usize) -> Option<Ending> {
        self.adapt_read_size(bytes);
        loop {
            let mut inputs = Vec::new();
            let decoded = self.decode_batch(&mut inputs);
            let weight = *decoded.as_ref().unwrap_or(&1);
            if !inputs.is_empty() && self.connection.deliver(inputs, weight).await.is_err() {
                return Some(Ending::Told);
            }
            match decoded {
                Ok(weight) if weight < CREDIT_MAX => return None,
                Ok(_) => {}
                Err(Refusal { fault, ending }) => {
                    return Some(self.say_goodbye(fault, ending).await);
                }
            }
        }
    }

    /// Reads twice as much next time if the buffer was filled, half as much if it was nearly empty.
    fn adapt_read_size(&mut self, bytes: usize) {
        if bytes >= self.read_bytes {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        } else if bytes < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES_MIN);
        }
    }

    /// Decodes what is complete until it weighs a full credit; returns the weight.
    fn decode_batch(&mut self, inputs: &mut Vec<Input>) -> Result<usize, Refusal> {
        let mut weight = 0;
        while weight < CREDIT_MAX {
            let frame = self.decoder.next_frame().map_err(malformed)?;
            let Some(frame) = frame else { break };
            let message = decode(&frame).map_err(malformed)?;
            inputs.push(self.input(message)?);
            weight += request_weight(frame.len());
        }
        Ok(weight)
    }

    fn input(&mut self, message: ClientMessage) -> Result<Input, Refusal> {
        let connection = self.connection.id;
        let greeted = self.hello_deadline.is_none();
        match message {
            // A session of this server's own becomes one of the ensemble.
            ClientMessage::Hello { ref hello, .. } if greeted && !is_open(hello) => {
                Err(out_of_order("a second Hello").into())
            }
            ClientMessage::Hello { version, .. } if version < client::VERSION => {
                let why = format!(
                    "protocol version {version} is not spoken here, only {} and what newer \
                     clients share with it",
                    client::VERSION
                );
                Err(Fault::new(ErrorCode::Unimplemented, why).into())
            }
            ClientMessage::Hello { hello, claims, .. } => self.greet(hello, &claims),
            ClientMessage::Request {
                xid,
                acked,
                op: Op::Authenticate(claim),
            } if greeted => Ok(Input::Identified {
                connection,
                xid,
                acked,
                result: self.doorway.identities.prove(&claim),
            }),
            ClientMessage::Status => Ok(Input::Status { connection }),
            ClientMessage::Join(_) if greeted => Err(out_of_order("a Join behind Hello").into()),
            ClientMessage::Join(message) => {
                let (applicant, request) = self.doorway.admission.hear(&message)?;
                self.hello_deadline = None;
                self.applicant = Some(applicant);
                Ok(Input::Join {
                    connection,
                    request,
                })
            }
            ClientMessage::Request { .. } | ClientMessage::Ping if !greeted => {
                Err(out_of_order("a request before Hello").into())
            }
            ClientMessage::Request { xid, acked, op } => Ok(Input::Request {
                connection,
                xid,
                acked,
                op,
            }),
            ClientMessage::Ping => Ok(Input::Ping { connection }),
        }
    }

    /// Takes a client in, as one of those of its identity.
    fn greet(&mut self, hello: Hello, claims: &[Claim]) -> Result<Input, Refusal> {
        self.hello_deadline = None;
        if claims.len() > limits::IDENTITIES_MAX {
            let why = format!(
                "a session has at most {} identities",
                limits::IDENTITIES_MAX
            );
            return Err(Fault::new(ErrorCode::TooLarge, why).into());
        }
        let mut principals = self.principals.clone();
        for claim in claims {
            principals.extend(self.doorway.identities.prove(claim)?);
        }
        // A session that becomes one of the ensemble leaves its place for the new one's.
        self.place = None;
        if let Some(identity) = strongest(&principals) {
            self.place = self.doorway.sessions.enter(identity.clone());
            if self.place.is_none() {
                self.doorway.metrics.sessions_refused.add(1);
                return Err(Refusal::of_identity(identity));
            }
        }
        Ok(Input::Hello {
            connection: self.connection.id,
            hello,
            random: rand::random(),
            principals,
        })
    }

    /// Writes all batches, in pieces that bound what encoding takes.
    async fn write(&mut self, batches: &mut Vec<Outgoing>) -> Option<Ending> {
        for batch in batches.drain(..) {
            let Outgoing::Messages(messages, weight) = batch else {
                if let Err(ending) = self.flush().await {
                    return Some(ending);
                }
                return Some(self.finish(Ending::Told).await);
            };
            for message in messages {
                encode(self.complete(message), &mut self.out);
                if self.out.len() >= WRITE_BYTES
                    && let Err(ending) = self.flush().await
                {
                    return Some(ending);
                }
            }
            self.connection.has_left(weight);
        }
        self.flush().await.err()
    }

    /// Adds what only the shell knows.
    fn complete(&self, message: ServerMessage) -> ServerMessage {
        match (message, &self.applicant) {
            (ServerMessage::Joined(mut joined), Some(applicant)) => {
                match self.doorway.admission.sign(applicant, &mut joined) {
                    Ok(()) => ServerMessage::Joined(joined),
                    Err(fault) => ServerMessage::Goodbye(fault),
                }
            }
            (message, _) => message,
        }
    }

    async fn flush(&mut self) -> Result<(), Ending> {
        if self.out.is_empty() {
            return Ok(());
        }
        let bytes = self.out.split().freeze();
        if self.out.capacity() < READ_BYTES_MIN || bytes.len() > IDLE_BYTES_MAX {
            // The rest of a large buffer would hold all of it while the session idles.
            self.out = BytesMut::new();
        }
        let cut = self.connection.cut();
        tokio::select! {
            biased;
            written = self.send.write_chunk(bytes) => written.map_err(|_| Ending::Left),
            () = cut.notified() => Err(Ending::Cut),
        }
    }

    async fn say_goodbye(&mut self, fault: Fault, ending: Ending) -> Ending {
        encode(ServerMessage::Goodbye(fault), &mut self.out);
        match self.flush().await {
            Ok(()) => self.finish(ending).await,
            Err(cut_or_left) => cut_or_left,
        }
    }

    /// Ends the stream, and waits a little for the client to have all of it.
    async fn finish(&mut self, ending: Ending) -> Ending {
        if self.send.finish().is_ok() {
            let arrived = tokio::time::timeout(LAST_WORD_WITHIN, self.send.stopped()).await;
            drop(arrived);
        }
        ending
    }
}

/// Appends a message's frame. An answer too large for a frame is replaced by one that says so.
fn encode(mut message: ServerMessage, out: &mut BytesMut) {
    if let ServerMessage::Status(status) = &mut message {
        process::describe(status);
    }
    let encoded = zareba_wire::encode_frame_within(&message, limits::FRAME_BYTES_MAX, out);
    let Err(error) = encoded else { return };
    tracing::warn!(%error, "an answer does not fit in a frame");
    if let ServerMessage::Reply { xid, zxid, .. } = message {
        let answer = Err(Fault::new(
            ErrorCode::TooLarge,
            "the answer is too large for one message; ask for less at once",
        ));
        let refusal = ServerMessage::Reply { xid, zxid, answer };
        if let Err(error) = zareba_wire::encode_frame(&refusal, out) {
            tracing::error!(%error, "a refusal cannot be encoded");
        }
    }
}

/// Ends when the deadline is over; never, if there is none.
async fn until(deadline: Option<&mut Pin<Box<Sleep>>>) {
    match deadline {
        Some(sleep) => sleep.as_mut().await,
        None => std::future::pending().await,
    }
}

fn is_open(hello: &Hello) -> bool {
    matches!(hello, Hello::Open { .. })
}

fn malformed(error: zareba_wire::WireError) -> Fault {
    Fault::new(ErrorCode::MarshallingError, error.to_string())
}

fn out_of_order(what: &str) -> Fault {
    Fault::new(
        ErrorCode::MarshallingError,
        format!("{what} is not allowed: a stream begins with one Hello"),
    )
}

/// A client says hello within this, or takes a place from others for nothing.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// How long the last message may take to arrive.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// Room for one read of an idle session.
const READ_BYTES_MIN: usize = 2 << 10;

/// Room for one read of a busy session: a batch is worth one wake-up of the loop.
const READ_BYTES_MAX: usize = 256 << 10;

/// Buffers above this are not kept while nothing is in them.
const IDLE_BYTES_MAX: usize = 16 << 10;

/// Encoded messages are handed to the transport in pieces of about this.
const WRITE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use zareba_model::{Outcome, Stat, Xid, Zxid};

    use super::*;

    #[test]
    fn an_answer_too_large_for_a_frame_becomes_a_refusal_of_the_same_request() {
        let reply = ServerMessage::Reply {
            xid: Xid(9),
            zxid: Zxid::new(1, 2),
            answer: Ok(Outcome::Got {
                data: Bytes::from(vec![0; limits::FRAME_BYTES_MAX + 1]),
                stat: Stat::default(),
            }),
        };
        let mut out = BytesMut::new();
        encode(reply, &mut out);
        let mut decoder = FrameDecoder::new(limits::FRAME_BYTES_MAX);
        decoder.feed(&out);
        let frame = decoder.next_frame().unwrap().unwrap();
        let ServerMessage::Reply { xid, answer, .. } = decode(&frame).unwrap() else {
            panic!("expected a reply");
        };
        assert_eq!(xid, Xid(9));
        assert_eq!(answer.unwrap_err().code, ErrorCode::TooLarge);
        assert_eq!(decoder.next_frame(), Ok(None));
    }
}
