//! The closed vocabularies of the wire: states, outcomes, triggers, streams.

/// Declares an enum whose variants are words in JSON, with the one word that stands for those of a newer daemon.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
            /// A word of a newer daemon.
            #[serde(other, rename = "other")]
            Other,
        }

        impl $name {
            /// Every word that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word, as in JSON.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other => "other",
                }
            }

            /// The variant of a word; `None` when there is none.
            pub fn from_name(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.name() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// Where a job stands: the first of these that applies.
    JobState {
        /// Its file was deleted; history stays.
        Removed = "removed",
        /// A run is starting, running or stopping.
        Running = "running",
        /// A run waits for its next attempt.
        Backoff = "backoff",
        /// A run waits for its turn.
        Queued = "queued",
        /// Its file is faulty and no good revision is in force.
        Faulty = "faulty",
        /// Its file says `enabled = false`.
        Disabled = "disabled",
        /// Its schedule is suspended.
        Paused = "paused",
        /// It waits for its next occurrence.
        Waiting = "waiting",
        /// It has no occurrence to wait for: it runs by hand, or its last instant has passed.
        Idle = "idle",
    }
}

words! {
    /// Where a run stands.
    RunState {
        /// It waits for its turn.
        Queued = "queued",
        /// It is being launched.
        Starting = "starting",
        /// The program runs.
        Running = "running",
        /// It was asked to stop.
        Stopping = "stopping",
        /// It waits for its next attempt.
        Backoff = "backoff",
        /// It is over.
        Finished = "finished",
        /// It never became a run.
        Skipped = "skipped",
    }
}

words! {
    /// How a run or an attempt ended.
    Outcome {
        /// It exited with a code that counts as success.
        Succeeded = "succeeded",
        /// It exited with another code.
        Failed = "failed",
        /// A signal that was not the daemon's ended it.
        Signaled = "signaled",
        /// The kernel killed it, or a process of it, because its memory was used up.
        OutOfMemory = "out_of_memory",
        /// Its `timeout` was over.
        TimedOut = "timed_out",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// A newer run took its place.
        Replaced = "replaced",
        /// The machine went down.
        HostShutdown = "host_shutdown",
        /// The program could not be executed.
        SetupFailed = "setup_failed",
        /// It may have run, and nobody saw its end.
        Lost = "lost",
        /// It never became a run; `reason` says why.
        Skipped = "skipped",
    }
}

words! {
    /// What an amount of memory is the amount of.
    MemoryMeasure {
        /// The whole tree of processes with its page cache, by its cgroup.
        Tree = "tree",
        /// The largest resident set of one process.
        Process = "process",
        /// No process had more; how much less cannot be told.
        AtMost = "at_most",
    }
}

words! {
    /// How far the stop ladder went.
    Rung {
        /// The stop signal was enough.
        Signal = "signal",
        /// SIGKILL was sent.
        Kill = "kill",
    }
}

words! {
    /// Why a run exists.
    Trigger {
        /// An occurrence of its schedule.
        Schedule = "schedule",
        /// An occurrence that was missed and is made up for.
        CatchUp = "catch_up",
        /// Somebody asked.
        Manual = "manual",
    }
}

words! {
    /// Where a piece of output was printed.
    Stream {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_words_of_json() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_string(outcome).unwrap(), format!("{:?}", outcome.name()));
            assert_eq!(Outcome::from_name(outcome.name()), Some(*outcome));
        }
    }

    #[test]
    fn a_newer_daemons_word_does_not_break_an_older_client() {
        assert_eq!(serde_json::from_str::<Outcome>("\"evaporated\"").unwrap(), Outcome::Other);
        assert_eq!(Outcome::from_name("evaporated"), None);
    }
}
