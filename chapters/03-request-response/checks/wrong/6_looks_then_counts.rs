//! Looks what was counted, and counts this request afterwards: one more passes.
//! fails: one_more_than_the_limit_is_429_and_asks_nobody, requests_at_the_same_time_share_the_limit, every_answer_says_what_is_left

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
let used = rate.rate_with(&client, |window| window.curr_samples);
let elapsed = rate.rate_with(&client, |window| window.current_interval_fraction);
rate.observe(&client, 1);
// END TODO

// TODO 3.6
// as in the solution
// END TODO

// TODO 3.6
// as in the solution
// END TODO
