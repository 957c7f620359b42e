// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes, texts and arrows, in one style.

use svg::Document;
use svg::node::element::path::Data;
use svg::node::element::{Definitions, Element, Group, Line, Marker, Path, Rectangle, Text, Title};

/// Height of a line of text.
pub(super) const LINE: i64 = 17;
/// Font size of ordinary text.
const SIZE: i64 = 12;

/// Colours of what is drawn: fill and border.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    pub(super) fill: &'static str,
    pub(super) border: &'static str,
}

pub(super) const EL2: Paint = Paint {
    fill: "#e3e6ec",
    border: "#5b6475",
};
pub(super) const FREE: Paint = Paint {
    fill: "#ffffff",
    border: "#c6cbd4",
};
pub(super) const BOARD: Paint = Paint {
    fill: "#f3efe6",
    border: "#a3977b",
};
pub(super) const CHANNEL: Paint = Paint {
    fill: "#fff4cc",
    border: "#b58900",
};
pub(super) const DEVICE: Paint = Paint {
    fill: "#ffffff",
    border: "#7a8190",
};
pub(super) const CORE: Paint = Paint {
    fill: "#f4f6fa",
    border: "#7a8190",
};

/// Colours that tell partitions apart, also for most colour-blind readers (after Paul Tol, light scheme).
const PARTITIONS: [Paint; 8] = [
    Paint {
        fill: "#cfe3f5",
        border: "#2b6ca3",
    },
    Paint {
        fill: "#f9d9c9",
        border: "#c2541b",
    },
    Paint {
        fill: "#d3ecd3",
        border: "#2f7d32",
    },
    Paint {
        fill: "#ead7f0",
        border: "#7b3f98",
    },
    Paint {
        fill: "#f7e3ae",
        border: "#94701a",
    },
    Paint {
        fill: "#cdeeee",
        border: "#1b7c83",
    },
    Paint {
        fill: "#f6d3df",
        border: "#b02a5b",
    },
    Paint {
        fill: "#e2e8c8",
        border: "#66752b",
    },
];

/// Colours of a partition.
pub(super) fn partition(index: usize) -> Paint {
    PARTITIONS.get(index % PARTITIONS.len()).copied().unwrap_or(EL2)
}

/// Width of a text in ordinary size, generously.
pub(super) fn width(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(0) * 7
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) width: i64,
    pub(super) height: i64,
}

impl Area {
    pub(super) fn middle(self) -> i64 {
        self.x + self.width / 2
    }

    pub(super) fn bottom(self) -> i64 {
        self.y + self.height
    }
}

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Start,
    Middle,
    End,
}

/// A drawing under construction.
pub(super) struct Canvas {
    group: Group,
    has_arrows: bool,
}

impl Canvas {
    pub(super) fn new() -> Self {
        let group = Group::new()
            .set("font-family", "Helvetica, Arial, sans-serif")
            .set("font-size", SIZE)
            .set("fill", "#1d232e");
        Canvas {
            group,
            has_arrows: false,
        }
    }

    pub(super) fn area(&mut self, at: Area, paint: Paint, hint: &str) {
        let mut rectangle = Rectangle::new()
            .set("x", at.x)
            .set("y", at.y)
            .set("width", at.width)
            .set("height", at.height)
            .set("rx", 4)
            .set("fill", paint.fill)
            .set("stroke", paint.border);
        if !hint.is_empty() {
            rectangle = rectangle.add(Title::new(hint));
        }
        self.add(rectangle);
    }

    pub(super) fn text(&mut self, x: i64, y: i64, align: Align, text: &str) {
        self.add(Self::plain(x, y, align, text));
    }

    pub(super) fn small(&mut self, x: i64, y: i64, align: Align, text: &str) {
        self.add(
            Self::plain(x, y, align, text)
                .set("font-size", 10)
                .set("fill", "#4a5364"),
        );
    }

    pub(super) fn title(&mut self, x: i64, y: i64, align: Align, text: &str) {
        self.add(Self::plain(x, y, align, text).set("font-weight", "bold"));
    }

    fn plain(x: i64, y: i64, align: Align, text: &str) -> Text {
        let anchor = match align {
            Align::Start => "start",
            Align::Middle => "middle",
            Align::End => "end",
        };
        Text::new(text).set("x", x).set("y", y).set("text-anchor", anchor)
    }

    pub(super) fn line(&mut self, from: (i64, i64), to: (i64, i64), colour: &str) {
        let line = Line::new()
            .set("x1", from.0)
            .set("y1", from.1)
            .set("x2", to.0)
            .set("y2", to.1);
        self.add(line.set("stroke", colour));
    }

    /// A curve that leaves and arrives vertically; `pointed` ends in an arrow.
    pub(super) fn curve(&mut self, from: (i64, i64), to: (i64, i64), colour: &str, pointed: bool) {
        let bend = (to.1 - from.1) / 2;
        let data = Data::new().move_to((from.0, from.1)).cubic_curve_to((
            from.0,
            from.1 + bend,
            to.0,
            to.1 - bend,
            to.0,
            to.1,
        ));
        let mut path = Path::new()
            .set("d", data)
            .set("fill", "none")
            .set("stroke", colour)
            .set("stroke-width", "1.5");
        if pointed {
            path = path.set("marker-end", "url(#arrow)");
            self.has_arrows = true;
        }
        self.add(path);
    }

    /// A text that hides what it is written over.
    pub(super) fn label(&mut self, x: i64, y: i64, text: &str) {
        let half = i64::try_from(text.chars().count()).unwrap_or(0) * 3 + 4;
        let back = Rectangle::new()
            .set("x", x - half)
            .set("y", y - 10)
            .set("width", 2 * half)
            .set("height", 14)
            .set("fill", "#ffffff")
            .set("fill-opacity", "0.9");
        self.add(back);
        self.small(x, y, Align::Middle, text);
    }

    fn add(&mut self, node: impl Into<Element>) {
        self.group = std::mem::replace(&mut self.group, Group::new()).add(node.into());
    }

    /// The finished drawing, without a trailing newline.
    pub(super) fn finish(self, width: i64, height: i64, title: &str) -> String {
        let arrow = Marker::new()
            .set("id", "arrow")
            .set("viewBox", "0 0 8 8")
            .set("refX", 7)
            .set("refY", 4)
            .set("markerWidth", 7)
            .set("markerHeight", 7)
            .set("orient", "auto-start-reverse")
            .add(Path::new().set("d", "M 0 0 L 8 4 L 0 8 z").set("fill", "#4a5364"));
        let mut document = Document::new()
            .set("viewBox", (0, 0, width, height))
            .set("width", width)
            .set("height", height)
            .set("role", "img")
            .add(Title::new(title));
        if self.has_arrows {
            document = document.add(Definitions::new().add(arrow));
        }
        document.add(self.group).to_string()
    }
}
