//! `privlink review`: what a pull request would do, and to whom, as its comment, statuses and remarks at lines.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use clap::ValueEnum;

use crate::cli::Exit;
use crate::cli::options::EnvironmentOptions;
use crate::cli::options::FloorOptions;
use crate::cli::plan;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::diagnostic::Place;
use crate::domain::pull_request::ForgeKind;
use crate::domain::pull_request::PullRequest;
use crate::domain::pull_request::PullRequestState;
use crate::git::RemoteUrl;
use crate::reconcile::attending::AttendError;
use crate::reconcile::attending::Attendant;
use crate::reconcile::attending::Compared;
use crate::reconcile::planning;
use crate::reconcile::posting::Posted;
use crate::reconcile::remote::Remote;
use crate::reconcile::reviewing;
use crate::reconcile::reviewing::Change;
use crate::reconcile::reviewing::Other;
use crate::reconcile::reviewing::Outcome;
use crate::reconcile::reviewing::Review;
use crate::reconcile::reviewing::Terms;
use crate::reconcile::source;
use crate::reconcile::source::Unreadable;
use crate::render;
use crate::render::Label;
use crate::render::findings::annotations;
use crate::render::shown::Details;
use crate::review;
use crate::review::Told;

/// Plan a pull request: what merging it would do, and to whom
#[derive(Debug, Args)]
pub struct ReviewArguments {
    /// A clone of the config repository; its commits are looked at, never its working tree
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    /// A remote config repository (file, https or ssh URL), instead of a clone
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// What the change is merged into, and whose privlink.toml is believed; default: the target branch that CI names. With
    /// --pull-request: the branch that it has to be for; one for another branch is refused, because whoever opens it chooses that
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    /// The change: a branch, or another ref such as refs/pull/7/head; of a clone any revision, default: HEAD
    #[arg(long, value_name = "REF")]
    head: Option<String>,
    /// Another open change: told where both want the same, or do not go together; may be repeated
    #[arg(long, value_name = "REF", requires = "repo")]
    also: Vec<String>,
    /// The number of the pull request: the forge says its base and its head and which others are open, and what came out is
    /// written into it; whose token that takes, and which rights, says the README
    #[arg(long, value_name = "NUMBER", requires = "repo", conflicts_with_all = ["head", "also"])]
    pull_request: Option<u64>,
    #[command(flatten)]
    environments: EnvironmentOptions,
    #[command(flatten)]
    floor: FloorOptions,
    /// Who serves the pull request, and whose Markdown the comment is in; default: that of the CI system, else GitHub
    #[arg(long, value_enum, value_name = "FORGE")]
    forge: Option<Forge>,
    /// How to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Also write everything here: ENVIRONMENT.md, review.json, code-quality.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Who serves pull requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Forge {
    /// github.com, or GitHub Enterprise Server.
    Github,
    /// gitlab.com, or a GitLab of one's own.
    Gitlab,
    /// Azure DevOps.
    AzureDevops,
}

impl From<Forge> for ForgeKind {
    fn from(forge: Forge) -> Self {
        match forge {
            Forge::Github => Self::GitHub,
            Forge::Gitlab => Self::GitLab,
            Forge::AzureDevops => Self::AzureDevOps,
        }
    }
}

/// How a review is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    #[default]
    Text,
    /// The comments, as Markdown.
    Comment,
    /// Everything, for programs that post by themselves.
    Json,
    /// GitLab's code quality report.
    CodeQuality,
    /// Workflow commands of GitHub Actions: remarks at lines.
    Annotations,
}

pub(super) async fn run(
    arguments: ReviewArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let ReviewArguments { folder, repo, base, head, also, pull_request, environments, floor, forge, format, out } =
        arguments;
    let reviewed = repo.is_none().then_some(folder.as_path());
    let Some(config) = &floor.on(config, reviewed, printer)? else { return Ok(Exit::Files) };
    let forge = forge.map(ForgeKind::from).or_else(|| config.ci_forge());
    let asked = match (pull_request, &repo) {
        (Some(number), Some(url)) => {
            let remote = remote(url, config)?;
            let (attendant, pull) = named(number, base.as_deref(), (forge, config)).await?;
            if pull.state != PullRequestState::Open {
                return Ok(tell_end((&attendant, &pull), &environments, printer).await);
            }
            asked_of_forge(&remote, (attendant, pull)).await?
        }
        _ => asked_by_refs(&Refs { folder, repo, base, head, also }, (forge, config)).await?,
    };
    let Asked { change, others, terms, attended } = match asked {
        Ok(asked) => asked,
        Err((diagnostics, sources)) => {
            runner::show(&diagnostics, &sources, printer);
            return Ok(Exit::Files);
        }
    };
    plan::say_whom_we_believe(&change.loaded, printer);
    let others: Vec<Other<'_>> = match &others {
        Others::Named(named) => named.iter().map(|(name, change)| Other { name: name.clone(), change }).collect(),
        Others::Open(number, compared) => compared.others(*number),
    };
    let mut reviews = Vec::new();
    for environment in runner::environments(&environments.environments, &change.loaded) {
        printer.live(format!("reading the world of {environment}"));
        match reviewing::review((&change, &others), &environment, (&terms, config)).await {
            Ok(review) => reviews.push(review),
            Err(error) => return Ok(runner::failed(&environment, &error, &change.loaded, printer)),
        }
        printer.end_live();
    }
    show(&change, &reviews, format, printer);
    if let Some(folder) = out {
        write(&folder, &change, &reviews)?;
    }
    let end = reviews.iter().map(end_of).fold(Exit::Done, Exit::or);
    let told: Vec<Told> = told(&reviews).cloned().collect();
    let posted = match &attended {
        Some((attendant, pull)) => Some(attendant.post(pull, &told).await),
        None => None,
    };
    let is_job = config.variable("GITHUB_ACTIONS").is_some_and(|it| it == "true");
    // GitHub shows a remark once for each way on which it comes.
    let is_there = posted.as_ref().is_some_and(Posted::has_remarks_at_lines);
    if is_job && !is_there && matches!(format, Format::Text | Format::Comment) {
        printer.raw_message(&annotations::commands(&review::annotations(&told)));
    }
    Ok(posted.map_or(end, |posted| end.or(say(&posted, printer))))
}

/// Says what became of everything that was to be written.
fn say(posted: &Posted, printer: &mut Printer<'_>) -> Exit {
    printer.raw_message(&posted.to_string());
    if posted.failures().is_empty() { Exit::Done } else { Exit::Failed }
}

/// A change to review, and the pull request to write into.
struct Asked {
    change: Change,
    others: Others,
    terms: Terms,
    attended: Option<(Attendant, PullRequest)>,
}

/// What the change is compared with.
enum Others {
    /// The changes that were named, by what people call them.
    Named(Vec<(String, Change)>),
    /// The open pull requests beside this number.
    Open(u64, Compared),
}

/// A change as a person or a job names it.
struct Refs {
    folder: PathBuf,
    repo: Option<String>,
    base: Option<String>,
    head: Option<String>,
    also: Vec<String>,
}

async fn asked_by_refs(
    refs: &Refs,
    (forge, config): (Option<ForgeKind>, &Config),
) -> anyhow::Result<Result<Asked, Unreadable>> {
    let Refs { folder, repo, base, head, also } = refs;
    let Some(base) = base.clone().or_else(|| config.ci_target_branch()) else {
        bail!("a change is reviewed against what it is merged into: name that branch with --base REF");
    };
    let forge = forge.unwrap_or(ForgeKind::GitHub);
    let (proposal, terms) = match (repo, head) {
        (Some(url), Some(head)) => {
            let remote = remote(url, config)?;
            let terms = Terms::of_remote(forge, remote.url(), (&base, head));
            (source::proposal_of_remote(remote, &base, (head, None)).await?, terms)
        }
        (Some(_), None) => bail!(
            "a change of a remote is one of its refs: name it with --head REF, or a pull request with --pull-request NUMBER"
        ),
        (None, head) => {
            let proposal = source::proposal_of_folder(folder, &base, head.as_deref().unwrap_or("HEAD"), config)?;
            (proposal, Terms::of_folder(forge, &base))
        }
    };
    let change = match Change::read(proposal, None) {
        Ok(change) => change,
        Err(unreadable) => return Ok(Err(unreadable)),
    };
    let mut others = Vec::new();
    for other in also {
        let url = repo.as_deref().context("--also names a ref of the remote: use --repo")?;
        let proposal = source::proposal_of_remote(remote(url, config)?, &base, (other, None)).await?;
        match Change::read(proposal, Some(&change)) {
            Ok(read) => others.push((called(other), read)),
            Err(unreadable) => return Ok(Err(unreadable)),
        }
    }
    Ok(Ok(Asked { change, others: Others::Named(others), terms, attended: None }))
}

/// The pull request of a number. `base` is the branch that it has to be for.
async fn named(
    number: u64,
    base: Option<&str>,
    (forge, config): (Option<ForgeKind>, &Config),
) -> anyhow::Result<(Attendant, PullRequest)> {
    let attendant = Attendant::new(config, forge)?;
    let pull = attendant.pull_request(number).await?;
    let base = base.map(|base| base.strip_prefix("refs/heads/").unwrap_or(base));
    if let Some(base) = base.filter(|base| *base != pull.base_branch) {
        let (called, other) = (attendant.called(&pull), &pull.base_branch);
        bail!(
            "{called} is for the branch {other}, and --base demands {base}: nothing of it was fetched and nothing was written, \
             because whoever opens it would choose whose privlink.toml is believed; make it one for {base}, or say --base {other} \
             if only those may write there who decide about endpoints, identities and approvers"
        );
    }
    Ok((attendant, pull))
}

/// Writes into the comments of a pull request how it ended. Nothing is fetched: its head may be gone, and no plan is of use.
async fn tell_end(
    (attendant, pull): (&Attendant, &PullRequest),
    environments: &EnvironmentOptions,
    printer: &mut Printer<'_>,
) -> Exit {
    let how = if pull.state == PullRequestState::Merged { "was merged" } else { "was closed without merging" };
    let posted = match environments.environments.as_slice() {
        [] => attendant.end_all(pull).await,
        some => attendant.end(pull, some.iter().cloned()).await,
    };
    let nothing = if posted.is_empty() { ", and no comment of privlink is in it" } else { "" };
    printer.raw_message(&format!("{} {how}: it is not planned any more{nothing}\n", attendant.called(pull)));
    say(&posted, printer)
}

async fn asked_of_forge(
    remote: &Remote,
    (attendant, pull): (Attendant, PullRequest),
) -> anyhow::Result<Result<Asked, Unreadable>> {
    let open = attendant.open(&pull.base_branch).await?;
    let terms = attendant.terms(remote, &pull);
    let change = match attendant.change(remote, &pull).await {
        Ok(change) => change,
        Err(AttendError::Settings(unreadable)) => return Ok(Err(*unreadable)),
        Err(error) => return Err(error.into()),
    };
    let compared = attendant.compared(remote, &pull.base_branch, &open).await?;
    let others = Others::Open(pull.number, compared);
    Ok(Ok(Asked { change, others, terms, attended: Some((attendant, pull)) }))
}

fn remote(url: &str, config: &Config) -> anyhow::Result<Remote> {
    Ok(Remote::new(url.parse::<RemoteUrl>()?, config))
}

/// What people call a change: `pull request #12` for `refs/pull/12/head`, else its branch.
fn called(reference: &str) -> String {
    let number = |prefix: &str| reference.strip_prefix(prefix)?.strip_suffix("/head");
    match (number("refs/pull/"), number("refs/merge-requests/")) {
        (Some(number), _) => format!("pull request #{number}"),
        (_, Some(number)) => format!("merge request !{number}"),
        (None, None) => reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned(),
    }
}

/// The values that go to a forge.
fn told(reviews: &[Review]) -> impl Iterator<Item = &Told> {
    reviews.iter().map(|review| &review.told)
}

fn show(change: &Change, reviews: &[Review], format: Format, printer: &mut Printer<'_>) {
    match format {
        Format::Text => reviews.iter().for_each(|review| show_text(change, review, printer)),
        Format::Comment => {
            let bodies = told(reviews).map(|told| told.body.as_str()).filter(|body| !body.is_empty());
            printer.raw_result(&bodies.collect::<Vec<_>>().join("\n"));
            for told in told(reviews).filter(|told| told.body.is_empty()) {
                printer.line(Label::Dim, format!("{}: {}", told.environment, told.headline));
            }
        }
        Format::Json => printer.raw_result(&render::review::json(change.base(), change.head(), told(reviews))),
        Format::CodeQuality => printer.raw_result(&annotations::code_quality(&review::annotations(told(reviews)))),
        Format::Annotations => printer.raw_result(&annotations::commands(&review::annotations(told(reviews)))),
    }
}

fn show_text(change: &Change, review: &Review, printer: &mut Printer<'_>) {
    let environment = &review.told.environment;
    match &review.outcome {
        Outcome::Untouched => printer.raw_result(&format!("{environment}: {}\n", review.told.headline)),
        Outcome::Planned(planned) => {
            runner::show(&review.findings, &change.loaded.reading.sources, printer);
            let locate = |place: &Place| planning::locate(&change.loaded, place);
            let first_seen = crate::status::first_seen(&planned.status.documents);
            let details = Details { locate: &locate, first_seen: Some(&first_seen) };
            printer.result(&render::plan::plan(&planned.plan, details));
        }
        Outcome::Files(diagnostics) => runner::show(diagnostics, &change.loaded.reading.sources, printer),
        Outcome::Settings(why) | Outcome::Failed(why) | Outcome::Conflict(why) => {
            printer.line(Label::Error, format!("error: {environment}: {why}"));
        }
    }
    printer.result(&render::review::statuses(&review.told));
}

fn write(folder: &Path, change: &Change, reviews: &[Review]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    for told in told(reviews).filter(|told| !told.body.is_empty()) {
        write(&format!("{}.md", told.environment), &told.body)?;
    }
    write("review.json", &render::review::json(change.base(), change.head(), told(reviews)))?;
    write("code-quality.json", &annotations::code_quality(&review::annotations(told(reviews))))
}

fn end_of(review: &Review) -> Exit {
    match &review.outcome {
        Outcome::Untouched => Exit::Done,
        Outcome::Planned(planned) if planned.plan.is_sound() => Exit::Done,
        Outcome::Planned(_) => Exit::Incomplete,
        Outcome::Files(_) | Outcome::Settings(_) => Exit::Files,
        Outcome::Failed(_) | Outcome::Conflict(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_called_as_people_call_it() {
        assert_eq!(called("refs/pull/12/head"), "pull request #12");
        assert_eq!(called("refs/merge-requests/7/head"), "merge request !7");
        assert_eq!(called("refs/heads/orders"), "orders");
        assert_eq!(called("refs/pull/12/merge"), "refs/pull/12/merge");
    }
}
