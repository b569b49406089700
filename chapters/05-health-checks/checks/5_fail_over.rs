//! 5.5 Fail over
