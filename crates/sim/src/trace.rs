//! The fingerprint of a run, and its steps for people. Changes nothing.

use std::fmt::{Debug, Write as _};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use zareba_replica::{Input, Output};
use zareba_zab::Message;

/// What a znode holds may be long, and says little.
const LINE_CHARS_MAX: usize = 2_000;

/// A run's fingerprint.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: FxHasher,
    pub(crate) steps: u64,
    /// Lines for people, if they are wanted.
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(lines: bool) -> Self {
        Self {
            lines: lines.then(Vec::new),
            ..Self::default()
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) fn mark(&mut self, time: u64, server: usize, what: &impl Hash) {
        (time, server).hash(&mut self.hasher);
        what.hash(&mut self.hasher);
    }

    pub(crate) fn say(&mut self, time: u64, server: usize, what: &str, of: &impl Debug) {
        if let Some(lines) = &mut self.lines {
            let mut line = format!("{time:>9} s{} {what} {of:?}", server + 1);
            let whole = line.chars().count();
            if let Some((cut, _)) = line.char_indices().nth(LINE_CHARS_MAX) {
                line.truncate(cut);
                let _ = write!(line, "... ({} more)", whole - LINE_CHARS_MAX);
            }
            lines.push(line);
        }
    }

    pub(crate) fn input(&mut self, time: u64, server: usize, input: &Input) {
        self.steps += 1;
        let kind = std::mem::discriminant(input);
        match input {
            Input::Zab { from, message } => self.mark(time, server, &(kind, from, message)),
            Input::Request {
                connection,
                xid,
                acked,
                ..
            } => self.mark(time, server, &(kind, connection, xid, acked)),
            Input::Persisted(token) => self.mark(time, server, &(kind, token)),
            _ => self.mark(time, server, &kind),
        }
        if !matches!(input, Input::Tick) {
            self.say(time, server, "<-", input);
        }
    }

    pub(crate) fn output(&mut self, time: u64, server: usize, output: &Output) {
        let kind = std::mem::discriminant(output);
        match output {
            Output::SendZab { to, message } => self.mark(time, server, &(kind, to, message)),
            Output::Persist { token, .. } => self.mark(time, server, &(kind, token)),
            Output::Role(role) => self.mark(time, server, &(kind, role)),
            Output::Send { connection, .. } => self.mark(time, server, &(kind, connection)),
            _ => self.mark(time, server, &kind),
        }
        let heartbeat = matches!(
            output,
            Output::SendZab {
                message: Message::Ping { .. } | Message::Pong { .. },
                ..
            }
        );
        if !heartbeat {
            self.say(time, server, "->", output);
        }
    }
}
