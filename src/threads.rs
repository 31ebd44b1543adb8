//! Whether there can be threads: libraries that start theirs without a word panic, or wait for ever, when they get none.

use std::io;
use std::sync::Mutex;
use std::thread::Builder;

/// Starts so many threads at once, which end again: as many can be had for now.
///
/// # Errors
/// The kernel's answer to the first that it does not give ([pthread_create(3)]: EAGAIN at a limit of processes, of a user or
/// of a cgroup, or without memory).
///
/// [pthread_create(3)]: https://man7.org/linux/man-pages/man3/pthread_create.3.html
pub fn try_to_start(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        // Each waits here until the last was tried.
        let closed = gate.lock();
        let try_one = |_| Builder::new().spawn_scoped(scope, || drop(gate.lock()));
        let threads: io::Result<Vec<_>> = (0..count).map(try_one).collect();
        drop(closed);
        threads.map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_few() {
        try_to_start(8).expect("a test has room for a few threads");
    }
}
