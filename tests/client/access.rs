//! Who the client is, and what that allows it, on every server it comes to.

use harness::{Ensemble, until};
use zareba_client::{
    Acl, AclEntry, Client, CreateMode, Error, ErrorCode, Permissions, Principal, Status,
};
use zareba_server::CertificateAuthority;

use super::LONG;

fn only(scheme: &str, id: &str) -> Acl {
    Acl(vec![AclEntry {
        permissions: Permissions::ALL,
        principal: principal(scheme, id),
    }])
}

fn principal(scheme: &str, id: &str) -> Principal {
    Principal {
        scheme: scheme.to_owned(),
        id: id.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_proved_once_is_proved_again_to_every_server() {
    let mut ensemble = Ensemble::start(3).await;
    let owner = ensemble.client().await;
    owner.authenticate("digest", "owner:secret").await.unwrap();
    // `auth:` stands for whom the asker has proved to be.
    let create = owner.create_node("/secret").data("x");
    create.acl(only("auth", "")).await.unwrap();

    let stranger = ensemble.client_from(1, LONG).await;
    let refused = stranger.linearizable().get("/secret").await.unwrap_err();
    assert!(refused.is(ErrorCode::NoAuth));
    let bad = stranger.authenticate("digest", "nobody").await.unwrap_err();
    assert!(bad.is(ErrorCode::AuthFailed));
    let same = stranger.authenticate("digest", "owner:secret").await;
    let same = same.unwrap();
    assert!(stranger.who_am_i().await.unwrap().contains(&same));
    assert_eq!(stranger.get("/secret").await.unwrap().0, "x");
    ensemble.kill(1).await;
    assert_eq!(stranger.linearizable().get("/secret").await.unwrap().0, "x");

    let (acl, stat) = stranger.get_acl("/secret").await.unwrap();
    assert_eq!(acl.0[0].principal, same);
    let open = stranger.set_acl("/secret", Acl::open(), Some(stat.aversion + 1));
    assert!(open.await.unwrap_err().is(ErrorCode::BadVersion));
    let open = stranger.set_acl("/secret", Acl::open(), Some(stat.aversion));
    assert_eq!(open.await.unwrap().aversion, stat.aversion + 1);
    let anybody = ensemble.client().await.linearizable();
    assert_eq!(anybody.get("/secret").await.unwrap().0, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_who_its_certificate_says() {
    let ensemble = Ensemble::start(1).await;
    let authority = ensemble.folder().join("server-1");
    let read = |name: &str| std::fs::read_to_string(authority.join(name)).unwrap();
    let authority = CertificateAuthority::load(&read("ca.pem"), &read("ca.key")).unwrap();
    let own = authority.issue_client("app").unwrap();
    let profile = ensemble.profile();
    let profile = profile.with_certificate(own.certificate_pem, own.key_pem);
    let client = Client::builder().profile(profile).connect().await.unwrap();
    let who = client.who_am_i().await.unwrap();
    assert!(who.contains(&principal("x509", "CN=app")), "{who:?}");
    let create = client.create_node("/own");
    create.acl(only("x509", "CN=app")).await.unwrap();
    client.set("/own", "1", None).await.unwrap();
    let stranger = ensemble.client().await;
    let refused = stranger.set("/own", "2", None).await.unwrap_err();
    assert!(refused.is(ErrorCode::NoAuth));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lists_sessions_and_ends_one() {
    let ensemble = Ensemble::start(3).await;
    let operator = ensemble.client().await;
    let victim = ensemble.client_of(2).await;
    let node = victim.create("/e", "", CreateMode::Ephemeral).await;
    let node = node.unwrap();
    let found = until("the session is listed", async || {
        let sessions = operator.sessions().await.unwrap();
        let mut all = sessions.into_iter();
        all.find(|session| session.id == victim.session_id() && !session.ephemerals.is_empty())
    })
    .await;
    assert_eq!((found.server.0, found.ephemerals), (2, vec![node]));
    let first = operator.sessions_page(None, 1).await.unwrap();
    assert_eq!((first.sessions.len(), first.next.is_some()), (1, true));
    let own = operator.kill_session(operator.session_id()).await;
    assert!(own.unwrap_err().is(ErrorCode::BadArguments));
    operator.kill_session(victim.session_id()).await.unwrap();
    let mut status = victim.status();
    let expired = status.wait_for(|status| *status == Status::Expired);
    drop(harness::within("the victim's end", expired).await.unwrap());
    assert_eq!(victim.sync().await, Err(Error::SessionExpired));
    operator.sync().await.unwrap();
    assert_eq!(operator.exists("/e").await.unwrap(), None);
}
