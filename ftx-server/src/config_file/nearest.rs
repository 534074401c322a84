//! The valid word that somebody meant by a wrong one.

use strsim::osa_distance;

use super::Listed;

/// As many valid words are listed where none is near.
const MAX_LISTED: usize = 6;

/// The valid word that differs least from `word`, if it is a likely slip.
pub(super) fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let limit = (folded.chars().count() / 3).max(1);
    let distances = valid.into_iter().map(|valid| (osa_distance(&folded, &fold(valid)), valid));
    let (distance, valid) = distances.min_by_key(|&(distance, _)| distance)?;
    (distance <= limit).then_some(valid)
}

/// The end of an error about `word`: which word was meant, or which ones there are if they are few.
pub(super) fn advice<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let valid: Vec<_> = valid.into_iter().collect();
    match nearest(word, valid.iter().copied()) {
        Some(valid) => format!("; did you mean {valid:?}?"),
        None if valid.len() <= MAX_LISTED => {
            let valid: Vec<_> = valid.iter().map(|valid| format!("{valid:?}")).collect();
            format!("; valid are {}", Listed(&valid))
        }
        None => String::new(),
    }
}

/// Case and the kind of dash are no difference: flags have other dashes than keys.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["listen", "root", "staging_ttl", "grace"];

    #[test]
    fn a_slip_is_recognised() {
        for (word, meant) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("lsiten", Some("listen")),
            ("staging-ttl", Some("staging_ttl")),
            ("stagingttl", Some("staging_ttl")),
            ("rot", Some("root")),
            ("mode", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, KEYS), meant, "{word}");
        }
    }

    #[test]
    fn few_words_are_listed_where_none_is_near() {
        assert_eq!(advice("rot", KEYS), "; did you mean \"root\"?");
        assert_eq!(advice("x", ["a1", "b2"]), "; valid are \"a1\" and \"b2\"");
        assert_eq!(advice("x", KEYS.into_iter().chain(KEYS)), "");
    }
}
