use super::*;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn least() -> String {
    format!(
        "[region]\nid = \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"\nname = \"North Vale\"\n\
         [advertise]\naddresses = [\"hub.example.test:4433\"]\n\
         [[administrator]]\nname = \"first\"\ntoken_sha256 = \"{DIGEST}\"\n"
    )
}

fn faults(text: &str) -> Vec<String> {
    let error = HubConfig::from_toml(text, Path::new("/region")).unwrap_err();
    error.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_said_has_its_default() {
    let config = HubConfig::from_toml(&least(), Path::new("/region")).unwrap();
    assert_eq!(config.listen, Listen::default());
    assert_eq!(config.data, Path::new("/region/data"));
    assert_eq!(config.backup, BackupConfig { folder: "/region/backup".into(), keep: 14 });
    assert_eq!(config.advertised.server_name, HubConfig::SERVER_NAME);
    assert_eq!(config.admin_certificate_names(), ["localhost", "127.0.0.1", "::1"]);
    assert!(config.main_records.is_empty());
}

#[test]
fn a_configuration_reads_back_from_the_text_it_writes() {
    let text = least()
        + "[[main_record]]\nname = \"main\"\nbase_url = \"https://fhir.example.test/R4/\"\nauth = \"bearer\"\n\
           token_file = \"token\"\nroot_certificates = \"roots/main.pem\"\n\
           [[main_record]]\nname = \"other\"\nbase_url = \"http://10.0.0.5:8080/fhir\"\nauth = \"none\"\n\
           poll_seconds = 5\n";
    let config = HubConfig::from_toml(&text, Path::new("/region")).unwrap();
    assert_eq!(config.main_records[0].base_url, "https://fhir.example.test/R4");
    let roots = config.main_records[0].root_certificates.as_deref();
    assert_eq!(roots, Some(Path::new("/region/roots/main.pem")));
    assert_eq!(config.main_records[1].root_certificates, None);
    let written = config.to_string();
    assert_eq!(HubConfig::from_toml(&written, Path::new("/region")).unwrap(), config, "{written}");
}

#[test]
fn the_fallback_listens_where_quic_does_unless_it_is_told_otherwise() {
    let listen = |text: &str| HubConfig::from_toml(&(least() + text), Path::new("/region")).unwrap();
    let moved = listen("[listen]\nsites = \"[::]:443\"\n");
    assert_eq!(moved.listen.sites_tcp.to_string(), "[::]:443");
    let apart = listen("[listen]\nsites_tcp = \"[::]:8443\"\n");
    assert_eq!((apart.listen.sites.port(), apart.listen.sites_tcp.port()), (4433, 8443));
    let written = apart.to_string();
    assert_eq!(HubConfig::from_toml(&written, Path::new("/region")).unwrap(), apart, "{written}");
}

#[test]
fn every_fault_is_listed_with_its_line() {
    let text = "[region]\nid = \"no uuid\"\n\n[listen]\nsites = 4433\nadmin = \"127.0.0.1:9000\"\nmetrics = \"127.0.0.1:9000\"\n\
                quic = \"here\"\n[advertise]\naddresses = [\"hub.example.test\"]\n[storage]\nbackups_kept = 0\n\
                [[main_record]]\nname = \"Main Record\"\nbase_url = \"ftp://example.test\"\nauth = \"oauth\"\n";
    insta::assert_snapshot!(faults(text).join("\n"), @r#"
    line 1: region.name is missing: it is to be a text of 1 to 200 characters
    line 2: region.id is to be the region's UUID
    line 5: listen.sites is to be an address with a port, such as "127.0.0.1:8443" or "[::]:4433"
    line 7: listen.metrics is the same address as listen.admin: give it another port
    line 8: listen.quic is not known here; what is known is sites, sites_tcp, admin, metrics
    line 10: advertise.addresses has "hub.example.test", which is not of the form host:port
    line 12: storage.backups_kept is to be a number from 1 to 3650
    line 14: main_record[1].name is to be 1 to 40 small letters, digits and hyphens
    line 15: main_record[1].base_url is to be an http or https URL without a query, such as "https://fhir.example/R4"
    line 16: main_record[1].auth is to be "none" or "bearer"
    administrator is missing: without one nobody can use the admin API
    "#);
}

#[test]
fn a_token_is_not_sent_unencrypted() {
    let record = |url: &str| {
        format!(
            "{}[[main_record]]\nname = \"m\"\nbase_url = \"{url}\"\nauth = \"bearer\"\ntoken_file = \"t\"\n",
            least()
        )
    };
    assert_eq!(
        faults(&record("http://fhir.example.test/R4")),
        ["line 11: main_record[1].base_url sends the token unencrypted: use https"]
    );
    assert!(HubConfig::from_toml(&record("http://localhost:8080/R4"), Path::new(".")).is_ok());
}

#[test]
fn roots_are_a_file_and_of_no_use_where_nothing_is_encrypted() {
    let record = |url: &str, roots: &str| {
        let least = least();
        format!("{least}[[main_record]]\nname = \"m\"\nbase_url = \"{url}\"\nauth = \"none\"\n{roots}\n")
    };
    let unencrypted =
        record("http://fhir.example.test/R4", "root_certificates = \"r.pem\"\npoll_seconds = 0");
    assert_eq!(
        faults(&unencrypted),
        [
            "line 13: main_record[1].root_certificates is of no use without https in base_url",
            "line 14: main_record[1].poll_seconds is to be a number from 1 to 86400"
        ]
    );
    let list = record("https://fhir.example.test/R4", "root_certificates = [\"r.pem\"]");
    assert_eq!(faults(&list), ["line 13: main_record[1].root_certificates is to be the path of a PEM file"]);
}

#[test]
fn a_text_that_is_no_toml_has_its_line() {
    let faults = faults("[region]\nid = \n");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("line 2: "), "{faults:?}");
}

#[test]
fn two_of_one_name_are_refused() {
    let twice = format!("{}[[administrator]]\nname = \"first\"\ntoken_sha256 = \"{DIGEST}\"\n", least());
    assert_eq!(
        faults(&twice),
        [
            "line 10: administrator[2].name is the name of another administrator too: the audit must tell them apart"
        ]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_configuration_or_has_faults(text in "\\PC{0,200}") {
        if let Err(error) = HubConfig::from_toml(&text, Path::new(".")) {
            proptest::prop_assert!(!error.faults.is_empty());
        }
    }

    #[test]
    fn a_name_of_any_characters_survives_the_file(name in "[^\\p{Cc}]{1,50}") {
        proptest::prop_assume!(!name.trim().is_empty());
        let mut config = HubConfig::from_toml(&least(), Path::new(".")).unwrap();
        config.region.name = name;
        let read = HubConfig::from_toml(&config.to_string(), Path::new(".")).unwrap();
        proptest::prop_assert_eq!(read.region.name, config.region.name);
    }
}
