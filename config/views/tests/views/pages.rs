// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Drawings and the HTML report: well formed, complete, the same twice, nothing from elsewhere.

use std::cell::RefCell;
use std::fs;

use bulkhead_analysis::Analysis;
use bulkhead_compiler::build;
use bulkhead_views::draw;
use bulkhead_views::html::{Report, report};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::support::{Workshop, certify, hypervisor_bin};
use crate::{Sample, reference_text};

const NAMES: [&str; 6] = [
    "adas",
    "vehicle",
    "infotainment",
    "cluster",
    "vehicle-state",
    "can0",
];

/// Texts of an SVG drawing.
fn texts(svg: &str) -> String {
    let document = roxmltree::Document::parse(svg).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "svg");
    document
        .descendants()
        .filter_map(|n| n.text())
        .collect::<Vec<_>>()
        .join("\n")
}

// Verifies: BH-EXPL-006
#[test]
fn drawings_are_xml_and_show_everybody() {
    let sample = Sample::reference();
    let built = sample.built();
    let graph = texts(&draw::graph(&sample.system, &built));
    for name in NAMES.into_iter().chain([
        "core 0",
        "core 1",
        "core 2",
        "core 3",
        "EL2",
        "StreamID 0x8",
        "INTID 36",
    ]) {
        assert!(graph.contains(name), "{name} in {graph}");
    }
    let frame = texts(&draw::frame(&sample.system, &built));
    for name in [
        "adas",
        "vehicle",
        "infotainment",
        "cluster",
        "system",
        "core 3",
        "10 ms",
    ] {
        assert!(frame.contains(name), "{name}");
    }
    let memory = texts(&draw::memory(&sample.system, &built));
    for name in [
        "adas: ram",
        "EL2: blob",
        "channel vehicle-state",
        "free",
        "256 MiB",
    ] {
        assert!(memory.contains(name), "{name}");
    }
}

// Verifies: BH-EXPL-006
#[test]
fn drawings_escape_what_they_show() {
    let text = reference_text().replace("{ elf: cluster }", "{ elf: \"<&>.elf\" }");
    let workshop = Workshop::new();
    fs::copy(workshop.path("images/cluster.elf"), workshop.path("<&>.elf")).unwrap();
    let sample = Sample::of(workshop.load(&text.replace("\"<&>.elf\"", "\"./<&>.elf\"")));
    assert!(texts(&draw::graph(&sample.system, &sample.built())).contains("./<&>.elf"));
    let page = page(&sample);
    assert!(page.contains("&lt;&amp;&gt;.elf") && !page.contains("<&>"));
}

pub(crate) fn page(sample: &Sample) -> String {
    let analysis = Analysis::of(&sample.system, &sample.system.board.bounds);
    let built = sample.built();
    report(Report {
        system: &sample.system,
        built: &built,
        analysis: &analysis,
        certificate: None,
    })
    .unwrap()
}

/// Names and values.
type Attributes = Vec<(String, String)>;

/// What the tokenizer of a browser makes of a page.
#[derive(Default)]
struct Seen {
    open: RefCell<Vec<String>>,
    tags: RefCell<Vec<(String, Attributes)>>,
    text: RefCell<String>,
    errors: RefCell<Vec<String>>,
}

impl TokenSink for Seen {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => {
                let name = tag.name.to_string();
                let void = ["meta", "br", "link", "img", "input", "hr"].contains(&name.as_str());
                if tag.kind == TagKind::StartTag {
                    let attributes = tag
                        .attrs
                        .iter()
                        .map(|a| (a.name.local.to_string(), a.value.to_string()));
                    self.tags.borrow_mut().push((name.clone(), attributes.collect()));
                    if !tag.self_closing && !void {
                        self.open.borrow_mut().push(name);
                    }
                } else if self.open.borrow_mut().pop().as_deref() != Some(name.as_str()) {
                    self.errors
                        .borrow_mut()
                        .push(format!("</{name}> closes another element"));
                }
            }
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::ParseError(error) => self.errors.borrow_mut().push(error.to_string()),
            Token::DoctypeToken(_) | Token::CommentToken(_) | Token::NullCharacterToken | Token::EOFToken => {
            }
        }
        TokenSinkResult::Continue
    }
}

// Verifies: BH-EXPL-007
#[test]
fn the_report_is_html_complete_and_self_contained() {
    let sample = Sample::reference();
    let page = page(&sample);
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(page.as_str()));
    let tokenizer = Tokenizer::new(
        Seen::default(),
        TokenizerOpts {
            exact_errors: true,
            ..TokenizerOpts::default()
        },
    );
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let seen = tokenizer.sink;
    assert_eq!(seen.errors.into_inner(), Vec::<String>::new());
    assert_eq!(seen.open.into_inner(), Vec::<String>::new());
    let text = seen.text.into_inner();
    for name in NAMES.into_iter().chain([
        "core 0",
        "core 1",
        "core 2",
        "core 3",
        "partition:cluster",
        "adas/braking",
        "Response times against deadlines",
        "INTID",
        "0x8",
    ]) {
        assert!(text.contains(name), "{name}");
    }
    let built = sample.built();
    assert!(text.contains(&built.blob_hash()) && text.contains(&built.hypervisor_id()));
    let tags = seen.tags.into_inner();
    let ids: Vec<&str> = tags
        .iter()
        .flat_map(|(_, a)| a)
        .filter(|(n, _)| n == "id")
        .map(|(_, v)| v.as_str())
        .collect();
    for (position, id) in ids.iter().enumerate() {
        assert!(!ids[..position].contains(id), "id {id} twice");
    }
    for (name, attributes) in &tags {
        assert!(
            !["script", "link", "img", "iframe", "object"].contains(&name.as_str()),
            "<{name}>"
        );
        for (attribute, value) in attributes {
            assert!(
                attribute != "src" && !attribute.starts_with("on"),
                "{attribute}={value}"
            );
            if attribute == "href" {
                assert!(ids.contains(&value.strip_prefix('#').unwrap()), "{value}");
            }
        }
    }
    assert!(!page.contains("url(http") && !page.contains("@import"));
}

// Verifies: BH-EXPL-006, BH-EXPL-007
#[test]
fn two_builds_in_two_places_write_the_same_pages() {
    let pages: Vec<String> = (0..2)
        .map(|_| {
            let workshop = Workshop::new();
            let system = workshop.reference();
            build(
                &system,
                &hypervisor_bin(),
                &workshop.path("images"),
                certify,
                &workshop.path("out"),
            )
            .unwrap();
            let page = fs::read_to_string(workshop.path("out/report.html")).unwrap();
            assert!(!page.contains(workshop.path("").to_str().unwrap().trim_end_matches('/')));
            page
        })
        .collect();
    assert_eq!(pages[0], pages[1]);
    assert!(pages[0].contains("The independent checker proved"));
}
