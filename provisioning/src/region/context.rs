//! What the `hearth` command needs to reach a hub: `context.toml`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::reader::{ConfigError, Reader};

/// A hub and how to speak to it. Paths are absolute or relative to where the command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The region's name.
    pub region: String,
    /// The admin API, such as `https://hub.example.nhs.uk:8443`.
    pub url: String,
    /// The web roots that vouch for it, as PEM. No other root is trusted.
    pub roots: PathBuf,
    /// The file of the administrator's token.
    pub token: PathBuf,
}

/// Why a context could not be read.
pub type ContextError = ConfigError;

impl Context {
    /// Reads a context; relative paths in it start at `folder`. Every fault is listed.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, ContextError> {
        let (mut reader, parsed) = Reader::parse(text)?;
        let mut root = parsed.root();
        let region: Option<String> = reader.required(&mut root, "region", "the region's name");
        let url: Option<String> =
            reader.required(&mut root, "url", "an https URL, such as \"https://hub.example.nhs.uk:8443\"");
        let roots: Option<PathBuf> = reader.required(&mut root, "roots", "the path of a PEM file");
        let token: Option<PathBuf> = reader.required(&mut root, "token", "the path of a file");
        if url.as_deref().is_some_and(|url| !is_https(url)) {
            reader.fault(&root, "url", "is to be an https URL, such as \"https://hub.example.nhs.uk:8443\"");
        }
        reader.close(&root);
        let context = (|| {
            let url = url?.trim_end_matches('/').to_owned();
            Some(Self { region: region?, url, roots: folder.join(roots?), token: folder.join(token?) })
        })();
        reader.finish(context)
    }
}

/// The text that reads back as this context.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: String| toml::Value::String(text).to_string();
        writeln!(f, "# How the hearth command reaches the hub. Paths are relative to this file.")?;
        writeln!(f, "region = {}\nurl = {}", quoted(self.region.clone()), quoted(self.url.clone()))?;
        writeln!(f, "# The only roots that are trusted for the hub.")?;
        writeln!(f, "roots = {}", quoted(self.roots.display().to_string()))?;
        writeln!(f, "token = {}", quoted(self.token.display().to_string()))
    }
}

fn is_https(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_reads_back() {
        let context = Context {
            region: "North \"Vale\"".to_owned(),
            url: "https://localhost:8443".to_owned(),
            roots: "/region/web/roots.pem".into(),
            token: "/region/admin/token".into(),
        };
        assert_eq!(Context::from_toml(&context.to_string(), Path::new("/elsewhere")), Ok(context));
    }

    #[test]
    fn a_context_without_encryption_is_refused() {
        let text = "region = \"x\"\nurl = \"http://hub\"\nroots = \"r\"\ntoken = \"t\"\ntokn = \"t\"\n";
        let error = Context::from_toml(text, Path::new("/a")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: url is to be an https URL, such as \"https://hub.example.nhs.uk:8443\"\n\
             line 5: tokn is not known here; what is known is region, url, roots, token"
        );
    }
}
