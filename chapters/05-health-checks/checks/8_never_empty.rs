//! 5.8 Never empty
