//! 4.5 Nobody home
