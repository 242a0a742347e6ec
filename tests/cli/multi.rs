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

    for (lines, word) in [
        ("", "no change"),
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
