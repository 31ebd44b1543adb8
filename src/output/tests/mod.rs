//! The parts of output together.

mod reading;

use super::*;
