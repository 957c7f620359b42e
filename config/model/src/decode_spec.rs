// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a [`Spec`].

use crate::decode::{Decoder, Fields};
use crate::rules::{channels, document, payload};
use crate::span::{Span, Spanned};
use crate::spec::{
    ChannelSpec, CoreScheduleSpec, CoresSpec, ExpectationSpec, InitrdSpec, MemorySpec, Mode, Name,
    PartitionSpec, PayloadSpec, ScheduleSpec, SlotSpec, Spec, WireSpec,
};
use crate::system::{Console, Criticality, Interrupts, Seed};
use crate::tree::{Entry, Node, Value};

const CRITICALITIES: &[(&str, Criticality)] = &[
    ("qm", Criticality::Qm),
    ("asil-a", Criticality::AsilA),
    ("asil-b", Criticality::AsilB),
    ("asil-c", Criticality::AsilC),
    ("asil-d", Criticality::AsilD),
];
const CONSOLES: &[(&str, Console)] = &[
    ("text", Console::Text),
    ("defmt", Console::Defmt),
    ("uart", Console::Uart),
    ("none", Console::None),
];

impl Decoder<'_> {
    /// A whole spec. A version that is not known ends it: other keys may mean something else there.
    pub(crate) fn spec(&mut self, root: &Node) -> Option<Spec> {
        let mut fields = self.fields(root, "a spec", root.span)?;
        self.version(&mut fields, "bulkhead")?;
        let name = fields
            .required("name", self)
            .and_then(|n| self.text(n, "the system's name"));
        let board = fields
            .required("board", self)
            .and_then(|n| self.text(n, "the board"));
        let partitions = fields.required("partitions", self).and_then(|n| {
            let entries = self.map(n, "`partitions`")?.iter();
            let list = entries.filter_map(|e| self.partition(e)).collect();
            self.non_empty(
                list,
                fields.key_span("partitions").unwrap_or(n.span),
                "`partitions`",
            )
        });
        let channels = self.entries(&mut fields, "channels", Self::channel);
        let wiring = self.entries(&mut fields, "wiring", |d, e| {
            Some(WireSpec {
                device: e.key.clone(),
                bus: d.text(&e.value, "a bus")?,
            })
        });
        let owner = fields.key_span("schedule");
        let schedule = fields
            .required("schedule", self)
            .and_then(|n| self.schedule(n, owner.unwrap_or(n.span)));
        let expect = self.expectations(&mut fields, "expect");
        let never = self.expectations(&mut fields, "never");
        fields.finish(self);
        let partitions = partitions.unwrap_or_default();
        Some(Spec {
            name,
            board,
            partitions,
            channels,
            schedule,
            wiring,
            expect,
            never,
        })
    }

    /// The version that the first key says.
    pub(crate) fn version(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<()> {
        let version = fields.required(key, self).and_then(|n| self.number(n))?;
        if version.value == 1 {
            return Some(());
        }
        self.report(document::version(&version, key));
        None
    }

    /// The entries of an optional map with free keys.
    fn entries<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        mut decode: impl FnMut(&mut Self, &Entry) -> Option<T>,
    ) -> Vec<T> {
        let entries = fields
            .optional(key)
            .and_then(|n| self.map(n, key))
            .unwrap_or_default();
        entries.iter().filter_map(|e| decode(self, e)).collect()
    }

    fn partition(&mut self, entry: &Entry) -> Option<PartitionSpec> {
        let owner = entry.key.span;
        let mut fields = self.fields(&entry.value, "a partition", owner)?;
        let criticality = fields
            .required("criticality", self)
            .and_then(|n| self.choice(n, "the criticality", CRITICALITIES));
        let cores_key = fields.key_span("cores").unwrap_or(owner);
        let cores = fields
            .required("cores", self)
            .and_then(|n| self.cores(n, cores_key));
        let memory_key = fields.key_span("memory").unwrap_or(owner);
        let memory = fields
            .required("memory", self)
            .and_then(|n| self.memory(n, memory_key));
        let payload_key = fields.key_span("payload").unwrap_or(owner);
        let payload = fields
            .required("payload", self)
            .and_then(|n| self.payload(n, payload_key));
        let args = fields.optional("args").and_then(|n| self.text(n, "`args`"));
        let console = match fields.optional("console") {
            Some(node) => self.choice(node, "the console", CONSOLES),
            None => Some(Spanned::new(Console::None, owner)),
        };
        let devices = fields
            .optional("devices")
            .and_then(|n| self.texts(n, "`devices`"))
            .unwrap_or_default();
        let restart_limit = fields
            .optional("restart_limit")
            .and_then(|n| self.small(n))
            .map_or(0, |l| l.value);
        let marks_steady = fields
            .optional("marks_steady")
            .and_then(|n| self.boolean(n, "`marks_steady`"));
        let seeds = [("board", Seed::Board), ("fixed", Seed::Fixed)];
        let seed = fields
            .optional("seed")
            .and_then(|n| self.choice(n, "the seed", &seeds));
        let autostart = fields
            .optional("autostart")
            .and_then(|n| self.boolean(n, "`autostart`"));
        fields.finish(self);
        Some(PartitionSpec {
            name: entry.key.clone(),
            criticality,
            cores,
            memory,
            payload,
            args,
            console,
            devices,
            restart_limit,
            marks_steady,
            seed: seed.map_or(Seed::Board, |s| s.value),
            autostart: autostart.is_none_or(|a| a.value),
        })
    }

    fn cores(&mut self, node: &Node, owner: Span) -> Option<CoresSpec> {
        let mut fields = self.fields(node, "`cores`", owner)?;
        let dedicated = fields.has("dedicated") || !fields.has("sliced");
        let (key, what) = if dedicated {
            ("dedicated", "`dedicated`")
        } else {
            ("sliced", "`sliced`")
        };
        let cores = fields.required(key, self).and_then(|n| {
            let items = self.list(n, what)?.iter();
            let list = items.filter_map(|i| self.small(i)).collect();
            self.non_empty(list, n.span, what)
        });
        let mode = if dedicated {
            let choices = [("direct", Interrupts::Direct), ("guarded", Interrupts::Guarded)];
            let interrupts = fields.required("interrupts", self);
            Mode::Dedicated(interrupts.and_then(|n| self.choice(n, "`interrupts`", &choices)))
        } else {
            let choices = [("accepted", true), ("refused", false)];
            let unaligned = fields
                .optional("unaligned")
                .and_then(|n| self.choice(n, "`unaligned`", &choices));
            Mode::Sliced {
                unaligned: unaligned.is_some_and(|u| u.value),
            }
        };
        fields.finish(self);
        Some(CoresSpec { cores: cores?, mode })
    }

    fn memory(&mut self, node: &Node, owner: Span) -> Option<MemorySpec> {
        if let Value::Scalar(_) = node.value {
            return Some(MemorySpec {
                size: self.bytes(node)?,
                at: None,
                colours: None,
                uncoloured: Vec::new(),
            });
        }
        let mut fields = self.fields(node, "`memory`", owner)?;
        let size = fields.required("size", self).and_then(|n| self.bytes(n));
        let at = fields.optional("at").and_then(|n| self.number(n));
        let colours = fields.optional("colours").map(|n| self.colours(n));
        let uncoloured = fields
            .optional("uncoloured")
            .and_then(|n| self.texts(n, "`uncoloured`"));
        fields.finish(self);
        Some(MemorySpec {
            size: size?,
            at,
            colours: match colours {
                Some(read) => Some(read?),
                None => None,
            },
            uncoloured: uncoloured.unwrap_or_default(),
        })
    }

    fn payload(&mut self, node: &Node, owner: Span) -> Option<PayloadSpec> {
        let mut fields = self.fields(node, "a payload", owner)?;
        let elf = fields.optional("elf");
        let linux_key = fields.key_span("linux").unwrap_or(owner);
        let linux = fields.optional("linux");
        let raw = fields.optional("raw");
        fields.finish(self);
        match (elf, linux, raw) {
            (Some(elf), None, None) => self.text(elf, "an ELF file").map(PayloadSpec::Elf),
            (None, Some(linux), None) => self.linux(linux, linux_key),
            (None, None, Some(raw)) => self.text(raw, "a flat binary").map(PayloadSpec::Raw),
            _ => {
                self.report(payload::not_one(owner));
                None
            }
        }
    }

    fn linux(&mut self, node: &Node, owner: Span) -> Option<PayloadSpec> {
        let mut fields = self.fields(node, "a Linux payload", owner)?;
        let kernel = fields
            .required("kernel", self)
            .and_then(|n| self.text(n, "the kernel"));
        let command_line = fields
            .required("command_line", self)
            .and_then(|n| self.text(n, "the command line"));
        let initramfs_key = fields.key_span("initramfs");
        let initramfs = fields.optional("initramfs");
        let initrd = fields.optional("initrd");
        fields.finish(self);
        let initrd = match (initramfs, initrd) {
            (Some(_), Some(other)) => {
                self.report(payload::two_disks(other.span, initramfs_key.unwrap_or(owner)));
                None
            }
            (Some(build), None) => self.initramfs(build, initramfs_key.unwrap_or(owner)),
            (None, Some(file)) => self.text(file, "the initial RAM disk").map(InitrdSpec::File),
            (None, None) => None,
        };
        Some(PayloadSpec::Linux {
            kernel,
            initrd,
            command_line,
        })
    }

    fn initramfs(&mut self, node: &Node, owner: Span) -> Option<InitrdSpec> {
        let mut fields = self.fields(node, "`initramfs`", owner)?;
        let busybox = fields
            .required("busybox", self)
            .and_then(|n| self.text(n, "busybox"));
        let programs = fields
            .optional("programs")
            .and_then(|n| self.texts(n, "`programs`"))
            .unwrap_or_default();
        fields.finish(self);
        Some(InitrdSpec::Build { busybox, programs })
    }

    fn channel(&mut self, entry: &Entry) -> Option<ChannelSpec> {
        let owner = entry.key.span;
        let mut fields = self.fields(&entry.value, "a channel", owner)?;
        let sampling_key = fields.key_span("sampling").unwrap_or(owner);
        let message = fields.required("sampling", self).and_then(|n| {
            let mut sampling = self.fields(n, "`sampling`", sampling_key)?;
            let message = sampling.required("message", self).and_then(|n| self.bytes(n));
            sampling.finish(self);
            message
        });
        let writer = fields.optional("writer");
        if writer.is_none() {
            self.report(channels::no_writer(&entry.key));
        }
        let writer = writer.and_then(|n| self.text(n, "the writer"));
        let readers = fields.required("readers", self).and_then(|n| {
            let readers = self.texts(n, "`readers`")?;
            self.non_empty(readers, n.span, "`readers`")
        });
        fields.finish(self);
        Some(ChannelSpec {
            name: entry.key.clone(),
            message,
            writer,
            readers: readers.unwrap_or_default(),
        })
    }

    fn schedule(&mut self, node: &Node, owner: Span) -> Option<ScheduleSpec> {
        let mut fields = self.fields(node, "the schedule", owner)?;
        let major_frame = fields
            .required("major_frame", self)
            .and_then(|n| self.nanoseconds(n));
        let tables = fields
            .required("cores", self)
            .and_then(|n| self.map(n, "`cores`"))
            .unwrap_or_default();
        let cores = tables.iter().filter_map(|e| self.core_schedule(e)).collect();
        fields.finish(self);
        Some(ScheduleSpec {
            major_frame,
            cores,
            span: owner,
        })
    }

    fn core_schedule(&mut self, entry: &Entry) -> Option<CoreScheduleSpec> {
        let key = Node {
            value: Value::Scalar(entry.key.value.clone()),
            span: entry.key.span,
        };
        let core = self.small(&key)?;
        let items = self.list(&entry.value, "the slots of a core")?;
        let mut slots: Vec<SlotSpec> = Vec::new();
        for item in items {
            let offset = slots
                .last()
                .map_or(0, |s| s.offset.saturating_add(s.length.value));
            slots.extend(self.slot(item, offset));
        }
        Some(CoreScheduleSpec {
            core,
            complete: slots.len() == items.len(),
            slots,
        })
    }

    fn slot(&mut self, node: &Node, offset: u64) -> Option<SlotSpec> {
        let mut fields = self.fields(node, "a slot", node.span)?;
        let run = fields
            .required("run", self)
            .and_then(|n| self.text(n, "what runs"));
        let length = fields.required("for", self).and_then(|n| self.nanoseconds(n));
        fields.finish(self);
        Some(SlotSpec {
            run: run?,
            offset,
            length: length?,
        })
    }

    fn expectations(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Vec<ExpectationSpec> {
        let items = fields
            .optional(key)
            .and_then(|n| self.list(n, key))
            .unwrap_or_default();
        items.iter().filter_map(|i| self.expectation(i)).collect()
    }

    fn expectation(&mut self, node: &Node) -> Option<ExpectationSpec> {
        let mut fields = self.fields(node, "an expectation", node.span)?;
        let partition: Option<Name> = fields
            .required("partition", self)
            .and_then(|n| self.text(n, "the partition"));
        let text = fields
            .required("text", self)
            .and_then(|n| self.text(n, "the text"));
        fields.finish(self);
        let text = text?;
        if text.is_empty() {
            self.report(document::empty(text.span, "the text"));
            return None;
        }
        Some(ExpectationSpec {
            partition: partition?,
            text,
            span: node.span,
        })
    }
}
