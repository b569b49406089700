//! Where a request goes: the host first, then the longest prefix that ends where a segment of the path ends.

use pingora::http::RequestHeader;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Route {
    host: &'static str,
    pub(crate) prefix: &'static str,
    /// Which of the upstreams.
    pub(crate) upstream: usize,
    /// Whether the prefix is taken off: the upstream knows nothing of it.
    pub(crate) strips: bool,
}

/// `*` stands for every host that has no line of its own. The order of the lines means nothing.
static ROUTES: [Route; 4] = [
    Route::new("*", "/", 0),
    Route::new("*", "/api", 1).stripping(),
    Route::new("*", "/text", 2),
    Route::new("files.example", "/public", 2).stripping(),
];

/// How many upstreams the table needs.
pub(crate) fn upstreams() -> usize {
    let numbers = ROUTES.iter().map(|route| route.upstream + 1);
    numbers.max().unwrap_or_default()
}

/// The route of a request, or the status that refuses it.
pub(crate) fn find(request: &RequestHeader) -> Result<&'static Route, u16> {
    // Not decoded, since the upstream gets it as it came: what is decided on is what is sent.
    let path = request.uri.path();
    if has_dot_segment(path) {
        return Err(400);
    }
    let host = name(host(request));
    let known = ROUTES.iter().any(|route| route.is_for(host));
    // A host with lines of its own has no others: what it does not serve, it does not serve.
    let host = if known { host } else { "*" };
    ROUTES
        .iter()
        .filter(|route| route.is_for(host) && route.covers(path))
        .max_by_key(|route| route.prefix.len())
        .ok_or(404)
}

impl Route {
    const fn new(host: &'static str, prefix: &'static str, upstream: usize) -> Self {
        Self {
            host,
            prefix,
            upstream,
            strips: false,
        }
    }

    const fn stripping(self) -> Self {
        Self {
            strips: true,
            ..self
        }
    }

    fn is_for(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Whether the prefix is the path, or ends where a segment of it ends.
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix).is_some_and(|rest| {
            self.prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')
        })
    }
}

/// Whether a segment is `.` or `..`, also for a server that decodes before it looks: it would serve another path than
/// the one that chose the route.
fn has_dot_segment(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/");
    path.split('/')
        .any(|segment| segment == "." || segment == "..")
}

/// The host that was asked for; empty where none was, as HTTP/1.0 allows.
fn host(request: &RequestHeader) -> &str {
    let host = request.headers.get("host").map(|host| host.to_str());
    // HTTP/2 names it in the URI. A target that contradicts Host is refused before any phase (pingora-core,
    // protocols/http/authority.rs).
    let authority = request
        .uri
        .authority()
        .map_or("", |authority| authority.as_str());
    host.and_then(|host| host.ok()).unwrap_or(authority)
}

/// The host without its port, and without the dot that ends a full domain name.
fn name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets (RFC 3986, section 3.2.2).
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}
