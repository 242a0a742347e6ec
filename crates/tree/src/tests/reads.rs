//! Reads, results, marks and the reserved subtree, one case at a time.

use bytes::Bytes;
use zareba_model::{
    Acked, Acl, Answer, CallId, Cause, ChildrenPage, DigestMark, Effect, Ensemble, ErrorCode,
    EventKind, Lifetime, Outcome, ParkedCall, Password, PathsPage, Quota, Read, ServerId,
    SessionId, Txn, Usage, Xid, Zxid,
};

use crate::tests::log::path;
use crate::tree::Tree;

fn apply(tree: &mut Tree, effects: Vec<Effect>, cause: Cause) -> crate::Changes {
    let zxid = Zxid::new(1, tree.applied().counter + 1);
    let txn = Txn {
        time: 50,
        cause,
        effects,
        mark: None,
    };
    tree.apply(zxid, &txn)
}

fn create(at: &str, parent_created: u64) -> Effect {
    Effect::CreateNode {
        path: path(at),
        data: Bytes::from_static(b"x"),
        acl: Acl::open(),
        lifetime: Lifetime::Persistent,
        parent_created,
    }
}

fn open(session: u64) -> Effect {
    Effect::OpenSession {
        session: SessionId(session),
        password: Password(*b"secretsecretsecr"),
        timeout_ms: 4_000,
        server: ServerId(1),
    }
}

fn request(session: u64, xid: u64, acked: u64, answer: Option<Answer>) -> Cause {
    Cause::Request {
        session: SessionId(session),
        xid: Xid(xid),
        acked: Acked::up_to(Xid(acked)),
        answer,
    }
}

fn names(answer: Answer) -> (Vec<String>, bool) {
    match answer {
        Ok(Outcome::Children { names, more, .. }) => (names, more),
        other => panic!("{other:?}"),
    }
}

fn page(after: Option<&str>, prefix: &str, limit: u32) -> ChildrenPage {
    ChildrenPage {
        after: after.map(str::to_owned),
        prefix: prefix.to_owned(),
        limit,
    }
}

#[test]
fn pages_of_a_large_folder_hold_every_child_once_in_order() {
    let mut tree = Tree::default();
    apply(&mut tree, vec![create("/f", 1)], Cause::System);
    // Neither rising nor falling, so that chunks are split in the middle.
    let number = |i: u64| i * 7919 % 3000;
    let effects = (0..3000)
        .map(|i| create(&format!("/f/n{:04}", number(i)), i + 1))
        .collect();
    apply(&mut tree, effects, Cause::System);
    let gone = (0..3000).filter(|i| i % 3 == 0);
    let delete = |i| Effect::DeleteNode {
        path: path(&format!("/f/n{i:04}")),
    };
    apply(&mut tree, gone.map(delete).collect(), Cause::System);
    let expected: Vec<_> = (0..3000)
        .filter(|i| i % 3 != 0)
        .map(|i| format!("n{i:04}"))
        .collect();
    let mut found = Vec::<String>::new();
    loop {
        let page = page(found.last().map(String::as_str), "", 7);
        let (names, more) = names(tree.children(&path("/f"), &page));
        found.extend(names);
        if !more {
            break;
        }
    }
    assert_eq!(found, expected);
    let (some, more) = names(tree.children(&path("/f"), &page(Some("n0001"), "n000", 0)));
    assert_eq!(
        (some.as_slice(), more),
        (
            &["n0002", "n0004", "n0005", "n0007", "n0008"].map(str::to_owned)[..],
            false
        )
    );
    assert_eq!(tree.digest(), tree.recomputed_digest());
}

#[test]
fn the_answer_of_a_parked_call_outlives_acknowledgements_that_leave_it_out() {
    let mut tree = Tree::default();
    let answer = || Some(Ok(Outcome::Deleted));
    let session = SessionId(9);
    apply(&mut tree, vec![open(9)], Cause::System);
    let call = ParkedCall {
        id: CallId(7),
        session,
        xid: Xid(1),
        mount: path("/locks"),
        op: "acquire".to_owned(),
        tag: "db".to_owned(),
        since: 0,
        deadline: None,
    };
    apply(
        &mut tree,
        vec![Effect::ParkCall(call)],
        request(9, 1, 0, None),
    );
    let acked = |except| Acked {
        up_to: Xid(2),
        except,
    };
    let later = |xid, except| Cause::Request {
        session,
        xid: Xid(xid),
        acked: acked(except),
        answer: answer(),
    };
    apply(&mut tree, vec![], later(3, vec![Xid(1)]));
    let end = Effect::EndCall {
        call: CallId(7),
        answer: Ok(Outcome::Synced),
    };
    apply(&mut tree, vec![end], Cause::System);
    assert_eq!(tree.result(session, Xid(1)), Some(&Ok(Outcome::Synced)));
    apply(&mut tree, vec![], later(4, vec![Xid(1)]));
    assert!(tree.result(session, Xid(1)).is_some());
    apply(&mut tree, vec![], later(5, vec![]));
    assert_eq!(tree.result(session, Xid(1)), None);
    assert_eq!(tree.digest(), tree.recomputed_digest());
}

#[test]
fn a_fault_names_the_nearest_node_above() {
    let mut tree = Tree::default();
    apply(&mut tree, vec![create("/a", 1)], Cause::System);
    let fault = tree.get(&path("/a/b/c")).unwrap_err();
    assert_eq!(fault.code, ErrorCode::NoNode);
    assert_eq!(
        fault.message,
        "there is no node /a/b/c; the nearest one above it is /a"
    );
    assert_eq!(tree.exists(&path("/a/b")), Ok(Outcome::Existence(None)));
}

#[test]
fn a_call_executed_behind_an_acknowledgement_that_excepts_it_keeps_its_answer() {
    let mut tree = Tree::default();
    let answer = || Some(Ok(Outcome::Deleted));
    let session = SessionId(9);
    let except = |xid| Cause::Request {
        session,
        xid: Xid(xid),
        acked: Acked {
            up_to: Xid(2),
            except: vec![Xid(1)],
        },
        answer: answer(),
    };
    apply(&mut tree, vec![open(9)], Cause::System);
    apply(&mut tree, vec![], except(1));
    assert!(tree.result(session, Xid(1)).is_some());
    apply(&mut tree, vec![], except(3));
    assert!(tree.result(session, Xid(1)).is_some());
    apply(&mut tree, vec![], request(9, 4, 3, answer()));
    assert_eq!(tree.result(session, Xid(1)), None);
    assert_eq!(tree.digest(), tree.recomputed_digest());
}

#[test]
fn a_result_is_kept_until_it_is_acknowledged() {
    let mut tree = Tree::default();
    let answer = || Some(Ok(Outcome::Deleted));
    apply(&mut tree, vec![open(9)], Cause::System);
    apply(&mut tree, vec![], request(9, 1, 0, answer()));
    apply(&mut tree, vec![], request(9, 2, 0, answer()));
    assert_eq!(
        tree.result(SessionId(9), Xid(1)),
        Some(&Ok(Outcome::Deleted))
    );
    apply(&mut tree, vec![], request(9, 3, 1, None));
    assert_eq!(tree.result(SessionId(9), Xid(1)), None);
    assert!(tree.result(SessionId(9), Xid(2)).is_some());
    assert_eq!(tree.acked(SessionId(9)), Xid(1));
    apply(&mut tree, vec![], request(9, 3, 3, answer()));
    assert_eq!(tree.result(SessionId(9), Xid(3)), None);
    let before = tree.digest();
    apply(&mut tree, vec![], request(8, 1, 0, answer()));
    assert_eq!(tree.digest(), before);
}

#[test]
fn the_end_of_a_parked_call_answers_its_request() {
    let mut tree = Tree::default();
    apply(&mut tree, vec![open(9)], Cause::System);
    let call = ParkedCall {
        id: CallId(2),
        session: SessionId(9),
        xid: Xid(4),
        mount: path("/m"),
        op: "acquire".to_owned(),
        tag: "db".to_owned(),
        since: 0,
        deadline: Some(70),
    };
    let changes = apply(
        &mut tree,
        vec![Effect::ParkCall(call.clone())],
        request(9, 4, 0, None),
    );
    assert_eq!(changes.calls_parked, [CallId(2)]);
    assert_eq!(
        tree.parked_of_request(SessionId(9), Xid(4)),
        Some(CallId(2))
    );
    let answer = Ok(Outcome::Called(Bytes::from_static(b"7")));
    let end = Effect::EndCall {
        call: CallId(2),
        answer: answer.clone(),
    };
    let changes = apply(&mut tree, vec![end], Cause::System);
    assert_eq!(changes.calls_ended, [(call, answer.clone())]);
    assert_eq!(tree.result(SessionId(9), Xid(4)), Some(&answer));
    assert_eq!(tree.parked_of_request(SessionId(9), Xid(4)), None);
    assert_eq!((tree.parked_count(), tree.deadlines().count()), (0, 0));
}

#[test]
fn a_mark_that_differs_is_reported_and_one_too_old_is_not_compared() {
    let mut tree = Tree::default();
    apply(&mut tree, vec![create("/a", 1)], Cause::System);
    let digest = tree.digest();
    let mut marked = |counter, zxid, digest| {
        let mark = Some(DigestMark { zxid, digest });
        let txn = Txn {
            time: 1,
            cause: Cause::System,
            effects: vec![],
            mark,
        };
        tree.apply(Zxid::new(1, counter), &txn).diverged
    };
    assert_eq!(marked(2, Zxid::new(1, 1), digest), None);
    let diverged = marked(3, Zxid::new(1, 1), digest ^ 1).unwrap();
    assert_eq!((diverged.expected, diverged.found), (digest ^ 1, digest));
    assert_eq!(marked(4, Zxid::new(0, 9), 5), None);
}

#[test]
fn the_reserved_subtree_shows_records_but_no_password() {
    let mut tree = Tree::default();
    apply(
        &mut tree,
        vec![create("/y", 1), create("/zz", 2), open(9)],
        Cause::System,
    );
    let (root, _) = names(tree.children(&path("/"), &page(None, "", 0)));
    assert_eq!(root, ["y", "zareba", "zz"]);
    assert_eq!(
        names(tree.children(&path("/"), &page(Some("y"), "", 1))),
        (vec!["zareba".to_owned()], true)
    );
    let (sessions, _) = names(tree.children(&path("/zareba/sessions"), &page(None, "", 0)));
    assert_eq!(sessions, ["0000000000000009"]);
    let Ok(Outcome::Got { data, stat }) = tree.get(&path("/zareba/sessions/0000000000000009"))
    else {
        panic!("a session is shown");
    };
    let text = std::str::from_utf8(&data).unwrap();
    assert!(
        text.contains("\"timeout_ms\":4000") && !text.contains("secret"),
        "{text}"
    );
    assert_eq!(stat.data_length as usize, data.len());
    for folder in [
        "/zareba",
        "/zareba/calls",
        "/zareba/ensemble",
        "/zareba/mounts",
        "/zareba/plugins",
        "/zareba/timers",
    ] {
        assert!(tree.get(&path(folder)).is_ok(), "{folder}");
    }
    for absent in ["/zareba/sessions/9", "/zareba/other", "/zareba/timers/x"] {
        assert_eq!(tree.get(&path(absent)).unwrap_err().code, ErrorCode::NoNode);
    }
    assert!(!crate::reserved::is_reserved("/zarebas"));
}

#[test]
fn effects_on_the_root_and_the_reserved_subtree_do_nothing() {
    let mut tree = Tree::default();
    let digest = tree.digest();
    let delete = |at| Effect::DeleteNode { path: path(at) };
    let effects = vec![
        create("/zareba", 1),
        create("/zareba/x", 1),
        create("/", 1),
        delete("/"),
        delete("/zareba"),
    ];
    let changes = apply(&mut tree, effects, Cause::System);
    assert_eq!(changes.events, []);
    assert_eq!((tree.digest(), tree.node_count()), (digest, 1));
}

#[test]
fn the_ensemble_is_a_node_that_tells_its_watchers() {
    let mut tree = Tree::default();
    let node = path("/zareba/ensemble");
    let ensemble = Ensemble {
        version: 5,
        ..Ensemble::of_voters([1, 2].map(ServerId))
    };
    let changes = apply(
        &mut tree,
        vec![Effect::SetEnsemble(ensemble.clone())],
        Cause::System,
    );
    assert!(changes.ensemble_changed);
    let [event] = changes.events.as_slice() else {
        panic!("one event is expected");
    };
    assert_eq!((&event.path, event.kind), (&node, EventKind::Changed));
    let Ok(Outcome::Got { data, stat }) = tree.get(&node) else {
        panic!("expected the node");
    };
    let shown: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(shown["members"][1]["server"], 2);
    assert_eq!(shown["members"][1]["role"], "voter");
    assert!(shown["outgoing"].is_null());
    assert_eq!((stat.version, stat.mzxid), (5, tree.applied()));

    let later = Ensemble {
        version: 6,
        outgoing: Some(ensemble.members),
        ..Ensemble::of_voters([ServerId(1)])
    };
    apply(&mut tree, vec![Effect::SetEnsemble(later)], Cause::System);
    let Some(stat) = tree.stat(&node) else {
        panic!("expected the node");
    };
    assert_eq!((stat.version, stat.mzxid), (6, tree.applied()));
    assert_eq!(tree.highest_server(), ServerId(2));
    assert_eq!(tree.digest(), tree.recomputed_digest());
}

#[test]
fn what_is_below_a_node_is_counted_and_a_quota_tells_when_it_is_passed() {
    let mut tree = Tree::default();
    let quota = Quota {
        nodes_soft: Some(2),
        bytes_hard: Some(9),
        ..Quota::default()
    };
    let set = Effect::SetQuota {
        path: path("/a"),
        quota,
    };
    let below = |tree: &Tree, at: &str| tree.count(&path(at));
    apply(
        &mut tree,
        vec![create("/a", 1), create("/a/b", 1), set],
        Cause::System,
    );
    assert_eq!(below(&tree, "/a"), Ok(Outcome::Counted(1)));
    assert_eq!(below(&tree, "/"), Ok(Outcome::Counted(2)));
    assert_eq!(below(&tree, "/no").unwrap_err().code, ErrorCode::NoNode);
    let changes = apply(&mut tree, vec![create("/a/b/c", 1)], Cause::System);
    assert_eq!(changes.quotas_passed, [path("/a")]);
    let changes = apply(&mut tree, vec![create("/a/b/d", 2)], Cause::System);
    assert_eq!(changes.quotas_passed, [], "it was passed before");
    let used = Usage { nodes: 4, bytes: 4 };
    assert_eq!(tree.quota("/a"), Some((quota, used)));
    let list = tree.children(&path("/zareba/quotas"), &ChildrenPage::default());
    assert_eq!(names(list).0, ["%2Fa"]);
    let Ok(Outcome::Got { data, .. }) = tree.get(&path("/zareba/quotas/%2Fa")) else {
        panic!("the quota is shown");
    };
    let shown: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(
        (&shown["nodes"], &shown["bytes_hard"]),
        (&4.into(), &9.into())
    );
    let gone = ["/a/b/c", "/a/b/d", "/a/b", "/a"];
    let gone = gone.map(|at| Effect::DeleteNode { path: path(at) });
    apply(&mut tree, gone.to_vec(), Cause::System);
    assert!(tree.quota("/a").is_some(), "a quota outlives its node");
    assert_eq!(below(&tree, "/a").unwrap_err().code, ErrorCode::NoNode);
}

#[test]
fn ephemeral_nodes_are_listed_by_path_in_pages_of_one_session_or_of_all() {
    let mut tree = Tree::default();
    let owned = |at: &str, created, session| {
        let Effect::CreateNode {
            path, data, acl, ..
        } = create(at, created)
        else {
            unreachable!();
        };
        Effect::CreateNode {
            path,
            data,
            acl,
            lifetime: Lifetime::Ephemeral(SessionId(session)),
            parent_created: created,
        }
    };
    let effects = vec![
        create("/a", 1),
        owned("/a/1", 1, 7),
        owned("/a/2", 2, 8),
        owned("/a/3", 3, 7),
        owned("/b", 2, 7),
    ];
    apply(&mut tree, effects, Cause::System);
    let list = |session: Option<u64>, under: &str, after: Option<&str>, limit| {
        let read = Read::Ephemerals {
            session: session.map(SessionId),
            under: path(under),
            page: PathsPage {
                after: after.map(path),
                limit,
            },
        };
        let Ok(Outcome::Paths { paths, more }) = tree.read(&read) else {
            panic!("paths are expected");
        };
        let paths: Vec<_> = paths.iter().map(|path| path.as_str().to_owned()).collect();
        (paths.join(" "), more)
    };
    assert_eq!(
        list(None, "/", None, 0),
        ("/a/1 /a/2 /a/3 /b".to_owned(), false)
    );
    assert_eq!(list(None, "/a", None, 2), ("/a/1 /a/2".to_owned(), true));
    assert_eq!(
        list(None, "/a", Some("/a/2"), 2),
        ("/a/3".to_owned(), false)
    );
    assert_eq!(
        list(Some(7), "/a", None, 0),
        ("/a/1 /a/3".to_owned(), false)
    );
    assert_eq!(list(Some(9), "/", None, 0), (String::new(), false));
}

#[test]
fn an_access_control_list_is_read_with_its_version_and_the_reserved_subtree_has_one() {
    use zareba_model::{AclEntry, Permissions, Principal};
    let mut tree = Tree::default();
    let acl = Acl(vec![AclEntry {
        permissions: Permissions::ADMIN,
        principal: Principal {
            scheme: "x509".to_owned(),
            id: "CN=op".to_owned(),
        },
    }]);
    let set = |at: &str| Effect::SetAcl {
        path: path(at),
        acl: acl.clone(),
        aversion: 1,
    };
    apply(
        &mut tree,
        vec![create("/a", 1), set("/a"), set("/zareba")],
        Cause::System,
    );
    for at in ["/a", "/zareba"] {
        let Ok(Outcome::GotAcl { acl: found, stat }) = tree.acl(&path(at)) else {
            panic!("{at} has a list");
        };
        assert_eq!((found, stat.aversion), (acl.clone(), 1), "{at}");
    }
    let Ok(Outcome::GotAcl { acl: found, .. }) = tree.acl(&path("/")) else {
        panic!("the root has one");
    };
    assert!(found.is_open());
}
