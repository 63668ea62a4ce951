//! Draws the layers of a plan as an SVG image.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use strake_plan::{Closure, StorePath};

/// All lengths are in pixels.
const WIDTH: u64 = 880;
/// Where the bars begin, behind the layers' numbers.
const LEFT: u64 = 40;
/// The longest bar. Beside it is room for the sizes and names.
const BAR: u64 = 400;
const ROW: u64 = 20;
const BAR_HEIGHT: u64 = 14;
const TOP: u64 = 30;
/// The most store paths of a layer that are drawn by themselves; the smaller ones are drawn as one.
const DRAWN: usize = 24;
/// The most characters of names in a row: what fits beside the longest bar.
const NAMES: usize = 44;

const STYLE: &str = "\
text{font:12px ui-monospace,monospace;fill:#24292f}.n{text-anchor:end;fill:#6e7781}\
.b{fill:#0969da;stroke:#fff;stroke-width:.5}.s{fill:#8c959f;stroke:#fff;stroke-width:.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#8b949e}\
.b{fill:#58a6ff;stroke:#0d1117}.s{fill:#6e7681;stroke:#0d1117}}";

/// A bar for each layer, as long as the layer is large, with a segment for each store path. Layers of several store paths are
/// drawn in another colour than store paths that have a layer of their own.
pub(crate) fn svg(closure: &Closure, layers: &[Vec<StorePath>]) -> String {
    let size = |path: &StorePath| closure.node(path.as_str()).map_or(0, |node| closure.path(node).nar_size);
    let layers: Vec<Vec<(&str, u64)>> = layers
        .iter()
        .map(|layer| {
            let mut paths: Vec<_> = layer.iter().map(|path| (path.name(), size(path))).collect();
            paths.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
            paths
        })
        .collect();
    let largest = layers.iter().map(|layer| sum(layer)).max().unwrap_or(0);
    let length = |bytes: u64| tenths(bytes, largest);
    let height = TOP + ROW * layers.len() as u64 + 10;
    let title = format!(
        "{} layers, {} store paths, {}",
        layers.len(),
        layers.iter().map(Vec::len).sum::<usize>(),
        HumanBytes(layers.iter().map(|layer| sum(layer)).fold(0, u64::saturating_add))
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <text x=\"{LEFT}\" y=\"18\">{title}</text>\n"
    );
    for ((layer, number), row) in layers.iter().zip(1..).zip(0..) {
        let top = TOP + ROW * row;
        let base = top + 11;
        let class = if layer.len() == 1 { "b" } else { "s" };
        let _ = writeln!(svg, "<text class=\"n\" x=\"{}\" y=\"{base}\">{number}</text>", LEFT - 8);
        let mut left = LEFT * 10;
        let (drawn, rest) = layer.split_at(layer.len().min(DRAWN));
        let rest = (!rest.is_empty()).then(|| sum(rest));
        for bytes in drawn.iter().map(|(_, bytes)| *bytes).chain(rest) {
            let width = length(bytes);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{BAR_HEIGHT}\"/>",
                pixels(left),
                pixels(width)
            );
            left += width;
        }
        let text = format!("{}  {}", HumanBytes(sum(layer)), names(layer));
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{base}\">{}</text>", left / 10 + 8, escaped(&text));
    }
    svg.push_str("</svg>\n");
    svg
}

fn sum(paths: &[(&str, u64)]) -> u64 {
    paths.iter().map(|(_, size)| *size).fold(0, u64::saturating_add)
}

/// The length of a bar in tenths of a pixel.
fn tenths(bytes: u64, largest: u64) -> u64 {
    let length = u128::from(bytes) * u128::from(BAR * 10) / u128::from(largest.max(1));
    u64::try_from(length).unwrap_or(BAR * 10)
}

fn pixels(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The names of the largest store paths, as far as there is room, and how many there are besides.
fn names(layer: &[(&str, u64)]) -> String {
    let mut text = String::new();
    for ((name, _), shown) in layer.iter().zip(0..) {
        if shown > 0 && text.chars().count() + name.chars().count() > NAMES {
            let _ = write!(text, " and {} more", layer.len() - shown);
            return text;
        }
        if shown > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (bytes, largest, expected) in
            [(0, 0, "0.0"), (1, 3, "133.3"), (u64::MAX, u64::MAX, "400.0"), (u64::MAX / 2, u64::MAX, "199.9")]
        {
            assert_eq!(pixels(tenths(bytes, largest)), expected, "{bytes} of {largest}");
        }
    }

    #[test]
    fn rows() {
        assert_eq!(names(&[("glibc-2.40", 3)]), "glibc-2.40");
        assert_eq!(names(&[("a-1", 3), ("b-1", 2)]), "a-1, b-1");
        let long = "a-very-long-name-of-a-package-1.0";
        assert_eq!(names(&[(long, 3), (long, 2), ("b", 1)]), format!("{long} and 2 more"));
        assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
