//! 3.4 Limit
