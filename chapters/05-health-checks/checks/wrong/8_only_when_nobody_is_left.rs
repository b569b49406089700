//! Uses the others only when nobody is left: before that the last one breaks down under the load of all.
//! fails: with_too_few_in_all_are_used, the_threshold_is_a_setting

// TODO 5.8
// as in the solution
// END TODO

// TODO 5.8
fn panicking(&self) -> bool {
    let inside = self.backends.iter().filter(|it| it.state != State::Out).count();
    inside == 0
}
// END TODO
