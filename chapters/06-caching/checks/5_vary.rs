//! 6.5 Vary
