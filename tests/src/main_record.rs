//! A real main care record for tests and for the demo: Helios FHIR Server, built once into a cache folder, run with a
//! database of its own.
//!
//! ```no_run
//! # async fn show() -> anyhow::Result<()> {
//! use hearth_tests::main_record::{MainRecord, Settings, Software};
//! let software = Software::ready()?;
//! let data = tempfile::tempdir()?;
//! let record = MainRecord::start(&software, data.path(), Settings::default()).await?;
//! let tenant = record.tenant("my-test");
//! # let bundle = serde_json::Value::Null;
//! tenant.transaction(&bundle).await?;
//! let patients = tenant.search("Patient", &[("name", "Jones")]).await?;
//! # Ok(()) }
//! ```
//!
//! Each test takes a tenant of its own: reads, searches and the history of tenants are apart.

mod install;
mod server;
mod tenant;

pub use install::{Software, cache_folder};
pub use server::{MainRecord, Settings};
pub use tenant::Tenant;
