//! `jobctl` as a person meets it: the real binaries, their exit codes and errors, and the pages made from them.

mod codes;
mod drive;
mod pages;
mod terminals;
mod world;
