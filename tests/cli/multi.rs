//! `multi`: changes from JSON lines, all or none.

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn changes_from_lines_are_made_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    let good = r#"{"op":"create","path":"/a","data":"one"}
{"op":"create","path":"/a/n-","base64":"AAE=","mode":"persistent-sequential"}
{"op":"set","path":"/a","data":"two","version":0}
{"op":"check","path":"/a","version":1}

{"op":"create","path":"/b"}
{"op":"delete","path":"/b"}
"#;
    let said = dev.feed(&["multi"], good).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    let expected = "created /a\ncreated /a/n-0000000000\nset /a version 1\nchecked /a\ncreated /b\ndeleted /b\n";
    assert_eq!(said.output, expected);
    assert_eq!(dev.ok(&["get", "/a"]).await, "two\n");
    assert_eq!(
        dev.json(&["get", "/a/n-0000000000"]).await["data"],
        "\0\u{1}"
    );

    let bad =
        "{\"op\":\"create\",\"path\":\"/c\"}\n{\"op\":\"check\",\"path\":\"/a\",\"version\":7}\n";
    let refused = dev.feed(&["--output", "json", "multi"], bad).await;
    assert_eq!((refused.code, refused.output.as_str()), (4, ""));
    let error: serde_json::Value = serde_json::from_str(&refused.errors).unwrap();
    assert_eq!(error["code"], "BAD_VERSION");
    assert!(
        error["error"].as_str().unwrap().contains("change 1"),
        "{error}"
    );
    assert!(
        error["advice"].as_str().unwrap().contains("zareba stat"),
        "{error}"
    );
    assert_eq!(dev.run(&["stat", "/c"]).await.code, 3);

    lists_and_lifetimes(&dev).await;
    for (lines, word) in [
        ("", "no change"),
        (
            r#"{"op":"create","path":"/e","mode":"ephemeral","lifetime":"container"}"#,
            "goes with its session",
        ),
        (
            r#"{"op":"set-acl","path":"/a","acl":["me"]}"#,
            "SCHEME:ID:PERMS",
        ),
        ("{\"op\":\"drop\",\"path\":\"/a\"}", "line 1"),
        ("{\"op\":\"delete\",\"path\":\"a\"}", "starts with '/'"),
        (
            "{\"op\":\"set\",\"path\":\"/a\",\"base64\":\"?\"}",
            "base64",
        ),
    ] {
        let refused = dev.feed(&["multi"], lines).await;
        assert_eq!(refused.code, 1, "{lines}");
        assert!(refused.errors.contains(word), "{lines}: {}", refused.errors);
    }
    dev.stop().await;
}

async fn lists_and_lifetimes(dev: &Dev) {
    let lines = r#"{"op":"create","path":"/box","lifetime":"container","acl":["world:anyone:r"]}
{"op":"create","path":"/t-","mode":"persistent-sequential","lifetime":{"ttlMs":60000}}
{"op":"set-acl","path":"/a","acl":["world:anyone:rwa"],"version":0}
"#;
    let said = dev.feed(&["multi"], lines).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    let mut answers = said.output.lines();
    assert_eq!(answers.next(), Some("created /box"));
    let ttl = answers.next().and_then(|it| it.strip_prefix("created "));
    assert_eq!(answers.next(), Some("set the list of /a version 1"));
    let stat = dev.json(&["stat", ttl.unwrap()]).await;
    assert_eq!(stat["lifetime"], "ttl 1m");
    let stat = dev.json(&["stat", "/box"]).await;
    assert_eq!(stat["lifetime"], "container");
    assert_eq!(dev.ok(&["acl", "get", "/box"]).await, "world:anyone:r\n");
}
