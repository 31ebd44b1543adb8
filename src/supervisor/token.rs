//! [`Token`]: what an event of epoll is about, in 64 bits.

use crate::output::Stream;

/// Names an attempt or a connection as long as this supervisor runs. Never reused, so that a late event hits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(u64);

impl Key {
    /// The first name.
    pub const FIRST: Self = Self(0);

    /// The name after this one. 2^61 names last for ever.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A signal came.
    Signals,
    /// An engine wants to connect.
    Listener,
    /// An engine speaks, or can be spoken to.
    Engine(Key),
    /// A child speaks, or became its program.
    Status(Key),
    /// The first process among a job's own speaks, or has ended.
    First(Key),
    /// A program printed.
    Output(Key, Stream),
    /// An adopted process ended.
    Adopted(Key),
}

impl Token {
    const KINDS: u64 = 8;

    pub fn encode(self) -> u64 {
        let (kind, key) = match self {
            Self::Signals => (0, 0),
            Self::Listener => (1, 0),
            Self::Engine(key) => (2, key.0),
            Self::Status(key) => (3, key.0),
            Self::Output(key, Stream::Stdout) => (4, key.0),
            Self::Output(key, Stream::Stderr) => (5, key.0),
            Self::Adopted(key) => (6, key.0),
            Self::First(key) => (7, key.0),
        };
        key * Self::KINDS + kind
    }

    pub fn decode(number: u64) -> Self {
        let key = Key(number / Self::KINDS);
        match number % Self::KINDS {
            0 => Self::Signals,
            1 => Self::Listener,
            2 => Self::Engine(key),
            3 => Self::Status(key),
            4 => Self::Output(key, Stream::Stdout),
            5 => Self::Output(key, Stream::Stderr),
            6 => Self::Adopted(key),
            7 => Self::First(key),
            kind => unreachable!("the kernel returns what `encode` gave it, and never {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_were() {
        let key = Key(12345);
        let tokens = [
            Token::Signals,
            Token::Listener,
            Token::Engine(key),
            Token::Status(key),
            Token::Output(key, Stream::Stdout),
            Token::Output(key, Stream::Stderr),
            Token::Adopted(key),
            Token::First(key),
        ];
        for token in tokens {
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
