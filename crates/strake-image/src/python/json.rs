//! `json.dumps(value, indent=4)`.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::float;

/// Why a value has no JSON text.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// A number is too large for a double: Python reads it as infinity and writes `Infinity`, which no
    /// JSON reader need accept.
    #[error("the number {0} is too large: Python would write it as Infinity, which is not JSON")]
    Infinite(String),

    /// The value cannot be serialised, for a reason of its own.
    #[error("cannot write JSON")]
    Serialize(#[source] serde_json::Error),
}

/// The bytes of `json.dumps(value, indent=4).encode()`, as if `value` had come from `json.load`.
///
/// A number is known only by its literal: one with a fraction or an exponent is a float to Python and
/// is written as `repr` writes it, any other is an integer and keeps its digits.
///
/// A Rust float that is not finite is written `null`: serde has decided so before this is asked.
pub fn to_vec_pretty(value: &impl Serialize) -> Result<Vec<u8>, JsonError> {
    let mut bytes = Vec::new();
    let formatter = PythonFormatter(PrettyFormatter::with_indent(b"    "));
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).map_err(typed)?;
    Ok(bytes)
}

/// Indents as serde's own formatter does, which is as Python does, and spells the leaves differently.
struct PythonFormatter(PrettyFormatter<'static>);

impl Formatter for PythonFormatter {
    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(writer, f64::from(value))
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float::repr(value).as_bytes())
    }

    fn write_number_str<W: ?Sized + Write>(&mut self, writer: &mut W, literal: &str) -> io::Result<()> {
        writer.write_all(number(literal)?.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for run in text.split_inclusive(is_escaped) {
            let mut chars = run.chars();
            match chars.next_back().filter(|&last| is_escaped(last)) {
                Some(last) => {
                    writer.write_all(chars.as_str().as_bytes())?;
                    write_escape(writer, last)?;
                }
                None => writer.write_all(run.as_bytes())?,
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }
}

/// Serde itself escapes what is below the space, the quote and the backslash, and as Python does.
fn is_escaped(c: char) -> bool {
    c >= '\x7f'
}

fn write_escape<W: ?Sized + Write>(writer: &mut W, c: char) -> io::Result<()> {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))
}

fn number(literal: &str) -> Result<Cow<'_, str>, Infinite> {
    if literal.contains(['.', 'e', 'E']) {
        let value = literal.parse().ok().filter(|value: &f64| value.is_finite());
        Ok(float::repr(value.ok_or_else(|| Infinite(literal.into()))?).into())
    } else if literal == "-0" {
        Ok("0".into())
    } else {
        Ok(literal.into())
    }
}

/// A literal that no finite double stands for, on its way through serde.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a finite number")]
struct Infinite(String);

impl From<Infinite> for io::Error {
    fn from(infinite: Infinite) -> Self {
        Self::other(infinite)
    }
}

fn typed(error: serde_json::Error) -> JsonError {
    if !error.is_io() {
        return JsonError::Serialize(error);
    }
    match io::Error::from(error).downcast::<Infinite>() {
        Ok(Infinite(literal)) => JsonError::Infinite(literal),
        Err(other) => JsonError::Serialize(serde_json::Error::io(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::{JsonError, to_vec_pretty};

    fn check(cases: &[(&str, &str)]) {
        for (input, expected) in cases {
            let value: Value = serde_json::from_str(input).unwrap();
            assert_eq!(String::from_utf8(to_vec_pretty(&value).unwrap()).unwrap(), *expected, "{input}");
        }
    }

    #[test]
    fn containers() {
        check(&[
            ("[]", "[]"),
            ("{}", "{}"),
            ("[[],{}]", "[\n    [],\n    {}\n]"),
            (
                r#"{"b":[1,null],"a":{"x":true}}"#,
                "{\n    \"b\": [\n        1,\n        null\n    ],\n    \"a\": {\n        \"x\": true\n    }\n}",
            ),
        ]);
    }

    #[test]
    fn strings() {
        check(&[
            (r#""""#, r#""""#),
            (r#""a/b 'c'""#, r#""a/b 'c'""#),
            (r#""\"\\\b\f\n\r\t\u0000\u001F""#, r#""\"\\\b\f\n\r\t\u0000\u001f""#),
            ("\"~\x7f\u{80}é\"", r#""~\u007f\u0080\u00e9""#),
            ("\"a\u{ffff}b\u{10000}c\u{10ffff}\"", r#""a\uffffb\ud800\udc00c\udbff\udfff""#),
            ("{\"é\": \"\u{1f600}\"}", "{\n    \"\\u00e9\": \"\\ud83d\\ude00\"\n}"),
        ]);
    }

    #[test]
    fn numbers() {
        check(&[
            ("0", "0"),
            ("-0", "0"),
            ("-12", "-12"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("-0.0", "-0.0"),
            ("-0e7", "-0.0"),
            ("0e400", "0.0"),
            ("1e2", "100.0"),
            ("1E2", "100.0"),
            ("1e22", "1e+22"),
            ("1e16", "1e+16"),
            ("0.00001", "1e-05"),
            ("1e-400", "0.0"),
            ("123456789012345680.0", "1.2345678901234568e+17"),
            ("1.7976931348623158e308", "1.7976931348623157e+308"),
        ]);
    }

    #[test]
    fn rust_values() {
        let value = BTreeMap::from([("single", 0.1_f32), ("whole", 2.0)]);
        let expected = "{\n    \"single\": 0.10000000149011612,\n    \"whole\": 2.0\n}";
        assert_eq!(to_vec_pretty(&value).unwrap(), expected.as_bytes());
    }

    #[test]
    fn too_large() {
        for literal in ["1e400", "-1e400", "1.7976931348623159e308"] {
            let value: Value = serde_json::from_str(literal).unwrap();
            let spelt = value.to_string();
            assert!(matches!(to_vec_pretty(&[value]), Err(JsonError::Infinite(text)) if text == spelt));
        }
    }
}
