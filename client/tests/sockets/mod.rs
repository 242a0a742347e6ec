//! What sessions of one process share of the way to a server, and what they do not.

use std::collections::BTreeSet;

use super::*;

/// Sessions of one server, and the server's side of each.
async fn crowd(authority: &Authority, server: &FakeServer, count: usize) -> Vec<(Client, Peer)> {
    let mut crowd = Vec::new();
    for _ in 0..count {
        let connect = builder(authority.profile([server])).connect();
        let (client, (peer, _)) = tokio::join!(connect, server.welcome(LONG_MS));
        crowd.push((client.unwrap(), peer));
    }
    crowd
}

async fn is_served((client, peer): &mut (Client, Peer)) {
    let serve = async {
        let (xid, _, _) = peer.request().await;
        peer.reply(xid, Ok(got("served"))).await;
    };
    let ((), answer) = tokio::join!(serve, client.get("/a"));
    assert_eq!(answer.unwrap().0, "served");
}

#[tokio::test]
async fn many_sessions_share_few_sockets_and_each_is_served() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let mut crowd = crowd(&authority, &server, 32).await;
    let ports: BTreeSet<_> = crowd
        .iter()
        .map(|(_, peer)| peer.connection.remote_address().port())
        .collect();
    assert!(ports.len() <= 12, "{ports:?}");
    for session in &mut crowd {
        is_served(session).await;
    }
}

#[tokio::test]
async fn a_session_that_is_cut_off_leaves_the_others_on_its_socket_alone() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let mut crowd = crowd(&authority, &server, 16).await;
    let (cut, peer) = crowd.remove(0);
    let port = peer.connection.remote_address().port();
    let mut on_same = |(_, peer): &(Client, Peer)| peer.connection.remote_address().port() == port;
    assert!(crowd.iter().any(&mut on_same), "none shares its socket");
    peer.cut();
    let (mut again, hello) = server.welcome(LONG_MS).await;
    assert!(matches!(hello, Hello::Attach { .. }), "{hello:?}");
    again.send(&again.pong(Zxid::new(1, 1))).await;
    for session in &mut crowd {
        assert!(matches!(*session.0.status().borrow(), Status::Attached(_)));
        is_served(session).await;
    }
    drop(cut);
}

#[tokio::test]
async fn sessions_on_one_socket_show_certificates_of_their_own() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let _others = crowd(&authority, &server, 12).await;
    let mut shown = BTreeSet::new();
    for name in ["app", "operator"] {
        let (certificate, key) = authority.issue_client(name);
        let profile = authority
            .profile([&server])
            .with_certificate(certificate, key);
        let connect = builder(profile).connect();
        let (client, (peer, _)) = tokio::join!(connect, server.welcome(LONG_MS));
        client.unwrap();
        shown.insert(peer.certificate().unwrap());
    }
    assert_eq!(shown.len(), 2);
    let (_, peer) = crowd(&authority, &server, 1).await.remove(0);
    assert_eq!(peer.certificate(), None);
}

#[test]
fn a_client_whose_runtime_has_ended_does_not_stop_those_of_another() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (servers, ended, living) = (runtime(), runtime(), runtime());
    let authority = Authority::new();
    let server = {
        let _entered = servers.enter();
        FakeServer::start(1, &authority)
    };
    let old = ended.block_on(crowd(&authority, &server, 10));
    let mut crowd = living.block_on(crowd(&authority, &server, 10));
    ended.shutdown_background();
    for (client, _) in &old {
        let refused = living.block_on(client.get("/a")).unwrap_err();
        assert!(matches!(refused, Error::Closed), "{refused:?}");
    }
    crowd.extend(living.block_on(self::crowd(&authority, &server, 10)));
    for session in &mut crowd {
        living.block_on(is_served(session));
    }
}
