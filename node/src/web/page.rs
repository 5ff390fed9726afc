//! Turning a template into an answer.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::frame::Frame;

/// The page of an error.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What stands around it.
    pub frame: Frame,
    /// In a few words.
    pub heading: &'static str,
    /// What to do.
    pub text: String,
    /// The number under which the log has the rest.
    pub reference: String,
}

/// The page as an answer.
pub fn html<T: Template>(page: &T) -> Response {
    #[cfg(test)]
    remember(std::any::type_name::<T>());
    match page.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The page of a form that could not be taken: same page, what was typed still there, and what is wrong.
pub fn unprocessable(page: &impl Template) -> Response {
    let mut response = html(page);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response
}

/// Sends the browser to another page after something was saved.
pub fn see(path: &str) -> Response {
    axum::response::Redirect::to(path).into_response()
}

#[cfg(test)]
thread_local! {
    static RENDERED: std::cell::RefCell<std::collections::BTreeSet<&'static str>> = std::cell::RefCell::default();
}

#[cfg(test)]
fn remember(template: &'static str) {
    let name = template.rsplit("::").next().unwrap_or(template);
    RENDERED.with_borrow_mut(|rendered| rendered.insert(name));
}

/// The templates that pages of this thread's test have shown.
#[cfg(test)]
pub(super) fn rendered() -> std::collections::BTreeSet<&'static str> {
    RENDERED.with_borrow(Clone::clone)
}
