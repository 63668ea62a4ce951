//! Colours, on terminals that support them unless they are disabled; and the width of the terminal.

use std::env;
use std::io::{IsTerminal, stderr, stdout};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthStr;

/// The width of a terminal that does not tell its own, in columns.
const USUAL_WIDTH: usize = 80;

/// The least room for the last column of a table, in columns: what is narrower wraps.
const LEAST_ROOM: usize = 16;

/// How a part of a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Headings.
    Bold,
    /// Wrong.
    Red,
    /// Right, or done.
    Green,
    /// Perhaps wrong.
    Yellow,
    /// The action.
    Cyan,
}

impl Paint {
    /// Text with the terminal's codes around it if there are `colours`. The text must be harmless.
    fn on(self, text: &str, colours: bool) -> String {
        if !colours {
            return text.to_owned();
        }
        let code = match self {
            Self::Bold => "1",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Harmless text for stderr.
    pub(crate) fn for_stderr(self, text: &str) -> String {
        static COLOURS: OnceLock<bool> = OnceLock::new();
        self.on(text, *COLOURS.get_or_init(|| has_colours(&stderr())))
    }

    /// Harmless text for stdout.
    pub(crate) fn for_stdout(self, text: &str) -> String {
        static COLOURS: OnceLock<bool> = OnceLock::new();
        self.on(text, *COLOURS.get_or_init(|| has_colours(&stdout())))
    }
}

/// Whether lines can be written over: a terminal whose cursor can be moved.
pub(crate) fn can_redraw(stream: &impl IsTerminal) -> bool {
    let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    stream.is_terminal() && !is_dumb
}

/// <https://no-color.org>: `NO_COLOR`, if it is not empty, means no colours.
fn has_colours(stream: &impl IsTerminal) -> bool {
    can_redraw(stream) && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How many columns a terminal has; `None` if it is not one.
pub(crate) fn width(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let said = || env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    let asked =
        || tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    stream.is_terminal().then(|| said().or_else(asked).unwrap_or(USUAL_WIDTH))
}

/// A row of a table, whose last cell is shortened if the row is wider than that.
pub(crate) fn row(front: &str, last: &str, width: Option<usize>) -> String {
    let room = |width: usize| width.saturating_sub(front.width()).max(LEAST_ROOM);
    match width {
        None => format!("{front}{last}"),
        Some(width) => format!("{front}{}", shortened(last, room(width))),
    }
}

/// Text of at most this many columns: what is too long loses its middle, so that a store path keeps its name.
pub(crate) fn shortened(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let for_head = room.saturating_sub(1) / 3;
    let head: String = within(text.chars(), for_head).collect();
    let for_tail = room.saturating_sub(1 + head.width());
    let mut tail: Vec<char> = within(text.chars().rev(), for_tail).collect();
    tail.reverse();
    format!("{head}…{}", tail.into_iter().collect::<String>())
}

/// The first characters that fit.
fn within(characters: impl Iterator<Item = char>, room: usize) -> impl Iterator<Item = char> {
    let mut taken = 0;
    characters.take_while(move |character| {
        taken += character.encode_utf8(&mut [0; 4]).width();
        taken <= room
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_middle() {
        let path = "/nix/store/4xw8n979xpivdc46a9ndcvyhwgif00hz-hello-1.0";
        for (text, room, expected) in [
            ("hello-1.0", 9, "hello-1.0"),
            ("hello-1.0", 8, "he…o-1.0"),
            (path, 40, "/nix/store/4x…a9ndcvyhwgif00hz-hello-1.0"),
            (path, 25, "/nix/sto…if00hz-hello-1.0"),
            ("層層層層層層", 7, "層…層層"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(shortened(text, room), expected);
            assert!(expected.width() <= room.max(1));
        }
        assert_eq!(row("  1  ", path, None), format!("  1  {path}"));
        assert_eq!(row("  1  ", path, Some(30)).width(), 30);
        assert_eq!(row("  1  ", path, Some(3)).width(), 5 + LEAST_ROOM);
    }

    #[test]
    fn colours() {
        assert_eq!(Paint::Red.on("x", false), "x");
        assert_eq!(Paint::Red.on("x", true), "\u{1b}[1;31mx\u{1b}[0m");
    }
}
