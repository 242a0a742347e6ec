//! Tokens: one use each, for a while, and every refusal says why. The command line as an operator uses
//! it.

use std::time::Duration;

use harness::{Ensemble, binary};
use serde_json::Value;

struct Said {
    code: i32,
    out: String,
    err: String,
}

async fn zareba(ensemble: &Ensemble, arguments: &[&str]) -> Said {
    let output = tokio::process::Command::new(binary())
        .args(arguments)
        .env("ZAREBA_PROFILE", ensemble.profile_file())
        .env("NO_COLOR", "1")
        .output();
    let output = harness::within("a command", output).await.unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Starts a server that is refused.
async fn refused(ensemble: &Ensemble, folder: &str, token: &str) -> Said {
    let folder = ensemble.folder().join(folder);
    let arguments = [
        "server",
        "--data",
        folder.to_str().unwrap(),
        "--join",
        token,
        "--peer-address",
        "127.0.0.1:1",
        "--client-address",
        "127.0.0.1:2",
    ];
    zareba(ensemble, &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_one_server_and_one_while() {
    let mut ensemble = Ensemble::start(1).await;
    let said = zareba(
        &ensemble,
        &["ensemble", "add", "--observer", "--output", "json"],
    )
    .await;
    assert_eq!(said.code, 0, "{}", said.err);
    let made: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(made["role"], "observer");

    // Nobody has made this one.
    let mut unknown = made["token"].as_str().unwrap().to_owned();
    unknown.replace_range(8..10, if &unknown[8..10] == "00" { "11" } else { "00" });
    let said = refused(&ensemble, "unknown", &unknown).await;
    assert_eq!(said.code, 5, "{}", said.err);
    assert!(said.err.contains("no such token is known"), "{}", said.err);

    let said = refused(&ensemble, "no-token", "abc").await;
    assert_eq!(said.code, 2, "{}", said.err);

    // Used by one that never came up: another is told by whom.
    let token = ensemble.token(false, Duration::from_secs(60)).await;
    let invitation: zareba_client::Invitation = token.parse().unwrap();
    let request = |key: &str| zareba_server::request_certificate(key).unwrap();
    let (mine, other) = (
        zareba_server::generate_key().unwrap(),
        zareba_server::generate_key().unwrap(),
    );
    let join = async |key: &str| {
        let patience = Duration::from_secs(30);
        invitation
            .join(&request(key), "127.0.0.1:1", "127.0.0.1:2", patience)
            .await
    };
    let joined = join(&mine).await.unwrap();
    // Its answer may have been lost: the same key asks again and is the same server.
    assert_eq!(join(&mine).await.unwrap().server, joined.server);
    let refused_other = join(&other).await.unwrap_err().to_string();
    assert!(
        refused_other.contains("was used by server 2"),
        "{refused_other}"
    );

    let short = ensemble.token(false, Duration::from_millis(1)).await;
    let said = refused(&ensemble, "late", &short).await;
    assert_eq!(said.code, 5, "{}", said.err);
    assert!(said.err.contains("expired"), "{}", said.err);

    // A number is never used twice, even if its server has gone.
    let said = zareba(&ensemble, &["ensemble", "remove", "2"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(ensemble.join(false).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_changes_the_members() {
    let mut ensemble = Ensemble::start(1).await;
    let joined = ensemble.join(true).await;
    ensemble.settled(&[1, joined]).await;
    let said = zareba(&ensemble, &["ensemble", "status", "--output", "json"]).await;
    assert_eq!(said.code, 0, "{}", said.err);
    let status: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&status["leader"], &status["changing"]),
        (&1.into(), &false.into())
    );
    assert_eq!(status["members"][1]["role"], "voter");
    assert_eq!(status["members"][1]["state"], "following");
    assert_eq!(status["members"][1]["may_vote"], true);

    let said = zareba(&ensemble, &["ensemble", "promote", "2"]).await;
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("an observer is expected"), "{}", said.err);
    let said = zareba(&ensemble, &["ensemble", "demote", "2"]).await;
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "done version=6\n"),
        "{}",
        said.err
    );
    let said = zareba(&ensemble, &["ensemble", "remove", "1"]).await;
    assert_eq!(said.code, 10, "{}", said.err);
    let said = zareba(&ensemble, &["ensemble", "status"]).await;
    assert!(
        said.out.contains("observer") && said.out.contains("version 6"),
        "{}",
        said.out
    );
}
