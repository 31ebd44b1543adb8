//! [`ShutdownMode`]: what becomes of live runs when the daemon goes down.

/// How the daemon goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownMode {
    /// Now; live runs go on under the supervisor and are found again.
    LeaveRuns,
    /// Start nothing new, wait until every live run has ended, then go down.
    Drain,
    /// Stop every live run, wait until they have ended, then go down.
    StopRuns,
}
