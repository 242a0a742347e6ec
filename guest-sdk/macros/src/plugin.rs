//! The attribute `plugin`: an `impl` block's functions become operations, reactions and a
//! migration, and the block becomes an implementation of the SDK's trait. Knows no host.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, ItemImpl, LitInt,
    LitStr, Path, PathArguments, Result, ReturnType, Token, Type,
};

use crate::doc;

/// What stands behind `plugin`.
struct Head {
    state_version: u32,
    faults: Option<Path>,
    watches: Vec<TokenStream>,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut head = Self {
            state_version: 1,
            faults: None,
            watches: Vec::new(),
        };
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "state_version" => {
                    input.parse::<Token![=]>()?;
                    head.state_version = input.parse::<LitInt>()?.base10_parse()?;
                }
                "faults" => {
                    input.parse::<Token![=]>()?;
                    head.faults = Some(input.parse()?);
                }
                "watch" => head.watches.push(watch(input)?),
                _ => {
                    let why =
                        "expected state_version = N, faults = TYPE or watch(\"PATTERN\", KINDS)";
                    return Err(Error::new(word.span(), why));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(head)
    }
}

/// `("PATTERN", created, changed, deleted)`.
fn watch(input: ParseStream<'_>) -> Result<TokenStream> {
    let inner;
    syn::parenthesized!(inner in input);
    let pattern: LitStr = inner.parse()?;
    let mut kinds = Vec::new();
    while !inner.is_empty() {
        inner.parse::<Token![,]>()?;
        if inner.is_empty() {
            break;
        }
        let kind: Ident = inner.parse()?;
        kinds.push(match kind.to_string().as_str() {
            "created" => quote!(::zareba_guest_sdk::Watch::CREATED),
            "changed" => quote!(::zareba_guest_sdk::Watch::CHANGED),
            "deleted" => quote!(::zareba_guest_sdk::Watch::DELETED),
            _ => {
                let why =
                    "expected created, changed or deleted; cancelled calls and timers come unasked";
                return Err(Error::new(kind.span(), why));
            }
        });
    }
    if kinds.is_empty() {
        return Err(Error::new(
            pattern.span(),
            "of which changes? created, changed, deleted",
        ));
    }
    Ok(quote!(::zareba_guest_sdk::Watch::on(#pattern, #(#kinds)|*)))
}

/// One operation, as its function says.
struct Operation {
    function: Ident,
    name: String,
    kind: Kind,
    doc: String,
    who: bool,
    input: Option<Type>,
    output: Type,
    span: Span,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Query,
    Command,
    Parking,
}

/// The functions that are no operation.
#[derive(Default)]
struct Reactions {
    event: Option<Ident>,
    migrate: Option<Ident>,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let head: Head = syn::parse2(attribute)?;
    let mut block: ItemImpl = syn::parse2(item)?;
    if let Some((_, path, _)) = &block.trait_ {
        return Err(Error::new_spanned(path, "an impl block of the type alone"));
    }
    let mut operations = Vec::new();
    let mut reactions = Reactions::default();
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item {
            role(function, &mut operations, &mut reactions)?;
        }
    }
    let description = description(&head, &block, &operations);
    let query = dispatch(&operations, true);
    let command = dispatch(&operations, false);
    let event = reactions.event.map(|function| {
        quote! {
            fn on_event(
                host: &mut dyn ::zareba_guest_sdk::Host,
                events: &[::zareba_guest_sdk::Event],
            ) -> ::core::result::Result<(), ::zareba_guest_sdk::Fault> {
                Self::#function(host, events).map_err(::core::convert::Into::into)
            }
        }
    });
    let migrate = reactions.migrate.map(|function| {
        quote! {
            fn migrate(
                host: &mut dyn ::zareba_guest_sdk::Host,
                stored: u32,
            ) -> ::core::result::Result<(), ::zareba_guest_sdk::Fault> {
                Self::#function(host, stored).map_err(::core::convert::Into::into)
            }
        }
    });
    let own = &block.self_ty;
    Ok(quote! {
        #block

        impl ::zareba_guest_sdk::Plugin for #own {
            fn describe() -> ::zareba_guest_sdk::Description {
                #description
            }
            #query
            #command
            #event
            #migrate
        }
    })
}

/// Takes the function's role from it, if it has one.
fn role(
    function: &mut ImplItemFn,
    operations: &mut Vec<Operation>,
    reactions: &mut Reactions,
) -> Result<()> {
    const ROLES: [&str; 4] = ["query", "command", "event", "migrate"];
    let is_role = |attribute: &Attribute| ROLES.iter().any(|role| attribute.path().is_ident(role));
    let Some(at) = function.attrs.iter().position(is_role) else {
        return Ok(());
    };
    let attribute = function.attrs.remove(at);
    let ident = function.sig.ident.clone();
    if attribute.path().is_ident("event") {
        reactions.event = Some(ident);
    } else if attribute.path().is_ident("migrate") {
        reactions.migrate = Some(ident);
    } else {
        operations.push(operation(function, &attribute)?);
    }
    Ok(())
}

fn operation(function: &ImplItemFn, attribute: &Attribute) -> Result<Operation> {
    let mut name = function.sig.ident.unraw().to_string();
    let mut kind = match attribute.path().is_ident("query") {
        true => Kind::Query,
        false => Kind::Command,
    };
    if !matches!(attribute.meta, syn::Meta::Path(_)) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
                Ok(())
            } else if meta.path.is_ident("parks") && kind == Kind::Command {
                kind = Kind::Parking;
                Ok(())
            } else {
                Err(meta.error("expected name = \"...\", or, of a command, parks"))
            }
        })?;
    }
    let doc = doc::text(&function.attrs);
    if doc.is_empty() {
        let why = "an operation says what it does: write a doc comment";
        return Err(Error::new_spanned(&function.sig.ident, why));
    }
    let (who, input) = arguments(function)?;
    Ok(Operation {
        function: function.sig.ident.clone(),
        name,
        kind,
        doc,
        who,
        input,
        output: output(function)?,
        span: function.sig.ident.span(),
    })
}

/// Behind the host: the caller, which is a reference, and the input, which is none.
fn arguments(function: &ImplItemFn) -> Result<(bool, Option<Type>)> {
    let mut arguments = function.sig.inputs.iter();
    let why = "an operation takes `host: &mut dyn Host`, then, if it needs them, `who: &Caller` and its input";
    let host = arguments.next();
    if !matches!(host, Some(FnArg::Typed(host)) if matches!(*host.ty, Type::Reference(_))) {
        return Err(Error::new_spanned(&function.sig, why));
    }
    let (mut who, mut input) = (false, None);
    for argument in arguments {
        match argument {
            FnArg::Typed(argument) => match &*argument.ty {
                Type::Reference(_) if !who && input.is_none() => who = true,
                ty if input.is_none() && !matches!(ty, Type::Reference(_)) => {
                    input = Some(ty.clone());
                }
                _ => return Err(Error::new_spanned(argument, why)),
            },
            FnArg::Receiver(_) => return Err(Error::new_spanned(argument, why)),
        }
    }
    Ok((who, input))
}

/// What is in the function's `Result`.
fn output(function: &ImplItemFn) -> Result<Type> {
    let why = "an operation returns a Result";
    let ReturnType::Type(_, ty) = &function.sig.output else {
        return Err(Error::new_spanned(&function.sig, why));
    };
    let Type::Path(path) = &**ty else {
        return Err(Error::new_spanned(ty, why));
    };
    let arguments = path.path.segments.last().map(|last| &last.arguments);
    if let Some(PathArguments::AngleBracketed(arguments)) = arguments
        && let Some(GenericArgument::Type(output)) = arguments.args.first()
    {
        return Ok(output.clone());
    }
    Err(Error::new_spanned(ty, why))
}

fn description(head: &Head, block: &ItemImpl, operations: &[Operation]) -> TokenStream {
    let state_version = head.state_version;
    let watches = &head.watches;
    let doc = doc::text(&block.attrs);
    let doc = match &head.faults {
        None => quote!(::std::string::String::from(#doc)),
        Some(faults) => quote!(::zareba_guest_sdk::plugin::doc(#doc, #faults::LIST)),
    };
    let ops = operations.iter().map(|operation| {
        let Operation {
            name,
            doc,
            output,
            span,
            ..
        } = operation;
        let maker = match operation.kind {
            Kind::Query => quote!(query),
            Kind::Command => quote!(command),
            Kind::Parking => quote!(parking),
        };
        let input = match &operation.input {
            Some(ty) => quote!(&<#ty as ::zareba_guest_sdk::Shape>::shape()),
            None => quote!("{}"),
        };
        quote_spanned! { *span =>
            ::zareba_guest_sdk::Op::#maker(
                #name, #input, &<#output as ::zareba_guest_sdk::Shape>::shape(), #doc,
            )
        }
    });
    quote! {
        ::zareba_guest_sdk::Description {
            state_version: #state_version,
            doc: #doc,
            ops: ::std::vec![#(#ops),*],
            watches: ::std::vec![#(#watches),*],
        }
    }
}

/// The trait's function for queries, or the one for commands.
fn dispatch(operations: &[Operation], queries: bool) -> Option<TokenStream> {
    let chosen = operations
        .iter()
        .filter(|it| (it.kind == Kind::Query) == queries);
    let arms: Vec<_> = chosen.map(arm).collect();
    if arms.is_empty() {
        return None;
    }
    let (name, answer) = match queries {
        true => (quote!(query), quote!(::std::vec::Vec<u8>)),
        false => (quote!(command), quote!(::zareba_guest_sdk::Outcome)),
    };
    Some(quote! {
        fn #name(
            host: &mut dyn ::zareba_guest_sdk::Host,
            who: &::zareba_guest_sdk::Caller,
            op: &str,
            input: &[u8],
        ) -> ::core::result::Result<#answer, ::zareba_guest_sdk::Fault> {
            let _ = who;
            match op {
                #(#arms)*
                _ => ::core::result::Result::Err(::zareba_guest_sdk::unknown_op(op)),
            }
        }
    })
}

fn arm(operation: &Operation) -> TokenStream {
    let Operation {
        function,
        name,
        kind,
        span,
        ..
    } = operation;
    let who = operation.who.then(|| quote!(who,));
    let (read, input) = match &operation.input {
        Some(ty) => (
            quote!(let input: #ty = ::zareba_guest_sdk::json::input(input)?;),
            Some(quote!(input)),
        ),
        None => (
            quote!(::zareba_guest_sdk::json::input::<::zareba_guest_sdk::Empty>(input)?;),
            None,
        ),
    };
    let answer = match kind {
        Kind::Query => quote!(::zareba_guest_sdk::json::write(&answer)),
        Kind::Command => quote!(::zareba_guest_sdk::json::done(&answer)),
        Kind::Parking => quote!(answer.into_outcome()),
    };
    quote_spanned! { *span =>
        #name => {
            #read
            let answer = Self::#function(host, #who #input)?;
            #answer
        }
    }
}
