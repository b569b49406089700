//! Writes and forgets to flush: short messages stay in the buffer of Pingora's stream.
//! fails: a_conversation_goes_on

// TODO 1.5
loop {
    let length = timeout(IDLE, stream.read(&mut buffer)).await??;
    if length == 0 {
        return Ok(());
    }
    timeout(IDLE, stream.write_all(&buffer[..length])).await??;
}
// END TODO
