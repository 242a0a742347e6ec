//! Folders of plugins: written from templates, one for each language, and built into components.
//!
//! A new folder has all that its plugin is made of: the contract, the glue or the SDK, a small primitive that
//! works, and `plugin.toml`, which says what to build. Building runs the language's own tools and ends in one
//! component that imports the contract and nothing else.
//!
//! This room must never know servers, clients or the command line, nor what a plugin does.

mod bindings;
mod component;
mod error;
mod language;
mod manifest;
mod packed;
mod sdk;
mod template;
mod tool;
mod toolchain;
mod tree;

pub use self::component::{Component, encode_module};
pub use self::error::{AuthoringError, Result};
pub use self::language::Language;
pub use self::manifest::{Instance, MANIFEST, Manifest, Mount};
pub use self::template::{NewPlugin, write_new};
pub use self::toolchain::{build, rust};
pub use self::tree::SourceTree;
