//! 3.3 Guard
