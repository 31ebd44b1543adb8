//! [`replay`]: what the fuzzers began with and what they found, tried again by ordinary tests.

use std::path::Path;

/// Hands every input of `fuzz/corpus/<target>` to `run`, which panics when it breaks a promise.
///
/// # Panics
/// When there are fewer than `at_least` inputs: then the test would show nothing.
pub(crate) fn replay(target: &str, at_least: usize, run: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap_or_else(|fault| panic!("{}: {fault}", corpus.display())) {
        let path = entry.expect("an entry").path();
        run(&std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())));
        inputs += 1;
    }
    assert!(inputs >= at_least, "the corpus of {target} has {inputs} inputs");
}

/// The same for a target that takes text; the fuzzer passes over what is none.
pub(crate) fn replay_text(target: &str, at_least: usize, run: impl Fn(&str)) {
    replay(target, at_least, |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            run(text);
        }
    });
}
