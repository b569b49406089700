//! The folder of certificates that a program of the course reads.

use crate::certificate::{Authority, Certificate};
use crate::failure::raise;
use crate::lock;
use crate::report::Report;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// What each server's certificate is for. The first also stands for the machine itself.
const SERVERS: [(&str, &[&str]); 2] = [
    ("one.test", &["one.test", "localhost", "127.0.0.1"]),
    ("two.test", &["two.test"]),
];
/// Whom the client's certificate names.
const CLIENT: &str = "alice";

/// A folder as `CERTS` names it: `ca.pem`, and as `.pem` and `.key` each `one.test`, `two.test` and `client`. It is
/// removed when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    authority: Authority,
    current: Mutex<BTreeMap<String, Certificate>>,
    /// Kubernetes counts the folders behind its link.
    versions: Option<AtomicUsize>,
}

impl Certificates {
    /// A folder with an authority of its own.
    #[track_caller]
    #[allow(
        clippy::new_without_default,
        reason = "it makes a folder, which nobody expects of a default"
    )]
    pub fn new() -> Self {
        Self::filled(None)
    }

    /// The same as Kubernetes mounts a secret: each file is a link through the link `..data`, and a change makes a new
    /// folder and points `..data` to it.
    #[track_caller]
    pub fn behind_links() -> Self {
        Self::filled(Some(AtomicUsize::new(0)))
    }

    #[track_caller]
    fn filled(versions: Option<AtomicUsize>) -> Self {
        let certificates = Self {
            folder: done(TempDir::with_prefix("certs-")),
            authority: Authority::new(),
            current: Mutex::default(),
            versions,
        };
        certificates.write("ca.pem", certificates.authority.pem());
        for (name, _) in SERVERS {
            certificates.replace(name);
        }
        certificates.replace("client");
        certificates
    }

    /// The folder, for `CERTS`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The same as text, as a variable of the environment wants it.
    pub fn folder(&self) -> String {
        self.path().display().to_string()
    }

    /// Who signed them all: `ca.pem`.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The certificate of `one.test`, `two.test` or `client` that was written last.
    #[track_caller]
    pub fn certificate(&self, name: &str) -> Certificate {
        match lock(&self.current).get(name) {
            Some(certificate) => certificate.clone(),
            None => raise(&Report::crash(format!("there is no certificate {name}"))),
        }
    }

    /// Makes a new certificate and key in place of those of this name, as a careful tool does: each written whole
    /// beside the old one and then renamed.
    #[track_caller]
    pub fn replace(&self, name: &str) -> Certificate {
        let certificate = self.make(name);
        self.install(name, &certificate);
        certificate
    }

    /// A new certificate of this name that is in no file yet.
    #[track_caller]
    pub fn make(&self, name: &str) -> Certificate {
        match SERVERS.iter().find(|(server, _)| *server == name) {
            Some((_, names)) => self.authority.certificate(names.iter().copied()),
            None => self.authority.client(CLIENT),
        }
    }

    /// Puts this certificate and its key in place of those of this name.
    #[track_caller]
    pub fn install(&self, name: &str, certificate: &Certificate) {
        self.put(&[
            (&format!("{name}.key"), certificate.key_pem().as_bytes()),
            (&format!("{name}.pem"), certificate.pem().as_bytes()),
        ]);
        lock(&self.current).insert(name.to_owned(), certificate.clone());
    }

    /// Puts a file with this content in the place of another: written beside it and then renamed.
    #[track_caller]
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        self.put(&[(file, content.as_ref())]);
    }

    /// Writes this content into a file that is there: whoever reads it meanwhile sees a part of it.
    #[track_caller]
    pub fn overwrite(&self, file: &str, content: impl AsRef<[u8]>) {
        done(std::fs::write(self.path().join(file), content));
    }

    #[track_caller]
    fn put(&self, files: &[(&str, &[u8])]) {
        match &self.versions {
            Some(versions) => self.put_behind_links(files, versions.fetch_add(1, Ordering::SeqCst)),
            None => {
                for (file, content) in files {
                    let beside = self.path().join(format!(".{file}.new"));
                    done(std::fs::write(&beside, content));
                    done(std::fs::rename(beside, self.path().join(file)));
                }
            }
        }
    }

    /// All files at once (Kubernetes, pkg/volume/util/atomic_writer.go).
    #[track_caller]
    fn put_behind_links(&self, files: &[(&str, &[u8])], version: usize) {
        let [data, beside] = ["..data", "..data_tmp"].map(|name| self.path().join(name));
        let folder = self.path().join(format!("..{version}"));
        done(std::fs::create_dir(&folder));
        if version > 0 {
            for entry in done(std::fs::read_dir(&data)) {
                let entry = done(entry);
                done(std::fs::copy(entry.path(), folder.join(entry.file_name())));
            }
        }
        for (file, content) in files {
            done(std::fs::write(folder.join(file), content));
        }
        done(symlink(format!("..{version}"), &beside));
        done(std::fs::rename(beside, data));
        for (file, _) in files {
            let link = self.path().join(file);
            if !link.is_symlink() {
                done(symlink(Path::new("..data").join(file), link));
            }
        }
    }

    /// Removes a file.
    #[track_caller]
    pub fn remove(&self, file: &str) {
        done(std::fs::remove_file(self.path().join(file)));
    }
}

#[track_caller]
fn done<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        raise(&Report::crash(format!(
            "the check cannot write certificates: {error}"
        )))
    })
}
