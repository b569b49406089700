//! 6.8 Ranges and a bounded store
