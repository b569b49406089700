//! Limits reading and forgets the upload.
//! fails: an_upload_that_nobody_takes_is_504

// TODO 2.3
peer.options.connection_timeout = Some(self.timeouts.connect);
peer.options.read_timeout = Some(self.timeouts.read);
// END TODO

// TODO 2.3
// as in the solution
// END TODO

// TODO 2.3
// as in the solution
// END TODO
