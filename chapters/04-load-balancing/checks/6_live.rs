//! 4.6 Live
