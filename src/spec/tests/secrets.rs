//! No value of `environment` is ever shown.

use proptest::prelude::*;

use super::*;

const SECRET: &str = "hunter2";

/// Files that hold the secret in their environment, some good, some faulty.
const FILES: [&str; 10] = [
    "command = 'x'\n[environment]\nTOKEN = 'hunter2'\n[retry]\nattempts = 2\n",
    "command = 'x'\n[environment]\nTOKEN = 'hunter2' # was hunter2 before\nB = 5\n",
    "command = 'x'\nenvironment = { A = 'hunter2', 'B C' = 'hunter2' }\n",
    "command = 'x'\nenvironment = [ 'A=hunter2' ]\n",
    "command = 'x'\nenvironment = 'A=hunter2'\n",
    "command = 'x'\nenvironment.A = 'hunter2'\nenvironment.'B B' = 'hunter2'\n",
    "command = 'x'\n[environment]\nA = '''\none\nhunter2\n'''\nB = 5\n",
    "command = 'x'\n[environment]\nA = { hunter2 = 'hunter2' }\n",
    "command = 'x'\nenviroment = { A = 'hunter2' }\n",
    "command = 'x'\nA = 'hunter2'\n[environment]\n\"A\\u0000\" = 'hunter2'\n",
];

fn shown(text: &str) -> String {
    match read_as_root(text, "") {
        Ok(spec) => format!("{spec:?}"),
        Err(faults) => format!("{}{}{}{faults:?}", faults.plain(), faults.styled(), faults.summary()),
    }
}

#[test]
fn whatever_is_wrong() {
    for text in FILES {
        let shown = shown(text);
        assert!(!shown.contains(SECRET), "{text}\n{shown}");
    }
    let defaults =
        read_as_root("command = 'x'", "environment = { A = 'hunter2', B = 5, 'C C' = 'hunter2' }").unwrap_err();
    assert!(!defaults.plain().contains(SECRET));
}

#[test]
fn the_mask_keeps_the_place() {
    let faults = read_as_root("command = 'x'\nenvironment = { A = 'hunter2', B = 5, C = '' }", "").unwrap_err();
    insta::assert_snapshot!("the_mask_keeps_the_place", faults.plain());
}

proptest! {
    /// A file that is cut anywhere, or into which something slipped, shows nothing either.
    #[test]
    fn in_broken_files(
        file in 0..FILES.len(),
        at in any::<proptest::sample::Index>(),
        what in proptest::sample::select(vec!["", "'", "\"", "\"\"\"", "[", "]", "=", "\n", "{", "}", "#", ",", "\\", "é"]),
        cut in any::<bool>(),
    ) {
        let text = FILES[file];
        // What slips into the name of the table makes it another table.
        let word = ["nvironment", "nviroment"].iter().find_map(|word| Some(text.find(word)? + word.len())).unwrap();
        let at = word + at.index(text.len() - word + 1);
        let text = if cut { format!("{}{what}", &text[..at]) } else { format!("{}{what}{}", &text[..at], &text[at..]) };
        let shown = shown(&text);
        prop_assert!(!shown.contains(SECRET), "{}\n{}", text, shown);
    }
}
