//! What a change does to privlink.toml. Nothing of it is believed; a reader of the plan has to know it all the same.

use crate::desired::authority;
use crate::desired::policy::Policy;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::FileName;
use crate::domain::commit::File;
use crate::domain::name::EnvironmentName;
use crate::reconcile::reviewing::Change;
use crate::reconcile::reviewing::findings::Findings;
use crate::reconcile::source::SETTINGS_FILE;
use crate::repo;
use crate::repo::source::Sources;

/// The settings of a change, as far as they concern one environment.
pub(super) enum Proposed {
    /// As before.
    Same,
    /// Other settings of the environment.
    Other,
    /// The environment is not there any more.
    Gone,
    /// There are no settings any more.
    Deleted,
    /// They have errors.
    Broken(Diagnostics, Box<Sources>),
}

impl Proposed {
    pub(super) fn of(change: &Change, policy: &Policy) -> Self {
        let path = SETTINGS_FILE.parse().expect("a legal path");
        let bytes = match change.loaded.source.snapshot.files.get(&path) {
            Some(File::Bytes(bytes)) => bytes,
            Some(File::TooLarge { .. } | File::Symlink | File::Submodule) | None => return Self::Deleted,
        };
        if change.before.loaded.source.snapshot.files.get(&path) == Some(&File::Bytes(bytes.clone())) {
            return Self::Same;
        }
        let (settings, diagnostics, sources) = repo::settings::read(FileName::from(&path), bytes);
        let Some(settings) = settings.filter(|_| !diagnostics.has_errors()) else {
            return Self::Broken(diagnostics, Box::new(sources));
        };
        match authority::policy(&settings, &policy.mark.environment) {
            None => Self::Gone,
            Some(proposed) if proposed == *policy => Self::Same,
            Some(_) => Self::Other,
        }
    }

    pub(super) fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }

    /// Why there can be no plan: why, what helps, and what is wrong.
    pub(super) fn refusal(&self) -> Option<(String, &'static str, Findings)> {
        match self {
            Self::Same | Self::Other | Self::Gone => None,
            Self::Deleted => {
                let why = format!("the change deletes {SETTINGS_FILE}, or makes a link of it");
                Some((why, "put it back: without it nothing is planned or applied any more", Findings::default()))
            }
            Self::Broken(diagnostics, sources) => {
                let why = format!("{SETTINGS_FILE} of the change has errors");
                let findings = Findings::of_settings(diagnostics, sources);
                Some((why, "mend it: once it is merged, nothing would be planned any more", findings))
            }
        }
    }

    /// What to say where there is a plan all the same.
    pub(super) fn remarks(&self, environment: &EnvironmentName) -> Vec<String> {
        match self {
            Self::Gone => vec![format!(
                "it takes {environment} out of {SETTINGS_FILE}: once that is merged, privlink leaves everything of {environment} \
                 as it is, and looks after none of it any more"
            )],
            Self::Other => vec![format!(
                "it edits the settings of {environment} in {SETTINGS_FILE}: none of that is believed here, this plan is by the \
                 settings of the base; once merged they are in force, and rules that are loosened need an approval of their own"
            )],
            Self::Same | Self::Deleted | Self::Broken(..) => Vec::new(),
        }
    }
}
