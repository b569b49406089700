//! Gives the client the limit of a WebSocket, and leaves the upstream with the one for answers.
//! fails: outlives_the_limit_for_an_answer, a_handshake_that_nobody_answers_is_given_up

// TODO 8.7
peer.options.read_timeout = Some(self.read_timeout);
// END TODO

// TODO 8.7
if response.status == 101 {
    session.set_read_timeout(Some(self.idle));
}
// END TODO

// TODO 8.7
// The status says it.
// END TODO
