//! What is asked word for word, and what becomes of the answers, one operation after the other.

use zareba_client::{
    Acl, AclEntry, ChildrenPage, Lifetime, Member, MemberRole, Multi, PathsPage, Permissions,
    Principal, Quota, ServerId, SessionId, Usage,
};
use zareba_model::{Change, ReadOutcome, Write};

use super::*;

/// Asks, and gives the server's answers to what comes, which is returned.
async fn exchange<T>(
    peer: &mut Peer,
    answers: impl IntoIterator<Item = Result<Outcome, Fault>>,
    asked: impl Future<Output = T>,
) -> (Vec<Op>, T) {
    let serve = async {
        let mut ops = Vec::new();
        for answer in answers {
            let (xid, _, op) = peer.request().await;
            peer.reply(xid, answer).await;
            ops.push(op);
        }
        ops
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(serve, asked) })
        .await
        .unwrap()
}

fn fault(code: ErrorCode) -> Result<Outcome, Fault> {
    Err(Fault::new(code, "told so by the test"))
}

fn list() -> Acl {
    Acl(vec![AclEntry {
        permissions: Permissions::ALL,
        principal: principal("digest", "me:hash"),
    }])
}

fn principal(scheme: &str, id: &str) -> Principal {
    Principal {
        scheme: scheme.to_owned(),
        id: id.to_owned(),
    }
}

fn json(text: &'static str) -> Result<Outcome, Fault> {
    Ok(got(text))
}

fn read_at(at: &str) -> Op {
    Op::Read(Read::Get {
        path: path(at),
        watch: false,
    })
}

#[tokio::test]
async fn access_control_lists_are_read_and_replaced() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let app = client.chroot("/app").unwrap();
    let stat = Stat::default();
    let answer = Outcome::GotAcl { acl: list(), stat };
    let (ops, got) = exchange(&mut peer, [Ok(answer)], app.get_acl("/a")).await;
    assert_eq!(
        ops,
        [Op::Read(Read::Acl {
            path: path("/app/a")
        })]
    );
    assert_eq!(got, Ok((list(), stat)));

    let change = Change::SetAcl {
        path: path("/app/a"),
        acl: list(),
        version: Some(3),
    };
    let set = app.set_acl("/a", list(), Some(3));
    let (ops, set) = exchange(&mut peer, [Ok(Outcome::Set(stat))], set).await;
    assert_eq!(ops, [Op::Write(Write::Change(change.clone()))]);
    assert_eq!(set, Ok(stat));

    let multi = app.multi(Multi::new().set_acl("/a", list(), Some(3)));
    let answer = Outcome::Multi(vec![Outcome::Set(stat)]);
    let (ops, _) = exchange(&mut peer, [Ok(answer)], multi).await;
    assert_eq!(ops, [Op::Write(Write::Multi(vec![change]))]);
}

#[tokio::test]
async fn nodes_below_are_counted_and_ephemeral_ones_listed_in_pages() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let app = client.chroot("/app").unwrap();
    let counted = [Ok(Outcome::Counted(7))];
    let (ops, count) = exchange(&mut peer, counted, client.linearizable().count("/a")).await;
    let read = Read::Count { path: path("/a") };
    assert_eq!(ops, [Op::LinearizableRead(read)]);
    assert_eq!(count, Ok(7));

    let page = |paths: &[&str], more| {
        let paths = paths.iter().map(|at| path(at)).collect();
        Ok(Outcome::Paths { paths, more })
    };
    let pages = [page(&["/app/a", "/app/b"], true), page(&["/app/c"], false)];
    let session = Some(SessionId(9));
    let (ops, all) = exchange(&mut peer, pages, app.ephemerals(session, "/")).await;
    assert_eq!(all.unwrap(), ["/a", "/b", "/c"].map(path));
    let asked = [None, Some(path("/app/b"))].map(|after| {
        Op::Read(Read::Ephemerals {
            session,
            under: path("/app"),
            page: PathsPage { after, limit: 0 },
        })
    });
    assert_eq!(ops, asked);
}

#[tokio::test]
async fn several_reads_are_asked_together_and_each_has_its_own_result() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let app = client.chroot("/app").unwrap().linearizable();
    let mut reads = app.multi_read();
    let data = reads.get("/a");
    let there = reads.exists("/b");
    let names = reads.children_page("/", ChildrenPage::default());
    let acl = reads.get_acl("/a");
    let count = reads.count("/");
    let ephemerals = reads.ephemerals_page(None, "/", PathsPage::default());
    let who = reads.who_am_i();
    let stat = Stat::default();
    let outcomes = vec![
        Err(Fault::new(ErrorCode::NoNode, "gone")),
        Ok(ReadOutcome::Existence(Some(stat))),
        Ok(ReadOutcome::Children {
            names: vec!["b".to_owned()],
            stat,
            more: false,
        }),
        Ok(ReadOutcome::GotAcl { acl: list(), stat }),
        Ok(ReadOutcome::Counted(1)),
        Ok(ReadOutcome::Paths {
            paths: vec![path("/app/b")],
            more: true,
        }),
        Ok(ReadOutcome::Identities(vec![principal("ip", "::1")])),
    ];
    let answer = Ok(Outcome::MultiRead(outcomes));
    let (ops, answers) = exchange(&mut peer, [answer], reads.ask()).await;
    let [
        Op::MultiRead {
            reads: asked,
            linearizable: true,
        },
    ] = ops.as_slice()
    else {
        panic!("one linearizable question was expected, not {ops:?}");
    };
    let paths: Vec<_> = asked.iter().filter_map(Read::path).collect();
    let expected = ["/app/a", "/app/b", "/app", "/app/a", "/app", "/app"].map(path);
    assert_eq!(paths, expected.iter().collect::<Vec<_>>());

    let mut answers = answers.unwrap();
    assert!(answers.take(data).unwrap_err().is(ErrorCode::NoNode));
    assert_eq!(answers.take(there), Ok(Some(stat)));
    assert_eq!(answers.take(names).unwrap().names, ["b"]);
    assert_eq!(answers.take(acl), Ok((list(), stat)));
    assert_eq!(answers.take(count), Ok(1));
    let page = answers.take(ephemerals).unwrap();
    assert_eq!((page.paths, page.more), (vec![path("/b")], true));
    assert_eq!(answers.take(who), Ok(vec![principal("ip", "::1")]));

    let foreign = client.multi_read().exists("/a");
    assert!(matches!(
        answers.take(foreign),
        Err(Error::Configuration(_))
    ));
    let mut bad = client.multi_read();
    let _question = bad.get("a");
    assert!(matches!(bad.ask().await, Err(Error::Path(_))));
}

#[tokio::test]
async fn a_subtree_is_deleted_until_nothing_is_left_of_it() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let deleted = |deleted, more| Ok(Outcome::SubtreeDeleted { deleted, more });
    let answers = [deleted(10_000, true), deleted(3, false)];
    let (ops, total) = exchange(&mut peer, answers, client.delete_all("/a")).await;
    let op = Op::Write(Write::DeleteSubtree { path: path("/a") });
    assert_eq!(ops, [op.clone(), op]);
    assert_eq!(total, Ok(10_003));
    // Somebody else was faster with the rest.
    let answers = [deleted(10_000, true), fault(ErrorCode::NoNode)];
    let (_, total) = exchange(&mut peer, answers, client.delete_all("/a")).await;
    assert_eq!(total, Ok(10_000));
    let answers = [fault(ErrorCode::NoNode)];
    let (_, refused) = exchange(&mut peer, answers, client.delete_all("/a")).await;
    assert!(refused.unwrap_err().is(ErrorCode::NoNode));
}

#[tokio::test]
async fn quotas_are_set_shown_and_taken_away() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let app = client.chroot("/app").unwrap();
    let quota = Quota {
        nodes_hard: Some(5),
        bytes_soft: Some(100),
        ..Quota::default()
    };
    let set = Op::Write(Write::SetQuota {
        path: path("/app/a%b"),
        quota,
    });
    let done = || [Ok(Outcome::QuotaSet)];
    let (ops, result) = exchange(&mut peer, done(), app.set_quota("/a%b", quota)).await;
    assert_eq!((ops, result), (vec![set], Ok(())));
    let shown = r#"{"path":"/app/a%b","nodes":3,"nodes_soft":null,"nodes_hard":5,"bytes":12,
        "bytes_soft":100,"bytes_hard":null}"#;
    let (ops, result) = exchange(&mut peer, [json(shown)], app.quota("/a%b")).await;
    assert_eq!(ops, [read_at("/zareba/quotas/%2Fapp%2Fa%25b")]);
    let (nodes, bytes) = (3, 12);
    assert_eq!(result, Ok(Some((quota, Usage { nodes, bytes }))));
    let none = [fault(ErrorCode::NoNode)];
    let (_, result) = exchange(&mut peer, none, app.quota("/a")).await;
    assert_eq!(result, Ok(None));
    let (ops, _) = exchange(&mut peer, done(), client.remove_quota("/")).await;
    let quota = Quota::default();
    let path = ZnodePath::root();
    assert_eq!(ops, [Op::Write(Write::SetQuota { path, quota })]);
}

#[tokio::test]
async fn sessions_are_listed_in_pages_and_ended() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let names = |names: &[&str], more| {
        Ok(Outcome::Children {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            stat: Stat::default(),
            more,
        })
    };
    let shown = || ReadOutcome::Got {
        data: Bytes::from(
            r#"{"id":"0000000100000002","timeout_ms":4000,"server":3,"attachment":1,"acked":0,
                "results":0,"parked":["0000000000000009"],"ephemerals":["/e"]}"#,
        ),
        stat: Stat::default(),
    };
    let gone = Err(Fault::new(ErrorCode::NoNode, "it has ended"));
    let answers = [
        names(&["0000000100000002", "0000000100000004"], true),
        Ok(Outcome::MultiRead(vec![Ok(shown()), gone])),
        names(&["0000000100000007"], false),
        Ok(Outcome::MultiRead(vec![Ok(shown())])),
    ];
    let app = client.chroot("/app").unwrap();
    let (ops, sessions) = exchange(&mut peer, answers, app.sessions()).await;
    let sessions = sessions.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id.0).collect();
    assert_eq!(ids, [0x1_0000_0002, 0x1_0000_0007]);
    let first = &sessions[0];
    assert_eq!(
        (first.timeout, first.server),
        (Duration::from_secs(4), ServerId(3))
    );
    assert_eq!(
        (first.parked, &first.ephemerals[..]),
        (1, &[path("/e")][..])
    );
    let Op::Read(Read::Children { path: at, page, .. }) = &ops[2] else {
        panic!("a page was expected, not {:?}", ops[2]);
    };
    assert_eq!(*at, path("/zareba/sessions"));
    assert_eq!(page.after.as_deref(), Some("0000000100000004"));

    // Those that do not fit into one message come one by one.
    let answers = [
        names(&["0000000100000002", "0000000100000004"], false),
        fault(ErrorCode::TooLarge),
        Ok(Outcome::MultiRead(vec![Ok(shown())])),
        Ok(Outcome::MultiRead(vec![Ok(shown())])),
    ];
    let (_, page) = exchange(&mut peer, answers, client.sessions_page(None, 5)).await;
    let page = page.unwrap();
    assert_eq!((page.sessions.len(), page.next), (2, None));

    let kill = client.kill_session(SessionId(7));
    let (ops, killed) = exchange(&mut peer, [Ok(Outcome::SessionKilled)], kill).await;
    assert_eq!(ops, [Op::Write(Write::KillSession(SessionId(7)))]);
    assert_eq!(killed, Ok(()));
}

#[tokio::test]
async fn the_ensemble_is_a_value_that_can_be_watched() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let shown = r#"{"version":7,"members":[
        {"server":1,"role":"voter","weight":2,"group":1,"peer_address":"a:1","client_address":"a:2"},
        {"server":4,"role":"observer","weight":null,"group":null,"peer_address":"d:1",
         "client_address":"d:2"}],"outgoing":null}"#;
    let app = client.chroot("/app").unwrap();
    let (ops, ensemble) = exchange(&mut peer, [json(shown)], app.ensemble_and_watch()).await;
    let watched = Op::Read(Read::Get {
        path: path("/zareba/ensemble"),
        watch: true,
    });
    assert_eq!(ops, [watched]);
    let (ensemble, watch) = ensemble.unwrap();
    assert_eq!((ensemble.version, ensemble.outgoing.is_none()), (7, true));
    let voter = MemberRole::Voter {
        weight: 2,
        group: 1,
    };
    let expected = Member {
        role: voter,
        peer_address: "a:1".to_owned(),
        client_address: "a:2".to_owned(),
    };
    assert_eq!(ensemble.members[&ServerId(1)], expected);
    assert_eq!(ensemble.members[&ServerId(4)].role, MemberRole::Observer);
    peer.send(&[super::event("/zareba/ensemble", EventKind::Changed)])
        .await;
    assert_eq!(watch.await.unwrap().path, path("/zareba/ensemble"));
    let odd = r#"{"version":7,"members":[{"server":1,"role":"guest","weight":null,"group":null,
        "peer_address":"a:1","client_address":"a:2"}],"outgoing":null}"#;
    let (_, refused) = exchange(&mut peer, [json(odd)], client.ensemble()).await;
    assert!(matches!(refused, Err(Error::Protocol(_))));
    let (_, refused) = exchange(&mut peer, [json("{}")], client.ensemble()).await;
    assert!(matches!(refused, Err(Error::Json { .. })));
}

#[tokio::test]
async fn who_the_session_is_is_asked() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let identities = vec![principal("x509", "CN=app"), principal("ip", "10.0.0.1")];
    let answer = Outcome::Identities(identities.clone());
    let (ops, who) = exchange(&mut peer, [Ok(answer)], client.who_am_i()).await;
    assert_eq!(ops, [Op::Read(Read::WhoAmI)]);
    assert_eq!(who, Ok(identities));
}

#[tokio::test]
async fn nodes_that_end_by_themselves_are_created_by_options_that_fit_together() {
    let (client, mut peer, _server) = connected(LONG_MS).await;
    let node = || client.create_node("/a");
    let ttl = Duration::from_millis(1_500);
    let cases = [
        (node().container(), CreateMode::Container),
        (node().ttl(ttl), CreateMode::Ttl(1_500)),
        (
            node().ttl(ttl).sequential(),
            CreateMode::TtlSequential(1_500),
        ),
        (node().ephemeral(), CreateMode::Ephemeral),
    ];
    for (create, expected) in cases {
        let stat = Stat {
            lifetime: Lifetime::Container,
            ..Stat::default()
        };
        let at = path("/a");
        let created = [Ok(Outcome::Created { path: at, stat })];
        let (ops, created) = exchange(&mut peer, created, create.into_future()).await;
        let [Op::Write(Write::Change(Change::Create { mode, .. }))] = ops.as_slice() else {
            panic!("a create was expected, not {ops:?}");
        };
        assert_eq!(*mode, expected);
        assert_eq!(created, Ok((path("/a"), stat)));
    }
    for create in [
        node().container().sequential(),
        node().container().ephemeral(),
        node().container().ttl(ttl),
        node().ttl(ttl).ephemeral(),
    ] {
        let refused = create.await;
        assert!(
            matches!(refused, Err(Error::Configuration(_))),
            "{refused:?}"
        );
    }
}
