//! What can go wrong with the database, by what the caller can do about it.

use rusqlite::ErrorCode;

/// Why the database did not do what was asked. Nothing of a failed job is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; nothing can be written until there is room.
    #[error("the disk of the database is full")]
    Full,
    /// The file or its disk cannot be written.
    #[error("the database cannot be written")]
    ReadOnly,
    /// The file is damaged; restore it from a backup.
    #[error("the database is damaged")]
    Corrupt,
    /// Another process holds the database.
    #[error("the database is in use by another process")]
    Busy,
    /// The disk failed.
    #[error("the disk of the database failed (SQLite code {0})")]
    Io(i32),
    /// The database was written by newer software.
    #[error("the database has schema {found}, this software knows up to {known}: install the newer software")]
    TooNew {
        /// Schema of the database.
        found: u32,
        /// Newest schema known.
        known: u32,
    },
    /// SQLite itself is too old to be trusted with a write-ahead log.
    #[error("SQLite {0} has a bug that damages databases: version 3.51.3 or later is needed")]
    OldSqlite(String),
    /// The store has been closed.
    #[error("the database is closed")]
    Closed,
    /// A uniqueness, foreign key or check rule of the schema was broken.
    #[error("a rule of the schema was broken: {0}")]
    Constraint(String),
    /// What was asked does not fit what is stored; the text says what, with ids only.
    #[error("{0}")]
    Logic(String),
}

impl StoreError {
    /// An error of logic with this text, which may hold ids and never personal data.
    pub fn logic(text: impl Into<String>) -> Self {
        Self::Logic(text.into())
    }

    /// Whether the trouble is the database's and not the job's: nothing else in the same transaction can be trusted.
    pub fn is_of_database(&self) -> bool {
        match self {
            Self::Full
            | Self::ReadOnly
            | Self::Corrupt
            | Self::Busy
            | Self::Io(_)
            | Self::TooNew { .. }
            | Self::OldSqlite(_)
            | Self::Closed => true,
            Self::Constraint(_) | Self::Logic(_) => false,
        }
    }

    /// A short name, for metrics and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "disk-full",
            Self::ReadOnly => "read-only",
            Self::Corrupt => "corrupt",
            Self::Busy => "busy",
            Self::Io(_) => "io",
            Self::TooNew { .. } => "too-new",
            Self::OldSqlite(_) => "old-sqlite",
            Self::Closed => "closed",
            Self::Constraint(_) => "constraint",
            Self::Logic(_) => "logic",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, text) = error else {
            return Self::Logic(error.to_string());
        };
        // The names of tables and columns only: SQLite never puts values into its messages.
        let text = text.unwrap_or_else(|| failure.to_string());
        #[expect(clippy::wildcard_enum_match_arm, reason = "the list of SQLite's codes is open")]
        match failure.code {
            ErrorCode::DiskFull => Self::Full,
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed | ErrorCode::OutOfMemory => {
                Self::Io(failure.extended_code)
            }
            ErrorCode::ConstraintViolation => Self::Constraint(text),
            _ => Self::Logic(text),
        }
    }
}
