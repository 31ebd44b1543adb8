//! Calls into sled, which panics on some damage: a panic becomes an error, and its message goes into it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// sled panicked. The text is the panic's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sled gave up: {0}")]
pub(super) struct Panicked(pub String);

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Calls `work`; a panic inside is returned and not printed.
///
/// What `work` touched may be half changed after a panic, so its owner must drop the database and open it again.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    install_hook();
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|_| Panicked(MESSAGE.take()))
}

/// The hook is the process's: it is set once, and hands every panic outside of [`guarded`] to the one before it.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.get() {
                let payload = info.payload();
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason");
                let first_line = text.lines().next().unwrap_or_default();
                MESSAGE.set(first_line.to_owned());
            } else {
                previous(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_first_line() {
        let result: Result<(), _> = guarded(|| panic!("bad segment {}\nand more", 7));
        assert_eq!(result, Err(Panicked("bad segment 7".to_owned())));
        assert_eq!(guarded(|| 1), Ok(1));
    }
}
