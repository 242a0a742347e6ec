//! The end of every build: a component that imports the contract alone. Knows no language.

use std::path::Path;

use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding};
use wit_parser::Resolve;

use crate::error::{AuthoringError, Result};
use crate::packed;

/// The module whose functions a module for WASI imports.
const WASI_MODULE: &str = "wasi_snapshot_preview1";

/// What plugins may import, and must export, in any version of its first generation.
const CONTRACT: &str = "zareba:plugin/";
const GUEST: &str = "zareba:plugin/guest";

/// A component that is a plugin.
#[derive(Clone, PartialEq, Eq)]
pub struct Component {
    bytes: Vec<u8>,
    imports: Vec<String>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("bytes", &self.bytes.len())
            .field("imports", &self.imports)
            .finish()
    }
}

impl Component {
    /// Takes a component, if it is a plugin.
    ///
    /// # Errors
    ///
    /// It is none, or it imports anything but the contract.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let decoded = wit_component::decode(&bytes).map_err(encode_error)?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err(AuthoringError::Encode("it is a package of WIT".to_owned()));
        };
        let world = resolve.worlds.get(world);
        let world = world.ok_or_else(|| AuthoringError::Encode("it has no world".to_owned()))?;
        let imports: Vec<_> = world
            .imports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect();
        let foreign: Vec<_> = imports
            .iter()
            .filter(|name| !is_ours(name))
            .cloned()
            .collect();
        if !foreign.is_empty() {
            return Err(AuthoringError::ForeignImports(foreign));
        }
        let is_guest = |name: &String| is_ours(name) && name.starts_with(GUEST);
        let exports: Vec<_> = world
            .exports
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect();
        if !exports.iter().any(is_guest) {
            return Err(AuthoringError::NoGuest);
        }
        Ok(Self { bytes, imports })
    }

    /// Makes one of a core module that holds the world's type; `wasi` answers what it asks of WASI from
    /// inside.
    pub(crate) fn of_module(module: &[u8], wasi: Wasi) -> Result<Self> {
        Self::new(encode(module, wasi)?)
    }

    /// The file's content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }
}

/// Puts the type of the folder's world into a core module whose compiler knows nothing of it.
pub(crate) fn add_world(module: &mut Vec<u8>, contract: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(contract).map_err(encode_error)?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(encode_error)?;
    wit_component::embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(encode_error)
}

/// What a module may ask of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wasi {
    /// Nothing.
    Refused,
    /// Anything: the answers are inside the component, and the same each time.
    Inside,
}

/// Makes a component of a core module that holds its world's type and asks nothing of WASI.
///
/// # Errors
///
/// The module is none, or holds no such type.
pub fn encode_module(module: &[u8]) -> Result<Vec<u8>> {
    encode(module, Wasi::Refused)
}

fn encode(module: &[u8], wasi: Wasi) -> Result<Vec<u8>> {
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(module)
        .map_err(encode_error)?;
    if wasi == Wasi::Inside {
        encoder
            .adapter(WASI_MODULE, packed::WASI)
            .map_err(encode_error)?;
    }
    encoder.encode().map_err(encode_error)
}

fn is_ours(name: &str) -> bool {
    let version = name
        .strip_prefix(CONTRACT)
        .and_then(|rest| rest.split_once('@'));
    version.is_some_and(|(_, version)| version.starts_with("1."))
}

/// The encoder's errors are chains of causes.
fn encode_error(error: impl std::fmt::Display) -> AuthoringError {
    AuthoringError::Encode(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &[u8] = include_bytes!("../../../plugins/dist/lock.wasm");
    const WASI: &[u8] = include_bytes!("../../../tests/guests/dist/wasi.wasm");

    #[test]
    fn a_plugin_imports_the_contract_alone() {
        let component = Component::new(LOCK.to_vec()).unwrap();
        assert_eq!(component.bytes(), LOCK);
        assert!(!component.imports().is_empty());
        assert!(component.imports().iter().all(|name| is_ours(name)));
    }

    #[test]
    fn a_component_that_imports_wasi_is_refused_by_the_imports_name() {
        let refused = Component::new(WASI.to_vec()).unwrap_err();
        let AuthoringError::ForeignImports(names) = &refused else {
            panic!("{refused}");
        };
        assert!(
            names.iter().all(|name| name.starts_with("wasi:")),
            "{names:?}"
        );
        assert!(
            refused.to_string().contains("wasi:cli/environment"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_no_component_or_no_plugin_is_refused() {
        let refused = Component::new(b"not a component".to_vec()).unwrap_err();
        assert!(matches!(refused, AuthoringError::Encode(_)), "{refused}");
        let empty = wat::parse_str("(component)").unwrap();
        let refused = Component::new(empty).unwrap_err();
        assert!(matches!(refused, AuthoringError::NoGuest), "{refused}");
    }
}
