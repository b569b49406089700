//! 4.4 Least connections
