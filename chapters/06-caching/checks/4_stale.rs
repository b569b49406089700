//! 6.4 Stale
