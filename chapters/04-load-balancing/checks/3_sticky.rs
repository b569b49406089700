//! 4.3 Sticky
