//! From the groups of a directory to the groups that make roles.
//!
//! Directories name groups in their own ways: LDAP `<tenant>_<app>-<first>-<second>-<role>`, Active Directory with
//! four underscore-separated parts. What does not parse is left out, and so is what belongs to another tenant.

/// A kind of directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// LDAP.
    Ldap,
    /// Active Directory.
    ActiveDirectory,
}

impl Directory {
    /// Reads a kind, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("ldap") {
            return Some(Self::Ldap);
        }
        text.eq_ignore_ascii_case("ad").then_some(Self::ActiveDirectory)
    }
}

/// A group with the tenant it is of.
struct Group<'a> {
    tenant: &'a str,
    /// `<app>-<first>-<second>-<role>`.
    inner: &'a str,
}

/// The groups of a user of `tenant` in the form that makes roles.
pub fn translate(directory: Directory, tenant: &str, is_provider: bool, names: &[String]) -> Vec<String> {
    let tenant = tenant.to_lowercase();
    names.iter().filter_map(|name| one(directory, &tenant, is_provider, &name.to_lowercase())).collect()
}

fn one(directory: Directory, tenant: &str, is_provider: bool, name: &str) -> Option<String> {
    let group = match directory {
        Directory::Ldap => ldap(name)?,
        Directory::ActiveDirectory => active_directory(name)?,
    };
    if group.tenant != tenant {
        return None;
    }
    let [app, first, second, role] = parts(group.inner, '-')?;
    if [app, second, role].iter().any(|part| part.is_empty()) {
        return None;
    }
    let first = match first.split_once('#') {
        Some(_) if !is_provider => return None,
        Some((on_behalf, scope)) if !on_behalf.is_empty() && !scope.is_empty() => first,
        Some(_) => return None,
        None if first.is_empty() => return None,
        None => first,
    };
    Some(format!("{app}-{first}-{second}-{role}"))
}

fn ldap(name: &str) -> Option<Group<'_>> {
    let (tenant, inner) = name.split_once('_')?;
    Some(Group { tenant, inner })
}

fn active_directory(name: &str) -> Option<Group<'_>> {
    let [place, _, app, _] = parts(name, '_')?;
    if place.len() != 4 {
        return None;
    }
    Some(Group { tenant: place.get(..2)?, inner: app.strip_prefix("app")? })
}

fn parts(text: &str, separator: char) -> Option<[&str; 4]> {
    text.split(separator).collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(directory: &str, tenant: &str, is_provider: bool, name: &str) -> Vec<String> {
        translate(Directory::parse(directory).unwrap(), tenant, is_provider, &[name.to_owned()])
    }

    #[test]
    fn ldap_groups() {
        let groups = |name| translated("LDAP", "acme", false, name);
        assert_eq!(groups("acme_maas-all-all-admin"), ["maas-all-all-admin"]);
        assert_eq!(groups("ACME_Maas-all-all-Admin"), ["maas-all-all-admin"]);
        for other in ["other_maas-all-all-admin", "acme_maas-all-admin", "acme_maas-a-b-c-d", "acme", "", "_"]
        {
            assert!(groups(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn on_behalf_is_for_the_provider_only_and_makes_no_role() {
        let name = "acme_maas-customer#all-all-admin";
        assert!(translated("ldap", "acme", false, name).is_empty());
        assert_eq!(translated("ldap", "acme", true, name), ["maas-customer#all-all-admin"]);
    }

    #[test]
    fn active_directory_groups() {
        let groups = |name| translated("ad", "ac", false, name);
        assert_eq!(groups("ACxx_Srv_Appmaas-all-all-view_Full"), ["maas-all-all-view"]);
        for other in [
            "ACx_Srv_Appmaas-all-all-view_Full",
            "ACxx_Srv_maas-all-all-view_Full",
            "ACxx_Appmaas-all-all-view",
        ] {
            assert!(groups(other).is_empty(), "{other}");
        }
        assert!(Directory::parse("nis").is_none());
    }
}
