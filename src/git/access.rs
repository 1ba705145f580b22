//! What a runner may use to reach a remote: a token, certificates, and the environment of child programs.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use std::time::Duration;

use crate::domain::secret::Secret;

/// What the caller lends to reach one remote. Nothing here comes from a repository.
#[derive(Clone)]
pub struct Access {
    /// The token for https (`PRIVLINK_GIT_TOKEN`); it goes over https or to this machine, and to no other host.
    pub token: Option<Secret<String>>,
    /// Certificate authorities to trust besides the system's, each PEM with one or more certificates.
    pub ca_certificates: Vec<Vec<u8>>,
    /// The whole environment of `ssh` and `git credential` (`PATH`, `HOME`, `SSH_AUTH_SOCK`, …), and where the proxy of
    /// https is looked up (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`); for these the process's own is not read.
    pub environment: BTreeMap<String, String>,
    /// How long an http server may be silent; pushing waits for its hooks.
    pub timeout: Duration,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            token: None,
            ca_certificates: Vec::new(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(60),
        }
    }
}

impl Access {
    /// Prepares a child program that sees the lent environment and nothing else.
    pub(super) fn program(&self, name: &str) -> Command {
        // A GIT_DIR of a hook that runs us would point the child at the wrong repository, and our own settings hold
        // the token, which no child needs.
        let lent = |name: &str| !name.starts_with("PRIVLINK_") && !REPOSITORY_VARIABLES.contains(&name);
        let mut command = Command::new(name);
        command.env_clear().envs(self.environment.iter().filter(|(name, _)| lent(name)));
        command
    }

    /// The value of a variable, looked up in capitals and then in lower case, as curl and git do.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.get(name).or_else(|| self.environment.get(&name.to_ascii_lowercase()));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// What `git rev-parse --local-env-vars` lists and a hook exports, as far as it names a repository.
const REPOSITORY_VARIABLES: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, ca_certificates, environment, timeout: _ } = self;
        f.debug_struct("Access")
            .field("token", token)
            .field("ca_certificates", &ca_certificates.len())
            .field("environment", &environment.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_a_child_gets_the_token() {
        let environment = BTreeMap::from([
            ("PRIVLINK_GIT_TOKEN".to_owned(), "hunter2".to_owned()),
            ("GIT_DIR".to_owned(), "/elsewhere".to_owned()),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        let access = Access { token: Some(Secret::new("hunter2".to_owned())), environment, ..Access::default() };
        assert!(!format!("{access:?}").contains("hunter2"));
        let program = access.program("ssh");
        let names: Vec<_> = program.get_envs().map(|(name, _)| name).collect();
        assert_eq!(names, ["HOME"]);
    }
}
