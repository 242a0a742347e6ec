//! Sessions: opening, attaching, and the end, which takes nodes and parked calls along and lets
//! the plugins concerned react in the same transaction.

use std::collections::BTreeMap;

use zareba_model::limits::{SESSION_TIMEOUT_MS_MAX, SESSION_TIMEOUT_MS_MIN};
use zareba_model::{
    Attachment, Effect, ErrorCode, Fault, Forward, GuestEvent, Outcome, Password, ServerId,
    SessionId, ZnodePath,
};

use super::Prepare;
use crate::change;
use crate::plugin::PluginRuntime;
use crate::world::LiveSession;

impl<P: PluginRuntime> Prepare<'_, P> {
    /// A new session, named by this transaction.
    pub(crate) fn open_session(
        &mut self,
        password: Password,
        timeout_ms: u32,
        server: ServerId,
    ) -> SessionId {
        let session = SessionId(self.world.zxid.to_u64());
        let timeout_ms = timeout_ms.clamp(SESSION_TIMEOUT_MS_MIN, SESSION_TIMEOUT_MS_MAX);
        self.world.stage_session(
            session,
            Some(LiveSession {
                attachment: Attachment(1),
                password,
            }),
        );
        self.world.stage_effect(Effect::OpenSession {
            session,
            password,
            timeout_ms,
            server,
        });
        session
    }

    /// A session moves to another connection. An unknown one is always told so.
    pub(crate) fn attach_session(
        &mut self,
        session: SessionId,
        password: Password,
        server: ServerId,
    ) -> Result<Attachment, Fault> {
        let known = self.world.session(session);
        let Some(live) = known.filter(|known| known.password == password) else {
            let why = format!("session {session} is unknown or over; open a new one");
            return Err(Fault::new(ErrorCode::SessionExpired, why));
        };
        let attachment = Attachment(live.attachment.0 + 1);
        self.world
            .stage_session(session, Some(LiveSession { attachment, ..live }));
        self.world.stage_effect(Effect::AttachSession {
            session,
            attachment,
            server,
        });
        Ok(attachment)
    }

    /// An operator ends another's session.
    pub(super) fn kill_session(
        &mut self,
        forward: &Forward,
        session: SessionId,
    ) -> Result<Outcome, Fault> {
        if session == forward.session {
            let why = "this is the session that asks; close it instead";
            return Err(Fault::new(ErrorCode::BadArguments, why));
        }
        if self.world.session(session).is_none() {
            let why = format!("there is no session {session}; it may be over");
            return Err(Fault::new(ErrorCode::NoNode, why));
        }
        self.close_session(session);
        Ok(Outcome::SessionKilled)
    }

    /// A session's end. The caller has made sure that it is there.
    pub(crate) fn close_session(&mut self, session: SessionId) {
        let mut events: BTreeMap<ZnodePath, Vec<GuestEvent>> = BTreeMap::new();
        // The session is over before any guest runs: none may give it anything.
        self.world.stage_session(session, None);
        for call in self.world.calls_of(session) {
            let why = format!("session {session} ended while the call was parked");
            self.world
                .stage_end_call(&call, Err(Fault::new(ErrorCode::SessionExpired, why)));
            let event = GuestEvent::Cancelled {
                call: call.id,
                session,
                tag: call.tag,
            };
            events.entry(call.mount).or_default().push(event);
        }
        for path in self.world.ephemerals(session) {
            if let Some(mount) = self.world.mount_of(&path).map(|mount| mount.path.clone()) {
                let node = self.world.node(path.as_str());
                let event = GuestEvent::Deleted {
                    path: path.relative_to(&mount).unwrap_or_default().to_owned(),
                    session,
                    data: node.map(|node| node.data).unwrap_or_default(),
                };
                events.entry(mount).or_default().push(event);
            }
            let deleted = change::delete(self.world, &path, None);
            assert!(
                deleted.is_ok(),
                "an ephemeral node is there and has no children: {deleted:?}"
            );
        }
        self.world.stage_effect(Effect::CloseSession { session });
        for (mount, events) in events {
            self.notify(&mount, events);
        }
    }
}
