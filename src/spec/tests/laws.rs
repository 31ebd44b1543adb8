//! What holds for every input.

use proptest::prelude::*;

use super::*;

/// Pieces of which something like a job file can be made.
const PIECES: [&str; 40] = [
    "command",
    "schedule",
    "environment",
    "retry",
    "timeout",
    "overlap",
    "tags",
    "attempts",
    "cron",
    "timezone",
    "a.b",
    " = ",
    "=",
    "\n",
    "\r\n",
    "\r",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ",",
    "#",
    "'",
    "\"",
    "\"\"\"",
    "'''",
    "\\",
    "\u{0}",
    "true",
    "5",
    "-1",
    "1e9",
    "2026-01-01",
    "'x'",
    "\"*/5 * * * *\"",
    "'1h'",
    "ä€😀",
    "\u{feff}",
];

/// Tells everything there is to tell, which must not panic.
fn tell(text: &str, defaults: &str) {
    for authority in
        [Authority::Anybody, Authority::Only(Account { uid: 1, user: "a".into(), gid: 1, group: "a".into() })]
    {
        if let Err(faults) = read_as(authority, text, defaults) {
            assert!(!faults.plain().is_empty() && !faults.styled().is_empty() && !faults.summary().is_empty());
            for fault in faults.iter() {
                if let Some((start, end)) = faults.places(fault) {
                    assert!((start.line, start.column) <= (end.line, end.column), "{start:?} {end:?}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), defaults in any::<String>()) {
        tell(&text, &defaults);
    }

    #[test]
    fn no_heap_of_pieces_panics(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..40),
        defaults in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..10),
    ) {
        tell(&pieces.concat(), &defaults.concat());
    }

    /// The same text gives the same revision, whatever reads it; another text gives another.
    #[test]
    fn revisions_tell_texts_apart(comment in "[a-z]{0,8}", other in "[a-z]{0,8}") {
        let revision = |comment: &str| job(&format!("# {comment}")).revision;
        prop_assert_eq!(revision(&comment) == revision(&other), comment == other);
    }
}
