//! What pull requests are told, for programs and terminals.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::commit::CommitId;
use crate::domain::pull_request::Annotation;
use crate::domain::pull_request::AnnotationLevel;
use crate::domain::pull_request::CommitStatus;
use crate::domain::pull_request::StatusState;
use crate::plan::document::API_VERSION;
use crate::render::Label;
use crate::render::Text;
use crate::render::shown;
use crate::review::Told;

/// What a pull request is told.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Review")]
pub struct ReviewV1 {
    /// `privlink.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Review`.
    pub kind: &'static str,
    /// The commit that it is merged into.
    pub base: String,
    /// The last commit of the change: statuses and remarks are about it.
    pub head: String,
    /// One entry for each environment.
    pub environments: Vec<EnvironmentV1>,
}

/// What is told about one environment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EnvironmentReview")]
pub struct EnvironmentV1 {
    /// The environment.
    pub environment: String,
    /// What tells this comment from an earlier one: it need not be posted again while this is the same.
    pub key: String,
    /// One line of Markdown that says it all.
    pub headline: String,
    /// The comment, Markdown; absent if the change does not concern the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The statuses of the head.
    pub statuses: Vec<StatusV1>,
    /// Remarks at lines of the head.
    pub annotations: Vec<AnnotationV1>,
}

/// A status.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Status")]
pub struct StatusV1 {
    /// Its name, such as `privlink/plan/prod`.
    pub context: String,
    /// `pending`, `success` or `failure`.
    pub state: &'static str,
    /// One line of at most 140 characters.
    pub description: String,
}

/// A remark at a line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Annotation")]
pub struct AnnotationV1 {
    /// The file, as a path in the repository.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// `notice`, `warning` or `failure`.
    pub level: &'static str,
    /// One line.
    pub title: String,
    /// Plain text.
    pub message: String,
}

/// All of it as JSON.
pub fn json<'a>(base: &CommitId, head: &CommitId, told: impl IntoIterator<Item = &'a Told>) -> String {
    let document = ReviewV1 {
        api_version: API_VERSION,
        kind: "Review",
        base: base.to_string(),
        head: head.to_string(),
        environments: told.into_iter().map(environment).collect(),
    };
    serde_json::to_string_pretty(&document).expect("text and numbers are JSON") + "\n"
}

fn environment(told: &Told) -> EnvironmentV1 {
    let Told { environment, key, headline, body, statuses, annotations } = told;
    EnvironmentV1 {
        environment: environment.to_string(),
        key: key.clone(),
        headline: headline.clone(),
        comment: (!body.is_empty()).then(|| body.clone()),
        statuses: statuses.iter().map(status).collect(),
        annotations: annotations.iter().map(annotation).collect(),
    }
}

fn status(status: &CommitStatus) -> StatusV1 {
    let CommitStatus { context, state, description, target_url: _ } = status;
    StatusV1 { context: context.clone(), state: word(*state), description: description.clone() }
}

fn word(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
    }
}

fn annotation(it: &Annotation) -> AnnotationV1 {
    let Annotation { path, line, level, title, message } = it;
    let level = match level {
        AnnotationLevel::Notice => "notice",
        AnnotationLevel::Warning => "warning",
        AnnotationLevel::Failure => "failure",
    };
    AnnotationV1 { path: path.to_string(), line: *line, level, title: title.clone(), message: message.clone() }
}

/// The statuses as lines.
pub fn statuses(told: &Told) -> Text {
    let mut text = Text::new();
    for status in &told.statuses {
        let label = match status.state {
            StatusState::Pending => Label::Notable,
            StatusState::Success => Label::Added,
            StatusState::Failure => Label::Error,
        };
        text.plain(format!("{}: ", status.context)).push(label, word(status.state));
        text.line(Label::Plain, format!(", {}", shown::one_line(&status.description)));
    }
    text
}
