//! The tree against the simplest model of it: one map of paths.

use std::collections::BTreeMap;

use bytes::Bytes;
use zareba_model::{Effect, EventKind, Lifetime, SessionId, Stat, Txn, Usage, ZnodePath, Zxid};

use crate::Tree;
use crate::tests::log::Leader;

struct Plain {
    data: Bytes,
    stat: Stat,
}

type Model = BTreeMap<String, Plain>;

/// ZooKeeper's rules as its documentation has them, one list change at a time.
fn apply(model: &mut Model, zxid: Zxid, txn: &Txn) -> Vec<(String, EventKind)> {
    let mut events = Vec::new();
    for effect in &txn.effects {
        match effect {
            Effect::CreateNode {
                path,
                data,
                lifetime,
                ..
            } => {
                let stat = Stat {
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: txn.time,
                    mtime: txn.time,
                    lifetime: *lifetime,
                    data_length: data.len() as u32,
                    ..Stat::default()
                };
                let data = data.clone();
                model.insert(path.to_string(), Plain { data, stat });
                events.push((path.to_string(), EventKind::Created));
                events.push(list_changed(model, path, zxid, 1));
            }
            Effect::SetNode { path, data, .. } => {
                let node = model.get_mut(path.as_str()).unwrap();
                node.data = data.clone();
                node.stat.data_length = data.len() as u32;
                node.stat.version += 1;
                node.stat.mzxid = zxid;
                node.stat.mtime = txn.time;
                events.push((path.to_string(), EventKind::Changed));
            }
            Effect::DeleteNode { path } => {
                model.remove(path.as_str()).unwrap();
                events.push((path.to_string(), EventKind::Deleted));
                events.push(list_changed(model, path, zxid, -1));
            }
            Effect::SetAcl { path, aversion, .. } => {
                if let Some(node) = model.get_mut(path.as_str()) {
                    node.stat.aversion += 1;
                    assert_eq!(node.stat.aversion, *aversion);
                }
            }
            Effect::SetEnsemble(_) => {
                events.push(("/zareba/ensemble".to_owned(), EventKind::Changed));
            }
            _ => {}
        }
    }
    events
}

fn list_changed(model: &mut Model, child: &ZnodePath, zxid: Zxid, by: i64) -> (String, EventKind) {
    let path = child.parent().unwrap().to_string();
    let parent = model.get_mut(&path).unwrap();
    parent.stat.cversion += 1;
    parent.stat.pzxid = zxid;
    parent.stat.num_children = parent.stat.num_children.wrapping_add_signed(by);
    (path, EventKind::ChildrenChanged)
}

fn children_of<'a>(model: &'a Model, path: &'a str) -> impl Iterator<Item = &'a str> {
    let inside = if path == "/" {
        "/".to_owned()
    } else {
        format!("{path}/")
    };
    let below = model
        .keys()
        .filter_map(move |key| key.strip_prefix(&inside));
    below.filter(|name| !name.is_empty() && !name.contains('/'))
}

#[test]
fn every_node_stat_list_event_and_digest_is_the_models() {
    for seed in 0..40 {
        let mut leader = Leader::new(seed + 777);
        let mut model = Model::new();
        let (data, stat) = (Bytes::new(), Stat::default());
        model.insert("/".to_owned(), Plain { data, stat });
        let mut follower = crate::Tree::default();
        for _ in 0..120 {
            let (zxid, txn) = leader.step();
            let changes = follower.apply(zxid, &txn);
            let expected = apply(&mut model, zxid, &txn);
            let events = changes
                .events
                .iter()
                .map(|change| (change.path.to_string(), change.kind));
            assert_eq!(events.collect::<Vec<_>>(), expected);
            let tree = &leader.tree;
            assert_eq!(
                tree.digest(),
                tree.recomputed_digest(),
                "seed {seed} at {zxid}"
            );
            assert_eq!(tree.digest(), follower.digest());
            assert_eq!(tree.node_bytes, tree.recomputed_node_bytes());
            assert_eq!(tree.node_count(), model.len());
        }
        is_the_models(&leader.tree, &model);
        knows_what_is_due(&leader.tree, &model);
    }
}

/// Every node, list and quota is the model's.
fn is_the_models(tree: &Tree, model: &Model) {
    for (path, plain) in model {
        let node = tree.node(path).unwrap();
        assert_eq!(
            (node.data(), node.stat()),
            (plain.data.clone(), plain.stat),
            "{path}"
        );
        let mut names: Vec<_> = children_of(model, path).collect();
        names.sort_unstable();
        assert_eq!(tree.child_names(path, None, "").collect::<Vec<_>>(), names);
    }
    for (path, quota, usage) in tree.quotas() {
        assert!(!quota.is_none());
        let below = |key: &str| ZnodePath::parse(key).unwrap().is_within(path);
        let held = model.iter().filter(|(key, _)| below(key));
        let held = held.map(|(_, plain)| plain.data.len() as u64);
        let expected = Usage {
            nodes: held.clone().count() as u64,
            bytes: held.sum(),
        };
        assert_eq!(usage, expected, "{path}");
    }
}

/// What will go by itself is what the model says.
fn knows_what_is_due(tree: &Tree, model: &Model) {
    let (mut due, mut empty) = (Vec::new(), Vec::new());
    for (path, Plain { stat, .. }) in model.iter().filter(|(_, it)| it.stat.num_children == 0) {
        match stat.lifetime {
            Lifetime::Ttl(ms) => due.push((stat.mtime + ms, path.as_str())),
            Lifetime::Container if stat.cversion > 0 => empty.push(path.as_str()),
            _ => {}
        }
    }
    due.sort_unstable();
    let found = tree.nodes_to_expire();
    assert!(found.map(|(due, path)| (due, path.as_str())).eq(due));
    let found = tree.empty_containers();
    assert!(found.map(ZnodePath::as_str).eq(empty));
    for session in tree.sessions() {
        let owned = |plain: &Plain| plain.stat.lifetime.owner() == session.id;
        let expected: Vec<_> = model.iter().filter(|(_, plain)| owned(plain)).collect();
        let found = tree.ephemerals(session.id);
        assert!(
            found
                .map(ZnodePath::as_str)
                .eq(expected.iter().map(|(path, _)| path.as_str()))
        );
    }
    assert_eq!(tree.ephemerals(SessionId::NONE).count(), 0);
}
