//! 5.4 Ready means checked
