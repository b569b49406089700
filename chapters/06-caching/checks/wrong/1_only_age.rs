//! Believes Age alone: an upstream that sends an old Date and no Age seems new.
//! fails: an_old_date_is_an_age, the_time_that_the_answer_took_is_counted

// TODO 6.1
// as in the solution
// END TODO

// TODO 6.1
let _ = (asked, now);
value(response, header::AGE).and_then(seconds).unwrap_or_default()
// END TODO

// TODO 6.1
// as in the solution
// END TODO
