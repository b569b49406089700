//! Takes the path of whatever Location names, whoever's it is.
//! fails: the_same_path_elsewhere_is_not_ours

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
        keys.push(key(host(request), &named[Position::BeforePath..Position::AfterQuery]));
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
