//! Every function of the ABI stops panics, and has the documentation that the header promises.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, FnArg, Item, ItemFn, Lit, Meta, Pat, ReturnType, Stmt};

/// The functions that C sees.
fn exported() -> Vec<ItemFn> {
    let mut found = Vec::new();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api")).unwrap() {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        for item in syn::parse_file(&source).unwrap().items {
            if let Item::Fn(function) = item
                && function.sig.abi.is_some()
            {
                found.push(function);
            }
        }
    }
    found
}

fn name(function: &ItemFn) -> String {
    function.sig.ident.to_string()
}

fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a body is a single call of the guard, with at most a plain value to return on failure.
fn is_guarded(function: &ItemFn) -> bool {
    let [Stmt::Expr(Expr::Call(call), _)] = function.block.stmts.as_slice() else { return false };
    let Expr::Path(called) = &*call.func else { return false };
    let guard = called.path.is_ident("guard") || called.path.is_ident("guard_or");
    guard && matches!(call.args.last(), Some(Expr::Closure(_)))
}

#[test]
fn every_function_is_guarded() {
    let all = exported();
    assert!(all.len() > 40);
    for function in &all {
        assert!(is_guarded(function), "{} does more than call the guard", name(function));
        let no_mangle = function.attrs.iter().any(|attribute| attribute.path().is_ident("unsafe"));
        assert!(no_mangle && name(function).starts_with("ftx_"), "{}", name(function));
    }
}

#[test]
fn an_unguarded_function_is_found() {
    for body in ["{ 0 }", "{ let x = f(); guard(|| Ok(())) }", "{ f(|| Ok(())) }", "{ guard(f) }"] {
        let source = format!("pub extern \"C\" fn ftx_bad() -> i32 {body}");
        assert!(!is_guarded(&syn::parse_str(&source).unwrap()), "{body}");
    }
}

#[test]
fn every_function_is_documented() {
    for function in exported() {
        let (name, text) = (name(&function), documentation(&function.attrs));
        for parameter in &function.sig.inputs {
            let FnArg::Typed(parameter) = parameter else { panic!("{name}") };
            let Pat::Ident(parameter) = &*parameter.pat else { panic!("{name}") };
            let said = format!("@param {} ", parameter.ident);
            assert!(text.contains(&said), "{name} does not document {}", parameter.ident);
        }
        let gives = matches!(function.sig.output, ReturnType::Type(..));
        assert_eq!(text.contains("@return "), gives, "{name}: what it returns");
        assert!(text.contains("Threads: "), "{name} does not say from which threads");
        assert!(text.contains("```c\n"), "{name} has no example");
        assert!(text.contains(&format!("{name}(")), "the example of {name} does not call it");
    }
}

#[test]
fn the_header_has_these_functions() {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/ftx.h");
    let header = fs::read_to_string(header).unwrap();
    let declared: BTreeSet<String> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '/', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next().map(str::to_owned))
        .filter(|word| word.starts_with("ftx_"))
        .collect();
    assert_eq!(declared, exported().iter().map(name).collect());
}
