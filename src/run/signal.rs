//! Names of signals.

use nix::sys::signal::Signal;

/// A signal's name, as in `SIGTERM`; real-time signals as [kill(1)] names them, as in `SIGRTMIN+3`.
///
/// [kill(1)]: https://man7.org/linux/man-pages/man1/kill.1.html
pub fn signal_name(number: i32) -> String {
    if let Ok(signal) = Signal::try_from(number) {
        return signal.as_str().to_owned();
    }
    match number - libc::SIGRTMIN() {
        0 => "SIGRTMIN".to_owned(),
        over if over > 0 && number <= libc::SIGRTMAX() => format!("SIGRTMIN+{over}"),
        _ => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_name() {
        for (number, name) in [
            (libc::SIGKILL, "SIGKILL"),
            (libc::SIGSYS, "SIGSYS"),
            (libc::SIGRTMIN(), "SIGRTMIN"),
            (libc::SIGRTMIN() + 3, "SIGRTMIN+3"),
            (33, "signal 33"),
            (0, "signal 0"),
            (99, "signal 99"),
        ] {
            assert_eq!(signal_name(number), name);
        }
    }
}
