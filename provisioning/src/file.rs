//! Files that are whole or absent after a power cut: temporary file, fsync, rename, fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// The owner alone: keys and tokens.
    Owner,
    /// Everybody on the computer: certificates.
    Everybody,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

/// Writes a file in place of the one that may be there. The error names the file.
pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let temporary = temporary_name(path)?;
    let written = write_and_rename(&temporary, path, bytes, readers);
    if written.is_err() {
        // What is left of the attempt is of no use; the first error is the one to tell.
        drop(fs::remove_file(&temporary));
    }
    written.map_err(|error| naming(path, &error))
}

/// Makes a folder that only its owner may enter, and those above it. One that is there stays as it is.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| naming(path, &error))
}

/// Reads a text. The error names the file.
pub fn read_text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).map_err(|error| naming(path, &error))
}

fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name");
    let mut name = path.file_name().ok_or_else(no_name)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    Ok(path.with_file_name(name))
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(readers.mode()).open(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_readable_by_its_owner_alone_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"one", Readers::Owner).unwrap();
        write(&path, b"two", Readers::Owner).unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("absent/key.pem");
        let error = write(&path, b"", Readers::Owner).unwrap_err();
        assert!(error.to_string().contains("absent/key.pem"), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
