//! Names (CUI NID-0001 to 0008, PAB-0049 to 0053).

use crate::record::identity::PersonName;

/// `SMITH, Margaret (Mrs)`: family name in capitals, comma, given names, title in brackets; never shortened. What is
/// not known is left out; a name with nothing at all is `Name not known` (PAB-0019: words, never a question mark).
pub fn name(name: &PersonName) -> String {
    let family = name.family.trim().to_uppercase();
    let given = name.given.iter().map(|g| g.trim()).filter(|g| !g.is_empty()).collect::<Vec<_>>().join(" ");
    let both = match (family.is_empty(), given.is_empty()) {
        (true, true) => "Name not known".to_owned(),
        (false, true) => family,
        (true, false) => given,
        (false, false) => format!("{family}, {given}"),
    };
    match name.title.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
        Some(title) => format!("{both} ({title})"),
        None => both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(family: &str, given: &[&str], title: Option<&str>) -> PersonName {
        PersonName {
            family: family.into(),
            given: given.iter().map(|g| (*g).to_owned()).collect(),
            title: title.map(Into::into),
            preferred: None,
        }
    }

    #[test]
    fn names_are_written_family_name_first() {
        assert_eq!(name(&person("Smith", &["Margaret"], Some("Mrs"))), "SMITH, Margaret (Mrs)");
        assert_eq!(name(&person("O'Neill-Ní", &["Seán", "Pól"], None)), "O'NEILL-NÍ, Seán Pól");
        assert_eq!(name(&person("", &["Madonna"], None)), "Madonna");
        assert_eq!(name(&person("Smith", &[], Some(" "))), "SMITH");
        assert_eq!(name(&person(" ", &[""], None)), "Name not known");
    }
}
