//! [`Counts`]: what the seeds lived through, so that a kind of fault that never happens is seen.

macro_rules! counts {
    ($($field:ident: $words:literal),* $(,)?) => {
        /// How often what happened.
        #[derive(Clone, Copy, Default)]
        pub struct Counts {
            $(pub $field: u64,)*
        }

        impl Counts {
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$field)),*]
            }
        }
    };
}

counts! {
    steps: "steps of the loop",
    commits: "commits",
    occurrences: "occurrences",
    skipped: "of them skipped",
    launches: "launches",
    finished: "runs finished",
    answers: "answers to clients",
    crashes: "crashes of the engine",
    reboots: "reboots",
    shutdowns: "orderly shutdowns",
    supervisor_deaths: "deaths of the supervisor",
    clock_steps: "steps of the clock",
    sleeps: "suspensions",
    disk_troubles: "failures of the disk",
    failed_commits: "refused commits",
    held_back: "loads held back",
    defined: "ad-hoc jobs",
    discarded: "of them forgotten",
    repeated_ends: "ends told again to another engine",
}
