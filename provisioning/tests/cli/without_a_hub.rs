//! What the command says and does where there is no hub: regions made and looked at, and every kind of refusal.

use std::path::Path;

use crate::support::{Told, hearth, hearth_in};

/// Output without what differs from run to run.
fn steady(text: &str, folder: &Path) -> String {
    text.replace(folder.to_str().unwrap(), "DIR")
}

fn region() -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("region").to_str().unwrap().to_owned();
    let made =
        hearth(&["init", &folder, "--name", "North Vale", "--host", "localhost", "--admin", "127.0.0.1:1"]);
    assert_eq!(made.code, 0, "{made:?}");
    (home, folder)
}

#[test]
fn a_region_is_made_and_found_sound() {
    let (home, folder) = region();
    let looked = hearth(&["doctor", "--region", &folder, "--offline", "--json"]);
    assert_eq!(looked.code, 0, "{looked:?}");
    let findings: serde_json::Value = serde_json::from_str(&looked.stdout).unwrap();
    let checks = findings["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["result"] != "bad"), "{checks:?}");
    assert!(checks.iter().any(|check| check["check"] == "root key" && check["result"] == "warning"));

    let again = hearth(&["init", &folder, "--name", "Other", "--host", "localhost"]);
    assert_eq!(again.code, 4);
    insta::assert_snapshot!(steady(&again.stderr, home.path()), @r"
    error: The region was not made.
      because: DIR/region/hub.toml is there already; a region is never made twice
    hint: Choose another folder, or use the region that is there.
    ");
}

#[test]
fn doctor_lists_every_fault_of_a_configuration() {
    let (home, folder) = region();
    let file = Path::new(&folder).join("hub.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("sites = \"[::]:4433\"", "sites = 4433\nquic = 1").replace("id = \"", "id = \"x");
    hearth_provisioning::file::write(&file, text.as_bytes(), hearth_provisioning::file::Readers::Owner)
        .unwrap();
    let looked = hearth(&["doctor", "--region", &folder, "--offline", "--json"]);
    assert_eq!(looked.code, 1);
    let told = steady(&looked.stdout, home.path());
    for line in ["line 6: region.id", "line 11: listen.sites", "line 12: listen.quic"] {
        assert!(told.contains(line), "{line} in {told}");
    }
}

#[test]
fn doctor_tells_of_a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let (_home, folder) = region();
    let key = Path::new(&folder).join("identity/issuing-key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let looked = hearth(&["doctor", "--region", &folder, "--offline"]);
    assert_eq!(looked.code, 1);
    assert!(looked.stdout.contains("others can read it: chmod 600"), "{looked:?}");
}

#[test]
fn a_chosen_context_is_used_from_then_on() {
    let (home, folder) = region();
    let file = format!("{folder}/admin/context.toml");
    assert_eq!(hearth_in(home.path(), &["context", "use", &file], "").code, 0);
    let shown = hearth_in(home.path(), &["context", "show", "--json"], "");
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["url"], "https://localhost:1");
    assert!(Path::new(shown["token"].as_str().unwrap()).is_absolute());
}

#[test]
fn without_a_context_the_command_says_what_to_do() {
    let Told { code, stdout, stderr } = hearth(&["site", "list"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    insta::assert_snapshot!(stderr, @r"
    error: There is no context that says how to reach the hub.
      because: /nonexistent/.config/hearth/context.toml: No such file or directory (os error 2)
    hint: `hearth init` writes one; `hearth context use FILE` or --context FILE names it.
    ");
}

#[test]
fn without_contact_the_exit_code_is_5_and_stdout_is_empty() {
    let (_home, folder) = region();
    let context = format!("{folder}/admin/context.toml");
    let told = hearth(&["--context", &context, "status", "--json"]);
    assert_eq!((told.code, told.stdout.as_str()), (5, ""));
    assert!(
        told.stderr.starts_with("error: There is no contact with the hub at https://localhost:1.\n"),
        "{told:?}"
    );
    assert!(told.stderr.contains("hint: Is hearth-hub running"), "{told:?}");
}

#[test]
fn revoking_needs_the_code_once_more() {
    let (_home, folder) = region();
    let context = format!("{folder}/admin/context.toml");
    let words = ["--context", &context, "site", "revoke", "VL1AB", "--reason", "stolen"];
    let told = hearth(&words);
    assert_eq!(told.code, 4);
    insta::assert_snapshot!(told.stderr, @r"
    error: Revoking VL1AB needs confirmation. Nothing was changed.
    hint: Add --confirm VL1AB to revoke it, or --dry-run to see what would go.
    ");
    let other: Vec<&str> = words.into_iter().chain(["--confirm", "VL2CD"]).collect();
    let told = hearth(&other);
    assert_eq!(told.code, 4);
    assert!(told.stderr.starts_with("error: What was confirmed is not VL1AB."), "{told:?}");
}

#[test]
fn a_roster_with_faults_is_told_line_by_line_and_without_names() {
    let roster = "name,role,pin\nAda Lovelace,doctor,123456\n";
    let told = hearth_in(Path::new("/nonexistent"), &["staff", "import", "VL1AB", "-"], roster);
    assert_eq!(told.code, 1);
    insta::assert_snapshot!(told.stderr, @r"
    error: - has faults:
    line 2: role is to be one of carer, senior, nurse, manager, pharmacist, technician, locum
    line 2: pin is not taken: a PIN such as 111111, 123456, 246810 or 123123 is guessed at once: choose another
    hint: Nothing was added. Correct the lines and import the file again.
    ");
}

#[test]
fn an_nhs_number_is_never_repeated() {
    let words = ["resident", "move", "--from", "VL1AB", "--to", "VL2CD", "--nhs", "-"];
    let told = hearth_in(Path::new("/nonexistent"), &words, "9990000019\n");
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("line 1") && !told.stderr.contains("9990000019"), "{told:?}");
}

#[test]
fn wrong_usage_has_exit_code_2_and_a_tip() {
    for (words, tip) in [
        (&["stie", "list"][..], "'site'"),
        (&["site", "lst"], "'list'"),
        (&["site", "add", "vl1ab", "--kind", "care-home", "--name", "x"], "1 to 12 capital letters"),
        (&["site", "add", "VL1AB", "--kind", "hospice", "--name", "x"], "care-home or pharmacy"),
        (&["site", "add", "VL1AB", "--kind", "pharmacy", "--name", "x", "--hours", "100"], "1..=72"),
        (&["staff", "add", "VL1AB", "--name", "x", "--role", "doctor"], "carer, senior, nurse"),
        (&["resident", "import"], "<FILE>"),
        (&["resident", "assign", "--site", "VL1AB"], "--nhs"),
        (&["main-record", "retry", "../x"], "main-record status"),
    ] {
        let told = hearth(words);
        assert_eq!(told.code, 2, "{words:?}: {told:?}");
        assert!(told.stderr.contains(tip), "{words:?}: {told:?}");
        assert_eq!(told.stdout, "", "{words:?}");
    }
}
