//! [`Visible`]: what a job printed, in a form that a terminal shows and does not obey.

/// Turns bytes of one stream into text without control characters, piece by piece: what a job prints must not move the reader's cursor,
/// change his title or answer in his name.
///
/// Tabs and ends of lines stay. Other control characters are written as `cat -v` does, `^[` for escape and `^M` for a
/// carriage return; those of the upper half, and bytes that are no UTF-8, as `\x9b`.
#[derive(Debug, Default)]
pub struct Visible {
    /// The beginning of a character whose end has not come yet.
    begun: Vec<u8>,
}

impl Visible {
    /// The next bytes.
    pub fn show(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = all.len() - unfinished(&all);
        self.begun = all.split_off(whole);
        text(&all)
    }

    /// What is left when the stream will not go on: a character without its end.
    pub fn rest(&mut self) -> String {
        text(&std::mem::take(&mut self.begun))
    }
}

/// How many bytes at the end are the beginning of a character.
fn unfinished(bytes: &[u8]) -> usize {
    // A character has four bytes at the most, so that its beginning lies in the last three.
    let first = bytes.len().saturating_sub(3);
    let begins = (first..bytes.len()).find(|&place| {
        let fault = std::str::from_utf8(&bytes[place..]).err();
        fault.is_some_and(|fault| fault.valid_up_to() == 0 && fault.error_len().is_none())
    });
    begins.map_or(0, |place| bytes.len() - place)
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' | '\n' => text.push(c),
                '\0'..='\x1f' => text.extend(['^', char::from(c as u8 + 0x40)]),
                '\x7f' => text.push_str("^?"),
                c if c.is_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut visible = Visible::default();
        visible.show(bytes) + &visible.rest()
    }

    #[test]
    fn what_a_terminal_would_obey_is_seen() {
        for (bytes, expected) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            ("\u{e4}\u{20ac}\u{1f600}\n".as_bytes(), "\u{e4}\u{20ac}\u{1f600}\n"),
            (b"\x1b]0;title\x07\x1b[2J", "^[]0;title^G^[[2J"),
            (b"10%\r20%\r\n", "10%^M20%^M\n"),
            (b"\0\x7f\x08", "^@^?^H"),
            ("\u{9b}31m".as_bytes(), "\\x9b31m"),
            (b"\x9b31m \xff\xc3", "\\x9b31m \\xff\\xc3"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn a_character_in_two_pieces_is_one() {
        let mut visible = Visible::default();
        let euro = "\u{20ac}".as_bytes();
        assert_eq!(visible.show(&euro[..2]), "");
        assert_eq!(visible.show(&euro[2..]), "\u{20ac}");
        visible.show(&euro[..1]);
        assert_eq!(visible.show(b"x"), "\\xe2x");
        visible.show(&euro[..1]);
        assert_eq!((visible.rest(), visible.rest()), ("\\xe2".to_owned(), String::new()));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(bytes: Vec<u8>, cuts in prop::collection::vec(0usize..64, 0..4)) {
            let mut visible = Visible::default();
            let (mut whole, mut left) = (String::new(), bytes.as_slice());
            for cut in cuts {
                let (piece, rest) = left.split_at(cut.min(left.len()));
                whole += &visible.show(piece);
                left = rest;
            }
            whole += &visible.show(left);
            whole += &visible.rest();
            prop_assert_eq!(&whole, &shown(&bytes));
            prop_assert!(!whole.chars().any(|c| c.is_control() && c != '\t' && c != '\n'));
        }
    }
}
