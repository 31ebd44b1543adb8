//! Cron expressions: cronie's five fields, OCPS 1.0 to 1.4 above them, and `H` and `~` chosen by a job's name.

mod days;
mod expression;
mod field;
mod same_day;
mod strand;
#[cfg(test)]
mod tests;
mod unit;

pub(super) use days::{DayTerm, Days};
pub use expression::EXPRESSION_LIMIT_BYTES;
pub(super) use expression::{DayRule, Expression};
pub(super) use strand::Cron;
pub(super) use unit::{Unit, Values};
