//! Files of variables, in the format of systemd's `EnvironmentFile=` ([systemd.exec(5)]).
//!
//! One `NAME=value` a line. Empty lines, and those that begin with `#` or `;`, say nothing. White space round name and
//! value is dropped, unless quotes hold it. In double quotes a backslash takes the meaning from `"`, `\`, `` ` `` and `$`;
//! in single quotes nothing has a meaning; outside of them a backslash stands before any character. A backslash before a
//! newline joins two lines, and quotes may reach over lines. Nothing is expanded, and lines that are no assignment to
//! something that can be a variable are passed over.
//!
//! [systemd.exec(5)]: https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#EnvironmentFile=

/// The variables of a file, in its order.
pub(super) fn parse(text: &str) -> Vec<(String, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text.chars().peekable() };
    let mut variables = Vec::new();
    while let Some(line) = reader.line() {
        variables.extend(line);
    }
    variables
}

struct Reader<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
}

impl Reader<'_> {
    /// The next line, of which nothing may come; `None` at the end.
    fn line(&mut self) -> Option<Option<(String, String)>> {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
        self.rest.peek()?;
        if self.rest.next_if(|c| matches!(c, '#' | ';')).is_some() {
            self.skip_comment();
            return Some(None);
        }
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| !matches!(c, '=' | '\n')) {
            name.push(c);
        }
        if self.rest.next_if_eq(&'=').is_none() {
            return Some(None);
        }
        let value = self.value();
        let name = name.trim_end();
        Some((is_name(name) && !value.contains('\0')).then(|| (name.to_owned(), value)))
    }

    /// A backslash at the end of its line makes the next one part of a comment.
    fn skip_comment(&mut self) {
        while let Some(c) = self.rest.next() {
            match c {
                '\n' => return,
                '\\' => drop(self.rest.next()),
                _ => {}
            }
        }
    }

    fn value(&mut self) -> String {
        let mut value = String::new();
        // Where the last character stands that is no trailing white space.
        let mut end = 0;
        while self.rest.next_if(|c| matches!(c, ' ' | '\t' | '\r')).is_some() {}
        while let Some(c) = self.rest.next() {
            match c {
                '\n' => break,
                '\'' => {
                    value.extend(std::iter::from_fn(|| self.rest.next_if(|c| *c != '\'')));
                    self.rest.next();
                }
                '"' => self.double_quoted(&mut value),
                '\\' => match self.rest.next() {
                    Some('\n') | None => continue,
                    Some(c) => value.push(c),
                },
                c if c.is_whitespace() => {
                    value.push(c);
                    continue;
                }
                c => value.push(c),
            }
            end = value.len();
        }
        value.truncate(end);
        value
    }

    fn double_quoted(&mut self, value: &mut String) {
        while let Some(c) = self.rest.next() {
            match c {
                '"' => return,
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                },
                c => value.push(c),
            }
        }
    }
}

/// Names as the shell has them. Those of the facts of a run cannot be said by a file.
fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_systemd_reads_them() {
        let table: [(&str, &[(&str, &str)]); 14] = [
            ("", &[]),
            ("A=1\nB=2", &[("A", "1"), ("B", "2")]),
            ("# A=1\n; B=2\n\n  C = x y  \n", &[("C", "x y")]),
            ("A=\nB=''\n", &[("A", ""), ("B", "")]),
            ("A=\"x  y \" \n", &[("A", "x  y ")]),
            ("A='it \\n is'\"!\"\n", &[("A", "it \\n is!")]),
            ("A=\"a\\\"b\\$c\\d\"", &[("A", "a\"b$c\\d")]),
            ("A=one\\\ntwo\nB=3", &[("A", "onetwo"), ("B", "3")]),
            ("A=\"one\ntwo\"\nB=3", &[("A", "one\ntwo"), ("B", "3")]),
            ("A=x\\ y\\\\", &[("A", "x y\\")]),
            ("no assignment\n1A=1\nA B=2\nOK=1", &[("OK", "1")]),
            ("# goes on \\\nA=1\nB=2", &[("B", "2")]),
            ("A=a#b;c\r\nB=$A", &[("A", "a#b;c"), ("B", "$A")]),
            ("A=\"never closed\nB=2", &[("A", "never closed\nB=2")]),
        ];
        for (text, expected) in table {
            let expected: Vec<_> = expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn anything_can_be_read() {
        for text in ["=", "==\n=", "\\", "A=\\", "A='", "A=\"\\", "\u{feff}A=1", "A=\0"] {
            let variables = parse(text);
            assert!(variables.iter().all(|(_, value)| !value.contains('\0')), "{text:?}");
        }
    }
}
