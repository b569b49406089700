//! 3.2 Rewrite
