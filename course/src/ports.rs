//! Free ports in place of a page's fixed ones, so that pages can run side by side and beside a learner's own proxy.

use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use rand::seq::IndexedRandom;

/// What the course's programs listen on by default, by the variable that changes it.
const DEFAULTS: [(&str, &str); 5] = [
    ("LISTEN", "127.0.0.1:6188"),
    ("ADMIN", "127.0.0.1:6190"),
    ("LISTEN_TCP", "127.0.0.1:6191"),
    ("LISTEN_TLS", "127.0.0.1:6443"),
    ("ECHO_PORTS", "8081,8082,8083"),
];

const HOSTS: [&str; 4] = ["127.0.0.1:", "localhost:", "0.0.0.0:", "[::]:"];

/// Below, ports need privileges.
const FIRST_FREE: u16 = 1024;

/// Ports given to a page of this process; another page may be about to listen on them.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Which free port stands for which port of the page.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// (on the page, in truth)
    pairs: Vec<(u16, u16)>,
}

impl Ports {
    /// The page's own ports, as they stand: for a demonstration.
    pub fn fixed() -> Self {
        Self::default()
    }

    /// A free port with as many digits for each port that the course or one of `commands` uses, in the same order.
    ///
    /// `page` is the text around them: a number that it shows is never chosen, or it would be mapped by mistake.
    ///
    /// # Errors
    /// If no port is free.
    pub fn free<'a>(page: &str, commands: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let defaults = DEFAULTS.iter().flat_map(|(_, value)| numbers(value));
        let mut wanted: BTreeSet<u16> = defaults
            .filter_map(|(_, digits)| digits.parse().ok())
            .collect();
        wanted.extend(commands.flat_map(ports_in));
        let shown: BTreeSet<u16> = numbers(page)
            .filter_map(|(_, digits)| digits.parse().ok())
            .chain(wanted.clone())
            .collect();
        let taken = wanted.iter().map(|port| take(*port, &shown));
        let mut taken = taken.collect::<io::Result<Vec<u16>>>()?;
        // In the same order: what sorts addresses, as Pingora's load balancer does, sorts them as on the page.
        taken.sort_unstable();
        Ok(Self {
            pairs: wanted.into_iter().zip(taken).collect(),
        })
    }

    /// `text` of the page with the ports that are used in truth.
    pub fn to_free(&self, text: &str) -> String {
        replace(text, |port| {
            self.pairs
                .iter()
                .find(|(page, _)| *page == port)
                .map(|pair| pair.1)
        })
    }

    /// `text` that a program printed with the ports that the page shows.
    pub fn to_page(&self, text: &str) -> String {
        replace(text, |port| {
            self.pairs
                .iter()
                .find(|(_, free)| *free == port)
                .map(|pair| pair.0)
        })
    }

    /// The variables that make a bare `cargo run` listen on these ports.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        DEFAULTS
            .iter()
            .map(|(name, value)| (*name, self.to_free(value)))
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, free) in &self.pairs {
            taken.remove(free);
        }
    }
}

/// Ports that a command names with a local address.
fn ports_in(command: &str) -> impl Iterator<Item = u16> {
    numbers(command).filter_map(|(at, digits)| {
        let local = HOSTS
            .iter()
            .any(|host| command.get(..at).is_some_and(|text| text.ends_with(host)));
        let port = digits.parse().ok()?;
        (local && port >= FIRST_FREE).then_some(port)
    })
}

fn take(port: u16, shown: &BTreeSet<u16>) -> io::Result<u16> {
    // Above 32767 the kernel gives ports to clients, and from 10000 to 29999 checks take theirs.
    let range = if port < 10_000 {
        1_100..=9_999
    } else {
        30_000..=32_767
    };
    let candidates: Vec<u16> = range.filter(|port| !shown.contains(port)).collect();
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    candidates
        .sample(&mut rand::rng(), candidates.len())
        .copied()
        .find(|port| !taken.contains(port) && is_free(*port))
        .inspect(|port| {
            taken.insert(*port);
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no free port is left"))
}

/// Both addresses are tried: a listener on one of them does not always keep another from the other.
fn is_free(port: u16) -> bool {
    ["127.0.0.1", "0.0.0.0"]
        .iter()
        .all(|host| TcpListener::bind((*host, port)).is_ok())
}

fn replace(text: &str, other: impl Fn(u16) -> Option<u16>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut done = 0;
    for (at, digits) in numbers(text) {
        let Some(port) = digits.parse().ok().and_then(&other) else {
            continue;
        };
        replaced.push_str(text.get(done..at).unwrap_or_default());
        replaced.push_str(&port.to_string());
        done = at + digits.len();
    }
    replaced.push_str(text.get(done..).unwrap_or_default());
    replaced
}

/// Runs of digits that could be ports, with their place.
fn numbers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        loop {
            let tail = text.get(rest..)?;
            let start = rest + tail.find(|c: char| c.is_ascii_digit())?;
            let digits = text.get(start..)?;
            let length = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            rest = start + length;
            if (4..=5).contains(&length) {
                return Some((start, digits.get(..length)?));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Ports;

    #[test]
    fn a_number_that_the_page_shows_is_never_chosen() {
        let page: Vec<String> = (1100..9000).map(|number: u16| number.to_string()).collect();
        let ports = Ports::free(&page.join(" "), ["curl localhost:7070"].into_iter()).unwrap();
        assert_eq!(ports.pairs.len(), 8);
        assert!(
            ports.pairs.iter().all(|(_, free)| *free >= 9000),
            "{ports:?}"
        );
    }

    #[test]
    fn the_order_of_ports_is_kept() {
        let ports = Ports::free("", ["curl localhost:61880 localhost:7070"].into_iter()).unwrap();
        let (page, free): (Vec<u16>, Vec<u16>) = ports.pairs.iter().copied().unzip();
        assert!(page.is_sorted() && free.is_sorted(), "{ports:?}");
        let digits = |port: &u16| port.to_string().len();
        assert!(page.iter().map(digits).eq(free.iter().map(digits)));
    }

    #[test]
    fn only_whole_numbers_are_mapped() {
        let ports = Ports {
            pairs: vec![(6188, 1234)],
        };
        assert_eq!(
            ports.to_free("127.0.0.1:6188 61880 16188"),
            "127.0.0.1:1234 61880 16188"
        );
        assert_eq!(
            ports.to_page("127.0.0.1:1234, 12345 and 0.1234s"),
            "127.0.0.1:6188, 12345 and 0.6188s"
        );
    }
}
