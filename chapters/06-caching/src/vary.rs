//! Which variant of a response a request selects (RFC 9111, section 4.1).

use http::{HeaderMap, HeaderName, header};
use pingora_cache::{VarianceBuilder, key::HashBinary};

/// Lists whose order says nothing and whose members are known in any case (RFC 9110, section 12.5).
const UNORDERED: [HeaderName; 4] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
];

/// `Vary: *`, or what is no list of names: no other request is known to get the same response.
pub(crate) fn by_more_than_headers(response: &HeaderMap) -> bool {
    names(response).any(|name| name.is_none())
}

/// What the request says in the fields that the response varies by; `None` if it varies by none.
pub(crate) fn variance(response: &HeaderMap, request: &HeaderMap) -> Option<HashBinary> {
    let mut variance = VarianceBuilder::new();
    for name in names(response).flatten() {
        let value = match request.contains_key(&name) {
            // Absent is not empty: the first byte tells them apart.
            false => vec![b'-'],
            true => [b"+".as_slice(), &normalized(&name, request)].concat(),
        };
        variance.add_owned_name_value(name.as_str().to_owned(), value);
    }
    variance.finalize()
}

/// The names in Vary; `None` stands for what is not a name.
fn names(response: &HeaderMap) -> impl Iterator<Item = Option<HeaderName>> {
    let lines = response.get_all(header::VARY).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    let members = lines.flat_map(|line| {
        let members = line.split(',').map(|member| member.trim().to_owned());
        members.collect::<Vec<_>>()
    });
    let members = members.filter(|member| !member.is_empty());
    // `HeaderName` takes an asterisk for a name: it is a token.
    members.map(|member| member.parse().ok().filter(|name| name != "*"))
}

/// All lines as one, without the blanks that mean nothing. In bytes: two values that are no text are not the same.
fn normalized(name: &HeaderName, request: &HeaderMap) -> Vec<u8> {
    let lines = request.get_all(name).iter();
    let lines: Vec<&[u8]> = lines.map(|line| line.as_bytes()).collect();
    let whole = lines.join(&b","[..]);
    // A comma in a quoted string is not one between members: such a value is taken as it is.
    if whole.contains(&b'"') {
        return whole;
    }
    let members = whole.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let members = members.filter(|member| !member.is_empty());
    if !UNORDERED.contains(name) {
        return members.collect::<Vec<_>>().join(&b","[..]);
    }
    let without_blanks = |member: &[u8]| {
        let mut member = member.to_ascii_lowercase();
        member.retain(|byte| !b" \t".contains(byte));
        member
    };
    let mut members: Vec<Vec<u8>> = members.map(without_blanks).collect();
    members.sort();
    members.dedup();
    members.join(&b","[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    fn same(
        vary: &'static str,
        one: &[(&'static str, &'static str)],
        two: &[(&'static str, &'static str)],
    ) -> bool {
        let response = headers(&[("vary", vary)]);
        variance(&response, &headers(one)) == variance(&response, &headers(two))
    }

    #[test]
    fn what_means_the_same_selects_the_same() {
        assert!(same("A", &[("a", "1, 2")], &[("a", "1"), ("a", "2")]));
        assert!(same("a", &[("a", "1,2")], &[("a", " 1 ,  2 ")]));
        assert!(same("a", &[("b", "1")], &[("b", "2")]));
        let language = "accept-language";
        assert!(same(
            language,
            &[(language, "en, de;q=0.5")],
            &[(language, "DE; q=0.5,EN")]
        ));
    }

    #[test]
    fn what_differs_selects_another() {
        assert!(!same("a", &[("a", "1")], &[("a", "2")]));
        assert!(!same("a", &[("a", "1, 2")], &[("a", "2, 1")]));
        assert!(!same("a", &[("a", "x")], &[("a", "X")]));
        assert!(!same("a", &[], &[("a", "")]));
        assert!(!same("a, b", &[("a", "1")], &[("b", "1")]));
        assert!(!same("a", &[("a", "\"1, 2\"")], &[("a", "\"1,2\"")]));
    }

    #[test]
    fn an_asterisk_is_no_name() {
        for vary in ["*", "a, *", "*, a", "a b"] {
            assert!(by_more_than_headers(&headers(&[("vary", vary)])), "{vary}");
        }
        assert!(!by_more_than_headers(&headers(&[("vary", "a, , B")])));
        assert!(variance(&headers(&[("vary", "")]), &HeaderMap::new()).is_none());
    }
}
