//! What proves that the servers have heard of the client, and who it shows them that it is.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::*;

/// Answers nothing, and tells of events for as long as the client listens.
async fn tell_for_ever(peer: &mut Peer) {
    loop {
        let message = event("/a", EventKind::Changed);
        if peer.try_send(&[message]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn events_over_a_half_broken_path_do_not_prolong_a_session() {
    let (client, mut peer, server) = connected(600).await;
    let mut status = client.status();
    let refuse = async {
        // The client has gone although it was told of something all the time.
        tell_for_ever(&mut peer).await;
        loop {
            let mut peer = server.accept().await;
            peer.receive().await;
            peer.send(&[goodbye(ErrorCode::NotServing)]).await;
        }
    };
    let expired = status.wait_for(|status| *status == Status::Expired);
    let expired = tokio::time::timeout(PATIENCE, expired);
    tokio::select! {
        expired = expired => drop(expired.unwrap().unwrap()),
        () = refuse => unreachable!("it refuses for ever"),
    }
    assert_eq!(client.sync().await, Err(Error::SessionExpired));
}

#[tokio::test]
async fn a_server_that_answers_without_its_leaders_word_does_not_prolong_a_session() {
    let (client, mut peer, server) = connected(900).await;
    let mut status = client.status();
    let zxid = Zxid::new(1, 1);
    // It has lost its leader and does not know it yet: it answers what it can by itself.
    let answer = async {
        while let Some(message) = peer.next().await {
            let answer = match message {
                ClientMessage::Request { xid, .. } => reply(xid.0, Ok(Outcome::Existence(None))),
                _ => ServerMessage::Pong { zxid },
            };
            if peer.try_send(&[answer]).await.is_err() {
                break;
            }
        }
        // The client has gone to look for another one, and finds none.
        loop {
            let mut peer = server.accept().await;
            peer.receive().await;
            peer.send(&[goodbye(ErrorCode::NotServing)]).await;
        }
    };
    let ask = async { while client.exists("/a").await.is_ok() {} };
    let expired = status.wait_for(|status| *status == Status::Expired);
    let expired = tokio::time::timeout(PATIENCE, expired);
    let ended = async { tokio::join!(ask, expired).1 };
    tokio::select! {
        expired = ended => drop(expired.unwrap().unwrap()),
        () = answer => unreachable!("it refuses for ever"),
    }
}

#[tokio::test]
async fn a_client_that_is_told_of_much_and_asks_what_takes_long_still_asks_whether_it_is_heard() {
    let (client, mut peer, _server) = connected(6_000).await;
    let mut parked = Vec::new();
    // Longer than the session lives without an answer.
    for _ in 0..4 {
        while peer.receive_within(Duration::from_millis(10)).await != Some(ClientMessage::Ping) {
            let mut call = Box::pin(client.call("/locks", "acquire", "{}"));
            assert!(call.as_mut().now_or_never().is_none());
            parked.push(call);
            peer.send(&[event("/a", EventKind::Changed)]).await;
        }
        let zxid = Zxid::new(1, 60);
        let told = peer.pong(zxid);
        peer.send(&told).await;
    }
    assert!(matches!(*client.status().borrow(), Status::Attached(_)));
}

#[tokio::test]
async fn a_certificate_of_the_profile_is_shown_to_the_server() {
    let authority = Authority::new();
    let server = FakeServer::start(1, &authority);
    let (certificate, key) = authority.issue_client("billing");
    let profile = authority.profile([&server]);
    let profile = profile.with_certificate(certificate.clone(), key.clone());
    let (client, (peer, _)) = tokio::join!(builder(profile).connect(), server.welcome(LONG_MS));
    let _client = client.unwrap();
    let own = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    assert_eq!(peer.certificate().unwrap(), own.to_vec());

    let profile = authority.profile([&server]);
    for (certificate, key) in [("", &*key), (&*certificate, "no key")] {
        let profile = profile.clone().with_certificate(certificate, key);
        let refused = builder(profile).connect().await.unwrap_err();
        assert!(matches!(refused, Error::Configuration(_)), "{refused}");
    }
}
