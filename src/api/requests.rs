//! [`Requests`]: each has an id, by which the log tells what it led to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;

/// The header by which an answer names its request.
pub const HEADER: &str = "x-request-id";

/// Numbers requests and counts their answers.
#[derive(Debug)]
pub struct Requests {
    /// Tells requests of this process from those of an earlier one.
    epoch: i64,
    taken: AtomicU64,
    /// There are as many statuses as the API has kinds of errors, and a few more.
    answers: Mutex<BTreeMap<u16, u64>>,
}

impl Requests {
    /// Numbers the requests to a server that started at `epoch`.
    pub fn new(epoch: Timestamp) -> Self {
        Self { epoch: epoch.timestamp_millis(), taken: AtomicU64::new(0), answers: Mutex::default() }
    }

    /// A new request's id.
    pub fn next_id(&self) -> String {
        format!("{:x}-{}", self.epoch, self.taken.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A request was answered.
    pub fn count(&self, status: u16) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    /// How many answers had each status.
    pub fn answers(&self) -> Vec<(u16, u64)> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.iter().map(|(&status, &count)| (status, count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_answers_are_counted_by_status() {
        let requests = Requests::new(Timestamp::from_timestamp_millis(255).unwrap());
        assert_eq!((requests.next_id(), requests.next_id()), ("ff-1".to_owned(), "ff-2".to_owned()));
        for status in [200, 404, 200] {
            requests.count(status);
        }
        assert_eq!(requests.answers(), [(200, 2), (404, 1)]);
    }
}
