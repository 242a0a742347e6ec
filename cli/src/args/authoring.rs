//! Words of `zareba plugin new`, `build` and `dev`. Knows nothing of what they do.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use zareba_authoring::Language;

/// What a plugin's author does in its folder.
#[derive(Debug, Subcommand)]
pub(crate) enum Authoring {
    /// Write a folder with a small plugin that works, to be made into another one. Needs no ensemble.
    New {
        /// The plugin's name: a-z, 0-9 and -.
        name: String,
        /// The folder; it must be empty or not there [default: NAME].
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
        /// What it will be written in.
        #[arg(long, value_parser = language())]
        language: Language,
        /// For Rust: use the guest SDK in this folder instead of writing a copy of it.
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
    /// Build a plugin's folder into a component that imports nothing but the contract. Needs no ensemble.
    Build {
        /// The folder that holds plugin.toml.
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// Where the component is written [default: DIR/build/NAME.wasm].
        #[arg(short = 'o', long = "out", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Build a plugin's folder, deploy it to a running ensemble and mount it, and again after every change,
    /// until interrupted.
    Dev {
        /// The folder that holds plugin.toml.
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
}

/// One of the languages' names.
fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).try_map(|name| {
        let known = Language::ALL.into_iter().find(|it| it.name() == name);
        known.ok_or("no such language")
    })
}
