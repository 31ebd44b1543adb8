//! [`ServiceManager`]: what systemd is told ([sd_notify(3)]): that the daemon is ready, that its loop turns, that it goes
//! down.
//!
//! [sd_notify(3)]: https://man7.org/linux/man-pages/man3/sd_notify.3.html

use std::env::VarError;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::Monotonic;

/// Pings within one watchdog interval: one may be late, or lost, without harm.
const PINGS: u32 = 3;

/// The manager that started the process, if one did and listens.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watchdog {
    every: Duration,
    next: Monotonic,
}

impl ServiceManager {
    /// Finds it by NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
    ///
    /// # Errors
    /// When the socket is named and cannot be reached.
    pub fn of_environment() -> io::Result<Self> {
        let number = |name: &str| match std::env::var(name) {
            Ok(text) => text.parse::<u64>().ok(),
            Err(VarError::NotPresent | VarError::NotUnicode(_)) => None,
        };
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        Self::new(std::env::var_os("NOTIFY_SOCKET"), number("WATCHDOG_USEC").filter(|_| meant))
    }

    fn new(socket: Option<OsString>, watchdog_micros: Option<u64>) -> io::Result<Self> {
        let Some(path) = socket.filter(|path| !path.is_empty()) else { return Ok(Self::default()) };
        let address = match path.as_bytes().split_first() {
            // An abstract name, as containers have it.
            Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // The loop must not wait for a manager that is busy.
        socket.set_nonblocking(true)?;
        let every = watchdog_micros.filter(|&micros| micros > 0).map(|micros| Duration::from_micros(micros) / PINGS);
        let watchdog = every.map(|every| Watchdog { every, next: Monotonic::from_duration(Duration::ZERO) });
        Ok(Self { socket: Some(socket), watchdog })
    }

    /// The daemon answers.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon goes down.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The loop turns; it is told only as often as it has to be.
    pub fn turn(&mut self, now: Monotonic) {
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.next <= now
        {
            watchdog.next = now.saturating_add(watchdog.every);
            self.tell("WATCHDOG=1");
        }
    }

    /// When the loop must turn at the latest.
    pub fn next_turn(&self) -> Option<Monotonic> {
        self.watchdog.map(|watchdog| watchdog.next)
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.socket
            && let Err(fault) = socket.send(what.as_bytes())
        {
            tracing::warn!(%fault, what, "the service manager cannot be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(listener: &UnixDatagram) -> Option<String> {
        let mut bytes = [0; 64];
        let count = listener.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    #[test]
    fn says_what_systemd_waits_for_and_pings_as_often_as_needed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut manager = ServiceManager::new(Some(path.into()), Some(30_000_000)).unwrap();
        manager.ready();
        assert_eq!(heard(&listener).as_deref(), Some("READY=1"));
        let at = |seconds| Monotonic::from_duration(Duration::from_secs(seconds));
        for (now, pings) in [(100, true), (101, false), (109, false), (110, true), (111, false)] {
            manager.turn(at(now));
            assert_eq!(heard(&listener), pings.then(|| "WATCHDOG=1".to_owned()), "{now}");
        }
        assert_eq!(manager.next_turn(), Some(at(120)));
        manager.stopping();
        assert_eq!(heard(&listener).as_deref(), Some("STOPPING=1"));
    }

    #[test]
    fn without_a_manager_nothing_happens_and_one_that_is_gone_is_an_error() {
        let mut nobody = ServiceManager::new(None, Some(1_000_000)).unwrap();
        nobody.ready();
        nobody.turn(Monotonic::from_duration(Duration::from_secs(5)));
        assert_eq!(nobody.next_turn(), None);
        assert!(ServiceManager::new(Some("/nowhere/notify".into()), None).is_err());
    }

    #[test]
    fn an_abstract_socket_is_found() {
        let name = format!("jobsd-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        ServiceManager::new(Some(format!("@{name}").into()), None).unwrap().ready();
        assert_eq!(heard(&listener).as_deref(), Some("READY=1"));
    }
}
