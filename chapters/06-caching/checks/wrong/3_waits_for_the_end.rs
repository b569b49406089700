//! Reads nothing out before all of it is there.
//! fails: those_who_waited_read_along

// TODO 6.3
// as in the solution
// END TODO

// TODO 6.3
// as in the solution
// END TODO

// TODO 6.3
let waiting = || !self.whole.load(Ordering::Acquire);
for _ in 0..500 {
    if !waiting() {
        break;
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
}
if waiting() {
    return Error::e_explain(InternalError, "the upstream broke off");
}
self.inner.read_body().await
// END TODO
