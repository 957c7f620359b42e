// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part of Perfetto's trace format that `trace` writes.
//!
//! # References
//! Perfetto, protos/perfetto/trace: "trace.proto", "trace_packet.proto", "track_event/track_event.proto",
//! "track_event/track_descriptor.proto", "track_event/debug_annotation.proto".

use prost::Message;

/// A trace.
#[derive(Message)]
pub(crate) struct Trace {
    #[prost(message, repeated, tag = "1")]
    pub(crate) packet: Vec<Packet>,
}

/// `TracePacket`.
#[derive(Message)]
pub(crate) struct Packet {
    /// ns.
    #[prost(uint64, optional, tag = "8")]
    pub(crate) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    pub(crate) trusted_packet_sequence_id: Option<u32>,
    #[prost(message, optional, tag = "11")]
    pub(crate) track_event: Option<Event>,
    #[prost(message, optional, tag = "60")]
    pub(crate) track_descriptor: Option<Track>,
}

/// `TrackDescriptor`.
#[derive(Message)]
pub(crate) struct Track {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) parent_uuid: Option<u64>,
}

/// `TrackEvent`.
#[derive(Message)]
pub(crate) struct Event {
    #[prost(message, repeated, tag = "4")]
    pub(crate) debug_annotations: Vec<Annotation>,
    #[prost(enumeration = "Kind", optional, tag = "9")]
    pub(crate) kind: Option<i32>,
    #[prost(uint64, optional, tag = "11")]
    pub(crate) track_uuid: Option<u64>,
    #[prost(string, optional, tag = "23")]
    pub(crate) name: Option<String>,
    #[prost(fixed64, repeated, packed = "false", tag = "47")]
    pub(crate) flow_ids: Vec<u64>,
    #[prost(fixed64, repeated, packed = "false", tag = "48")]
    pub(crate) terminating_flow_ids: Vec<u64>,
}

/// `TrackEvent.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Unspecified = 0,
    SliceBegin = 1,
    SliceEnd = 2,
    Instant = 3,
}

/// `DebugAnnotation`.
#[derive(Message)]
pub(crate) struct Annotation {
    #[prost(uint64, optional, tag = "3")]
    pub(crate) uint_value: Option<u64>,
    #[prost(string, optional, tag = "10")]
    pub(crate) name: Option<String>,
}
