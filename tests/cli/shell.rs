//! `zareba shell` with lines from a pipe.

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn lines_share_one_session_and_stand_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    let lines = "\
# Comments and empty lines do nothing.

create /app 'two words'
cd app
pwd
create mine --ephemeral
create -p deep/er x
ls
get . --output json
get ../app
cd deep/er
ls ..
pwd --output json
cd
pwd
ls app/mine
exit
never
";
    let said = dev.feed(&["shell"], lines).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    let mut output: Vec<&str> = said.output.lines().collect();
    let json: serde_json::Value = serde_json::from_str(output.remove(6)).unwrap();
    assert_eq!(
        (&json["path"], &json["data"]),
        (&"/app".into(), &"two words".into())
    );
    let expected = [
        "/app",
        "/app",
        "/app/mine",
        "/app/deep/er",
        "deep",
        "mine",
        "two words",
        "er",
        "\"/app/deep/er\"",
        "/",
    ];
    assert_eq!(output, expected);
    assert_eq!(said.errors, "");
    // Its session is closed: the ephemeral node is gone at once.
    assert_eq!(dev.ok(&["ls", "/app"]).await, "deep\n");

    failures(&dev).await;
    dev.stop().await;
}

async fn failures(dev: &Dev) {
    let said = dev.feed(&["shell"], "pwd\nget /nowhere\npwd\n").await;
    assert_eq!((said.code, said.output.as_str()), (3, "/\n"));
    assert!(said.errors.contains("/nowhere"), "{}", said.errors);
    let said = dev
        .feed(&["shell", "--keep-going"], "get /nowhere\npwd\ncrate x\n")
        .await;
    assert_eq!((said.code, said.output.as_str()), (3, "/\n"));
    assert!(said.errors.contains("'create'"), "{}", said.errors);
    for (line, code, word) in [
        ("cd /nowhere", 3, "/nowhere"),
        ("creat x", 2, "'create'"),
        ("get 'open", 1, "quote"),
        ("multi", 1, "--file"),
        ("import /x", 1, "--file"),
        ("set app", 2, "required"),
    ] {
        let said = dev.feed(&["shell"], &format!("{line}\npwd\n")).await;
        assert_eq!(
            (said.code, said.output.as_str()),
            (code, ""),
            "{line}: {}",
            said.errors
        );
        assert!(said.errors.contains(word), "{line}: {}", said.errors);
    }
    let said = dev
        .feed(&["--output", "json", "shell"], "get /nowhere\n")
        .await;
    let error: serde_json::Value = serde_json::from_str(&said.errors).unwrap();
    assert_eq!(
        (&error["code"], &error["exit"]),
        (&"NO_NODE".into(), &3.into())
    );
    let help = dev.feed(&["shell"], "help\nhelp get\n").await;
    assert_eq!(help.code, 0);
    assert!(
        help.output.contains("Stand at another node"),
        "{}",
        help.output
    );
    assert!(help.output.contains("--linearizable"), "{}", help.output);
}
