//! 5.1 TCP check
