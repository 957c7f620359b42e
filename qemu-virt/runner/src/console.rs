// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One console: bytes of the serial line to text, lines and a bounded transcript.

use std::path::Path;

use bulkhead_model::manifest::{Console as Encoding, Manifest};
use bulkhead_policy::mux::Channel;

use crate::RunnerError;
use crate::defmt::Stream;

/// Bytes of a console that a report keeps.
pub const TAIL: usize = 64 * 1024;
/// Bytes of a console that a session keeps at least.
const KEPT: usize = 1024 * 1024;
/// A line is cut here.
const LONGEST_LINE: usize = 16 * 1024;

/// What EL2's own two consoles are called.
pub const HYPERVISOR: &str = "hypervisor";

/// The end of what a console said, by byte number since its begin.
#[derive(Debug, Default)]
pub struct Transcript {
    bytes: Vec<u8>,
    base: usize,
}

impl Transcript {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * KEPT {
            let cut = self.bytes.len() - KEPT;
            self.bytes.drain(..cut);
            self.base += cut;
        }
    }

    /// Number of the byte that comes next.
    pub fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    /// Looks for `text` from byte `from`; gives the line that has it and the number of the byte after it.
    pub fn find(&self, from: usize, text: &str) -> Option<(String, usize)> {
        let start = from.saturating_sub(self.base).min(self.bytes.len());
        let at = start + position(&self.bytes[start..], text.as_bytes())?;
        let line = self.bytes[..at].iter().rposition(|&byte| byte == b'\n');
        let line = &self.bytes[line.map_or(0, |newline| newline + 1)..];
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or(line);
        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
        Some((line, self.base + at + text.len()))
    }

    /// The last [`TAIL`] bytes as text.
    pub fn tail(&self) -> String {
        let mut tail = &self.bytes[self.bytes.len().saturating_sub(TAIL)..];
        if tail.len() == TAIL {
            // It may begin inside of a character.
            let begin = tail.iter().position(|byte| byte & 0xc0 != 0x80);
            tail = &tail[begin.unwrap_or(0).min(3)..];
        }
        String::from_utf8_lossy(tail).into_owned()
    }
}

/// Where `needle` begins in `hay`.
fn position(hay: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    hay.windows(needle.len()).position(|window| window == needle)
}

/// Whether a line has a text.
pub fn contains(line: &[u8], text: &str) -> bool {
    position(line, text.as_bytes()).is_some()
}

/// A line, or as much of it as has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Ended by a newline.
    Whole(&'a [u8]),
    /// Not ended yet; it comes again when more is seen.
    Part(&'a [u8]),
}

#[derive(Debug)]
enum Decoder {
    Text,
    Defmt(Box<Stream>),
}

/// One console.
#[derive(Debug)]
pub struct Console {
    /// Its partition, or [`HYPERVISOR`].
    pub name: String,
    /// Its channel.
    pub channel: Channel,
    /// What it said.
    pub transcript: Transcript,
    decoder: Decoder,
    line: Vec<u8>,
}

impl Console {
    /// A console of text.
    pub fn text(name: &str, channel: Channel) -> Self {
        Self::new(name, channel, Decoder::Text)
    }

    /// A console of defmt frames.
    pub fn defmt(name: &str, channel: Channel, stream: Stream) -> Self {
        Self::new(name, channel, Decoder::Defmt(Box::new(stream)))
    }

    fn new(name: &str, channel: Channel, decoder: Decoder) -> Self {
        Self {
            name: name.to_owned(),
            channel,
            transcript: Transcript::default(),
            decoder,
            line: Vec::new(),
        }
    }

    /// Takes bytes of the serial line; gives them as text.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let text = match &mut self.decoder {
            Decoder::Text => bytes.to_vec(),
            Decoder::Defmt(stream) => stream.receive(bytes).into_bytes(),
        };
        self.transcript.push(&text);
        text
    }

    /// Cuts text into lines; the last may be a part.
    pub fn lines(&mut self, text: &[u8], mut seen: impl FnMut(Line<'_>)) {
        for piece in text.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                let end = self.line.trim_ascii_end().len();
                seen(Line::Whole(&self.line[..end]));
                self.line.clear();
            }
        }
        if !self.line.is_empty() {
            seen(Line::Part(&self.line));
        }
    }
}

/// All consoles of a system: partitions by index, then EL2's boot messages, then its log.
///
/// # Errors
/// The format strings of a log cannot be read.
pub fn all(manifest: &Manifest, images: &Path) -> Result<Vec<Console>, RunnerError> {
    let mut consoles = Vec::new();
    for (index, partition) in (0u32..).zip(&manifest.partitions) {
        let name = partition.name.as_str();
        let too_many = || RunnerError::NoPartition {
            name: format!("partition {index}"),
            known: "fewer than the serial line has channels".to_owned(),
        };
        let channel = Channel::partition(index).ok_or_else(too_many)?;
        consoles.push(match (partition.console, &partition.elf) {
            (Encoding::Text | Encoding::Uart, _) | (Encoding::Defmt, None) => Console::text(name, channel),
            (Encoding::Defmt, Some(elf)) => {
                Console::defmt(name, channel, Stream::open(name, &images.join(elf))?)
            }
        });
    }
    let log = Stream::open(HYPERVISOR, &images.join(&manifest.runtime_elf))?;
    consoles.push(Console::text(HYPERVISOR, Channel::TEXT));
    consoles.push(Console::defmt(HYPERVISOR, Channel::DEFMT, log));
    Ok(consoles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn console() -> Console {
        Console::text("a", Channel::partition(0).expect("channel"))
    }

    fn whole_lines(console: &mut Console, chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        for chunk in chunks {
            let text = console.receive(chunk);
            console.lines(&text, |line| {
                if let Line::Whole(line) = line {
                    lines.push(String::from_utf8_lossy(line).into_owned());
                }
            });
        }
        lines
    }

    /// Verifies: BH-VIEW-001.
    #[test]
    fn a_part_is_shown_and_comes_again_whole() {
        let mut console = console();
        let mut seen = Vec::new();
        for chunk in [&b"one\r\nlog"[..], b"in: ", b"x\n"] {
            console.lines(chunk, |line| {
                seen.push(match line {
                    Line::Whole(line) => format!("[{}]", String::from_utf8_lossy(line)),
                    Line::Part(line) => String::from_utf8_lossy(line).into_owned(),
                });
            });
        }
        assert_eq!(seen, ["[one]", "log", "login: ", "[login: x]"]);
    }

    #[test]
    fn text_is_found_once_and_with_its_line() {
        let mut transcript = Transcript::default();
        transcript.push(b"first 5\r\nsecond 5\npart 5");
        let (line, next) = transcript.find(0, "5").expect("first");
        assert_eq!(line, "first 5");
        let (line, next) = transcript.find(next, "5").expect("second");
        assert_eq!(line, "second 5");
        let (line, next) = transcript.find(next, "5").expect("third");
        assert_eq!((line.as_str(), next), ("part 5", transcript.end()));
        assert_eq!(transcript.find(next, "5"), None);
    }

    #[test]
    fn a_transcript_is_bounded_and_keeps_its_numbers() {
        let mut transcript = Transcript::default();
        for _ in 0..60 {
            transcript.push(&[b'a'; 64 * 1024]);
        }
        transcript.push("ä".as_bytes());
        assert_eq!(transcript.end(), 60 * 64 * 1024 + 2);
        assert!(transcript.bytes.len() <= 2 * KEPT + 64 * 1024);
        assert_eq!(
            transcript.find(0, "ä").map(|(_, next)| next),
            Some(transcript.end())
        );
        assert_eq!(transcript.tail().len(), TAIL);
        transcript.push(&[b'b'; TAIL - 1]);
        assert!(
            transcript.tail().starts_with('b'),
            "half a character is left away"
        );
    }

    proptest! {
        /// Verifies: BH-VIEW-001.
        #[test]
        fn cuts_do_not_change_lines(text in "[a\r\n]{0,60}", cut in 0usize..60) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let once = whole_lines(&mut console(), &[bytes]);
            let twice = whole_lines(&mut console(), &[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(once, twice);
        }
    }
}
