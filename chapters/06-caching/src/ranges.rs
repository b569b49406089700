//! Parts of a stored whole (RFC 9110, section 14). Pingora cuts them out; what it reads otherwise than it is meant is
//! put so that it cannot.

use http::header;
use pingora::{
    http::{RequestHeader, ResponseHeader},
    proxy::{RangeType, range_header_filter},
};

use crate::validate;

/// More ranges than that in one request are not served as ranges.
const MOST: usize = 20;

/// What a GET gets of this response, whose header is changed accordingly.
pub(crate) fn of(request: &RequestHeader, response: &mut ResponseHeader) -> RangeType {
    if !validate::if_range_holds(&request.headers, &response.headers) {
        return RangeType::None;
    }
    // Content-Range cannot say "all of nothing": Pingora subtracts one from zero there (pingora-proxy, proxy_cache.rs,
    // `range_header_filter`).
    let length = length(response);
    if length == Some(0) {
        return RangeType::None;
    }
    // Its own comparison takes a weak tag for a strong one: it is left nothing to compare.
    let mut request = request.clone();
    request.remove_header(&header::IF_RANGE);
    let range = request.headers.get(header::RANGE);
    let range = range.and_then(|range| range.to_str().ok()).zip(length);
    if let Some((range, length)) = range {
        let range = plain(range, length);
        if request.insert_header(header::RANGE, range).is_err() {
            return RangeType::None;
        }
    }
    range_header_filter(&request, response, Some(MOST))
}

fn length(response: &ResponseHeader) -> Option<u64> {
    let length = response.headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The same ranges, in numbers that Pingora can hold, and without a 0 from the end, of which it makes a part that ends
/// before it begins.
fn plain(range: &str, length: u64) -> String {
    let Some((unit, set)) = range.split_once('=') else {
        return range.to_owned();
    };
    let set: Vec<String> = set.split(',').map(|one| plain_one(one, length)).collect();
    format!("{unit}={}", set.join(","))
}

fn plain_one(range: &str, length: u64) -> String {
    let Some((first, last)) = range.trim().split_once('-') else {
        return range.to_owned();
    };
    match (number(first), number(last)) {
        // Not satisfiable: it begins behind the end.
        (None, Some(0)) if first.is_empty() => format!("{length}-"),
        (Some(first), _) if first >= length => format!("{length}-"),
        (None, Some(last)) if first.is_empty() && last >= length => "0-".to_owned(),
        _ => range.to_owned(),
    }
}

/// A number too large to be told is larger than any length.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_keep_their_meaning() {
        let huge = "99999999999999999999";
        for (range, meant) in [
            ("bytes=0-3", "bytes=0-3".to_owned()),
            ("bytes=-3", "bytes=-3".to_owned()),
            ("bytes=-0", "bytes=10-".to_owned()),
            ("bytes=0-1, -000", "bytes=0-1,10-".to_owned()),
            (&format!("bytes=-{huge}"), "bytes=0-".to_owned()),
            (&format!("bytes={huge}-5"), "bytes=10-".to_owned()),
            (&format!("bytes=5-{huge}"), format!("bytes=5-{huge}")),
            ("bytes=-", "bytes=-".to_owned()),
            ("bytes=a-0", "bytes=a-0".to_owned()),
            ("bytes", "bytes".to_owned()),
        ] {
            assert_eq!(plain(range, 10), meant, "{range}");
        }
    }
}
