//! What exit codes mean by convention.
//!
//! A program may exit with any code for any reason; what is said here is what the number means where a program keeps to
//! the convention. The codes of init scripts (LSB, 2 to 7) and of services (systemd, 200 and on) are left out: those of
//! ordinary programs mean other things by the same numbers.

use std::fmt;

use super::signal_name;

/// The conventional meaning of an exit code, and whose convention it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// In a few words.
    pub words: String,
    /// Where it is written down.
    pub source: &'static str,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, by {}", self.words, self.source)
    }
}

const SYSEXITS: &str = "sysexits.h(3head)";
const TIMEOUT: &str = "timeout(1)";
const SHELL: &str = "sh(1)";

/// The first code with which shells say that a signal ended a program: the signal's number is added to it.
const SIGNALED: u8 = 128;

/// The conventional meaning of an exit code; `None` for 0 and for codes that every program uses as it likes.
pub fn meaning(code: u8) -> Option<Meaning> {
    let (words, source) = match code {
        64 => ("EX_USAGE: the command was used in a wrong way", SYSEXITS),
        65 => ("EX_DATAERR: the input data was incorrect", SYSEXITS),
        66 => ("EX_NOINPUT: an input file did not exist or was not readable", SYSEXITS),
        67 => ("EX_NOUSER: a user did not exist", SYSEXITS),
        68 => ("EX_NOHOST: a host did not exist", SYSEXITS),
        69 => ("EX_UNAVAILABLE: a service was not available", SYSEXITS),
        70 => ("EX_SOFTWARE: an error in the program itself", SYSEXITS),
        71 => ("EX_OSERR: an error of the operating system", SYSEXITS),
        72 => ("EX_OSFILE: a file of the system was missing or damaged", SYSEXITS),
        73 => ("EX_CANTCREAT: an output file could not be created", SYSEXITS),
        74 => ("EX_IOERR: an error while reading or writing a file", SYSEXITS),
        75 => ("EX_TEMPFAIL: a temporary failure; a later try may succeed", SYSEXITS),
        76 => ("EX_PROTOCOL: the other side did not keep to the protocol", SYSEXITS),
        77 => ("EX_NOPERM: a right was lacking", SYSEXITS),
        78 => ("EX_CONFIG: an error in the configuration", SYSEXITS),
        124 => ("a time limit of its own was over", TIMEOUT),
        125 => ("timeout, env, nice or the like failed itself", TIMEOUT),
        126 => ("a command was found and could not be executed", SHELL),
        127 => ("a command was not found", SHELL),
        _ => return by_signal(code),
    };
    Some(Meaning { words: words.to_owned(), source })
}

fn by_signal(code: u8) -> Option<Meaning> {
    let signal = i32::from(code.checked_sub(SIGNALED)?);
    let name = signal_name(signal);
    // Numbers without a name are nobody's signal.
    name.starts_with("SIG").then(|| Meaning { words: format!("a command in it was ended by {name}"), source: SHELL })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_are_told_with_their_source() {
        for (code, words) in [
            (64, "EX_USAGE: the command was used in a wrong way, by sysexits.h(3head)"),
            (78, "EX_CONFIG: an error in the configuration, by sysexits.h(3head)"),
            (127, "a command was not found, by sh(1)"),
            (137, "a command in it was ended by SIGKILL, by sh(1)"),
            (143, "a command in it was ended by SIGTERM, by sh(1)"),
        ] {
            assert_eq!(meaning(code).unwrap().to_string(), words);
        }
    }

    #[test]
    fn what_has_no_convention_has_no_meaning() {
        for code in [0, 1, 2, 7, 63, 79, 123, 128, 200, 203, 255] {
            assert_eq!(meaning(code), None, "{code}");
        }
    }
}
