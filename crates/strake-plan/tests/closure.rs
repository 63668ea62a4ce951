//! Closures in all the forms in which Nix writes them, and in forms in which it does not.

use proptest::prelude::*;
use serde_json::{Value, json};
use strake_plan::closure::{Closure, ClosureError};
use strake_testkit::mutated::mutated;

const A: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-a";
const B: &str = "/nix/store/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-b-1.0";
const BASE32: &str = "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
const HEX: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SRI: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// `a`, which needs itself and `b`: as `exportReferencesGraph` lists them.
fn list() -> Value {
    json!([
        { "path": B, "references": [], "narSize": 2, "narHash": BASE32, "closureSize": 2 },
        { "path": A, "references": [A, B], "narSize": 1, "narHash": BASE32, "closureSize": 3 },
    ])
}

/// The content of a closure, in a line for each path.
fn described(closure: &Closure) -> Vec<String> {
    let line = |(info, node): (&strake_plan::closure::PathInfo, u32)| {
        let references: Vec<_> =
            closure.graph().targets(node).iter().map(|&target| closure.path(target).path.name()).collect();
        let hash = info.nar_hash.map(|hash| hash.to_string()).unwrap_or_default();
        format!("{} {} {hash} {} {}", info.path, info.nar_size, references.join(","), info.refers_to_itself)
    };
    closure.paths().iter().zip(0..).map(line).collect()
}

#[test]
fn all_forms_say_the_same() {
    let expected = [format!("{A} 1 {BASE32} b-1.0 true"), format!("{B} 2 {BASE32}  false")];
    let check = |form: &str, text: &str, key: Option<&str>| {
        assert_eq!(described(&Closure::parse(text.as_bytes(), key).unwrap()), expected, "{form}");
    };
    check("exportReferencesGraph", &list().to_string(), None);
    check("under a key", &json!({ "closure": list() }).to_string(), None);
    let attributes = json!({ "outputs": ["out"], "graph": list(), "name": "x", "other": [] });
    check("structured attributes", &attributes.to_string(), None);
    check("one of several", &json!({ "one": [], "two": list(), "three": list() }).to_string(), Some("two"));
    check(
        "path-info until 2.18",
        &json!([
            { "path": A, "narHash": SRI, "narSize": 1, "references": [A, B], "valid": true, "deriver": "/nix/store/x.drv" },
            { "path": B, "narHash": SRI, "narSize": 2, "references": [], "valid": true, "signatures": [] },
        ])
        .to_string(),
        None,
    );
    check(
        "path-info from 2.19",
        &json!({
            A: { "narHash": SRI, "narSize": 1, "references": [A, B], "ca": null, "deriver": null },
            B: { "narHash": SRI, "narSize": 2, "references": [] },
        })
        .to_string(),
        None,
    );
    let base = |path: &str| path["/nix/store/".len()..].to_owned();
    let parts = json!({ "algorithm": "sha256", "format": "base64", "hash": &SRI["sha256-".len()..] });
    check(
        "path-info, version 2",
        &json!({
            "version": 2,
            "storeDir": "/nix/store",
            "info": {
                base(A): { "narHash": parts, "narSize": 1, "references": [base(A), base(B)], "version": 2 },
                base(B): { "narHash": SRI, "narSize": 2, "references": [], "version": 2 },
            },
        })
        .to_string(),
        None,
    );
    check("a registration", &registration(HEX), None);
    check("an old registration", &registration(&HEX["sha256:".len()..]), None);
}

fn registration(hash: &str) -> String {
    format!("{B}\n{hash}\n2\n/nix/store/x.drv\n0\n{A}\n{hash}\n1\n\n2\n{A}\n{B}\n")
}

#[test]
fn nothing_is_a_closure() {
    for text in ["", " \n", "[]", "{}"] {
        assert!(Closure::parse(text.as_bytes(), None).unwrap().is_empty(), "{text:?}");
    }
}

#[test]
fn another_store() {
    let text = list().to_string().replace("/nix/store", "/gnu/store");
    assert_eq!(Closure::parse(text.as_bytes(), None).unwrap().store_dir().as_str(), "/gnu/store");
}

#[test]
fn refused() {
    let check = |text: &str, key: Option<&str>, words: &str| {
        let error = Closure::parse(text.as_bytes(), key).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let said = format!("{error} {source}");
        assert!(said.contains(words), "{words:?} is not in {said:?} for {text}");
    };
    let row =
        |path: &str, references: &[&str]| json!({ "path": path, "references": references, "narSize": 1 });
    check("nonsense", None, "neither JSON nor a registration");
    check("[", None, "EOF");
    check("[1]", None, "is not a references graph");
    check("{\"a\": 1}", None, "has 0 references graphs");
    check(&json!({ "a": list(), "b": list() }).to_string(), None, "has 2 references graphs: a, b");
    check(&json!({ "a": list() }).to_string(), Some("b"), "no references graph \"b\"");
    check(&json!([row(A, &[]), row(A, &[])]).to_string(), None, &format!("lists {A} twice"));
    check(&json!([row(A, &[B])]).to_string(), None, &format!("{A} refers to {B}, which is not listed"));
    check(&json!([row(A, &[B]), row(B, &[A])]).to_string(), None, "has a cycle: /nix/store/");
    check(&json!([row("/nix/store/../x", &[])]).to_string(), None, "is not the name of a store path");
    check(&json!([row("x", &[])]).to_string(), None, "is not the name of a store path");
    check(&json!([row(A, &[]), row("/gnu/store/a-b", &[])]).to_string(), None, "not in the store /nix/store");
    check(&json!([{ "path": A, "references": [] }]).to_string(), None, "missing field `narSize`");
    check(&json!([{ "references": [], "narSize": 1 }]).to_string(), None, "missing field `path`");
    check(&json!([{ "path": A, "narSize": -1 }]).to_string(), None, "-1");
    check(
        &json!([{ "path": A, "narSize": 1, "narHash": "sha256:x" }]).to_string(),
        None,
        "which is no SHA-256",
    );
    check(&json!([{ "path": A, "valid": false }]).to_string(), None, &format!("{A} is not valid"));
    check(&json!({ A: null }).to_string(), None, &format!("{A} is not valid"));
    check(&registration(HEX).replace("\n2\n", "\nx\n"), None, "line 3 must be a NAR size");
    check(&format!("{A}\n{HEX}\n1\n\n99999999999\n{A}\n"), None, "line 7 must be a reference");
    check(&format!("{A}\n{HEX}\n1\n"), None, "line 4 must be a deriver or empty");
    assert!(matches!(Closure::parse(b"/\xff", None), Err(ClosureError::Form)));
}

#[test]
fn a_long_cycle_is_shown_in_part() {
    let path = |number: usize| format!("/nix/store/{number:032}-p");
    let rows: Vec<Value> = (0..5000)
        .map(
            |number| json!({ "path": path(number), "references": [path((number + 1) % 5000)], "narSize": 1 }),
        )
        .collect();
    let error = Closure::parse(Value::from(rows).to_string().as_bytes(), None).unwrap_err().to_string();
    assert!(error.len() < 500 && error.contains("…"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged(text in prop_oneof![mutated(list().to_string().into()), mutated(registration(HEX).into())]) {
        let _ = Closure::parse(&text, None);
    }
}
