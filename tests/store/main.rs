//! The state under faults: damage, power cuts, full disks, and its ways out and back in.
//!
//! | variable | what | by default |
//! |---|---|---|
//! | `JOBSD_DAMAGES` | seeds of damage that are tried | 60 |
//! | `JOBSD_DAMAGE_SEED` | only this seed, with a trace | |

mod build;
mod damage;
mod kit;
mod refuse;
