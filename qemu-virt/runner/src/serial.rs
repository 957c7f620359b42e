// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two threads of the serial line: neither side ever waits for the other.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Sender};
use std::thread;

use bulkhead_policy::mux::{Channel, Encoder};

use crate::event::Event;

/// The sending side of the line.
#[derive(Debug)]
pub(crate) struct SerialWriter {
    queue: Sender<Vec<u8>>,
}

impl SerialWriter {
    /// Queues bytes for the console of a channel.
    pub(crate) fn send(&self, channel: Channel, bytes: &[u8]) {
        let mut encoder = Encoder::resumed();
        let mut line = Vec::with_capacity(bytes.len() + 2);
        for &byte in bytes {
            line.extend_from_slice(encoder.push(channel, byte).as_slice());
        }
        // It fails only after the line was closed, when nobody listens any more.
        let _ = self.queue.send(line);
    }
}

/// Reads the line into events; gives the sending side.
pub(crate) fn start(mut line: UnixStream, events: Sender<Event>) -> io::Result<SerialWriter> {
    let mut out = line.try_clone()?;
    let (queue, queued) = mpsc::channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in queued {
            if out.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            let event = match line.read(&mut buffer) {
                Ok(0) => Event::SerialClosed,
                Ok(length) => Event::Serial(buffer[..length].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Event::SerialClosed,
            };
            let last = matches!(event, Event::SerialClosed);
            if events.send(event).is_err() || last {
                return;
            }
        }
    });
    Ok(SerialWriter { queue })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_policy::mux::Decoder;

    fn decoded(line: &[u8]) -> Vec<(u8, u8)> {
        let mut decoder = Decoder::new();
        let bytes = line.iter().filter_map(|&byte| decoder.push(byte));
        bytes.map(|(channel, byte)| (channel.number(), byte)).collect()
    }

    /// Verifies: BH-CON-002.
    #[test]
    fn what_is_sent_arrives_on_its_channel_whole() {
        let (near, mut far) = UnixStream::pair().expect("pair");
        let (events, _seen) = mpsc::channel();
        let writer = start(near, events).expect("start");
        let all: Vec<u8> = (0..=255).collect();
        writer.send(Channel::partition(2).expect("channel"), &all);
        writer.send(Channel::partition(0).expect("channel"), b"x");
        let mut line = vec![0; 2 + 257 + 3];
        far.read_exact(&mut line).expect("read");
        let expected: Vec<_> = all.iter().map(|&byte| (2, byte)).chain([(0, b'x')]).collect();
        assert_eq!(decoded(&line), expected);
    }

    #[test]
    fn the_end_of_the_line_is_told_once_after_all_bytes() {
        let (near, mut far) = UnixStream::pair().expect("pair");
        let (events, seen) = mpsc::channel();
        let _writer = start(near, events).expect("start");
        far.write_all(b"last words").expect("write");
        drop(far);
        let seen: Vec<_> = seen.iter().collect();
        let (last, before) = seen.split_last().expect("events");
        assert!(matches!(last, Event::SerialClosed));
        let bytes: Vec<u8> = before
            .iter()
            .flat_map(|event| match event {
                Event::Serial(bytes) => bytes.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bytes, b"last words");
    }
}
