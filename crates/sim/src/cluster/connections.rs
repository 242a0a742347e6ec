//! Clients' connections: ordered both ways, ended by either side, by a crash or by nobody.

use zareba_model::{Op, SessionId, Zxid};
use zareba_replica::{ConnectionId, Input};
use zareba_wire::{ClientMessage, Hello, ServerMessage, SessionKind};
use zareba_zab::Role;

use super::{Cluster, Event};
use crate::client::Act;
use crate::identity;
use crate::invariants::local_sessions;
use crate::marks::Mark;
use crate::violation::Violation;

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    client: usize,
    server: usize,
    boot: u64,
    /// When the last message arrives, at the server and at the client.
    to_server: u64,
    to_client: u64,
    /// The client has left.
    left: bool,
    /// Whose it is, once its server has said so.
    session: SessionId,
    /// It takes what is old.
    takes_old: bool,
}

impl Cluster {
    pub(super) fn client_wakes(&mut self, client: usize) {
        let (now, ending) = (self.now, self.healed);
        let Some(it) = self.clients.get_mut(client) else {
            return;
        };
        let acts = it.wake(now, ending, &self.oracle, &mut self.dice);
        self.act(client, acts);
        if self.clients.get(client).is_some_and(|it| !it.is_over()) {
            let think = self.config.think_us;
            let next = now + self.dice.between(think / 4, think * 2);
            self.schedule.at(next, Event::Client(client));
        }
    }

    fn act(&mut self, client: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Connect(hello) => self.open_connection(client, hello),
                Act::Leave => self.leave(client),
                Act::Rename => self.note_asked(client),
                Act::Say(message) => {
                    if let ClientMessage::Request { .. } = &message {
                        self.note_asked(client);
                    }
                    let newest = self.newest_of(client);
                    if let Some(it) = self.clients.get_mut(client) {
                        it.says(&message, self.now);
                    }
                    if let Some(id) = newest {
                        self.say(id, message);
                    }
                }
            }
        }
    }

    /// What a client asks, its session has asked.
    fn note_asked(&mut self, client: usize) {
        let Some(it) = self.clients.get(client) else {
            return;
        };
        let Some((session, principals)) = it.identity() else {
            return;
        };
        for (xid, op) in it.unanswered() {
            self.oracle.asks((client, session), xid, op, principals);
        }
    }

    fn newest_of(&self, client: usize) -> Option<ConnectionId> {
        let mine = |(_, it): &(&ConnectionId, &Connection)| it.client == client && !it.left;
        self.connections.iter().rev().find(mine).map(|(id, _)| *id)
    }

    fn open_connection(&mut self, client: usize, hello: ClientMessage) {
        self.leave(client);
        let server = self.dice.below(self.servers.len() as u64) as usize;
        self.next_connection += 1;
        let id = ConnectionId(self.next_connection);
        let (now, boot) = (self.now, self.server(server).boot);
        let connection = Connection {
            client,
            server,
            boot,
            to_server: now,
            to_client: now,
            left: false,
            session: SessionId::NONE,
            takes_old: false,
        };
        self.connections.insert(id, connection);
        if let Some(it) = self.clients.get_mut(client) {
            it.connected(id, now);
        }
        if self.server(server).replica.is_none() {
            let at = now + self.dice.below(2_000);
            self.schedule.at(at, Event::ServerLeft(id));
            return;
        }
        self.say(id, hello);
    }

    fn say(&mut self, id: ConnectionId, message: ClientMessage) {
        let delay = 10 + self.dice.below(self.config.delay_us);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.to_server = connection.to_server.max(self.now + delay);
        let at = connection.to_server;
        self.schedule.at(at, Event::ToServer(id, Box::new(message)));
    }

    /// The client breaks its connection; its server learns of it soon, late, or never.
    pub(super) fn leave(&mut self, client: usize) {
        let Some(id) = self.newest_of(client) else {
            return;
        };
        let late = match self.dice.below(5) {
            0 => 400_000,
            _ => 5_000,
        };
        let at = self.now + self.dice.below(late);
        let never = self.dice.once_in(10);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.left = true;
            // Behind what the client has said before.
            let at = at.max(connection.to_server);
            if !never {
                self.schedule.at(at, Event::ClientLeft(id));
            }
        }
    }

    /// The connection's server, if it is the same process still.
    fn peer_of(&mut self, id: ConnectionId) -> Option<usize> {
        let connection = *self.connections.get(&id)?;
        let it = self.server(connection.server);
        (it.boot == connection.boot && it.replica.is_some()).then_some(connection.server)
    }

    pub(super) fn client_left(&mut self, connection: ConnectionId) {
        if let Some(server) = self.peer_of(connection) {
            self.give(server, Input::Disconnected { connection });
        }
        self.connections.remove(&connection);
    }

    pub(super) fn client_says(&mut self, connection: ConnectionId, message: ClientMessage) {
        let Some(server) = self.peer_of(connection) else {
            return;
        };
        let place = self.connections.get(&connection).map_or(0, |it| it.client);
        let input = match message {
            ClientMessage::Hello { hello, claims, .. } => {
                if let (Hello::Local { read_only, .. }, Some(it)) =
                    (&hello, self.connections.get_mut(&connection))
                {
                    it.takes_old = *read_only;
                }
                Input::Hello {
                    connection,
                    hello,
                    random: self.dice.bytes(),
                    principals: identity::principals(place, &claims),
                }
            }
            // The server's door judges claims.
            ClientMessage::Request {
                xid,
                acked,
                op: Op::Authenticate(claim),
            } => Input::Identified {
                connection,
                xid,
                acked,
                result: identity::prove(&claim).map(|one| vec![one]),
            },
            ClientMessage::Request { xid, acked, op } => Input::Request {
                connection,
                xid,
                acked,
                op,
            },
            ClientMessage::Ping => Input::Ping { connection },
            ClientMessage::Status => Input::Status { connection },
            // Simulated servers are members from the beginning.
            ClientMessage::Join(_) => return,
        };
        self.give(server, input);
    }

    pub(super) fn tell_client(
        &mut self,
        id: ConnectionId,
        message: ServerMessage,
    ) -> Result<(), Violation> {
        let delay = 10 + self.dice.below(self.config.delay_us);
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        let its = self.servers.get(connection.server);
        let remembers = its.map_or(Zxid::ZERO, |it| it.remembers);
        if let Some(replica) = its.and_then(|it| it.replica.as_ref()) {
            let is_led = its.is_some_and(|it| it.role != Role::Looking);
            let state = (is_led, connection.takes_old);
            let (server, tree) = (connection.server, replica.tree());
            let alone = local_sessions::check(server, state, tree, &message)?;
            self.oracle.marks.reach_if(alone, Mark::ReadAlone);
        }
        match &message {
            ServerMessage::Welcome(welcome) => {
                connection.takes_old &= welcome.kind == SessionKind::Local;
                connection.session = welcome.session;
            }
            ServerMessage::Reply { xid, .. } => {
                let request = (connection.session, *xid);
                let executed = self.oracle.executed.get(&request);
                let zxid = executed.map_or(Zxid::ZERO, |it| it.zxid);
                self.oracle.is_on_a_quorum(zxid, "told to a client")?;
            }
            _ => {}
        }
        connection.to_client = connection.to_client.max(now + delay);
        let at = connection.to_client;
        let said = Event::ToClient(id, Box::new(message), remembers);
        self.schedule.at(at, said);
        Ok(())
    }

    /// Nothing reaches that client for a while; false if it has no connection.
    pub(super) fn reads_slowly(&mut self, client: usize, until: u64) -> bool {
        let newest = self.newest_of(client);
        let connection = newest.and_then(|id| self.connections.get_mut(&id));
        connection.is_some_and(|it| {
            it.to_client = it.to_client.max(until);
            true
        })
    }

    /// A client says again what it has said; false if there is nothing.
    pub(super) fn repeats(&mut self, client: usize) -> bool {
        let again = self.clients.get_mut(client).and_then(|it| it.repeat());
        let newest = self.newest_of(client);
        match (newest, again) {
            (Some(id), Some(message)) => {
                self.say(id, message);
                true
            }
            _ => false,
        }
    }

    /// The server ends the connection behind what it has said.
    pub(super) fn close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id) {
            self.schedule
                .at(connection.to_client, Event::ServerLeft(id));
        }
    }

    pub(super) fn client_hears(
        &mut self,
        id: ConnectionId,
        message: ServerMessage,
        remembers: Zxid,
    ) -> Result<(), Violation> {
        let Some(connection) = self.connections.get(&id).copied() else {
            return Ok(());
        };
        let now = self.now;
        let Some(client) = self.clients.get_mut(connection.client) else {
            return Ok(());
        };
        self.trace.say(
            now,
            connection.server,
            "client hears",
            &(connection.client, &message),
        );
        let acts = client.hear(id, message, (now, remembers), &self.oracle)?;
        self.act(connection.client, acts);
        Ok(())
    }

    pub(super) fn server_left(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(client) = self.clients.get_mut(connection.client) {
            client.disconnected(id, self.now, &mut self.dice);
        }
        // A server that is still there learns that its last words are out.
        let it = self.server(connection.server);
        if it.boot == connection.boot && it.replica.is_some() {
            let input = Input::Disconnected { connection: id };
            self.give(connection.server, input);
        }
    }

    /// A server's process is gone, and with it all its connections.
    pub(super) fn drop_connections_of(&mut self, server: usize) {
        let ids: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, it)| it.server == server)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let at = self.now + self.dice.below(20_000);
            self.schedule.at(at, Event::ServerLeft(id));
        }
    }
}
