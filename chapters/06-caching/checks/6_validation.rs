//! 6.6 Validation
