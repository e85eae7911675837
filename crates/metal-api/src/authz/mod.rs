//! Who may do what: three roles, one table. The table is the list of operations itself, so an operation without a
//! role cannot exist; here stand only the groups that make a role and the check.

pub mod limit;

use metal_model::v1::Access;

use crate::authn::User;

/// Groups that make a role, without the roles it includes; any one suffices.
pub const fn groups(role: Access) -> &'static [&'static str] {
    match role {
        Access::Open | Access::Member => &[],
        Access::View => &["k8s_kaas-view", "maas-all-all-view"],
        Access::Edit => &["k8s_kaas-edit", "maas-all-all-edit"],
        Access::Admin => &["k8s_kaas-admin", "maas-all-all-admin"],
    }
}

/// The greatest role that groups make.
pub fn role_of<S: AsRef<str>>(names: &[S]) -> Access {
    let has = |role| names.iter().any(|name| groups(role).contains(&name.as_ref()));
    let roles = [Access::Admin, Access::Edit, Access::View];
    roles.into_iter().find(|role| has(*role)).unwrap_or(Access::Member)
}

/// Refused: the caller lacks a role. Display is what clients know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Not a user of the provider's tenant.
    #[error("tenant {0} not allowed")]
    Tenant(String),
    /// In none of the groups that may.
    #[error("you are not member in one of [{}]", accepted(*.0))]
    Role(Access),
}

/// Names of all groups that may, least role first.
fn accepted(role: Access) -> String {
    let roles = [Access::View, Access::Edit, Access::Admin];
    let names: Vec<&str> =
        roles.into_iter().filter(|r| *r >= role).flat_map(|r| groups(r).iter().copied()).collect();
    names.join(" ")
}

/// Whether the user belongs to the provider's tenant.
pub fn check_tenant(user: &User, provider: &str) -> Result<(), Denied> {
    if user.caller.tenant.eq_ignore_ascii_case(provider) {
        return Ok(());
    }
    Err(Denied::Tenant(user.caller.tenant.clone()))
}

/// Whether the user has the role.
pub fn check_role(user: &User, needed: Access) -> Result<(), Denied> {
    match needed {
        Access::Open | Access::Member => Ok(()),
        Access::View | Access::Edit | Access::Admin if user.role >= needed => Ok(()),
        Access::View | Access::Edit | Access::Admin => Err(Denied::Role(needed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greater_roles_include_lesser_ones() {
        assert_eq!(role_of(&["maas-all-all-view", "maas-all-all-edit"]), Access::Edit);
        assert_eq!(role_of(&["k8s_kaas-admin"]), Access::Admin);
        assert_eq!(role_of(&["maas-customer#all-all-admin"]), Access::Member);
        assert_eq!(role_of::<&str>(&[]), Access::Member);
    }

    #[test]
    fn the_refusal_names_the_groups() {
        assert_eq!(
            Denied::Role(Access::Edit).to_string(),
            "you are not member in one of [k8s_kaas-edit maas-all-all-edit k8s_kaas-admin maas-all-all-admin]"
        );
    }
}
