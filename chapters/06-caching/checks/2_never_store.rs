//! 6.2 Never store what is not yours
