//! Servers that come into a running ensemble, and go. Knows what an operator knows.

use std::time::Duration;

use zareba_client::model::{EnsembleChange, ServerId};
use zareba_client::{ENSEMBLE_PATH, Error, Invitation};

use crate::member::{Member, Place};
use crate::port::free_ports;
use crate::{Ensemble, Process, until};

impl Ensemble {
    /// Makes a token and starts a server that joins by it; returns its number once it is ready.
    pub async fn join(&mut self, voter: bool) -> u64 {
        let token = self.token(voter, Duration::from_secs(120)).await;
        let mut ports = free_ports(2).into_iter();
        let (client_port, peer_port) = (ports.next().unwrap(), ports.next().unwrap());
        let folder = self.folder().join(format!("joined-{client_port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let arguments = [
            "server".to_owned(),
            "--data".to_owned(),
            folder.to_str().unwrap().to_owned(),
            "--join".to_owned(),
            token,
            "--peer-address".to_owned(),
            format!("127.0.0.1:{peer_port}"),
            "--client-address".to_owned(),
            format!("127.0.0.1:{client_port}"),
        ];
        let title = format!("the server at {client_port}");
        let mut process = Process::start(&title, &arguments, &folder.join("log"));
        let line = process.line().await.unwrap_or_default();
        let number = line.strip_prefix("ready server=");
        let number = number.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        let Some(id) = number else {
            panic!("{title} did not join, but said {line:?}: {log}");
        };
        let place = Place {
            id,
            client_port,
            peer_port,
        };
        self.members
            .insert(id, Member::joined(place, folder, process));
        id
    }

    /// A token for one server.
    pub async fn token(&self, voter: bool, ttl: Duration) -> String {
        let invitation = Invitation::new(&self.profile()).unwrap();
        let client = self.client().await;
        client.invite(&invitation, voter, ttl).await.unwrap();
        client.close().await.unwrap();
        invitation.to_string()
    }

    /// Changes the ensemble.
    pub async fn change(&self, change: EnsembleChange) -> Result<u64, Error> {
        let client = self.client().await;
        let changed = client.change_ensemble(change, None).await;
        client.close().await.unwrap();
        changed
    }

    /// Waits until all servers that answer agree that these vote, and that no change is under way.
    pub async fn settled(&self, voters: &[u64]) {
        let voters = voters.iter().copied().map(ServerId).collect();
        until(&format!("{voters:?} vote"), async || {
            let statuses = self.statuses().await;
            let is_settled = |it: &zareba_client::ServerStatus| {
                it.ensemble.outgoing.is_none() && it.ensemble.voters() == voters
            };
            (!statuses.is_empty() && statuses.values().all(is_settled)).then_some(())
        })
        .await;
    }

    /// Waits until a member has ended by itself, forgets it, and returns its exit code.
    pub async fn gone(&mut self, id: u64) -> Option<i32> {
        let member = self.members.remove(&id).unwrap();
        let status = member.process.unwrap().end().await;
        status.code()
    }

    /// Forgets a server that is down.
    pub fn forget(&mut self, id: u64) {
        self.members.remove(&id);
    }

    /// Gives a server that is down another port for its peers; returns the new address.
    pub fn move_peers(&mut self, id: u64) -> String {
        let port = free_ports(1).into_iter().next().unwrap();
        let member = self.member_mut(id);
        member.move_peers(port);
        format!("127.0.0.1:{port}")
    }

    /// Where clients reach a server.
    pub fn client_address(&self, id: u64) -> String {
        self.member(id).endpoint()
    }

    /// The ensemble's node, as a client of one server reads it.
    pub async fn shown_by(&self, id: u64) -> serde_json::Value {
        let client = self.client_of(id).await;
        let (data, _) = client.get(ENSEMBLE_PATH).await.unwrap();
        client.close().await.unwrap();
        serde_json::from_slice(&data).unwrap()
    }
}
