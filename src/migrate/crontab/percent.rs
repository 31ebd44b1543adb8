//! `%` in a command: the first ends the command, the others are the newlines of what follows, its standard input.

/// Splits the sixth field as cron does; `\%` is a percent sign. `None`: there is no input.
///
/// The two halves treat a backslash before a backslash differently, and so does this ([crontab(5)]; the letter of it
/// is `child_process` in cron's `do_command.c`).
///
/// [crontab(5)]: https://man7.org/linux/man-pages/man5/crontab.5.html
pub(super) fn split(text: &str) -> (String, Option<String>) {
    let mut command = String::with_capacity(text.len());
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '%' if escaped => {
                command.pop();
                command.push('%');
            }
            '%' => return (command, input(&text[at + 1..])),
            other => command.push(other),
        }
        escaped = c == '\\' && !escaped;
    }
    (command, None)
}

fn input(text: &str) -> Option<String> {
    let mut input = String::with_capacity(text.len() + 1);
    let mut escaped = false;
    for c in text.chars() {
        match (escaped, c) {
            (true, '%') => input.push('%'),
            (true, '\\') => input.push('\\'),
            (true, other) => input.extend(['\\', other]),
            (false, '%') => input.push('\n'),
            (false, '\\') => {}
            (false, other) => input.push(other),
        }
        escaped = c == '\\';
    }
    if escaped {
        input.push('\\');
    }
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    (!input.is_empty()).then_some(input)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn as_cron_splits() {
        for (text, command, input) in [
            ("date", "date", None),
            (r"date +\%F", "date +%F", None),
            (r"date +\\%F", r"date +\\", Some("F\n")),
            ("cat%", "cat", None),
            ("cat%%", "cat", Some("\n")),
            ("mail -s hi root%one%two", "mail -s hi root", Some("one\ntwo\n")),
            (r"cat%a\%b\c\\%d", "cat", Some("a%b\\c\\%d\n")),
            (r"cat%end\", "cat", Some("end\\\n")),
            (r"a\b", r"a\b", None),
        ] {
            assert_eq!(split(text), (command.to_owned(), input.map(str::to_owned)), "{text}");
        }
    }
}
