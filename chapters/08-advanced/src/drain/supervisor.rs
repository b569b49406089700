//! What a supervisor wants to know: the process id, and how far this process is.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::net::UnixDatagram,
    path::Path,
    process,
};

use log::warn;

/// The file names the process that serves. After an upgrade that is the new one, which writes it over.
pub(super) fn write_pid(path: &Path) {
    if let Err(error) = try_write_pid(path) {
        warn!("cannot write {}: {error}", path.display());
    }
}

/// Renamed into place: nobody reads half of it, and a link that somebody put there is not followed.
fn try_write_pid(path: &Path) -> io::Result<()> {
    let id = process::id();
    let new = path.with_extension(format!("pid.{id}"));
    let mut file = File::create_new(&new)?;
    writeln!(file, "{id}")?;
    fs::rename(&new, path)
}

/// Speaks to systemd as sd_notify(3) says, if that is what runs this program.
pub(super) fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|it| it.send_to(message.as_bytes(), &socket));
    if let Err(error) = sent {
        warn!(
            "cannot tell the supervisor at {}: {error}",
            socket.display()
        );
    }
}
