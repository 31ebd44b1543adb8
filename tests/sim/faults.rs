//! What goes wrong: clocks that step, a machine that sleeps or reboots, a supervisor that dies, a link that breaks, and a
//! disk that is full or fails.

use std::time::Duration;

use jobsd::daemon::{Input, StoreCondition};

use crate::agenda::Happening;
use crate::clocks::{HOUR, SECOND};
use crate::world::{Question, SimWorld};

/// The simulated disk, and what the loop knows of it.
#[derive(Default)]
pub struct Disk {
    /// How it is.
    pub condition: StoreCondition,
    /// What the loop was told last.
    pub told: StoreCondition,
    /// A commit waits until it can be written.
    pub commit_waits: bool,
    /// The loop knows that a commit has failed, and of none since that did not.
    pub commit_failed: bool,
}

impl SimWorld {
    pub fn clock_steps(&mut self) {
        let seconds = match self.rng.below(5) {
            0 => -self.rng.between(1, 3500).cast_signed(),
            1 => -self.rng.between(3700, 400_000).cast_signed(),
            2 => self.rng.between(1, 90_000).cast_signed(),
            // What a crowd missed in a month would take minutes to check.
            3 => 86_400 * if self.plan.is_crowd() { 1 } else { 30 },
            _ => 0,
        };
        if seconds == 0 {
            let asleep = self.rng.between(SECOND, 2 * HOUR);
            self.clocks.sleep(asleep);
            self.say("machine", || format!("wakes after a sleep of {:?}", Duration::from_micros(asleep)));
            self.counts.sleeps += 1;
        } else {
            self.clocks.step(seconds);
            if seconds < 0 {
                // What was read "later" than now may come into force from now on; it was read, all the same.
                let now = self.clocks.wall();
                self.life.read_at.values_mut().for_each(|at| *at = (*at).min(now));
            }
            self.say("clock", || format!("steps by {seconds} s"));
            self.counts.clock_steps += 1;
        }
    }

    pub fn supervisor_dies(&mut self) {
        self.say("machine", || "the supervisor dies".into());
        self.counts.supervisor_deaths += 1;
        self.host.supervisor_dies();
        self.link_breaks();
    }

    /// What is under way on the old connection is lost; the supervisor tells it again on the next.
    pub fn link_breaks(&mut self) {
        self.say("link", || "breaks".into());
        self.connection = None;
        let delay = self.rng.between(1000, 5 * SECOND);
        self.after(delay, Happening::Connect);
    }

    pub fn machine_reboots(&mut self) {
        self.boots += 1;
        self.counts.reboots += 1;
        self.clocks.reboot();
        let at = self.clocks.wall();
        self.host.reboot(&mut self.rng, self.boots, at);
        self.say("machine", || "reboots".into());
    }

    /// The disk is full but for the reserve, or takes nothing at all.
    pub fn disk_fails(&mut self) {
        self.disk.condition = *self.rng.pick(&[StoreCondition::Short, StoreCondition::Failing]);
        self.say("disk", || format!("{:?}", self.disk.condition));
        self.counts.disk_troubles += 1;
        self.tell_store();
        let longest = *self.rng.pick(&[10 * SECOND, 600 * SECOND, 2 * HOUR]);
        let duration = self.rng.between(1000, longest);
        self.after(duration, Happening::DiskMends);
    }

    pub fn disk_mends(&mut self) {
        let short = self.stormy && self.disk.condition == StoreCondition::Failing && self.rng.chance(250_000);
        self.disk.condition = if short { StoreCondition::Short } else { StoreCondition::Good };
        self.say("disk", || format!("{:?}", self.disk.condition));
        if short {
            let duration = self.rng.between(1000, 600 * SECOND);
            self.after(duration, Happening::DiskMends);
        }
        if std::mem::take(&mut self.disk.commit_waits) {
            let delay = self.rng.between(100, 2 * SECOND);
            self.after(delay, Happening::CommitEnds);
        }
        self.tell_store();
    }

    /// The store's health reaches the loop on a way of its own: before a commit, or after it.
    pub fn tell_store(&mut self) {
        let delay = self.rng.between(10, 2 * SECOND);
        self.after(delay, Happening::TellStore);
    }

    /// The loop hears how the disk is, if that is news.
    pub fn store_news(&mut self) -> Option<Input<Question>> {
        let condition = self.disk.condition;
        if std::mem::replace(&mut self.disk.told, condition) == condition {
            return None;
        }
        self.say("engine", || format!("hears that the store is {condition:?}"));
        self.disk.commit_failed = condition == StoreCondition::Failing;
        match condition {
            StoreCondition::Good => self.life.holding_since = None,
            StoreCondition::Short | StoreCondition::Failing => {
                self.life.holding_since.get_or_insert(self.life.latest.max(self.clocks.wall()));
            }
        }
        Some(Input::Store(condition))
    }

    /// Whether a client may hear that the state cannot be written. Only the loop knows how much waits in a crowd.
    pub fn store_was_bad(&self) -> bool {
        self.disk.told != StoreCondition::Good || self.disk.commit_failed || self.plan.is_crowd()
    }
}
