//! The echo server, seen from outside.

#[cfg(test)]
mod common;

#[cfg(test)]
mod binary;
#[cfg(test)]
mod child;
#[cfg(test)]
mod echo;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod websocket;
