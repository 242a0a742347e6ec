//! `session` and `ephemerals`: who is there, and how somebody is sent away.

use harness::Process;

use crate::local::Dev;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_finds_a_session_and_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path()).await;
    dev.ok(&["create", "/app"]).await;
    let log = dev.profile.with_file_name("holder-log");
    let profile = dev.profile.to_str().unwrap();
    let hold = ["--profile", profile, "create", "/app/mine", "--ephemeral"];
    let mut holder = Process::start("zareba create --ephemeral", &hold, &log);
    assert_eq!(holder.line().await.unwrap(), "/app/mine");

    dev.ok(&["sync"]).await;
    let found = dev.ok(&["ephemerals", "--linearizable"]).await;
    assert_eq!(found, "/app/mine\n");
    let owner = dev.json(&["stat", "--linearizable", "/app/mine"]).await;
    let owner = owner["ephemeralOwner"].as_str().unwrap().to_owned();
    let of_owner = ["ephemerals", "/app", "--session", &owner, "--sync"];
    assert_eq!(dev.json(&of_owner).await, "/app/mine");
    let of_nobody = ["ephemerals", "/app", "--session", "0x1"];
    assert_eq!(dev.ok(&of_nobody).await, "");
    assert_eq!(dev.ok(&["ephemerals", "/locks"]).await, "");

    let sessions = dev.json_lines(&["session", "list"]).await;
    let own = sessions.iter().filter(|it| it["own"] == true);
    assert_eq!((sessions.len(), own.count()), (2, 1), "{sessions:?}");
    let held = sessions.iter().find(|it| it["session"] == owner.as_str());
    let held = held.unwrap();
    assert_eq!(held["ephemerals"], serde_json::json!(["/app/mine"]));
    assert_eq!(held["timeoutMs"], 10_000);
    let server = held["server"].to_string();
    let table = dev.ok(&["session", "list", "--server", &server]).await;
    let rows = table.lines().map(|row| row.split_whitespace().collect());
    let mut rows = rows.filter(|row: &Vec<&str>| row.first() == Some(&owner.as_str()));
    assert_eq!(rows.next().unwrap(), [&owner, &server, "10s", "1", "0"]);

    let closed = dev.ok(&["session", "close", &owner]).await;
    assert_eq!(closed, format!("closed {owner}\n"));
    assert_eq!(holder.end().await.code(), Some(9));
    let gone = dev.run(&["stat", "--linearizable", "/app/mine"]).await;
    assert_eq!(gone.code, 3, "{}", gone.errors);
    let again = dev.run(&["session", "close", &owner]).await;
    assert_eq!(again.code, 3, "{}", again.errors);
    assert!(again.errors.contains("session list"), "{}", again.errors);
    let nonsense = dev.run(&["session", "close", "mine"]).await;
    assert_eq!(nonsense.code, 2, "{}", nonsense.errors);
    dev.stop().await;
}
