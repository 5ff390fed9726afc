//! Why the store could not do what was asked, by what the caller can do.

use rusqlite::ErrorCode;

/// Why the store could not do what was asked. When a write returns one, nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// The file or its directory may not be written.
    #[error("the database may not be written")]
    ReadOnly,
    /// The disk reports an error.
    #[error("the disk reports an error ({0})")]
    Io(String),
    /// The key does not open the file, or the file is not a database.
    #[error("the key does not open the database")]
    WrongKey,
    /// What is stored is not what was written.
    #[error("the database is damaged ({0})")]
    Corrupt(String),
    /// The file was written by newer software.
    #[error("the database is of version {found}, this software knows up to {known}")]
    TooNew {
        /// Version of the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// The SQLite that was built in is too old to be trusted with records.
    #[error("SQLite {0} is too old")]
    SqliteTooOld(String),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The connection failed and may go on to fail until it is opened anew.
    #[error("the connection to the database failed ({0})")]
    Connection(String),
    /// A statement failed: a fault of this software.
    #[error("a statement failed ({0})")]
    Statement(String),
}

/// What an action or a query of the store fails with.
pub trait ActionError: From<StoreError> {
    /// What the store failed with, where it was the store.
    fn of_store(&self) -> Option<&StoreError>;
}

impl ActionError for StoreError {
    fn of_store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl StoreError {
    /// Whether the connection that failed so may go on to fail although its disk is well again.
    pub(super) fn may_stay(&self) -> bool {
        match self {
            Self::Io(_) | Self::WrongKey | Self::Corrupt(_) | Self::Connection(_) => true,
            Self::Full
            | Self::ReadOnly
            | Self::TooNew { .. }
            | Self::SqliteTooOld(_)
            | Self::Closed
            | Self::Statement(_) => false,
        }
    }

    /// What a person is told while nothing can be saved; none for what may be over with the next try.
    pub fn standing(&self) -> Option<&'static str> {
        match self {
            Self::Full => Some("The node's disk is full: write on paper and tell the manager now."),
            Self::ReadOnly => {
                Some("The node cannot write to its disk: write on paper and tell the manager now.")
            }
            Self::Io(_) => Some("The node's disk is failing: write on paper and call support now."),
            Self::WrongKey
            | Self::Corrupt(_)
            | Self::TooNew { .. }
            | Self::SqliteTooOld(_)
            | Self::Closed
            | Self::Connection(_)
            | Self::Statement(_) => None,
        }
    }

    /// What a person is told, and what they can do.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Full => {
                "Nothing was saved: the node's disk is full. Write it on paper and tell the manager now."
            }
            Self::ReadOnly => {
                "Nothing was saved: the node cannot write to its disk. Write it on paper and tell the manager now."
            }
            Self::Io(_) => {
                "Nothing was saved: the node's disk is failing. Write it on paper and call support now."
            }
            Self::WrongKey => "The records cannot be opened with this key. Call support.",
            Self::Corrupt(_) => {
                "Part of the node's records is damaged. What the hub holds is safe. Call support now."
            }
            Self::TooNew { .. } | Self::SqliteTooOld(_) => {
                "This version of the software does not fit the stored records. Call support."
            }
            Self::Closed => "The node is stopping. Wait a minute, then try again.",
            Self::Connection(_) | Self::Statement(_) => {
                "Nothing was saved. Try again, and if it fails again call support."
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of SQLite's many codes few can be answered")]
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else { return Self::Statement(shape(&error)) };
        // SQLite's message may quote a value, so only the code is told.
        let extended = error.sqlite_error().map_or(0, |e| e.extended_code).to_string();
        match code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => Self::ReadOnly,
            ErrorCode::SystemIoFailure => Self::Io(extended),
            ErrorCode::NotADatabase => Self::WrongKey,
            ErrorCode::DatabaseCorrupt => Self::Corrupt(extended),
            // What SQLCipher says of a page that it could not decrypt or encrypt, and of all that follow.
            ErrorCode::Unknown | ErrorCode::OutOfMemory | ErrorCode::InternalMalfunction => {
                Self::Connection(extended)
            }
            _ => Self::Statement(extended),
        }
    }
}

/// The kind of an error that is not SQLite's, without the values in it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are faults of a statement here")]
fn shape(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::QueryReturnedNoRows => "no row".to_owned(),
        rusqlite::Error::InvalidColumnType(column, _, _) => format!("type of column {column}"),
        rusqlite::Error::FromSqlConversionFailure(column, _, _) => format!("value of column {column}"),
        _ => "other".to_owned(),
    }
}
