// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The arguments of a partition: words of the form `key=value`, from `args` of the spec.

/// The `key=value` words of `text`, or the word that is none.
pub fn pairs(text: &str) -> impl Iterator<Item = Result<(&str, &str), &str>> {
    text.split_ascii_whitespace()
        .map(|word| word.split_once('=').ok_or(word))
}

#[cfg(test)]
mod tests {
    use super::pairs;

    #[test]
    fn words_are_split_at_the_first_equals_sign() {
        let all: Vec<_> = pairs("  seed=1\thold=500ms@brake=x odd ").collect();
        assert_eq!(
            all,
            [Ok(("seed", "1")), Ok(("hold", "500ms@brake=x")), Err("odd")]
        );
        assert_eq!(pairs("").count(), 0);
    }
}
