//! `zareba completions` and `zareba man`: made from the one definition of the command line, so that
//! they cannot say anything else.

use std::path::Path;

use anyhow::Context;
use clap_complete::Shell;

use crate::args::Args;
use crate::output;

/// Prints the completions for a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    let mut definition = Args::grammar();
    clap_complete::generate(shell, &mut definition, "zareba", &mut script);
    output::raw(&script)
}

/// Writes a page for each command.
pub(super) fn pages(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write the man pages to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    clap_mangen::generate_to(Args::grammar(), folder).with_context(cannot)
}
