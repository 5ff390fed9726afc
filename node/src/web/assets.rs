//! The files that pages load: inside the program, under names that change with their content.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Embedded;

/// Where a page finds each file. Made once at start.
#[derive(Clone, Debug)]
pub struct AssetUrls {
    /// Style sheet.
    pub css: String,
    /// htmx.
    pub htmx: String,
    /// Our own script: strip, idle lock, search.
    pub script: String,
    /// What a tablet does out of reach of the node, as far as a page is concerned.
    pub outbox: String,
    /// Icon of the site.
    pub icon: String,
}

impl AssetUrls {
    /// The addresses of the files of this build.
    pub fn of_build() -> Self {
        Self {
            css: url("hearth.css"),
            htmx: url("htmx.js"),
            script: url("hearth.js"),
            outbox: url("outbox.js"),
            icon: url("icon.svg"),
        }
    }
}

/// `/assets/{hash}/{name}`: kept by the browser for a year, since other content has another address.
pub async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some(file) = Embedded::get(&name).filter(|file| short_hash(&file.metadata.sha256_hash()) == hash)
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, media_type(&name)),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, file.data).into_response()
}

/// `/worker.js`: at the root, since a worker rules only what lies beneath it; asked for anew each time, so that a new
/// version is found.
pub async fn worker() -> Response {
    at_root("worker.js", "text/javascript; charset=utf-8")
}

/// What a tablet needs to keep the pages on its home screen.
pub async fn manifest() -> Response {
    at_root("hearth.webmanifest", "application/manifest+json")
}

/// The icon of the home screen.
pub async fn icon() -> Response {
    at_root("icon.svg", "image/svg+xml")
}

fn at_root(name: &str, kind: &'static str) -> Response {
    let Some(file) = Embedded::get(name) else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], file.data).into_response()
}

fn url(name: &str) -> String {
    let hash = Embedded::get(name).map(|file| short_hash(&file.metadata.sha256_hash())).unwrap_or_default();
    format!("/assets/{hash}/{name}")
}

fn short_hash(hash: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(hash.get(..8).unwrap_or_default())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// zstd at its default stands in for brotli, which packs these files a little tighter.
    fn packed(name: &str) -> usize {
        zstd::encode_all(&*Embedded::get(name).unwrap().data, 19).unwrap().len()
    }

    #[test]
    fn a_first_load_stays_under_50_kilobytes() {
        let files = packed("hearth.css") + packed("htmx.js") + packed("hearth.js") + packed("icon.svg");
        let files = files + packed("outbox.js") + packed("worker.js") + packed("hearth.webmanifest");
        // A page of forty residents is about 6 KB compressed.
        assert!(files < 44_000, "{files} bytes");
    }

    #[test]
    fn nothing_loads_from_another_machine_or_shows_the_mark_of_another_organisation() {
        let css = Embedded::get("hearth.css").unwrap();
        let css = std::str::from_utf8(&css.data).unwrap();
        assert!(!css.contains("http:") && !css.contains("https:") && !css.contains("@font-face"));
        assert!(!css.contains("Frutiger"));
    }

    #[tokio::test]
    async fn a_file_is_found_only_under_its_own_hash() {
        let urls = AssetUrls::of_build();
        let hash = urls.css.split('/').nth(2).unwrap().to_owned();
        let found = serve(Path((hash, "hearth.css".into()))).await;
        assert_eq!(found.status(), StatusCode::OK);
        let stale = serve(Path(("0000000000000000".into(), "hearth.css".into()))).await;
        assert_eq!(stale.status(), StatusCode::NOT_FOUND);
    }
}
