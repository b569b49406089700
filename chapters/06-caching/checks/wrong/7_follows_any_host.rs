//! Invalidates what Location names under the host that it names: everybody can empty everybody's store.
//! fails: another_origin_is_left_alone

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
let mut keys = vec![key(host(request), target(request))];
let asked = String::from_utf8_lossy(host(request));
let Ok(asked) = Url::parse(&format!("http://{asked}{}", target(request))) else {
    return keys;
};
for name in [header::LOCATION, header::CONTENT_LOCATION] {
    let reference = answer.get(name).and_then(|value| value.to_str().ok());
    if let Some(named) = reference.and_then(|reference| asked.join(reference).ok()) {
        let host = &named[Position::BeforeHost..Position::AfterPort];
        keys.push(key(host.as_bytes(), &named[Position::BeforePath..Position::AfterQuery]));
    }
}
keys
// END TODO

// TODO 6.7
// as in the solution
// END TODO

// TODO 6.7
// as in the solution
// END TODO
