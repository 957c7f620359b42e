// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The control connection to QEMU: enough to read memory, stop and quit.
//!
//! Implements: BH-QEMU-002.
//!
//! # References
//! QEMU, "QEMU Machine Protocol Specification"; QEMU QMP Reference Manual, "pmemsave", "stop", "query-status".

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// Host time in which QEMU answers a command.
const ANSWER: Duration = Duration::from_secs(60);

/// What [`Qmp::halted`] says when the board's watchdog reset it. Implements: BH-HEALTH-043.
pub const WATCHDOG: &str = "the watchdog fired";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// The connection broke or QEMU did not answer for a minute.
    #[error("{command}: {source}")]
    Connection {
        /// The command.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// What came is not QMP.
    #[error("{command}: not an answer: {line}")]
    Answer {
        /// The command.
        command: String,
        /// What came.
        line: String,
    },
    /// QEMU refused the command.
    #[error("{command}: {description}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's words.
        description: String,
    },
}

/// A connection after capability negotiation.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    transfer: PathBuf,
    halted: Option<String>,
}

impl Qmp {
    /// Negotiates. `transfer` is a file that QEMU may write memory into.
    ///
    /// # Errors
    /// The other side does not speak QMP.
    pub fn new(stream: UnixStream, transfer: &Path) -> Result<Self, QmpError> {
        const COMMAND: &str = "greeting";
        let connection = |source| QmpError::Connection {
            command: COMMAND.to_owned(),
            source,
        };
        stream.set_read_timeout(Some(ANSWER)).map_err(connection)?;
        stream.set_write_timeout(Some(ANSWER)).map_err(connection)?;
        let writer = stream.try_clone().map_err(connection)?;
        let mut qmp = Self {
            reader: BufReader::new(stream),
            writer,
            transfer: transfer.to_owned(),
            halted: None,
        };
        let greeting = qmp.receive(COMMAND)?;
        if greeting.get("QMP").is_none() {
            return Err(QmpError::Answer {
                command: COMMAND.to_owned(),
                line: greeting.to_string(),
            });
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        // A machine that refuses at once may have ended before: that event is not sent.
        if qmp.status()? == "shutdown" && qmp.halted.is_none() {
            qmp.halted = Some("before the control connection stood".to_owned());
        }
        Ok(qmp)
    }

    /// Why the machine switched itself off or reset, in QEMU's words, if it has been seen to.
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// Executes a command; of the events that come before its answer only the machine's end is noted.
    ///
    /// # Errors
    /// QEMU refused it, or the connection broke.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let request = json!({ "execute": command, "arguments": arguments });
        let sent = writeln!(self.writer, "{request}");
        sent.map_err(|source| QmpError::Connection {
            command: command.to_owned(),
            source,
        })?;
        loop {
            let mut answer = self.receive(command)?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                let description = error.get("desc").and_then(Value::as_str);
                return Err(QmpError::Refused {
                    command: command.to_owned(),
                    description: description.unwrap_or("no reason given").to_owned(),
                });
            }
            match answer.get("event").and_then(Value::as_str) {
                // The reset that follows is its doing.
                Some("WATCHDOG") => self.halted = Some(WATCHDOG.to_owned()),
                Some("SHUTDOWN") if self.halted.as_deref() != Some(WATCHDOG) => {
                    let reason = answer.pointer("/data/reason").and_then(Value::as_str);
                    self.halted = Some(reason.unwrap_or("no reason given").to_owned());
                }
                Some(_) => {}
                None => {
                    return Err(QmpError::Answer {
                        command: command.to_owned(),
                        line: answer.to_string(),
                    });
                }
            }
        }
    }

    fn receive(&mut self, command: &str) -> Result<Value, QmpError> {
        let mut line = String::new();
        let connection = |source| QmpError::Connection {
            command: command.to_owned(),
            source,
        };
        if self.reader.read_line(&mut line).map_err(connection)? == 0 {
            return Err(connection(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(|_| QmpError::Answer {
            command: command.to_owned(),
            line,
        })
    }

    /// Reads `length` bytes of physical memory.
    ///
    /// # Errors
    /// QEMU refused it, or the connection broke.
    pub fn read_memory(&mut self, address: u64, length: usize) -> Result<Vec<u8>, QmpError> {
        const COMMAND: &str = "pmemsave";
        let connection = |source| QmpError::Connection {
            command: COMMAND.to_owned(),
            source,
        };
        let file = self.transfer.to_string_lossy();
        let arguments = json!({ "val": address, "size": length, "filename": file });
        self.execute(COMMAND, arguments)?;
        let bytes = std::fs::read(&self.transfer).map_err(connection)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(connection(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    /// State of the machine, as QEMU names it: `running`, `paused`, `prelaunch` …
    ///
    /// # Errors
    /// The connection broke.
    pub fn status(&mut self) -> Result<String, QmpError> {
        let answer = self.execute("query-status", json!({}))?;
        let status = answer.get("status").and_then(Value::as_str);
        Ok(status.unwrap_or("unknown").to_owned())
    }

    /// Stops all cores and virtual time.
    ///
    /// # Errors
    /// The connection broke.
    pub fn stop(&mut self) -> Result<(), QmpError> {
        self.execute("stop", json!({})).map(drop)
    }

    /// Lets all cores and virtual time go on.
    ///
    /// # Errors
    /// The connection broke.
    pub fn resume(&mut self) -> Result<(), QmpError> {
        self.execute("cont", json!({})).map(drop)
    }

    /// Program counters of all cores, as QEMU's monitor prints them.
    ///
    /// # Errors
    /// The connection broke, or what the monitor printed is no register dump.
    pub fn program_counters(&mut self) -> Result<Vec<u64>, QmpError> {
        const COMMAND: &str = "human-monitor-command";
        let answer = self.execute(COMMAND, json!({ "command-line": "info registers -a" }))?;
        let dump = answer.as_str().unwrap_or_default();
        let counters = dump
            .split_whitespace()
            .filter_map(|word| word.strip_prefix("PC="));
        let parsed: Option<Vec<u64>> = counters
            .map(|digits| u64::from_str_radix(digits, 16).ok())
            .collect();
        parsed
            .filter(|counters| !counters.is_empty())
            .ok_or_else(|| QmpError::Answer {
                command: COMMAND.to_owned(),
                line: dump.to_owned(),
            })
    }

    /// Asks QEMU to end.
    ///
    /// # Errors
    /// The connection broke.
    pub fn quit(&mut self) -> Result<(), QmpError> {
        self.execute("quit", json!({})).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{self, JoinHandle};

    /// State of a machine that goes on.
    const RUNNING: &str = "{\"return\": {\"status\": \"running\"}}";

    /// A peer that greets, then answers each command with the next of `answers`.
    fn peer(answers: &'static [&'static str]) -> (UnixStream, JoinHandle<Vec<String>>) {
        let (near, far) = UnixStream::pair().expect("pair");
        let peer = thread::spawn(move || {
            let mut reader = BufReader::new(far.try_clone().expect("clone"));
            let mut writer = far;
            writeln!(writer, r#"{{"QMP": {{"version": {{}}, "capabilities": []}}}}"#).expect("greet");
            let mut seen = Vec::new();
            for answer in answers {
                let mut line = String::new();
                reader.read_line(&mut line).expect("read");
                let request: Value = serde_json::from_str(&line).expect("json");
                seen.push(request["execute"].as_str().expect("execute").to_owned());
                writeln!(writer, "{answer}").expect("answer");
            }
            seen
        });
        (near, peer)
    }

    /// Verifies: BH-QEMU-002.
    #[test]
    fn events_before_an_answer_are_passed_over() {
        const ANSWERS: &[&str] = &[
            "{\"event\": \"RESUME\"}\n{\"return\": {}}",
            RUNNING,
            "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}\n{\"return\": {\"status\": \"paused\"}}",
        ];
        let (stream, peer) = peer(ANSWERS);
        let mut qmp = Qmp::new(stream, Path::new("unused")).expect("negotiate");
        assert_eq!(qmp.halted(), None);
        assert_eq!(qmp.status().expect("status"), "paused");
        assert_eq!(qmp.halted(), Some("guest-shutdown"));
        assert_eq!(
            peer.join().expect("peer"),
            ["qmp_capabilities", "query-status", "query-status"]
        );
    }

    /// Verifies: BH-QEMU-002.
    #[test]
    fn a_machine_that_ended_before_the_connection_is_noticed() {
        const ANSWERS: &[&str] = &["{\"return\": {}}", "{\"return\": {\"status\": \"shutdown\"}}"];
        let (stream, peer) = peer(ANSWERS);
        let qmp = Qmp::new(stream, Path::new("unused")).expect("negotiate");
        assert_eq!(qmp.halted(), Some("before the control connection stood"));
        peer.join().expect("peer");
    }

    /// Verifies: BH-QEMU-002.
    #[test]
    fn a_refusal_and_a_broken_connection_are_errors() {
        const ANSWERS: &[&str] = &[
            "{\"return\": {}}",
            RUNNING,
            "{\"error\": {\"desc\": \"no such thing\"}}",
        ];
        let (stream, peer) = peer(ANSWERS);
        let mut qmp = Qmp::new(stream, Path::new("unused")).expect("negotiate");
        let refused = qmp.stop().expect_err("refused");
        assert_eq!(refused.to_string(), "stop: no such thing");
        peer.join().expect("peer");
        assert!(matches!(qmp.quit(), Err(QmpError::Connection { .. })));
    }

    /// Verifies: BH-HEALTH-043.
    #[test]
    fn a_reset_by_the_watchdog_is_told_from_others() {
        const ANSWERS: &[&str] = &[
            "{\"return\": {}}",
            "{\"event\": \"WATCHDOG\", \"data\": {\"action\": \"reset\"}}\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n{\"return\": {\"status\": \"shutdown\"}}",
        ];
        let (stream, peer) = peer(ANSWERS);
        let qmp = Qmp::new(stream, Path::new("unused")).expect("negotiate");
        assert_eq!(qmp.halted(), Some(WATCHDOG));
        peer.join().expect("peer");
    }

    #[test]
    fn program_counters_are_found_in_a_register_dump() {
        const ANSWERS: &[&str] = &[
            "{\"return\": {}}",
            RUNNING,
            r#"{"return": "\r\nCPU#0\r\n PC=0000000040260800 X00=0\r\nCPU#1\r\n PC=ffffffc008010abc X00=1\r\n"}"#,
            r#"{"return": "unknown command"}"#,
        ];
        let (stream, peer) = peer(ANSWERS);
        let mut qmp = Qmp::new(stream, Path::new("unused")).expect("negotiate");
        let counters = qmp.program_counters().expect("counters");
        assert_eq!(counters, [0x4026_0800, 0xffff_ffc0_0801_0abc]);
        assert!(matches!(qmp.program_counters(), Err(QmpError::Answer { .. })));
        peer.join().expect("peer");
    }

    #[test]
    fn another_protocol_is_noticed() {
        let (near, mut far) = UnixStream::pair().expect("pair");
        writeln!(far, "220 mail ready").expect("write");
        assert!(matches!(
            Qmp::new(near, Path::new("unused")),
            Err(QmpError::Answer { .. })
        ));
    }
}
