//! The `cargo course` command, and what proves that the course's pages and files agree.

pub mod anatomy;
pub mod cargo;
pub mod chapters;
pub mod check;
pub mod compose;
pub mod console;
pub mod demo;
pub mod files;
pub mod finding;
pub mod links;
pub mod list;
pub mod output;
pub mod page;
pub mod ports;
pub mod process;
pub mod progress;
pub mod published;
pub mod readme;
pub mod regions;
pub mod say;
pub mod session;
pub mod sources;
pub mod verdict;
