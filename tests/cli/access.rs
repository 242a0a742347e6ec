//! `acl` and `create --acl`: who may do what.

use crate::local::Dev;

/// What proves to be the owner, and how lists name it.
const OWNER: [&str; 2] = ["--auth", "digest:owner:secret"];
const OWNER_ID: &str = "digest:owner:Vj++wdU3sMAbt+g9TyKj1BT+usI=";

async fn owner_ok(dev: &Dev, arguments: &[&str]) -> String {
    dev.ok(&[&OWNER, arguments].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_who_may_do_what() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    dev.ok(&["create", "/app", "one"]).await;
    let open = dev.ok(&["acl", "get", "/app"]).await;
    assert_eq!(open, "world:anyone:rwcda\n");
    let owner = computed(&dev).await;
    let entry = format!("{owner}:adcwr");
    let set = dev
        .ok(&["acl", "set", "/app", &entry, "world:anyone:r"])
        .await;
    assert_eq!(set, "version 1\n");

    // A stranger reads, and sees the list without the hash.
    assert_eq!(dev.ok(&["get", "/app"]).await, "one\n");
    let refused = dev.run(&["set", "/app", "two"]).await;
    assert_eq!(refused.code, 5, "{}", refused.errors);
    assert!(refused.errors.contains("whoami"), "{}", refused.errors);
    let seen = dev.ok(&["acl", "get", "/app", "--linearizable"]).await;
    assert_eq!(seen, "digest:owner:x:rwcda\nworld:anyone:r\n");

    owner_ok(&dev, &["set", "/app", "two"]).await;
    let seen = owner_ok(&dev, &["acl", "get", "/app"]).await;
    assert_eq!(seen, format!("{OWNER_ID}:rwcda\nworld:anyone:r\n"));
    let json = dev
        .json(&[&OWNER[..], &["acl", "get", "/app"]].concat())
        .await;
    assert_eq!(
        (&json["path"], &json["version"]),
        (&"/app".into(), &1.into())
    );
    assert_eq!(json["acl"][1], "world:anyone:r");

    let stale = ["acl", "set", "/app", "--open", "--version", "0"];
    let stale = dev.run(&[&OWNER[..], &stale].concat()).await;
    assert_eq!(stale.code, 4, "{}", stale.errors);
    let opened = ["acl", "set", "/app", "--open", "--version", "1"];
    assert_eq!(owner_ok(&dev, &opened).await, "version 2\n");
    dev.ok(&["set", "/app", "three"]).await;
    created_with_lists(&dev).await;
    whole_subtrees(&dev).await;
    nonsense(&dev).await;
    dev.stop().await;
}

/// The identity, as it is computed from a password on standard input or in a file.
async fn computed(dev: &Dev) -> String {
    let said = dev.feed(&["acl", "digest", "owner"], "secret\n").await;
    assert_eq!((said.code, said.errors.as_str()), (0, ""));
    assert_eq!(said.output.trim_end(), OWNER_ID);
    let file = dev.profile.with_file_name("password");
    std::fs::write(&file, "secret").unwrap();
    let file = file.to_str().unwrap();
    let json = dev.json(&["acl", "digest", "owner", "--file", file]).await;
    assert_eq!(json["identity"], OWNER_ID);
    let none = dev.feed(&["acl", "digest", "owner"], "\n").await;
    assert_eq!(none.code, 1, "{}", none.output);
    said.output.trim_end().to_owned()
}

async fn created_with_lists(dev: &Dev) {
    let create = [
        "create",
        "-p",
        "/own/deep/node",
        "mine",
        "--acl",
        "auth::rwcda",
        "--acl",
        "ip:203.0.113.0/24:r",
    ];
    owner_ok(dev, &create).await;
    for path in ["/own", "/own/deep/node"] {
        let refused = dev.run(&["get", path]).await;
        assert_eq!(refused.code, 5, "{}", refused.errors);
        let seen = owner_ok(dev, &["acl", "get", path]).await;
        assert_eq!(seen, format!("{OWNER_ID}:rwcda\nip:203.0.113.0/24:r\n"));
    }
    // Nobody can stand for "auth" who has proved nothing.
    let refused = dev.run(&["create", "/no", "--acl", "auth::r"]).await;
    assert_eq!(refused.code, 2, "{}", refused.errors);
    assert!(refused.errors.contains("INVALID_ACL"), "{}", refused.errors);
}

async fn whole_subtrees(dev: &Dev) {
    let set = ["acl", "set", "-R", "/own", "auth::rwcda", "world:anyone:r"];
    let text = owner_ok(dev, &set).await;
    assert_eq!(text, "set the lists of 3 nodes\n");
    assert_eq!(dev.ok(&["get", "/own/deep/node"]).await, "mine\n");
    // In the shell the session has proved it once, and paths are relative.
    let lines = "cd own\nacl get deep\nacl set -R deep --open --output json\n";
    let profile = dev.feed(&[&OWNER[..], &["shell"]].concat(), lines).await;
    assert_eq!(profile.code, 0, "{}", profile.errors);
    let expected = format!("{OWNER_ID}:rwcda\nworld:anyone:r\n");
    let rest = profile.output.strip_prefix(&expected);
    let json: serde_json::Value = serde_json::from_str(rest.unwrap()).unwrap();
    assert_eq!(
        (&json["path"], &json["nodes"]),
        (&"/own/deep".into(), &2.into())
    );
    dev.ok(&["set", "/own/deep/node", "anybody's"]).await;
    assert_eq!(dev.run(&["set", "/own", "x"]).await.code, 5);
}

async fn nonsense(dev: &Dev) {
    for (entry, word) in [
        ("x509:CN=a", "SCHEME:ID:PERMS is expected"),
        ("world:anyone:rx", "'x' is no permission"),
        ("digest:owner:secret:r", "zareba acl digest"),
        ("digest:owner:x:r", "hidden"),
    ] {
        let refused = dev.run(&["acl", "set", "/app", entry]).await;
        assert_eq!(refused.code, 2, "{entry}: {}", refused.errors);
        assert!(refused.errors.contains(word), "{entry}: {}", refused.errors);
    }
    let nobody = dev.run(&["acl", "set", "/app", "host:a.example:r"]).await;
    assert_eq!(nobody.code, 2, "{}", nobody.errors);
    assert!(nobody.errors.contains("names nobody"), "{}", nobody.errors);
    assert_eq!(dev.run(&["acl", "set", "/app"]).await.code, 2);
    let nowhere = dev.run(&["acl", "get", "/nowhere"]).await;
    assert_eq!(nowhere.code, 3, "{}", nowhere.errors);
}
