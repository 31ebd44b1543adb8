//! [`Engines`]: who is connected, and which of them is the engine.

use std::collections::BTreeMap;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::connection::{Closing, Connection};
use super::origin::Origin;
use super::program::File;
use super::protocol::wire::{self, ToEngine, ToSupervisor};
use super::token::{Key, Token};
use crate::clock::{BootId, Monotonic};
use crate::run::Report;

/// Connections that may be open before they have said who they are; further ones are closed at once.
const STRANGERS: usize = 8;

/// Time for a connection to say who it is.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// All connections.
#[derive(Default)]
pub(super) struct Engines {
    connections: BTreeMap<Key, (Connection, Standing)>,
    highest_generation: u64,
}

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has not said hello.
    Stranger {
        /// Until when it has to.
        until: Monotonic,
        /// Whether the socket was full.
        full: bool,
    },
    /// It is the engine.
    Engine {
        /// Whether the socket was full.
        full: bool,
    },
    /// It was refused or displaced, and goes when it has read why.
    Leaving,
}

/// A message from the engine, or the news that there is one.
pub(super) enum Heard {
    /// A connection has become the engine; it wants to know everything.
    Arrived,
    /// It says something.
    Message(ToSupervisor),
}

/// Who the supervisor is.
pub(super) struct Introduction<'a> {
    pub pid: u32,
    pub boot: &'a BootId,
}

/// The newest version that both sides speak.
fn choose_version(offered: &[u32]) -> Option<u32> {
    [wire::VERSION, wire::OLDER_VERSION].into_iter().find(|version| offered.contains(version))
}

impl Engines {
    /// Whether somebody is connected.
    pub fn any(&self) -> bool {
        !self.connections.is_empty()
    }

    /// What the engine executes, if there is one.
    pub fn program(&self) -> Option<File> {
        let engine = |(connection, standing): &(Connection, Standing)| match standing {
            Standing::Engine { .. } => connection.program(),
            Standing::Stranger { .. } | Standing::Leaving => None,
        };
        self.connections.values().find_map(engine)
    }

    /// When the next connection has been silent for too long.
    pub fn due(&self) -> Option<Monotonic> {
        let until = |standing: &Standing| match standing {
            Standing::Stranger { until, .. } => Some(*until),
            Standing::Engine { .. } | Standing::Leaving => None,
        };
        self.connections.values().filter_map(|(_, standing)| until(standing)).min()
    }

    /// Takes a connection that waits at the listener, under the name `key`, from whomever `origin` finds outside of all runs.
    /// Returns whether there was one.
    pub fn accept(
        &mut self,
        listener: &UnixListener,
        key: Key,
        epoll: &Epoll,
        now: Monotonic,
        origin: impl FnOnce(&UnixStream) -> Origin,
    ) -> bool {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(fault) => {
                tracing::warn!(%fault, "cannot accept a connection");
                return false;
            }
        };
        match origin(&stream) {
            Origin::Outside => {}
            Origin::Attempt(attempt) => {
                tracing::warn!(%attempt, "a connection is refused: it comes from a run");
                return true;
            }
            Origin::Unclear(reason) => {
                tracing::warn!(%reason, "a connection is refused: it may come from a run");
                return true;
            }
        }
        let strangers = self.connections.values().filter(|(_, standing)| matches!(standing, Standing::Stranger { .. }));
        if strangers.count() >= STRANGERS {
            tracing::warn!("too many connections that say nothing; a new one is closed");
            return true;
        }
        let watched = Connection::new(stream).and_then(|connection| {
            epoll.add(&connection, EpollEvent::new(EpollFlags::EPOLLIN, Token::Engine(key).encode()))?;
            Ok(connection)
        });
        match watched {
            Ok(connection) => {
                let standing = Standing::Stranger { until: now.saturating_add(HELLO_DEADLINE), full: false };
                self.connections.insert(key, (connection, standing));
            }
            Err(fault) => tracing::warn!(%fault, "a connection is refused"),
        }
        true
    }

    /// Reads from a connection. Messages of one that is not the engine are dropped.
    pub fn hear(&mut self, key: Key, epoll: &Epoll, introduction: &Introduction<'_>) -> Vec<Heard> {
        let Some((connection, _)) = self.connections.get_mut(&key) else { return Vec::new() };
        let (messages, closing) = connection.read();
        let mut heard = Vec::new();
        for message in messages {
            match (message, self.connections.get(&key).map(|(_, standing)| *standing)) {
                (ToSupervisor::Hello { versions, generation }, Some(Standing::Stranger { .. })) => {
                    heard.extend(self.welcome(key, &versions, generation, introduction));
                }
                (message, Some(Standing::Engine { .. })) => heard.push(Heard::Message(message)),
                (_, Some(Standing::Stranger { .. } | Standing::Leaving) | None) => {}
            }
        }
        if let Some(closing) = closing {
            self.close(key, epoll, &closing);
        }
        heard
    }

    fn welcome(
        &mut self,
        key: Key,
        versions: &[u32],
        generation: u64,
        introduction: &Introduction<'_>,
    ) -> Option<Heard> {
        let refusal = if choose_version(versions).is_none() {
            let own = [wire::VERSION, wire::OLDER_VERSION];
            Some(format!("this supervisor speaks versions {own:?} of the protocol, the engine {versions:?}"))
        } else if generation < self.highest_generation {
            Some(format!("an engine of generation {} was here; this one is {generation}", self.highest_generation))
        } else {
            None
        };
        if let Some(reason) = refusal {
            tracing::warn!(reason, "an engine is refused");
            self.dismiss(key, reason);
            return None;
        }
        self.highest_generation = generation;
        for other in self
            .connections
            .iter()
            .filter_map(|(other, (_, standing))| matches!(standing, Standing::Engine { .. }).then_some(*other))
            .collect::<Vec<_>>()
        {
            self.dismiss(other, "a newer engine took over".to_owned());
        }
        let (connection, standing) = self.connections.get_mut(&key)?;
        *standing = Standing::Engine { full: false };
        connection.say(&ToEngine::Hello {
            version: choose_version(versions)?,
            pid: introduction.pid,
            boot: introduction.boot.as_str().to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        });
        tracing::info!(generation, "an engine is connected");
        Some(Heard::Arrived)
    }

    fn dismiss(&mut self, key: Key, reason: String) {
        if let Some((connection, standing)) = self.connections.get_mut(&key) {
            *standing = Standing::Leaving;
            connection.say(&ToEngine::Refused { reason });
        }
    }

    /// Tells the engine, if there is one.
    pub fn say(&mut self, report: &Report) {
        for (connection, standing) in self.connections.values_mut() {
            if matches!(standing, Standing::Engine { .. }) {
                connection.say(&ToEngine::from(report));
            }
        }
    }

    /// Writes what waits, without waiting.
    pub fn flush(&mut self, epoll: &Epoll) {
        let mut closed = Vec::new();
        for (key, (connection, standing)) in &mut self.connections {
            let (was_full, is_full) = match (connection.flush(), &mut *standing) {
                (Ok(now_full), Standing::Stranger { full, .. } | Standing::Engine { full }) => {
                    (std::mem::replace(full, now_full), now_full)
                }
                (Ok(_), Standing::Leaving) => {
                    closed.push((*key, None));
                    continue;
                }
                (Err(closing), _) => {
                    closed.push((*key, Some(closing)));
                    continue;
                }
            };
            if was_full != is_full {
                let flags = if is_full { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN };
                let mut event = EpollEvent::new(flags, Token::Engine(*key).encode());
                if let Err(errno) = epoll.modify(&*connection, &mut event) {
                    closed.push((*key, Some(Closing::Socket(errno.into()))));
                }
            }
        }
        for (key, closing) in closed {
            self.close(key, epoll, &closing.unwrap_or(Closing::ByPeer));
        }
    }

    /// Closes connections that did not say who they are.
    pub fn drop_silent(&mut self, epoll: &Epoll, now: Monotonic) {
        let silent: Vec<Key> = self
            .connections
            .iter()
            .filter(|(_, (_, standing))| matches!(standing, Standing::Stranger { until, .. } if *until <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in silent {
            self.close(key, epoll, &Closing::ByPeer);
        }
    }

    /// A child that is being set up may hold a copy of the socket: taken out of epoll before it is closed.
    fn close(&mut self, key: Key, epoll: &Epoll, closing: &Closing) {
        let Some((connection, standing)) = self.connections.remove(&key) else { return };
        if let Err(errno) = epoll.delete(&connection) {
            tracing::warn!(%errno, "cannot take a connection out of epoll");
        }
        let cause = std::error::Error::source(closing).map(ToString::to_string).unwrap_or_default();
        match standing {
            Standing::Engine { .. } => tracing::info!(reason = %closing, cause, "the engine is gone"),
            Standing::Stranger { .. } | Standing::Leaving => tracing::debug!(reason = %closing, "a connection is gone"),
        }
    }
}
