//! Who the person at this machine is, as git is configured.

use std::collections::BTreeMap;

use crate::domain::commit::Identity;

/// The author that git would use: the variables first, then the configuration.
pub fn identity(environment: &BTreeMap<String, String>) -> Option<Identity> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let config = git2::Config::open_default().ok();
    let setting = |name: &str| config.as_ref()?.get_string(name).ok();
    let name = variable("GIT_AUTHOR_NAME").or_else(|| setting("user.name"))?;
    let email = variable("GIT_AUTHOR_EMAIL").or_else(|| setting("user.email"))?;
    format!("{name} <{email}>").parse().ok()
}
