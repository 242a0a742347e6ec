//! The derive `Faults`: an enum's variants as numbers with messages. Knows no number.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Data, DeriveInput, Error, Fields, LitInt, LitStr, Result, Token, Variant};

use crate::doc;

/// `#[fault(1, "{name:?} is held")]`.
struct Numbered {
    code: LitInt,
    message: LitStr,
}

impl Parse for Numbered {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let code: LitInt = input.parse()?;
        if code.base10_parse::<i32>().is_ok_and(|code| code < 1) {
            let why = "a plugin's own codes are above 0; those below are the kernel's";
            return Err(Error::new(code.span(), why));
        }
        input.parse::<Token![,]>()?;
        let message = input.parse()?;
        Ok(Self { code, message })
    }
}

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &item.data else {
        let why = "faults are the variants of an enum";
        return Err(Error::new_spanned(&item.ident, why));
    };
    let name = &item.ident;
    let mut arms = Vec::new();
    let mut codes = Vec::new();
    let mut list = Vec::new();
    for variant in &data.variants {
        let Numbered { code, message } = numbered(variant)?;
        let ident = &variant.ident;
        let fields: Vec<_> = match &variant.fields {
            Fields::Unit => Vec::new(),
            Fields::Named(fields) => fields.named.iter().map(|field| &field.ident).collect(),
            Fields::Unnamed(fields) => {
                let why = "name the fields, so that the message can";
                return Err(Error::new_spanned(fields, why));
            }
        };
        let meaning = doc::text(&variant.attrs);
        arms.push(quote!(#name::#ident { #(#fields),* } => ::std::format!(#message)));
        codes.push(quote!(#name::#ident { .. } => #code));
        list.push(quote!((#code, #meaning)));
    }
    Ok(quote! {
        impl #name {
            /// Every code with its meaning.
            pub const LIST: &'static [(i32, &'static str)] = &[#(#list),*];

            /// This one's code.
            pub fn code(&self) -> i32 {
                match self { #(#codes),* }
            }
        }

        impl ::core::convert::From<#name> for ::zareba_guest_sdk::Fault {
            fn from(fault: #name) -> Self {
                let code = fault.code();
                let message = match fault { #(#arms),* };
                ::zareba_guest_sdk::refuse(code, message)
            }
        }
    })
}

fn numbered(variant: &Variant) -> Result<Numbered> {
    let named = variant.attrs.iter().find(|it| it.path().is_ident("fault"));
    let attribute = named.ok_or_else(|| {
        let why = "say its code and its message: #[fault(1, \"{name:?} is held\")]";
        Error::new_spanned(variant, why)
    })?;
    attribute.parse_args()
}
