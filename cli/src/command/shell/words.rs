//! A line as words, by a shell's quoting. Knows no command.

use anyhow::Context;

/// The words of a line; what follows a `#` is for people.
pub(super) fn split(line: &str) -> anyhow::Result<Vec<String>> {
    shell_words::split(line).context("the line cannot be read: a quote is open")
}

/// A line up to the cursor, for completion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The words before the one at the cursor.
    pub(super) before: Vec<String>,
    /// Where the word at the cursor begins, in bytes.
    pub(super) start: usize,
    /// That word, as far as it is typed, without its quotes.
    pub(super) last: String,
}

/// Cuts a line at the word that the cursor stands at the end of; nothing if it cannot be read.
pub(super) fn cut(line: &str) -> Option<Cut> {
    let start = last_word(line);
    let (before, last) = line.split_at_checked(start)?;
    // A quote that is open is the cursor's own.
    let closed = ["", "'", "\""].map(|quote| format!("{last}{quote}"));
    let mut words = closed
        .iter()
        .find_map(|text| shell_words::split(text).ok())?;
    Some(Cut {
        before: shell_words::split(before).ok()?,
        start,
        last: words.pop().unwrap_or_default(),
    })
}

/// Where the last word begins: behind the last blank that is not quoted.
fn last_word(line: &str) -> usize {
    let (mut start, mut quote, mut is_escaped) = (0, None, false);
    for (at, letter) in line.char_indices() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (letter, quote) {
            ('\\', None | Some('"')) => is_escaped = true,
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (' ' | '\t', None) => start = at + 1,
            _ => {}
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_of(line: &str) -> (Vec<String>, usize, String) {
        let cut = cut(line).unwrap();
        (cut.before, cut.start, cut.last)
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_line_is_cut_at_the_word_that_is_typed() {
        assert_eq!(cut_of(""), (words(&[]), 0, String::new()));
        assert_eq!(cut_of("ge"), (words(&[]), 0, "ge".to_owned()));
        assert_eq!(cut_of("get "), (words(&["get"]), 4, String::new()));
        assert_eq!(cut_of("get /a"), (words(&["get"]), 4, "/a".to_owned()));
        let quoted = cut_of("set '/a b' \"/c d");
        assert_eq!(quoted, (words(&["set", "/a b"]), 11, "/c d".to_owned()));
        assert_eq!(
            cut_of("get /a\\ b"),
            (words(&["get"]), 4, "/a b".to_owned())
        );
    }

    #[test]
    fn words_are_split_as_in_a_shell() {
        assert_eq!(split("  # nothing").unwrap(), words(&[]));
        assert_eq!(split("set /a 'x y'").unwrap(), words(&["set", "/a", "x y"]));
        assert!(split("set /a 'x").is_err());
    }
}
