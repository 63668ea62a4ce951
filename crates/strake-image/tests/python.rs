//! Functions that match Python's, compared with Python.

use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use strake_image::python::datetime::DateTime;
use strake_image::python::json::to_vec_pretty;
use strake_image::python::repr::repr_list;

/// Runs a Python function `f` over the inputs, each a JSON value, and returns its results.
fn python(function: &str, inputs: &[Value]) -> Vec<Value> {
    let program = format!(
        "import json, sys\nfrom datetime import datetime\n{function}\n\
         print(json.dumps([f(value) for value in json.load(open(sys.argv[1]))]))"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&file, inputs).unwrap();
    let output = Command::new("python3")
        .args(["-c", &program])
        .arg(file.path())
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("python3 is there; tests/run installs everything that the tests need");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Some values of a strategy, always the same.
fn samples<T>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Sees that strake and Python agree on each input.
fn check(function: &str, inputs: &[Value], ours: impl Fn(&Value) -> Value) {
    for (input, expected) in inputs.iter().zip(python(function, inputs)) {
        assert_eq!(ours(input), expected, "{input}");
    }
}

#[test]
fn times() {
    let date = prop_oneof![
        "(19|20|00|99)[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "(19|20)[0-9]{2}[01][0-9][0-3][0-9]",
        "(19|20)[0-9]{2}-?W[0-5][0-9](-?[0-9])?",
    ];
    let clock = prop_oneof![
        Just(String::new()),
        "[T t_é-][0-2][0-9]",
        "[T ][0-2][0-9](:?[0-6][0-9]){0,2}",
        "[T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9][.,][0-9]{0,9}",
    ];
    let offset = prop_oneof![
        Just(String::new()),
        Just("Z".to_owned()),
        "[+-][0-2][0-9](:?[0-6][0-9]){0,2}([.][0-9]{1,7})?",
    ];
    let text = (date, clock, offset).prop_map(|(date, clock, offset)| date + &clock + &offset);
    // A character replaced, removed or doubled, or nothing.
    let text =
        (text, any::<prop::sample::Index>(), 0..6, "[0-9:TWZ+.-]").prop_map(|(text, index, how, new)| {
            let mut parts: Vec<String> = text.chars().map(String::from).collect();
            let index = index.index(parts.len());
            match how {
                0 => parts[index] = new,
                1 => drop(parts.remove(index)),
                2 => parts.insert(index, new),
                _ => {}
            }
            json!(parts.concat())
        });
    let function = "
def f(text):
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return [time.isoformat(), int(time.timestamp())]
";
    // Before its year 1 Python cannot count, and says so; of these times the seconds are not compared.
    let function = function.replace("int(time.timestamp())", "stamp(time)")
        + "
def stamp(time):
    try:
        return int(time.timestamp())
    except (ValueError, OverflowError):
        return 'none'
";
    let inputs = samples(&text, 20_000);
    for (input, expected) in inputs.iter().zip(python(&function, &inputs)) {
        let ours = DateTime::parse(input.as_str().unwrap()).ok();
        match (ours, expected) {
            (None, Value::Null) => {}
            (Some(time), Value::Array(expected)) => {
                assert_eq!(time.isoformat(), expected[0], "{input}");
                assert!(
                    expected[1] == "none" || json!(time.timestamp()) == expected[1],
                    "{input}: {expected:?}"
                );
            }
            (ours, expected) => panic!("{input}: {ours:?}, in Python {expected}"),
        }
    }
}

#[test]
fn json_texts() {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        "-?[1-9][0-9]{0,40}".prop_map(|digits| serde_json::from_str(&digits).unwrap()),
        "-?[0-9][.][0-9]{1,20}[eE][+-]?[0-9]{1,2}".prop_map(|digits| serde_json::from_str(&digits).unwrap()),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    let function = "def f(value): return json.dumps(value, indent=4)";
    check(function, &samples(&value, 3000), |value| {
        json!(String::from_utf8(to_vec_pretty(value).unwrap()).unwrap())
    });
}

#[test]
fn reprs() {
    // As numbers, since JSON has no bytes. A code point that Python 3.11 does not know yet may be printable to us.
    let known = any::<char>()
        .prop_filter("in Unicode 14", |&c| c < '\u{1c00}' || ('\u{1f300}'..'\u{1f900}').contains(&c));
    let text = prop::collection::vec(known, 0..12)
        .prop_map(|chars| chars.into_iter().collect::<String>().into_bytes());
    let bytes = prop::collection::vec(any::<u8>(), 0..12);
    let ascii = "[ -~\t\n\r'\"\\\\]{0,12}".prop_map(String::into_bytes);
    let any_item = prop_oneof![text, bytes, ascii];
    let list = prop::collection::vec(any_item, 0..4).prop_map(|items| json!(items));
    let function = "
import os
def f(items):
    # Through JSON the result can only go without lone surrogates, which repr escapes.
    return repr([os.fsdecode(bytes(item)) for item in items])
";
    check(function, &samples(&list, 5000), |value| {
        let items: Vec<Vec<u8>> = serde_json::from_value(value.clone()).unwrap();
        json!(repr_list(&items))
    });
}
