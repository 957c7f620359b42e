// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All consoles in one terminal: `adas │ text`, a line at a time.
//!
//! A guest cannot reach the terminal: its control characters are shown as symbols ([`tame`]), and every line
//! carries the tag of the partition that it came from.
//!
//! Implements: BH-VIEW-001.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

/// A part of a line is shown when nothing follows for this long (host time).
const PAUSE: Duration = Duration::from_millis(200);
/// Colours of consoles, in order.
const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// Nothing: tests.
    #[default]
    Nothing,
    /// Every console, tagged.
    Tagged,
    /// One console alone, byte for byte.
    Raw(String),
}

/// Makes text harmless for a terminal: tabs stay, other control characters become their symbols, and
/// characters that change the direction of writing become replacement characters. Implements: BH-VIEW-004.
pub fn tame(text: &str) -> String {
    let tamed = |c: char| match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ => c,
    };
    text.chars().map(tamed).collect()
}

/// One console's text that has not been shown.
#[derive(Debug)]
struct Source {
    tag: String,
    style: Style,
    pending: Vec<u8>,
    since: Instant,
}

/// Writes consoles to one output.
#[derive(Debug)]
pub struct View<W> {
    show: Show,
    names: Vec<String>,
    sources: Vec<Source>,
    /// Console whose part of a line stands at the end of the output.
    open: Option<usize>,
    out: W,
}

impl View<io::Stdout> {
    /// On standard output, coloured when that is a terminal and `NO_COLOR` is not set.
    pub fn stdout(show: Show, names: &[&str]) -> Self {
        let out = io::stdout();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self::new(show, names, colour.then_some(&COLOURS), out)
    }
}

impl<W: Write> View<W> {
    /// On any output; `colours` is `None` for none.
    pub fn new(show: Show, names: &[&str], colours: Option<&[AnsiColor]>, out: W) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let mut sources: Vec<Source> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            // Two consoles of one name (EL2's) look alike.
            let like = names.iter().position(|other| other == name).unwrap_or(index);
            let colour = colours.and_then(|all| all.get(like % all.len().max(1)));
            let colour = colour.map(|&colour| anstyle::Color::Ansi(colour));
            sources.push(Source {
                tag: format!("{name:>width$} │ "),
                style: Style::new().fg_color(colour),
                pending: Vec::new(),
                since: Instant::now(),
            });
        }
        Self {
            show,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            sources,
            open: None,
            out,
        }
    }

    /// Shows text of console `index`.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn text(&mut self, index: usize, text: &[u8]) -> io::Result<()> {
        match &self.show {
            Show::Nothing => Ok(()),
            Show::Raw(name) if self.names.get(index) == Some(name) => {
                self.out.write_all(text)?;
                self.out.flush()
            }
            Show::Raw(_) => Ok(()),
            Show::Tagged => self.tagged(index, text),
        }
    }

    fn tagged(&mut self, index: usize, text: &[u8]) -> io::Result<()> {
        let Some(source) = self.sources.get_mut(index) else {
            return Ok(());
        };
        source.pending.extend_from_slice(text);
        source.since = Instant::now();
        while let Some(newline) = self.pending(index).iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.sources[index].pending.drain(..=newline).collect();
            let line = String::from_utf8_lossy(&line);
            self.piece(index, line.trim_end_matches(['\r', '\n']))?;
            writeln!(self.out)?;
            self.open = None;
        }
        self.out.flush()
    }

    fn pending(&self, index: usize) -> &[u8] {
        self.sources.get(index).map_or(&[], |source| &source.pending)
    }

    /// Writes a piece of a line, with its tag unless it continues the line that stands open.
    fn piece(&mut self, index: usize, piece: &str) -> io::Result<()> {
        let Some(source) = self.sources.get(index) else {
            return Ok(());
        };
        if self.open != Some(index) {
            if self.open.is_some() {
                writeln!(self.out)?;
            }
            let style = source.style;
            write!(self.out, "{style}{}{style:#}", source.tag)?;
        }
        write!(self.out, "{}", tame(piece))?;
        self.open = Some(index);
        Ok(())
    }

    /// Shows parts of lines after a pause, so that a prompt is seen.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn idle(&mut self) -> io::Result<()> {
        for index in 0..self.sources.len() {
            if !self.pending(index).is_empty() && self.sources[index].since.elapsed() >= PAUSE {
                self.part(index)?;
            }
        }
        self.out.flush()
    }

    /// Shows what stands of a line but for the begin of a character.
    fn part(&mut self, index: usize) -> io::Result<()> {
        let pending = self.pending(index);
        let whole = match std::str::from_utf8(pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => pending.len(),
        };
        // A carriage return may be the first half of a line end.
        let whole = whole - usize::from(pending[..whole].ends_with(b"\r"));
        if whole == 0 {
            return Ok(());
        }
        let piece: Vec<u8> = self.sources[index].pending.drain(..whole).collect();
        self.piece(index, &String::from_utf8_lossy(&piece))
    }

    /// Shows all that is left and ends the last line.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        for index in 0..self.sources.len() {
            self.part(index)?;
        }
        if self.open.take().is_some() {
            writeln!(self.out)?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(show: Show, act: impl FnOnce(&mut View<Vec<u8>>)) -> String {
        let mut view = View::new(show, &["adas", "infotainment"], None, Vec::new());
        act(&mut view);
        view.finish().expect("finish");
        String::from_utf8(view.out).expect("text")
    }

    /// Verifies: BH-VIEW-001.
    #[test]
    fn every_line_has_its_tag() {
        let out = shown(Show::Tagged, |view| {
            view.text(0, b"one\r\ntw").expect("text");
            view.text(1, b"linux\n").expect("text");
            view.text(0, b"o\n").expect("text");
        });
        assert_eq!(
            out,
            "        adas │ one\ninfotainment │ linux\n        adas │ two\n"
        );
    }

    /// Verifies: BH-VIEW-001.
    #[test]
    fn a_prompt_is_shown_after_a_pause_and_goes_on_where_it_stands() {
        let out = shown(Show::Tagged, |view| {
            view.text(0, b"login: ").expect("text");
            view.idle().expect("idle");
            std::thread::sleep(PAUSE);
            view.idle().expect("idle");
            view.text(0, b"root\n# ").expect("text");
            std::thread::sleep(PAUSE);
            view.idle().expect("idle");
            view.text(1, b"x\n").expect("text");
            view.text(0, b"ls\n").expect("text");
        });
        assert_eq!(
            out,
            "        adas │ login: root\n        adas │ # \ninfotainment │ x\n        adas │ ls\n"
        );
    }

    /// Verifies: BH-VIEW-004.
    #[test]
    fn no_partition_reaches_the_terminal() {
        let out = shown(Show::Tagged, |view| {
            view.text(0, b"\x1b[2Ja\x07\rvehicle\t\xc2\x9b1m\n")
                .expect("text");
        });
        assert_eq!(out, "        adas │ ␛[2Ja␇␍vehicle\t\u{fffd}1m\n");
        let all: String = (0..=0x2100).filter_map(char::from_u32).collect();
        assert!(tame(&all).chars().all(|c| c == '\t' || !c.is_control()));
        assert_eq!(tame("a\u{202e}b"), "a\u{fffd}b");
    }

    /// Verifies: BH-VIEW-005.
    #[test]
    fn an_interactive_console_is_alone_and_untouched() {
        let out = shown(Show::Raw("infotainment".into()), |view| {
            view.text(0, b"hidden\n").expect("text");
            view.text(1, b"\x1b[1mbold").expect("text");
        });
        assert_eq!(out, "\x1b[1mbold");
    }

    #[test]
    fn characters_are_not_torn_by_a_pause() {
        let out = shown(Show::Tagged, |view| {
            view.text(0, b"\xc3").expect("text");
            std::thread::sleep(PAUSE);
            view.idle().expect("idle");
            view.text(0, b"\xa4\n").expect("text");
        });
        assert_eq!(out, "        adas │ ä\n");
    }
}
