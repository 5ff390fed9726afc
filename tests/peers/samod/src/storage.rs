//! samod's own storage in files, which also says when it has written something of a document.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use samod::storage::{Storage, StorageKey, TokioFilesystemStorage};
use tokio::sync::watch;

/// samod's own storage in files.
#[derive(Clone)]
pub(crate) struct Noted {
    files: TokioFilesystemStorage,
    /// How often something of each document was written.
    puts: Arc<Mutex<HashMap<String, watch::Sender<u64>>>>,
}

impl Noted {
    pub(crate) fn new(data: &Path) -> Self {
        Self { files: TokioFilesystemStorage::new(data), puts: Arc::default() }
    }

    /// How often something of a document was written, and what comes after.
    pub(crate) fn puts(&self, document: &str) -> watch::Receiver<u64> {
        let mut puts = self.puts.lock().unwrap_or_else(PoisonError::into_inner);
        puts.entry(document.to_owned()).or_default().subscribe()
    }

    fn note(&self, document: &str) {
        let mut puts = self.puts.lock().unwrap_or_else(PoisonError::into_inner);
        puts.entry(document.to_owned()).or_default().send_modify(|count| *count += 1);
    }
}

impl Storage for Noted {
    fn load(&self, key: StorageKey) -> impl Future<Output = Option<Vec<u8>>> + Send {
        self.files.load(key)
    }

    fn load_range(&self, prefix: StorageKey) -> impl Future<Output = HashMap<StorageKey, Vec<u8>>> + Send {
        self.files.load_range(prefix)
    }

    fn put(&self, key: StorageKey, data: Vec<u8>) -> impl Future<Output = ()> + Send {
        let document = (&key).into_iter().next().map(ToString::to_string);
        async move {
            self.files.put(key, data).await;
            if let Some(document) = document {
                self.note(&document);
            }
        }
    }

    fn delete(&self, key: StorageKey) -> impl Future<Output = ()> + Send {
        self.files.delete(key)
    }
}
