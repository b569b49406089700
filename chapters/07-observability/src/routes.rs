//! Names from small closed sets for what a client can write in any way it likes. A label's value must come from such a
//! set: every new value is a new time series, and Prometheus keeps each of them in memory.

use http::Method;

/// Each template, and the segments that it fits. `{}` stands for one that is not empty.
const TEMPLATES: [(&str, &[&str]); 20] = [
    ("/", &[]),
    ("/healthz", &["healthz"]),
    ("/users/{id}", &["users", "{}"]),
    ("/status/{code}", &["status", "{}"]),
    ("/delay/{ms}", &["delay", "{}"]),
    ("/drip/{lines}", &["drip", "{}"]),
    ("/bytes/{n}", &["bytes", "{}"]),
    ("/text", &["text"]),
    ("/trailers", &["trailers"]),
    ("/close", &["close"]),
    ("/truncate/{n}", &["truncate", "{}"]),
    ("/headers", &["headers"]),
    ("/health", &["health"]),
    ("/health/{code}", &["health", "{}"]),
    ("/slow/{ms}", &["slow", "{}"]),
    ("/ws", &["ws"]),
    ("/help", &["help"]),
    ("/orders", &["orders"]),
    ("/orders/{id}", &["orders", "{}"]),
    ("/users", &["users"]),
];

/// What no template fits.
pub(crate) const OTHER: &str = "other";

/// The template of a path (without its query).
pub(crate) fn template(path: &str) -> &'static str {
    let Some(path) = path.strip_prefix('/') else {
        return OTHER;
    };
    let fits = |pattern: &[&str]| {
        let mut segments = path.split('/').filter(|_| !path.is_empty());
        let all = pattern.iter().all(|want| {
            let segment = segments.next().unwrap_or_default();
            segment == *want || (*want == "{}" && !segment.is_empty())
        });
        all && segments.next().is_none()
    };
    let found = TEMPLATES.iter().find(|(_, pattern)| fits(pattern));
    found.map_or(OTHER, |(template, _)| template)
}

/// Every value that `template` can give.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let templates = TEMPLATES.iter().map(|(template, _)| *template);
    templates.chain([OTHER])
}

/// The methods of RFC 9110 (section 9), and PATCH (RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// The method, if it is a known one: a client may make up others.
pub(crate) fn known_method(method: &Method) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method.as_str())
}

/// Every value of a label for the method.
pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().chain([OTHER])
}

/// `2xx` for 204; `none` where no answer was sent.
pub(crate) fn status_class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(500..600) => "5xx",
        Some(_) => OTHER,
        None => "none",
    }
}
