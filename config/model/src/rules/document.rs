// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the form of a document: syntax, keys, values.

use crate::diagnostic::{Diagnostic, Rule};
use crate::span::{Span, Spanned};
use crate::tree::{Node, listed, nearest};
use crate::units::{Quantity, QuantityError};

/// Not YAML.
static SYNTAX: Rule = Rule {
    number: "BH001",
    id: "document/syntax",
    text: "A file is one YAML document.",
    fix: "Close the bracket or quote, or align the indent with its neighbours.",
};
/// A name twice.
static DUPLICATE_KEY: Rule = Rule {
    number: "BH002",
    id: "document/duplicate-key",
    text: "A name or key is given once in its map.",
    fix: "Remove one of the two, or give it another name.",
};
/// A key that does not exist.
static UNKNOWN_KEY: Rule = Rule {
    number: "BH003",
    id: "document/unknown-key",
    text: "Only keys of the language are used.",
    fix: "Correct the spelling; `schema --keys` lists all keys.",
};
/// A key that is needed.
static MISSING_KEY: Rule = Rule {
    number: "BH004",
    id: "document/missing-key",
    text: "Every key that is needed is given.",
    fix: "Add the key where the message points.",
};
/// A map where a list belongs, and the like.
static WRONG_TYPE: Rule = Rule {
    number: "BH005",
    id: "document/wrong-type",
    text: "Maps, lists and single values are where they belong.",
    fix: "Write a map, a list or a single value, as the message says.",
};
/// A number or unit that cannot be read.
static QUANTITY: Rule = Rule {
    number: "BH006",
    id: "document/quantity",
    text: "Numbers are whole, in range, and carry a unit that fits.",
    fix: "Write a whole number in range with a unit like `MiB` or `ms`.",
};
/// A word that is none of the choices.
static CHOICE: Rule = Rule {
    number: "BH007",
    id: "document/choice",
    text: "A value with fixed choices is one of them.",
    fix: "Write one of the words that the message lists.",
};
/// Nothing where something is needed.
static EMPTY: Rule = Rule {
    number: "BH008",
    id: "document/empty",
    text: "Lists and texts that must say something are not empty.",
    fix: "Name at least one, or remove the key if it is optional.",
};
/// A version of the language that this tool does not read.
static VERSION: Rule = Rule {
    number: "BH009",
    id: "document/version",
    text: "The file is written in version 1 of the language.",
    fix: "Write version 1 and use only keys of version 1, or use the Bulkhead that reads the other version.",
};
/// An override that leads nowhere.
static NO_SUCH_PATH: Rule = Rule {
    number: "BH010",
    id: "document/no-such-path",
    text: "`--set` names a place that the spec has.",
    fix: "Give a path of keys and list indices that the spec has, joined by dots.",
};

/// All rules of this module.
pub(super) static ALL: &[&Rule] = &[
    &SYNTAX,
    &DUPLICATE_KEY,
    &UNKNOWN_KEY,
    &MISSING_KEY,
    &WRONG_TYPE,
    &QUANTITY,
    &CHOICE,
    &EMPTY,
    &VERSION,
    &NO_SUCH_PATH,
];

pub(crate) fn syntax(span: Span, reason: &str) -> Diagnostic {
    Diagnostic::new(
        &SYNTAX,
        span,
        format!("this is not valid YAML: {reason}"),
        "the reader stopped here",
        "look for a bracket or quote that is not closed, or an indent that differs from its neighbours",
    )
}

pub(crate) fn duplicate_key(first: &Spanned<String>, second: Span) -> Diagnostic {
    Diagnostic::new(
        &DUPLICATE_KEY,
        second,
        format!("`{}` is given twice", first.value),
        "given again here",
        "remove one of the two, or give it another name",
    )
    .and(first.span, "first given here")
}

pub(crate) fn unknown_key(key: &Spanned<String>, what: &str, known: &[&str]) -> Diagnostic {
    let help = match nearest(key, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("{what} has {}", listed(known.iter().copied())),
    };
    Diagnostic::new(
        &UNKNOWN_KEY,
        key.span,
        format!("{what} has no key `{}`", key.value),
        "unknown key",
        help,
    )
}

pub(crate) fn missing_key(span: Span, what: &str, key: &str) -> Diagnostic {
    Diagnostic::new(
        &MISSING_KEY,
        span,
        format!("{what} needs the key `{key}`"),
        "it is missing here",
        format!("add `{key}: …`"),
    )
}

pub(crate) fn wrong_type(node: &Node, what: &str, wanted: &str) -> Diagnostic {
    Diagnostic::new(
        &WRONG_TYPE,
        node.span,
        format!("{what} must be {wanted}"),
        format!("this is {}", node.kind()),
        format!("write {wanted}"),
    )
}

pub(crate) fn quantity(span: Span, text: &str, error: &QuantityError, quantity: &Quantity) -> Diagnostic {
    let meant = quantity
        .meant(text)
        .filter(|_| matches!(error, QuantityError::Unit(_)));
    let cause = match error {
        QuantityError::Number => "not a whole number".to_owned(),
        QuantityError::TooLarge => "too large".to_owned(),
        QuantityError::UnitMissing => "the unit is missing".to_owned(),
        QuantityError::Unit(unit) => format!("`{unit}` is no unit here"),
        QuantityError::Fraction => "more decimals than can be told apart".to_owned(),
    };
    let help = meant.map(|meant| format!("did you mean `{meant}`?"));
    let wanted = quantity.wanted;
    bad_quantity(span, format!("`{text}` is not {wanted}"), cause, wanted, help)
}

pub(crate) fn out_of_range(span: Span, what: &str, wanted: &str) -> Diagnostic {
    let message = format!("{what} must be {wanted}");
    bad_quantity(span, message, "out of range".to_owned(), wanted, None)
}

fn bad_quantity(
    span: Span,
    message: String,
    cause: String,
    wanted: &str,
    help: Option<String>,
) -> Diagnostic {
    let help = help.unwrap_or_else(|| format!("write {wanted}"));
    Diagnostic::new(&QUANTITY, span, message, cause, help)
}

pub(crate) fn choice(word: &Spanned<String>, what: &str, choices: &[&str]) -> Diagnostic {
    let choices = choices.iter().copied();
    let help = match nearest(word, choices.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write {}", listed(choices.clone())),
    };
    Diagnostic::new(
        &CHOICE,
        word.span,
        format!("{what} cannot be `{}`", word.value),
        format!("expected {}", listed(choices)),
        help,
    )
}

pub(crate) fn empty(span: Span, what: &str) -> Diagnostic {
    Diagnostic::new(
        &EMPTY,
        span,
        format!("{what} must not be empty"),
        "nothing is said here",
        "name at least one, or remove the key if it is optional",
    )
}

pub(crate) fn version(version: &Spanned<u64>, key: &str) -> Diagnostic {
    let help = if version.value > 1 {
        format!(
            "this tool reads version 1: use a newer Bulkhead, or write `{key}: 1` and use only keys of version 1"
        )
    } else {
        format!("write `{key}: 1`; there was no version before it")
    };
    Diagnostic::new(
        &VERSION,
        version.span,
        format!("version {} of the language is not known", version.value),
        "only version 1 is",
        help,
    )
}

pub(crate) fn no_such_path(span: Span, message: String, help: String) -> Diagnostic {
    Diagnostic::new(&NO_SUCH_PATH, span, message, "this part of the path", help)
}
