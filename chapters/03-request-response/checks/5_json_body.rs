//! 3.5 Rewrite a JSON body
