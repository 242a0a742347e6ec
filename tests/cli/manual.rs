//! What is made from the definition of the command line: help, completions, man pages.

use crate::local::run;

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_man_pages_name_every_command() {
    let help = run(&["--help"]).await;
    assert_eq!(help.code, 0);
    let commands: Vec<&str> = help
        .output
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    for name in ["create", "shell", "export", "completions", "man", "dev"] {
        assert!(commands.contains(&name), "{name} is not in {commands:?}");
    }
    assert!(help.output.contains("Exit codes:"), "{}", help.output);

    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).await;
        assert_eq!(script.code, 0, "{}", script.errors);
        for name in &commands {
            assert!(script.output.contains(name), "{shell}: {name}");
        }
    }
    assert_eq!(run(&["completions", "tcsh"]).await.code, 2);

    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    let said = run(&["man", pages.to_str().unwrap()]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    for name in &commands {
        let page = std::fs::read_to_string(pages.join(format!("zareba-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    assert!(pages.join("zareba.1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_make_no_sense_are_answered_with_what_was_meant() {
    for (arguments, word) in [
        (&["crate", "/a"][..], "'create'"),
        (&["get", "app"], "did you mean /app?"),
        (&["ls", "/app/"], "did you mean /app?"),
        (&["get", "/a", "--stats"], "--stat"),
        (&["ensemble", "add", "--ttl", "10"], "such as 30s"),
    ] {
        let said = run(arguments).await;
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.errors);
        assert!(said.errors.contains(word), "{arguments:?}: {}", said.errors);
    }
}
