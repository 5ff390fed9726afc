//! Serves the made-up home until it is stopped, for looking at its pages:
//! `HEARTH_PAGES=8443 cargo test -p hearth-node -- --ignored --nocapture serves_the_made_up_home`

use hearth_protocol::access::SiteKind;

use super::home::Home;
use crate::clock::Clock;
use crate::web::serve::{WebTls, serve};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "serves pages until it is stopped"]
async fn serves_the_made_up_home() {
    let port = std::env::var("HEARTH_PAGES").map_or(8443, |port| port.parse().unwrap());
    let home = Home::new(SiteKind::CareHome, Clock::system()).await;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let tls = WebTls::new(vec![certificate.der().clone()], private).unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("https://localhost:{port}/ with the PIN {}", super::home::PIN);
    serve(&home.web, listener, tls, std::future::pending()).await.unwrap();
}
