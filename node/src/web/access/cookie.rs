//! The two cookies: the session, and the tablet that it is on. Both `__Host-`, so no other host can set them.

use axum::http::{HeaderMap, HeaderValue, header};

/// Name of the session's cookie.
pub const SESSION: &str = "__Host-hearth";
/// Name of the tablet's cookie: which device it is, and what binds the sign-in form before there is a session.
pub const TABLET: &str = "__Host-tablet";

/// Longest value that is read. Ours have 43 characters.
const VALUE_BYTES_MAX: usize = 64;

/// The value of a cookie, if the request has exactly one of that name and it has the form of ours.
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let value = found.next().filter(|_| found.next().is_none())?;
    let is_ours = |v: &str| {
        !v.is_empty()
            && v.len() <= VALUE_BYTES_MAX
            && v.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    is_ours(value).then(|| value.to_owned())
}

/// A header that sets a cookie for as long as the browser runs.
pub fn set(name: &str, value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict")).ok()
}

/// A header that sets a cookie for a year: the tablet keeps its name.
pub fn set_for_a_year(name: &str, value: &str) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000");
    HeaderValue::from_str(&text).ok()
}

/// A header that removes a cookie.
pub fn remove(name: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(line: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, line.parse().unwrap());
        headers
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name() {
        let jar = headers("a=1; __Host-hearth=abc-DEF_9; x__Host-hearth=no");
        assert_eq!(read(&jar, SESSION).as_deref(), Some("abc-DEF_9"));
        assert_eq!(read(&jar, TABLET), None);
    }

    #[test]
    fn two_cookies_of_one_name_or_a_strange_value_are_none() {
        assert_eq!(read(&headers("__Host-hearth=a; __Host-hearth=b"), SESSION), None);
        assert_eq!(read(&headers("__Host-hearth=a b"), SESSION), None);
        assert_eq!(read(&headers(&format!("__Host-hearth={}", "a".repeat(65))), SESSION), None);
    }
}
