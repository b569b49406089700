//! Takes what comes for text.
//! fails: bytes_need_not_be_text

// TODO 1.5
loop {
    let length = timeout(IDLE, stream.read(&mut buffer)).await??;
    if length == 0 {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&buffer[..length]);
    timeout(IDLE, stream.write_all(text.as_bytes())).await??;
    timeout(IDLE, stream.flush()).await??;
}
// END TODO
