//! What turns an author's types into a plugin: the attribute `plugin` and the derives `Shape` and
//! `Faults`. The guest SDK re-exports and documents them. Knows syntax, and no plugin.

use proc_macro::TokenStream;
use quote::ToTokens;

mod doc;
mod faults;
mod plugin;
mod shape;

/// Makes a plugin of an `impl` block whose functions are its operations. See the guest SDK.
#[proc_macro_attribute]
pub fn plugin(attribute: TokenStream, item: TokenStream) -> TokenStream {
    tokens(plugin::expand(attribute.into(), item.into()))
}

/// Describes a type as its JSON looks. See the guest SDK.
#[proc_macro_derive(Shape)]
pub fn derive_shape(item: TokenStream) -> TokenStream {
    tokens(syn::parse(item).and_then(|item| shape::expand(&item)))
}

/// Turns an enum into numbered faults. See the guest SDK.
#[proc_macro_derive(Faults, attributes(fault))]
pub fn derive_faults(item: TokenStream) -> TokenStream {
    tokens(syn::parse(item).and_then(|item| faults::expand(&item)))
}

fn tokens(expanded: syn::Result<impl ToTokens>) -> TokenStream {
    match expanded {
        Ok(tokens) => tokens.into_token_stream().into(),
        Err(error) => error.into_compile_error().into(),
    }
}
