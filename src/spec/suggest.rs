//! "Did you mean": the known word that is nearest to an unknown one.

/// The candidate that `word` was probably meant to be, if one is near: a slip or two away, or with `word` as its
/// beginning.
///
/// ```
/// assert_eq!(jobsd::spec::closest("comand", ["command", "shell"]), Some("command"));
/// assert_eq!(jobsd::spec::closest("frobnicate", ["command", "shell"]), None);
/// ```
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Shorter beginnings would fit by chance.
    const SHORTEST_BEGINNING: usize = 3;
    let word = word.to_lowercase();
    let length = word.chars().count();
    let slips = (length / 3).clamp(1, 3);
    let distance = |candidate: &str| {
        let lower = candidate.to_lowercase();
        let distance = strsim::damerau_levenshtein(&word, &lower);
        let beginning = length >= SHORTEST_BEGINNING && lower.starts_with(&word);
        (distance <= slips || beginning).then_some(distance)
    };
    // A word far longer than any candidate is none of them, and comparing it would take time in proportion.
    let longest = length + slips;
    candidates
        .into_iter()
        .filter(|candidate| {
            length <= candidate.len() + slips && (candidate.len() <= longest || length >= SHORTEST_BEGINNING)
        })
        .filter_map(|candidate| distance(candidate).map(|distance| (distance, candidate)))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_slips_beginnings_and_nothing() {
        let keys = ["command", "environment", "timeout", "timezone", "tags", "catch_up"];
        for (word, expected) in [
            ("comand", Some("command")),
            ("Command", Some("command")),
            ("env", Some("environment")),
            ("tiemout", Some("timeout")),
            ("tag", Some("tags")),
            ("catchup", Some("catch_up")),
            ("xyz", None),
            ("", None),
            ("memory_limit", None),
        ] {
            assert_eq!(closest(word, keys), expected, "{word}");
        }
    }
}
