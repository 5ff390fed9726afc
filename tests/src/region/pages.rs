//! A scripted member of staff: opens pages as a browser without JavaScript does, fills in their forms and sends them.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Response, StatusCode};
use scraper::{ElementRef, Html, Selector};

/// A person who is signed in.
#[derive(Debug)]
pub struct Person {
    client: Client,
    base: String,
}

/// A page as it came.
#[derive(Debug)]
pub struct Page {
    /// Status.
    pub status: StatusCode,
    /// Path after redirects.
    pub path: String,
    /// HTML.
    pub html: String,
}

impl Page {
    /// The text that a person reads, white space folded.
    pub fn text(&self) -> String {
        let html = Html::parse_document(&self.html);
        let words: Vec<&str> = html.root_element().text().flat_map(str::split_whitespace).collect();
        words.join(" ")
    }

    /// The targets of all links that begin with this.
    pub fn links(&self, begin: &str) -> Vec<String> {
        let html = Html::parse_document(&self.html);
        let Ok(anchors) = Selector::parse("a[href]") else { return Vec::new() };
        let targets = html.select(&anchors).filter_map(|a| a.value().attr("href"));
        targets.filter(|href| href.starts_with(begin)).map(str::to_owned).collect()
    }

    /// The hidden fields of the first form that sends to this path.
    fn hidden(&self, action: &str) -> anyhow::Result<Vec<(String, String)>> {
        let html = Html::parse_document(&self.html);
        let forms = Selector::parse("form").map_err(|_| anyhow::anyhow!("no selector"))?;
        let inputs = Selector::parse("input[type=hidden]").map_err(|_| anyhow::anyhow!("no selector"))?;
        let sends_here = |form: &ElementRef<'_>| {
            form.value().attr("action").is_some_and(|a| a.split('?').next() == Some(action))
        };
        let form = html.select(&forms).find(sends_here);
        let form = form.with_context(|| format!("{} has no form that sends to {action}", self.path))?;
        let field = |input: ElementRef<'_>| {
            let value = input.value();
            Some((value.attr("name")?.to_owned(), value.attr("value").unwrap_or_default().to_owned()))
        };
        Ok(form.select(&inputs).filter_map(field).collect())
    }
}

impl Person {
    /// Opens the tiles, finds the person's, and sends the PIN.
    pub async fn sign_in(pages: SocketAddr, roots: &Path, name: &str, pin: &str) -> anyhow::Result<Self> {
        let pem = std::fs::read(roots).context("no web roots")?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem)?;
        let client = Client::builder().tls_certs_only(roots).cookie_store(true).build()?;
        let person = Self { client, base: format!("https://localhost:{}", pages.port()) };
        let tiles = person.open("/unlock").await?;
        let tile = Self::tile(&tiles, name)?;
        let path = tile.split('?').next().unwrap_or_default().to_owned();
        let asked = person.open(&tile).await?;
        let answer = person.send(&asked, &path, &[("pin", pin)]).await?;
        ensure!(answer.status.is_success() && !answer.path.starts_with("/unlock"), "the PIN was refused");
        Ok(person)
    }

    fn tile(tiles: &Page, name: &str) -> anyhow::Result<String> {
        let html = Html::parse_document(&tiles.html);
        let Ok(anchors) = Selector::parse("a[href^='/unlock/']") else { bail!("no selector") };
        let is_named = |a: &ElementRef<'_>| a.text().any(|text| text.trim() == name);
        let tile = html.select(&anchors).find(is_named).and_then(|a| a.value().attr("href"));
        tile.map(str::to_owned).context("the person has no tile")
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> anyhow::Result<Page> {
        page(self.client.get(format!("{}{path}", self.base)).send().await?).await
    }

    /// Sends the form of a page that goes to `action`, with what the person typed.
    pub async fn send(&self, page_: &Page, action: &str, typed: &[(&str, &str)]) -> anyhow::Result<Page> {
        let mut fields = page_.hidden(action)?;
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = self.client.post(format!("{}{action}", self.base)).form(&fields);
        page(request.header("origin", &self.base).send().await?).await
    }

    /// Opens a form by its path and sends it back to the same path, filled in.
    pub async fn fill_in(&self, path: &str, typed: &[(&str, &str)]) -> anyhow::Result<Page> {
        let form = self.open(path).await?;
        ensure!(form.status.is_success(), "{path} answered {}", form.status);
        self.send(&form, path, typed).await
    }
}

async fn page(answer: Response) -> anyhow::Result<Page> {
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    Ok(Page { status, path, html: answer.text().await? })
}
