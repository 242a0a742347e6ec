//! `whoami`, `--auth` and `--cert`: who one is to the servers.

use zareba_server::CertificateAuthority;

use crate::local::{Dev, run};

#[tokio::test(flavor = "multi_thread")]
async fn passwords_prove_who_one_is_and_are_repeated_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_alone(folder.path()).await;
    assert_eq!(dev.ok(&["whoami"]).await, "ip:127.0.0.1\n");
    let file = folder.path().join("auth");
    std::fs::write(&file, "digest:app:hunter2\n").unwrap();
    let from_file = format!("@{}", file.display());
    for proof in ["digest:app:hunter2", &from_file] {
        let shown = dev.ok(&["--auth", proof, "whoami"]).await;
        assert!(shown.contains("\ndigest:app:"), "{shown}");
        let said = dev.run_with(&[("ZAREBA_AUTH", proof)], &["whoami"]).await;
        assert_eq!((said.code, &said.output), (0, &shown), "{}", said.errors);
    }
    let two = ["--auth", "digest:a:1", "--auth", "digest:b:2"];
    let shown = dev.json(&[&two[..], &["whoami"]].concat()).await;
    assert_eq!(shown["identities"].as_array().unwrap().len(), 3, "{shown}");
    assert_eq!(shown["kind"], "full");

    for proof in ["hunter2", "app:hunter2", "x509:hunter2:x", "digest:hunter2"] {
        let refused = dev.run(&["--auth", proof, "whoami"]).await;
        assert_eq!(refused.code, 2, "{proof}: {}", refused.errors);
        let (words, secret) = ("digest:USER:PASSWORD", "hunter2");
        assert!(refused.errors.contains(words), "{}", refused.errors);
        assert!(!refused.errors.contains(secret), "{}", refused.errors);
    }
    let empty = dev.run(&["--auth", "digest:app:", "whoami"]).await;
    assert_eq!(empty.code, 5, "{}", empty.errors);
    assert!(empty.errors.contains("AUTH_FAILED"), "{}", empty.errors);
    for help in ["--help", "-h", "shell"] {
        let said = dev
            .run_with(&[("ZAREBA_AUTH", "digest:app:hunter2")], &[help])
            .await;
        assert_eq!(said.code, 0, "{}", said.errors);
        assert!(!said.output.contains("hunter2"), "{}", said.output);
    }
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_with_a_certificate_takes_the_ensemble_into_custody() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path()).await;
    let data = dev.profile.parent().unwrap().to_owned();
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let authority = CertificateAuthority::load(&read("ca.pem"), &read("ca.key")).unwrap();
    let operator = authority.issue_client("operator").unwrap();
    let (cert, key) = (folder.path().join("op.pem"), folder.path().join("op.key"));
    std::fs::write(&cert, operator.certificate_pem).unwrap();
    std::fs::write(&key, operator.key_pem).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let as_operator = ["--cert", cert, "--key", key];

    let shown = dev.ok(&[&as_operator[..], &["whoami"]].concat()).await;
    assert!(shown.contains("x509:CN=operator\n"), "{shown}");
    let variables = [("ZAREBA_CERT", cert), ("ZAREBA_KEY", key)];
    let said = dev.run_with(&variables, &["whoami"]).await;
    assert_eq!((said.code, said.output), (0, shown), "{}", said.errors);
    for half in [["--cert", cert], ["--key", key]] {
        let refused = dev.run(&[&half[..], &["whoami"]].concat()).await;
        assert_eq!(refused.code, 2, "{}", refused.errors);
        assert!(refused.errors.contains("both"), "{}", refused.errors);
    }
    let missing = ["--cert", "nowhere.pem", "--key", key, "whoami"];
    let missing = dev.run(&missing).await;
    assert_eq!(missing.code, 2, "{}", missing.errors);
    assert!(missing.errors.contains("nowhere.pem"), "{}", missing.errors);

    // As docs/access.md has it.
    dev.ok(&["acl", "set", "/zareba", "x509:CN=operator:a"])
        .await;
    let limit = ["quota", "set", "/locks", "--nodes-hard", "100"];
    let refused = dev.run(&limit).await;
    assert_eq!(refused.code, 5, "{}", refused.errors);
    dev.ok(&[&as_operator[..], &limit].concat()).await;
    let seen = [&as_operator[..], &["acl", "get", "/zareba"]].concat();
    assert_eq!(dev.ok(&seen).await, "x509:CN=operator:a\n");
    dev.stop().await;

    // The local ensemble starts again all the same, and its administrator is let in.
    let dev = Dev::start(folder.path()).await;
    assert_eq!(dev.run(&limit).await.code, 5);
    let admin = data.join("admin.toml");
    let open = [
        "--profile",
        admin.to_str().unwrap(),
        "acl",
        "set",
        "/zareba",
        "--open",
    ];
    let said = run(&open).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    dev.ok(&limit).await;
    dev.stop().await;
}
