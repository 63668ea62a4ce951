//! `repr(float)`.

/// The shortest digits that read back as `value`, which must be finite.
///
/// Rust finds the same digits as `CPython`; the two differ only in when and how an exponent is written.
pub(super) fn repr(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("a finite number has an exponent");
    match exponent.parse().expect("an exponent is a small integer") {
        -4..16 => fixed(value),
        exponent => format!("{digits}e{exponent:+03}"),
    }
}

fn fixed(value: f64) -> String {
    let digits = value.to_string();
    if digits.contains('.') { digits } else { digits + ".0" }
}

#[cfg(test)]
mod tests {
    #[test]
    fn check() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (0.0001, "0.0001"),
            (0.000_099_99, "9.999e-05"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(super::repr(value), expected);
        }
    }
}
