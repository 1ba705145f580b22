//! What a pull request is told, written into it: comments, statuses, remarks at lines.
//!
//! Everything is tried, and everything is told: whoever may not set statuses still gets the comment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::domain::commit::CommitId;
use crate::domain::name::EnvironmentName;
use crate::domain::pull_request::Account;
use crate::domain::pull_request::Comment;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::forge::Annotated;
use crate::forge::Forge;
use crate::forge::Settings;
use crate::forge::StatusSet;
use crate::forge::Statuses;
use crate::forge::address;
use crate::forge::error::ForgeError;
use crate::review;
use crate::review::Told;
use crate::review::sticky;
use crate::review::sticky::Act;
use crate::review::sticky::End;
use crate::review::sticky::Sticky;

/// The way to the pull requests of the repository that the runner names. Where nobody says which forge serves it, the CI
/// system does.
///
/// # Errors
/// If the runner's variables name no repository or no token, or something that cannot be used; the error names them.
pub fn way(config: &Config, kind: Option<ForgeKind>) -> Result<Forge, ForgeError> {
    let kind = kind.or_else(|| config.ci_forge()).ok_or_else(|| {
        ForgeError::configuration(
            "nobody says which forge serves the repository: say --forge github, gitlab or azure-devops, or run in a job of its CI system",
        )
    })?;
    let (address, credentials) = address::from_variables(kind, &config.environment)
        .map_err(|unusable| ForgeError::configuration(unusable.to_string()))?;
    Forge::new(Settings {
        address,
        credentials,
        ca_certificates: config.ca_certificates.clone(),
        timeout: config.request_timeout,
        user_agent: concat!("privlink/", env!("CARGO_PKG_VERSION")).to_owned(),
        calls: config.calls.clone(),
    })
}

/// What became of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commented {
    /// There was none.
    Created,
    /// It said something else.
    Edited,
    /// It says so already.
    Left,
}

/// What became of what one environment had to say.
#[derive(Debug)]
pub struct PostedFor {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its comment. What could not be read before anything was written is told for each, here and for statuses.
    pub comment: Result<Commented, Arc<ForgeError>>,
    /// Its statuses, by their contexts.
    pub statuses: Vec<(String, Result<StatusSet, Arc<ForgeError>>)>,
    /// What a person should know beside.
    pub remarks: Vec<String>,
}

impl PostedFor {
    fn errors(&self) -> impl Iterator<Item = &ForgeError> {
        let comment = self.comment.as_ref().err().map(AsRef::as_ref);
        comment.into_iter().chain(self.statuses.iter().filter_map(|(_, set)| set.as_ref().err().map(AsRef::as_ref)))
    }
}

/// Why nothing was written.
#[derive(Debug)]
pub enum Withheld {
    /// Something was pushed meanwhile: what was found out is about another head.
    Moved {
        /// The new head.
        to: CommitId,
    },
    /// It was merged or closed meanwhile, or it has not ended, as was thought.
    Became(PullRequestState),
    /// Nobody could say whether that is so, or what is there.
    Unknown(Arc<ForgeError>),
}

/// What became of everything.
#[derive(Debug)]
pub enum Posted {
    /// Nothing was written.
    Nothing(Withheld),
    /// It was tried.
    Tried {
        /// By environment.
        environments: Vec<PostedFor>,
        /// Remarks at lines, of all environments together.
        annotations: Result<Annotated, Arc<ForgeError>>,
    },
}

impl Posted {
    /// True if the forge shows the remarks at lines by itself, or there are none.
    pub fn has_remarks_at_lines(&self) -> bool {
        matches!(self, Self::Tried { annotations: Ok(Annotated::Posted | Annotated::Unchanged), .. })
    }

    /// True if there was nowhere to write into.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Tried { environments, .. } if environments.is_empty())
    }

    /// What failed, in sentences. What could not be read for all environments is said once.
    pub fn failures(&self) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for sentence in self.errors().into_iter().map(ToString::to_string) {
            if !said.contains(&sentence) {
                said.push(sentence);
            }
        }
        said
    }

    /// How long the forge wants nothing more, if that is what it said.
    pub fn wanted_rest(&self) -> Option<Duration> {
        self.errors().into_iter().find_map(ForgeError::wanted_rest)
    }

    fn errors(&self) -> Vec<&ForgeError> {
        match self {
            Self::Nothing(Withheld::Unknown(error)) => vec![error],
            Self::Nothing(Withheld::Moved { .. } | Withheld::Became(_)) => Vec::new(),
            Self::Tried { environments, annotations } => environments
                .iter()
                .flat_map(PostedFor::errors)
                .chain(annotations.as_ref().err().map(AsRef::as_ref))
                .collect(),
        }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { to } => {
                write!(f, "nothing was written: the head is {} now, and that is for its own run to tell", to.short())
            }
            Self::Became(PullRequestState::Open) => f.write_str("nothing was written: it is open, so it has not ended"),
            Self::Became(PullRequestState::Merged) => f.write_str("nothing was written: it was merged meanwhile"),
            Self::Became(PullRequestState::Closed) => f.write_str("nothing was written: it was closed meanwhile"),
            Self::Unknown(error) => write!(f, "nothing was written: {error}"),
        }
    }
}

/// One line each, as people read it.
impl fmt::Display for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (environments, annotations) = match self {
            Self::Nothing(why) => return writeln!(f, "{why}"),
            Self::Tried { environments, annotations } => (environments, annotations),
        };
        for PostedFor { environment, comment, statuses, remarks } in environments {
            match comment {
                Ok(Commented::Created) => writeln!(f, "{environment}: comment created")?,
                Ok(Commented::Edited) => writeln!(f, "{environment}: comment edited")?,
                Ok(Commented::Left) => writeln!(f, "{environment}: comment left as it is")?,
                Err(error) => writeln!(f, "{environment}: no comment: {error}")?,
            }
            for (context, set) in statuses {
                match set {
                    Ok(StatusSet::Set) => writeln!(f, "{environment}: status {context} set")?,
                    Ok(StatusSet::Unchanged) => writeln!(f, "{environment}: status {context} left as it is")?,
                    Ok(StatusSet::Kept { why }) => writeln!(f, "{environment}: status {context} left as it is: {why}")?,
                    Err(error) => writeln!(f, "{environment}: no status {context}: {error}")?,
                }
            }
            for remark in remarks {
                writeln!(f, "{environment}: {remark}")?;
            }
        }
        match annotations {
            Ok(Annotated::Posted) => writeln!(f, "remarks at lines written"),
            Ok(Annotated::Unchanged) => Ok(()),
            Ok(Annotated::NotTaken { why }) => writeln!(f, "no remarks at lines: {why}"),
            Err(error) => writeln!(f, "no remarks at lines: {error}"),
        }
    }
}

/// What is read once for all environments, or why it could not be.
type Shared<T> = Result<T, Arc<ForgeError>>;

/// The comments that are there before anything is written.
struct Before {
    me: Shared<Account>,
    /// Also unknown if we do not know who we are.
    comments: Shared<Vec<Comment>>,
}

/// Writes what environments have to say into an open pull request. `pull` is the pull request as it was when that was found
/// out; if it has moved on since, nothing is written.
pub async fn post(forge: &Forge, pull: &PullRequest, told: &[Told]) -> Posted {
    let before = before(forge, pull).await;
    let statuses_before = forge.statuses(pull).await.map_err(Arc::new);
    // The last look before writing, as late as can be.
    if let Some(why) = withheld(forge, pull).await {
        return Posted::Nothing(why);
    }
    let mut environments = Vec::new();
    for own in told {
        environments.push(tell((forge, pull), (&before, &statuses_before), own).await);
    }
    let annotations = match &before.me {
        Ok(me) => forge.annotate((pull, me), &review::annotations_by_environment(told)).await.map_err(Arc::new),
        Err(error) => Err(Arc::clone(error)),
    };
    Posted::Tried { environments, annotations }
}

/// Writes the comment of an environment, and then its statuses, which lead to it.
async fn tell(
    (forge, pull): (&Forge, &PullRequest),
    (before, statuses_before): (&Before, &Shared<Statuses>),
    own: &Told,
) -> PostedFor {
    let mut remarks = Vec::new();
    let (comment, url) = match (&before.me, &before.comments) {
        (Ok(me), Ok(comments)) => {
            let sticky = sticky::next(forge.kind(), comments, me, own);
            let there = sticky.url.clone();
            match perform(forge, (pull, me), sticky, &mut remarks).await {
                Ok((commented, made)) => (Ok(commented), made.or(there)),
                Err(error) => (Err(Arc::new(error)), there),
            }
        }
        (Err(error), _) | (_, Err(error)) => (Err(Arc::clone(error)), None),
    };
    let target = url.unwrap_or_else(|| pull.url.clone());
    let mut statuses = Vec::new();
    for status in &own.statuses {
        let status = CommitStatus { target_url: Some(target.clone()), ..status.clone() };
        let set = match statuses_before {
            Ok(before) => forge.set_status(pull, (before, &status)).await.map_err(Arc::new),
            Err(error) => Err(Arc::clone(error)),
        };
        statuses.push((status.context, set));
    }
    PostedFor { environment: own.environment.clone(), comment, statuses, remarks }
}

/// Writes into the comments of a pull request that was merged or closed how it ended: those of the environments that are wanted.
pub async fn close(forge: &Forge, pull: &PullRequest, is_wanted: &(dyn Fn(&EnvironmentName) -> bool + Sync)) -> Posted {
    let before = before(forge, pull).await;
    if let Some(why) = withheld(forge, pull).await {
        return Posted::Nothing(why);
    }
    let (me, comments) = match (before.me, before.comments) {
        (Ok(me), Ok(comments)) => (me, comments),
        (Err(error), _) | (_, Err(error)) => return Posted::Nothing(Withheld::Unknown(error)),
    };
    let commit = pull.merged_as.as_ref().unwrap_or(&pull.head).clone();
    let end = match pull.state {
        PullRequestState::Merged => End::Merged { commit },
        PullRequestState::Closed => End::Closed,
        PullRequestState::Open => return Posted::Nothing(Withheld::Became(PullRequestState::Open)),
    };
    let mut posted = Vec::new();
    for environment in sticky::environments(&comments, &me).into_iter().filter(is_wanted) {
        let mut remarks = Vec::new();
        let sticky = sticky::closed(forge.kind(), &comments, &me, (&environment, &end));
        let performed = perform(forge, (pull, &me), sticky, &mut remarks).await;
        let comment = performed.map(|(commented, _)| commented).map_err(Arc::new);
        posted.push(PostedFor { environment, comment, statuses: Vec::new(), remarks });
    }
    Posted::Tried { environments: posted, annotations: Ok(Annotated::Unchanged) }
}

async fn before(forge: &Forge, pull: &PullRequest) -> Before {
    let me = forge.me().await.map_err(Arc::new);
    let comments = match &me {
        Ok(_) => forge.comments(pull).await.map_err(Arc::new),
        Err(error) => Err(Arc::clone(error)),
    };
    Before { me, comments }
}

async fn withheld(forge: &Forge, pull: &PullRequest) -> Option<Withheld> {
    match forge.pull_request(pull.number).await {
        Ok(now) if now.head != pull.head => Some(Withheld::Moved { to: now.head }),
        Ok(now) if now.state != pull.state => Some(Withheld::Became(now.state)),
        Ok(_) => None,
        Err(error) => Some(Withheld::Unknown(Arc::new(error))),
    }
}

/// Does what has to be done with a comment. A new one comes with where a person reads it.
async fn perform(
    forge: &Forge,
    (pull, me): (&PullRequest, &Account),
    Sticky { act, doubles, url: _ }: Sticky,
    remarks: &mut Vec<String>,
) -> Result<(Commented, Option<String>), ForgeError> {
    if !doubles.is_empty() {
        remarks.push(format!(
            "there are further comments of ours that are left alone ({}); delete them if they are in the way",
            doubles.join(", ")
        ));
    }
    match act {
        Act::Create { body } => {
            let made = forge.create_comment(pull, &body).await?;
            if made.author.id != me.id {
                remarks.push(format!(
                    "the comment was written by {} and the token says that it is {}: it will not be found again",
                    made.author.name, me.name
                ));
            }
            Ok((Commented::Created, Some(made.url)))
        }
        Act::Edit { id, body } => {
            forge.update_comment(pull.number, &id, &body).await?;
            Ok((Commented::Edited, None))
        }
        Act::Leave => Ok((Commented::Left, None)),
    }
}
