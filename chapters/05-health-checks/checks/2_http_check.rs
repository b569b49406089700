//! 5.2 HTTP check
