//! Texts as TOML and as shell words, in the form that is read most easily.

/// A TOML string. What has quotes or backslashes becomes a literal string, where nothing is escaped, if it can.
pub(super) fn toml_string(text: &str) -> String {
    let plain = |c: char| c == '\t' || !c.is_control();
    let lines = text.chars().all(|c| c == '\n' || plain(c));
    let fits_literal_lines = lines && !text.contains("'''") && !text.ends_with('\'');
    if !text.contains('\n') {
        let one_line = text.chars().all(plain);
        if one_line && !text.contains(['"', '\\']) {
            return format!("\"{text}\"");
        }
        if one_line && !text.contains('\'') {
            return format!("'{text}'");
        }
        // A newline right behind the opening quotes is dropped; none may be added in front of the closing ones.
        if fits_literal_lines {
            return format!("'''{text}'''");
        }
    } else if fits_literal_lines {
        return format!("'''\n{text}'''");
    }
    escaped(text)
}

fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key, quoted when it is no bare one.
pub(super) fn toml_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { escaped(key) }
}

/// A word for a POSIX shell, quoted when it has to be.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A text for a comment: one line, whatever it held.
pub(super) fn comment_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_form_that_is_read_most_easily() {
        for (text, toml) in [
            ("ls -l", "\"ls -l\""),
            (r#"echo "a\b""#, r#"'echo "a\b"'"#),
            (r#"echo "it's""#, r#"'''echo "it's"'''"#),
            ("a '''\" b", r#""a '''\" b""#),
            ("one\ntwo\n", "'''\none\ntwo\n'''"),
            ("a\rb", r#""a\u000Db""#),
        ] {
            assert_eq!(toml_string(text), toml);
        }
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }

    proptest! {
        #[test]
        fn toml_reads_back_what_was_written(text in r#"(\PC|['"\\\n\t\r\x00-\x1f]){0,20}"#, key in "\\PC{0,8}") {
            let file = format!("{} = {}", toml_key(&key), toml_string(&text));
            let table: toml::Table = file.parse().unwrap();
            prop_assert_eq!(table[&key].as_str(), Some(text.as_str()));
        }
    }
}
