//! `jobctl` as a person meets it: the real binaries, their exit codes and errors, and the pages made from them.
#![expect(clippy::disallowed_methods, reason = "a test waits for conditions by the real clock")]

mod codes;
mod define;
mod drive;
mod lists;
mod logs;
mod pages;
mod reference;
mod shells;
mod terminals;
mod world;
