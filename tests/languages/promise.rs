//! What the primitive of the templates promises, as a client sees it. Must never know which language answers.

use harness::{until, within};
use zareba_client::{Client, ErrorCode};

/// The most that the number may be at the mount under test.
pub(crate) const LIMIT: u64 = 100;

/// Asks everything that the primitive can do of a mount that is new. `visitor` is another session; it is closed.
pub(crate) async fn keeps_it(mount: &str, client: &Client, visitor: Client) {
    answers_and_refuses(mount, client).await;
    answers_who_waits(mount, client, &visitor).await;
    forgets_who_is_gone(mount, client, visitor).await;
}

/// Operation, input, and what is said: an answer, or a fault's code, with its words if they are the plugin's.
const SAID: [(&str, &str, &str); 12] = [
    ("get", "{}", r#"{"value":0}"#),
    ("get", "", r#"{"value":0}"#),
    ("add", r#"{"by":3}"#, r#"{"value":3}"#),
    ("add", "{ \"by\" : 0 }", r#"{"value":3}"#),
    (
        "add",
        r#"{"by":98}"#,
        "1: the number is 3; 98 more would lead beyond 100",
    ),
    ("wait", r#"{"for":3}"#, r#"{"value":3}"#),
    (
        "wait",
        r#"{"for":101}"#,
        "2: the number never gets to 101: its limit is 100",
    ),
    ("add", "{}", "BAD_ARGUMENTS"),
    ("add", r#"{"by":-1}"#, "BAD_ARGUMENTS"),
    ("add", r#"{"by":1,"more":1}"#, "BAD_ARGUMENTS"),
    ("add", "nonsense", "BAD_ARGUMENTS"),
    ("get", r#"{"value":0}"#, "BAD_ARGUMENTS"),
];

async fn answers_and_refuses(mount: &str, client: &Client) {
    for (op, input, expected) in SAID {
        let said = match client.call(mount, op, input).await {
            Ok(answer) => String::from_utf8(answer.to_vec()).unwrap(),
            Err(zareba_client::Error::Refused(fault)) => match fault.code {
                ErrorCode::Plugin(code) => format!("{code}: {}", fault.message),
                code => code.to_string(),
            },
            Err(other) => panic!("{mount} {op} {input}: {other}"),
        };
        assert_eq!(said, expected, "{mount} {op} {input}");
    }
    // A call that was refused has left nothing.
    let nodes = client.children(mount).await.unwrap();
    assert_eq!(nodes, ["value"], "{mount}");
    let (data, _) = client.get(format!("{mount}/value")).await.unwrap();
    assert_eq!(data, "3", "{mount}");
}

async fn answers_who_waits(mount: &str, client: &Client, visitor: &Client) {
    let wait = |goal: u64| {
        let (visitor, mount) = (visitor.clone(), mount.to_owned());
        let input = format!(r#"{{"for":{goal}}}"#);
        tokio::spawn(async move { visitor.call(&*mount, "wait", input).await })
    };
    let (ten, too, more) = (wait(10), wait(10), wait(11));
    parked(mount, client, 3).await;
    // In the numbers' order, which is the names'.
    let goals = client.children(format!("{mount}/goals")).await.unwrap();
    let expected = ["00000000000000000010", "00000000000000000011"];
    assert_eq!(goals, expected, "{mount}");
    client.call(mount, "add", r#"{"by":7}"#).await.unwrap();
    for waits in [ten, too] {
        let answer = within(mount, waits).await.unwrap().unwrap();
        assert_eq!(answer, r#"{"value":10}"#, "{mount}");
    }
    assert!(!more.is_finished(), "{mount}");
    client.call(mount, "add", r#"{"by":5}"#).await.unwrap();
    let answer = within(mount, more).await.unwrap().unwrap();
    assert_eq!(answer, r#"{"value":15}"#, "{mount}");
    no_goals(mount, client).await;
}

async fn forgets_who_is_gone(mount: &str, client: &Client, visitor: Client) {
    let input = r#"{"for":50,"timeout_ms":50}"#;
    let late = client.call(mount, "wait", input).await.unwrap_err();
    assert!(late.is(ErrorCode::OperationTimeout), "{mount}: {late}");
    no_goals(mount, client).await;

    let waits = visitor.clone();
    let at = mount.to_owned();
    let waits = tokio::spawn(async move { waits.call(&*at, "wait", r#"{"for":50}"#).await });
    parked(mount, client, 1).await;
    visitor.close().await.unwrap();
    within(mount, waits).await.unwrap().unwrap_err();
    no_goals(mount, client).await;
}

/// Waits until so many calls wait here and nowhere else.
async fn parked(mount: &str, client: &Client, calls: usize) {
    until("calls have parked", async || {
        let parked = client.children("/zareba/calls").await.unwrap();
        (parked.len() == calls).then_some(())
    })
    .await;
    client.sync().await.unwrap();
    assert!(
        client
            .exists(format!("{mount}/goals"))
            .await
            .unwrap()
            .is_some()
    );
}

/// Waits until nobody is on record as waiting.
async fn no_goals(mount: &str, client: &Client) {
    until("nobody waits any more", async || {
        let goals = client.children(format!("{mount}/goals")).await.unwrap();
        goals.is_empty().then_some(())
    })
    .await;
}
