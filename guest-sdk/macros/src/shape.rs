//! The derive `Shape`: a type as its JSON looks, by what serde is told of it. Knows no value.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, Meta, Result, Token,
    Type,
};

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let name = &item.ident;
    let shape = match &item.data {
        Data::Struct(data) => of_struct(&data.fields)?,
        Data::Enum(data) => {
            let rule = serde_value(&item.attrs, "rename_all");
            let mut names = Vec::new();
            for variant in &data.variants {
                if !matches!(variant.fields, Fields::Unit) {
                    let why = "a shape has only variants without fields; use a struct with options";
                    return Err(Error::new_spanned(variant, why));
                }
                let own = serde_value(&variant.attrs, "rename");
                let own = own.unwrap_or_else(|| {
                    renamed(&variant.ident.to_string(), rule.as_deref().unwrap_or(""))
                });
                names.push(format!("{own:?}"));
            }
            let text = names.join(" | ");
            quote!(::std::string::String::from(#text))
        }
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no shape")),
    };
    let (generics, arguments, bounds) = item.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::zareba_guest_sdk::Shape for #name #arguments #bounds {
            fn shape() -> ::std::string::String {
                #shape
            }
        }
    })
}

fn of_struct(fields: &Fields) -> Result<TokenStream> {
    let fields = match fields {
        Fields::Named(fields) => &fields.named,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
            let inner = fields.unnamed.first().map(|field| &field.ty);
            return Ok(quote!(<#inner as ::zareba_guest_sdk::Shape>::shape()));
        }
        Fields::Unit => return Ok(quote!(::std::string::String::from("null"))),
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(fields, "name the fields"));
        }
    };
    let parts = fields.iter().map(part);
    Ok(quote! {
        ::zareba_guest_sdk::shape::object(&[#(#parts),*])
    })
}

/// A field: its name, whether it may be left out, and its type's shape.
fn part(field: &Field) -> TokenStream {
    let ty = &field.ty;
    let ident = field.ident.as_ref().map(|ident| {
        use syn::ext::IdentExt as _;
        ident.unraw().to_string()
    });
    let name = serde_value(&field.attrs, "rename")
        .or(ident)
        .unwrap_or_default();
    let optional = is_option(ty) || serde_says(&field.attrs, "default");
    quote!((#name, #optional, <#ty as ::zareba_guest_sdk::Shape>::shape()))
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|it| it.ident == "Option"),
        _ => false,
    }
}

fn serde_metas(attributes: &[Attribute]) -> Vec<Meta> {
    let own = attributes.iter().filter(|it| it.path().is_ident("serde"));
    let parsed = own.filter_map(|attribute| {
        let list = Punctuated::<Meta, Token![,]>::parse_terminated;
        attribute.parse_args_with(list).ok()
    });
    parsed.flatten().collect()
}

fn serde_says(attributes: &[Attribute], word: &str) -> bool {
    serde_metas(attributes)
        .iter()
        .any(|meta| meta.path().is_ident(word))
}

fn serde_value(attributes: &[Attribute], word: &str) -> Option<String> {
    serde_metas(attributes)
        .into_iter()
        .find_map(|meta| match meta {
            Meta::NameValue(meta) if meta.path.is_ident(word) => match meta.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
}

/// A variant's name by the rules of serde that JSON in use here knows.
fn renamed(name: &str, rule: &str) -> String {
    let apart = |with: char| {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_uppercase() && !text.is_empty() {
                text.push(with);
            }
            text.extend(letter.to_lowercase());
        }
        text
    };
    match rule {
        "lowercase" => name.to_lowercase(),
        "snake_case" => apart('_'),
        "kebab-case" => apart('-'),
        _ => name.to_owned(),
    }
}
