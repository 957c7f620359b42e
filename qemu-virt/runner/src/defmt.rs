// SPDX-License-Identifier: Apache-2.0 OR MIT
//! defmt streams: frames to lines, with the format strings from the ELF that sent them.
//!
//! Frames are rzCOBS encoded and end with a zero byte, so that lost bytes cost the frames that they belong to
//! and no more.
//!
//! Implements: BH-VIEW-002.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use defmt_decoder::{DecodeError, Encoding, Table};

use crate::RunnerError;

/// A frame longer than this is damaged.
const LONGEST_FRAME: usize = 64 * 1024;

/// The decoder of one console's stream.
#[derive(Debug)]
pub struct Stream {
    /// `None` when the ELF logs nothing.
    table: Option<Table>,
    frame: Vec<u8>,
    overlong: bool,
}

impl Stream {
    /// Reads the format strings of an ELF.
    ///
    /// # Errors
    /// There is no such ELF, or its log has another encoding or version.
    pub fn open(console: &str, path: &Path) -> Result<Self, RunnerError> {
        let failed = |cause: String| RunnerError::Log {
            console: console.to_owned(),
            path: path.to_owned(),
            cause,
        };
        let elf = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&elf).map_err(failed)
    }

    fn parse(elf: &[u8]) -> Result<Self, String> {
        let table = Table::parse(elf).map_err(|error| format!("{error:#}"))?;
        match table.as_ref().map(Table::encoding) {
            None | Some(Encoding::Rzcobs) => Ok(Self {
                table,
                frame: Vec::new(),
                overlong: false,
            }),
            Some(_) => Err("its encoding is not rzcobs".to_owned()),
        }
    }

    /// Whether the ELF has any log statement.
    pub fn has_table(&self) -> bool {
        self.table.is_some()
    }

    /// Takes bytes of the stream; gives the lines of the frames that they complete.
    pub fn receive(&mut self, bytes: &[u8]) -> String {
        let mut lines = String::new();
        for &byte in bytes {
            if byte != 0 {
                if self.frame.len() < LONGEST_FRAME {
                    self.frame.push(byte);
                } else {
                    self.overlong = true;
                }
                continue;
            }
            if !self.frame.is_empty() {
                lines.push_str(&self.line());
                lines.push('\n');
                self.frame.clear();
                self.overlong = false;
            }
        }
        lines
    }

    /// The line of the frame that is complete.
    fn line(&mut self) -> String {
        let length = self.frame.len();
        let Some(table) = &self.table else {
            return format!("(a log frame of {length} bytes, but the ELF has no format strings)");
        };
        self.frame.push(0);
        // The frame is a guest's claim, and the decoder asserts where a damaged one breaks its rules.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(table, &self.frame)));
        match decoded {
            Ok(Ok(line)) if !self.overlong => line,
            Ok(_) | Err(_) => format!("(a damaged log frame of {length} bytes)"),
        }
    }
}

fn decode(table: &Table, frame: &[u8]) -> Result<String, DecodeError> {
    let mut decoder = table.new_stream_decoder();
    decoder.received(frame);
    let frame = decoder.decode()?;
    let mut line = String::new();
    if let Some(timestamp) = frame.display_timestamp() {
        // Writing to a string cannot fail.
        let _ = write!(line, "{timestamp} ");
    }
    if let Some(level) = frame.level() {
        let _ = write!(line, "{:5} ", level.as_str().to_uppercase());
    }
    let _ = write!(line, "{}", frame.display_message());
    Ok(line)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use object::write::{Object, StandardSection, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

    const SYMBOLS: &[(u64, &str)] = &[
        (
            1,
            r#"{"package":"p","tag":"defmt_info","data":"speed {=u32} mm/s","disambiguator":"1","crate_name":"p"}"#,
        ),
        (
            2,
            r#"{"package":"p","tag":"defmt_println","data":"plain","disambiguator":"2","crate_name":"p"}"#,
        ),
        (
            3,
            r#"{"package":"p","tag":"defmt_timestamp","data":"{=u64:us}","disambiguator":"3","crate_name":"p"}"#,
        ),
        (0, "_defmt_version_ = 4"),
    ];

    /// An ELF with the symbols that defmt's macros and linker script make.
    pub(crate) fn elf(encoding: &str) -> Vec<u8> {
        let mut elf = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
        let _ = elf.section_id(StandardSection::Text);
        let section = elf.add_section(vec![], b".defmt".to_vec(), SectionKind::Other);
        elf.append_section_data(section, &[0; 16], 1);
        let encoding = format!("_defmt_encoding_ = {encoding}");
        for (value, name) in SYMBOLS.iter().copied().chain([(0, encoding.as_str())]) {
            elf.add_symbol(Symbol {
                name: name.as_bytes().to_vec(),
                value,
                size: 1,
                kind: SymbolKind::Data,
                scope: SymbolScope::Dynamic,
                weak: false,
                section: SymbolSection::Section(section),
                flags: SymbolFlags::None,
            });
        }
        elf.write().expect("elf")
    }

    /// A frame: index, timestamp, arguments; encoded, with its terminator.
    pub(crate) fn frame(index: u16, time: u64, arguments: &[u8]) -> Vec<u8> {
        let mut frame = index.to_le_bytes().to_vec();
        frame.extend(time.to_le_bytes());
        frame.extend(arguments);
        let mut encoded = encode(&frame);
        encoded.push(0);
        encoded
    }

    /// Reverse zero-compressing COBS: a run of seven or more bytes up to a zero, or seven bytes of any kind.
    fn encode(frame: &[u8]) -> Vec<u8> {
        let mut padded = frame.to_vec();
        padded.extend([0; 8]);
        let (mut out, mut at) = (Vec::new(), 0);
        while at < frame.len() {
            let rest = &padded[at..];
            let run = rest.iter().position(|&byte| byte == 0).expect("padding");
            if run >= 7 {
                out.extend(&rest[..run]);
                out.push(0x80 + u8::try_from(run - 7).expect("short"));
                at += run + 1;
            } else {
                let zeros = (0..7)
                    .filter(|&i| rest[i] == 0)
                    .fold(0, |bits, i| bits | (1 << i));
                out.extend(rest[..7].iter().filter(|&&byte| byte != 0));
                out.push(zeros);
                at += 7;
            }
        }
        out
    }

    fn stream() -> Stream {
        Stream::parse(&elf("rzcobs")).expect("table")
    }

    /// Verifies: BH-VIEW-002.
    #[test]
    fn frames_become_lines_however_they_are_cut() {
        let mut bytes = frame(1, 1_500_000, &13_900u32.to_le_bytes());
        bytes.extend(frame(2, 2, &[]));
        let mut whole = stream();
        let expected = whole.receive(&bytes);
        assert_eq!(expected, "1.500000 INFO  speed 13900 mm/s\n0.000002 plain\n");
        let mut cut = stream();
        let lines: String = bytes.chunks(1).map(|byte| cut.receive(byte)).collect();
        assert_eq!(lines, expected);
    }

    /// Verifies: BH-VIEW-002.
    #[test]
    fn a_lost_byte_costs_one_frame() {
        let frame = frame(1, 1_500_000, &13_900u32.to_le_bytes());
        for lost in 0..frame.len() - 1 {
            let mut bytes = frame.clone();
            bytes.remove(lost);
            bytes.extend(&frame);
            let lines = stream().receive(&bytes);
            let last = lines.lines().last();
            assert_eq!(last, Some("1.500000 INFO  speed 13900 mm/s"), "byte {lost} lost");
        }
    }

    #[test]
    fn a_stream_without_end_is_bounded() {
        let mut stream = stream();
        assert_eq!(stream.receive(&vec![1; 2 * LONGEST_FRAME]), "");
        assert!(stream.receive(&[0]).starts_with("(a damaged log frame"));
        assert_eq!(stream.receive(&frame(2, 0, &[])), "0.000000 plain\n");
    }

    #[test]
    fn an_encoding_that_cannot_resynchronise_is_refused() {
        assert!(
            Stream::parse(&elf("raw"))
                .expect_err("refused")
                .contains("rzcobs")
        );
        assert!(Stream::parse(b"no ELF").is_err());
    }
}
