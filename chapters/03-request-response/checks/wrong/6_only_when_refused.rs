//! Says what is left when nothing is left: a client cannot slow down in time.
//! fails: every_answer_says_what_is_left, an_answer_of_the_proxy_itself_says_it_too

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
if quota.exceeded {
    let (limit, window) = (self.limit, whole_seconds(self.window));
    header.append_header("ratelimit-policy", format!("\"edge\";q={limit};w={window}"))?;
    header.append_header("ratelimit", format!("\"edge\";r={left};t={seconds}"))?;
    header.insert_header("retry-after", seconds.to_string())?;
}
// END TODO

// TODO 3.6
// as in the solution
// END TODO
