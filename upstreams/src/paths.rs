//! The paths that misbehave. One table drives both the routing and `/help`.

use crate::answer::{Answer, Content, Ending};
use crate::http1::Framing;
use crate::request::Request;
use crate::server::Server;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

const MAX_BYTES: u64 = 100 * 1024 * 1024;
const MAX_KIB: u64 = 10 * 1024;
const MAX_LINES: u64 = 10_000;
const MAX_DELAY_MS: u64 = 60_000;
const MAX_PAUSE_MS: u64 = 10_000;
/// A 1xx is not an answer: another status must follow.
const STATUSES: RangeInclusive<u64> = 200..=599;

/// Headers that say how a message is framed or a connection used: the server writes them, or a proxy would wait for
/// bytes that never come.
const FRAMING_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

struct Path {
    /// Everything up to `<` must match; what follows is the argument.
    pattern: &'static str,
    example: &'static str,
    help: &'static str,
    answer: fn(&Call<'_>) -> Result<Answer, String>,
}

struct Call<'a> {
    request: &'a Request,
    server: &'a Server,
    argument: &'a str,
    query: &'a str,
}

const PATHS: [Path; 14] = [
    Path {
        pattern: "/status/<code>",
        example: "/status/404",
        help: "answers with this status, 200 to 599",
        answer: status,
    },
    Path {
        pattern: "/delay/<ms>",
        example: "/delay/500",
        help: "waits so long before the head, at most 60000 ms",
        answer: delay,
    },
    Path {
        pattern: "/drip/<lines>",
        example: "/drip/5?every=200",
        help: "sends lines one by one, chunked, at most 10000; every: ms between them, at most 10000",
        answer: drip,
    },
    Path {
        pattern: "/bytes/<n>",
        example: "/bytes/1000?chunked",
        help: "sends n bytes, at most 104857600, with Content-Length or chunked",
        answer: bytes,
    },
    Path {
        pattern: "/text",
        example: "/text?kib=64",
        help: "sends text that compresses well, 16 KiB or as asked, at most 10240",
        answer: text,
    },
    Path {
        pattern: "/trailers",
        example: "/trailers",
        help: "the usual answer, chunked, with the trailer x-trailer",
        answer: trailers,
    },
    Path {
        pattern: "/close",
        example: "/close",
        help: "closes without a byte (resets the stream in HTTP/2)",
        answer: close,
    },
    Path {
        pattern: "/truncate/<n>",
        example: "/truncate/1000",
        help: "declares n bytes, sends half of them and closes, at most 104857600",
        answer: truncate,
    },
    Path {
        pattern: "/headers",
        example: "/headers?Cache-Control=max-age%3D60&Set-Cookie=a%3Db",
        help: "the usual answer, with these headers",
        answer: headers,
    },
    Path {
        pattern: "/health",
        example: "/health",
        help: "200 and 'ok', or the status that was set",
        answer: health,
    },
    Path {
        pattern: "/health/<code>",
        example: "PUT /health/503",
        help: "sets the status of /health on this server, 200 to 599",
        answer: set_health,
    },
    Path {
        pattern: "/slow/<ms>",
        example: "PUT /slow/200",
        help: "makes the usual answer of this server wait so long from now on, at most 60000 ms",
        answer: set_slow,
    },
    Path {
        pattern: "/ws",
        example: "/ws",
        help: "a WebSocket that sends back every message, at most 1 MiB (HTTP/1.1 only)",
        answer: websocket,
    },
    Path {
        pattern: "/help",
        example: "/help",
        help: "this text",
        answer: help,
    },
];

/// The answer to a request that was read to its end.
pub(crate) fn answer(request: &Request, server: &Server) -> Answer {
    route(request, server).finish(&request.method, server.header())
}

fn route(request: &Request, server: &Server) -> Answer {
    // A success would turn the connection into a tunnel (RFC 9110, section 9.3.6).
    if request.method == "CONNECT" {
        return Answer::text(501, "This is an origin server: it opens no tunnels.\n");
    }
    let (path, query) = request.path_and_query();
    let Some((found, argument)) = PATHS
        .iter()
        .find_map(|entry| Some((entry, entry.matches(path)?)))
    else {
        return Answer {
            delay: server.delay(),
            ..Answer::echo(200, request, server.name())
        };
    };
    let call = Call {
        request,
        server,
        argument,
        query,
    };
    (found.answer)(&call).unwrap_or_else(|wrong| {
        Answer::text(400, format!("{wrong}\nFor example: {}\n", found.example))
    })
}

impl Path {
    /// The argument, if this is the path.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.pattern.split_once('<') {
            Some((prefix, _)) => path.strip_prefix(prefix),
            None => (path == self.pattern).then_some(""),
        }
    }
}

impl Call<'_> {
    fn echo(&self, status: u16) -> Answer {
        Answer::echo(status, self.request, self.server.name())
    }

    /// The names and values of the query, as received; a name alone has an empty value.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.pairs()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

fn status(call: &Call<'_>) -> Result<Answer, String> {
    Ok(call.echo(status_code(call.argument)?))
}

fn delay(call: &Call<'_>) -> Result<Answer, String> {
    let delay = number("The delay in milliseconds", call.argument, 0..=MAX_DELAY_MS)?;
    Ok(Answer {
        delay: Duration::from_millis(delay),
        ..call.echo(200)
    })
}

fn drip(call: &Call<'_>) -> Result<Answer, String> {
    let last = number("The number of lines", call.argument, 0..=MAX_LINES)?;
    let every = call.parameter("every").unwrap_or("100");
    let every = Duration::from_millis(number(
        "'every', in milliseconds,",
        every,
        0..=MAX_PAUSE_MS,
    )?);
    let content = Content::Lines {
        next: 1,
        last,
        every,
    };
    Ok(Answer::new(
        200,
        "text/plain; charset=utf-8",
        Framing::Chunked,
        content,
    ))
}

fn bytes(call: &Call<'_>) -> Result<Answer, String> {
    let length = number("The number of bytes", call.argument, 0..=MAX_BYTES)?;
    let chunked = call.parameter("chunked").is_some();
    let framing = if chunked {
        Framing::Chunked
    } else {
        Framing::Length(length)
    };
    Ok(Answer::new(
        200,
        "text/plain; charset=utf-8",
        framing,
        filler(&DIGITS, length),
    ))
}

fn text(call: &Call<'_>) -> Result<Answer, String> {
    let kib = number("'kib'", call.parameter("kib").unwrap_or("16"), 0..=MAX_KIB)?;
    let framing = Framing::Length(kib * 1024);
    Ok(Answer::new(
        200,
        "text/plain; charset=utf-8",
        framing,
        filler(&PROSE, kib * 1024),
    ))
}

fn trailers(call: &Call<'_>) -> Result<Answer, String> {
    let name = HeaderName::from_static("x-trailer");
    let trailers = vec![(name, HeaderValue::from_static("the body is complete"))];
    Ok(Answer {
        framing: Framing::Chunked,
        trailers,
        ..call.echo(200)
    })
}

fn close(_: &Call<'_>) -> Result<Answer, String> {
    Ok(Answer {
        ending: Ending::Silent,
        ..Answer::text(200, "")
    })
}

fn truncate(call: &Call<'_>) -> Result<Answer, String> {
    let length = number("The number of bytes", call.argument, 1..=MAX_BYTES)?;
    let framing = Framing::Length(length);
    let answer = Answer::new(
        200,
        "text/plain; charset=utf-8",
        framing,
        filler(&DIGITS, length / 2),
    );
    Ok(Answer {
        ending: Ending::Cut,
        ..answer
    })
}

fn headers(call: &Call<'_>) -> Result<Answer, String> {
    let asked = call
        .pairs()
        .map(|(name, value)| asked_header(name, value))
        .collect::<Result<Vec<_>, _>>()?;
    let mut answer = call.echo(200);
    answer.headers.retain(|(ours, _)| {
        !asked
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(ours))
    });
    answer.headers.extend(asked);
    answer.delay = call.server.delay();
    Ok(answer)
}

fn asked_header(name: &str, value: &str) -> Result<(String, HeaderValue), String> {
    let name = String::from_utf8_lossy(&percent_decode_str(name).collect::<Vec<_>>()).into_owned();
    if HeaderName::try_from(&name).is_err() {
        return Err(format!(
            "'{}' is not the name of a header.",
            name.escape_debug()
        ));
    }
    let lower = name.to_ascii_lowercase();
    if FRAMING_HEADERS.contains(&lower.as_str()) {
        return Err(format!(
            "'{name}' frames the message: the server sets it itself."
        ));
    }
    if ["server", "x-upstream"].contains(&lower.as_str()) {
        return Err(format!(
            "'{name}' says which server this is: it cannot be changed."
        ));
    }
    let value = percent_decode_str(value).collect::<Vec<_>>();
    let value = HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| {
        format!("The value of '{name}' has a character that is not allowed in a header.")
    })?;
    Ok((name, value))
}

fn health(call: &Call<'_>) -> Result<Answer, String> {
    let status = call.server.health.load(Ordering::Relaxed);
    let text = if status == 200 {
        "ok\n".to_owned()
    } else {
        format!("{status}\n")
    };
    Ok(Answer::text(status, text))
}

fn set_health(call: &Call<'_>) -> Result<Answer, String> {
    if let Some(refusal) = unless_put(call) {
        return Ok(refusal);
    }
    let status = status_code(call.argument)?;
    call.server.health.store(status, Ordering::Relaxed);
    Ok(Answer::text(
        200,
        format!("/health answers {status} from now on\n"),
    ))
}

fn set_slow(call: &Call<'_>) -> Result<Answer, String> {
    if let Some(refusal) = unless_put(call) {
        return Ok(refusal);
    }
    let delay = number("The delay in milliseconds", call.argument, 0..=MAX_DELAY_MS)?;
    call.server.slow_ms.store(delay, Ordering::Relaxed);
    Ok(Answer::text(
        200,
        format!("the usual answer takes {delay} ms from now on\n"),
    ))
}

/// The refusal of a request that would change the server by another method than PUT.
fn unless_put(call: &Call<'_>) -> Option<Answer> {
    let answer = Answer::text(405, "The method must be PUT.\n");
    (call.request.method != "PUT").then(|| with_header(answer, "allow", "PUT"))
}

fn websocket(call: &Call<'_>) -> Result<Answer, String> {
    let request = call.request;
    let upgrade = request.version == "HTTP/1.1"
        && request.method == "GET"
        && request.lists("upgrade", "websocket")
        && request.lists("connection", "upgrade")
        && request.header("sec-websocket-version") == Some("13");
    let Some(key) = request.header("sec-websocket-key").filter(|_| upgrade) else {
        let text = "This is a WebSocket (RFC 6455, version 13, over HTTP/1.1): send an upgrade.\n";
        let answer = with_header(Answer::text(426, text), "upgrade", "websocket");
        return Ok(with_header(answer, "sec-websocket-version", "13"));
    };
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let accept =
        HeaderValue::try_from(accept).map_err(|_| "The Sec-WebSocket-Key is not allowed.")?;
    let mut answer = with_header(Answer::text(101, ""), "upgrade", "websocket");
    answer.set("sec-websocket-accept", accept);
    Ok(Answer {
        ending: Ending::WebSocket,
        ..answer
    })
}

fn help(call: &Call<'_>) -> Result<Answer, String> {
    let name = call.server.name();
    let mut text = format!(
        "Echo server {name}. Any other path answers with the request as JSON.\n\
         Beyond a bound the answer is 400 with a text that names it.\n\n"
    );
    for Path {
        pattern,
        example,
        help,
        ..
    } in &PATHS
    {
        let _ = write!(text, "{pattern}\n    {help}\n    example: {example}\n");
    }
    Ok(Answer::text(200, text))
}

fn with_header(mut answer: Answer, name: &str, value: &'static str) -> Answer {
    answer.set(name, HeaderValue::from_static(value));
    answer
}

fn status_code(text: &str) -> Result<u16, String> {
    let status = number("The status", text, STATUSES)?;
    u16::try_from(status).map_err(|error| error.to_string())
}

/// A number within bounds, or a sentence that names them.
fn number(what: &str, text: &str, bounds: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text
        .parse()
        .ok()
        .filter(|number| digits && bounds.contains(number));
    number.ok_or_else(|| {
        format!(
            "{what} must be a number from {} to {}.",
            bounds.start(),
            bounds.end()
        )
    })
}

fn filler(block: &Bytes, length: u64) -> Content {
    Content::Filler {
        block: block.clone(),
        left: length,
    }
}

/// About 16 KiB, so that a large body takes few writes.
static DIGITS: LazyLock<Bytes> = LazyLock::new(|| {
    "0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n"
        .repeat(256)
        .into()
});

static PROSE: LazyLock<Bytes> = LazyLock::new(|| {
    "A proxy stands between a client and an upstream. What one says, the other hears, and neither can tell.\n"
        .repeat(160)
        .into()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_the_first_that_matches_its_example() {
        for path in &PATHS {
            let target = path
                .example
                .rsplit(' ')
                .next()
                .unwrap()
                .split('?')
                .next()
                .unwrap();
            let found = PATHS
                .iter()
                .find(|other| other.matches(target).is_some())
                .unwrap();
            assert_eq!(found.pattern, path.pattern);
        }
    }

    #[test]
    fn help_names_the_bounds_that_hold() {
        for (pattern, bounds) in [
            ("/status/<code>", vec![*STATUSES.start(), *STATUSES.end()]),
            ("/health/<code>", vec![*STATUSES.start(), *STATUSES.end()]),
            ("/delay/<ms>", vec![MAX_DELAY_MS]),
            ("/slow/<ms>", vec![MAX_DELAY_MS]),
            ("/drip/<lines>", vec![MAX_LINES, MAX_PAUSE_MS]),
            ("/bytes/<n>", vec![MAX_BYTES]),
            ("/truncate/<n>", vec![MAX_BYTES]),
            ("/text", vec![MAX_KIB]),
        ] {
            let path = PATHS.iter().find(|path| path.pattern == pattern).unwrap();
            for bound in bounds {
                assert!(path.help.contains(&bound.to_string()), "{pattern}: {bound}");
            }
        }
    }

    #[test]
    fn numbers_have_no_sign_and_no_space() {
        for bad in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "11",
            "99999999999999999999",
        ] {
            assert!(number("It", bad, 0..=10).is_err(), "{bad}");
        }
        assert_eq!(number("It", "010", 0..=10), Ok(10));
    }

    #[test]
    fn asked_headers_are_decoded_and_judged() {
        let (name, value) = asked_header("X-A%2dB", "%20caf%C3%A9+1%09").unwrap();
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("X-A-B", "café+1".as_bytes())
        );
        for (name, value, why) in [
            ("Content-Length", "3", "frames"),
            ("transfer-encoding", "chunked", "frames"),
            ("Connection", "close", "frames"),
            ("Server", "nginx", "which server"),
            ("X-Upstream", "b", "which server"),
            ("a%20b", "c", "not the name"),
            ("a:", "c", "not the name"),
            ("", "c", "not the name"),
            ("a%0d%0ab", "c", "not the name"),
            ("a", "b%0d%0ac:d", "not allowed"),
            ("a", "b%00c", "not allowed"),
        ] {
            let error = asked_header(name, value).unwrap_err();
            assert!(error.contains(why), "{name}={value}: {error}");
            assert!(!error.contains('\r') && !error.contains('\0'));
        }
    }
}
