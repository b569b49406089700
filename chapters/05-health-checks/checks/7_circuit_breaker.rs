//! 5.7 Circuit breaker
