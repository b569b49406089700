//! 3.1 Routes
