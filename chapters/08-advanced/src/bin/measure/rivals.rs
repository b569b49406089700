//! nginx and HAProxy, set up to do what our proxy does: one worker, kept-alive connections on both sides, no access
//! log, nothing on disk.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    arguments::Arguments,
    certificates::NAME,
    contestant::{Addresses, Contestant},
    machine,
};

pub(crate) const NGINX: &str = "nginx";
const HAPROXY: &str = "haproxy";
/// Connections that a proxy may have, where the limit of open files lets it.
const MOST_CONNECTIONS: u64 = 20_000;

/// Those that are there. What is missing is said, and the rest is measured without it.
pub(crate) fn installed(
    arguments: &Arguments,
    folder: &Path,
    upstream: SocketAddr,
) -> Result<Vec<Contestant>, String> {
    let mut found = Vec::new();
    for (name, program) in [(NGINX, &arguments.nginx), (HAPROXY, &arguments.haproxy)] {
        match machine::find(program) {
            Some(program) => found.push(rival(name, program, folder, upstream)?),
            None => println!(
                "{program} is not installed; the rest is measured without it. On Debian: apt install {name}"
            ),
        }
    }
    Ok(found)
}

fn rival(
    name: &str,
    program: PathBuf,
    folder: &Path,
    upstream: SocketAddr,
) -> Result<Contestant, String> {
    let addresses = Addresses::free()?;
    let config = folder.join(format!("{name}.conf"));
    let file = OsString::from(&config);
    let (text, arguments) = if name == NGINX {
        let (p, c, e) = ("-p".into(), "-c".into(), "-e".into());
        let arguments = vec![p, folder.into(), c, file, e, "stderr".into()];
        (nginx(folder, addresses, upstream), arguments)
    } else {
        let arguments = vec!["-db".into(), "-f".into(), file];
        (haproxy(folder, addresses, upstream), arguments)
    };
    fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
    Ok(Contestant {
        name: name.to_owned(),
        program,
        arguments,
        environment: Vec::new(),
        addresses,
        log: folder.join(format!("{name}.log")),
    })
}

/// Each connection of a client may need one to the upstream.
fn most_connections() -> u64 {
    (machine::open_files() / 2)
        .saturating_sub(100)
        .clamp(100, MOST_CONNECTIONS)
}

fn nginx(folder: &Path, addresses: Addresses, upstream: SocketAddr) -> String {
    let Addresses { plain, tls } = addresses;
    let connections = most_connections() * 2;
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/nginx-{kind};\n"))
        .concat();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
{temporary}    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    upstream them {{
        server {upstream};
        keepalive 4096;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {plain};
        listen {tls} ssl http2;
        ssl_certificate {folder}/{NAME}.pem;
        ssl_certificate_key {folder}/{NAME}.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            proxy_pass http://them;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $host;
            proxy_max_temp_file_size 0;
        }}
    }}
}}
"
    )
}

fn haproxy(folder: &Path, addresses: Addresses, upstream: SocketAddr) -> String {
    let Addresses { plain, tls } = addresses;
    let connections = most_connections();
    let folder = folder.display();
    format!(
        "global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    option http-keep-alive
    http-reuse always
frontend us
    bind {plain}
    bind {tls} ssl crt {folder}/{NAME}.both alpn h2,http/1.1
    default_backend them
backend them
    server one {upstream} pool-max-conn 4096
"
    )
}
