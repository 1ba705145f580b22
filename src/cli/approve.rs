//! `privlink approve`: shows the plan, asks, and commits one person's approval.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use crate::approval::file::ApprovalFile;
use crate::approval::file::Signing;
use crate::approval::signature::Signer;
use crate::approval::signature::signer;
use crate::cli::Exit;
use crate::cli::options::FloorOptions;
use crate::cli::options::SourceOptions;
use crate::cli::options::duration;
use crate::cli::plan;
use crate::cli::plan::Format;
use crate::cli::printer::Printer;
use crate::cli::runner;
use crate::config::Config;
use crate::desired::policy::Policy;
use crate::domain::commit::CommitId;
use crate::domain::commit::CommitSignature;
use crate::domain::commit::FileEdit;
use crate::domain::commit::Identity;
use crate::domain::commit::RefName;
use crate::domain::name::ApproverName;
use crate::domain::name::EnvironmentName;
use crate::git::CommitText;
use crate::git::Push;
use crate::git::SigningKey;
use crate::plan::document::PlanId;
use crate::reconcile::approvals;
use crate::reconcile::planning;
use crate::reconcile::source::Upstream;
use crate::render::Label;
use crate::render::yaml;

/// How often a push is tried on a new tip.
const TRIES: u32 = 10;

/// Approve a plan: look at it, say yes, and commit the approval
#[derive(Debug, Args)]
pub struct ApproveArguments {
    /// A clone of the config repository; its remote `origin` gets the approval
    #[arg(default_value = ".", conflicts_with = "repo")]
    folder: PathBuf,
    #[command(flatten)]
    source: SourceOptions,
    #[command(flatten)]
    floor: FloorOptions,
    /// The environment
    #[arg(long, short = 'e', value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// Who approves: a key of [approvers]
    #[arg(long = "as", value_name = "NAME")]
    approver: ApproverName,
    /// The plan you looked at, by its full id; refused if the plan now is another
    #[arg(long, value_name = "ID")]
    plan: Option<PlanId>,
    /// Ask nothing; needs --plan
    #[arg(long, short = 'y', requires = "plan")]
    yes: bool,
    /// How long the approval is good for
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    expires_in: Duration,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The author of the commit; default: as git is configured
    #[arg(long, value_name = "NAME <ADDRESS>")]
    author: Option<Identity>,
    /// The SSH key that signs the commit: its file, or that of the public half where an agent has the other; default: as
    /// git is configured
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
}

pub(super) async fn run(
    arguments: ApproveArguments,
    config: &Config,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Exit> {
    let ApproveArguments {
        folder,
        source,
        floor,
        environment,
        approver,
        plan: looked_at,
        yes,
        expires_in,
        reason,
        author,
        signing_key,
    } = arguments;
    let reviewed = source.repo.is_none().then_some(folder.as_path());
    let Some(config) = &floor.on(config, reviewed, printer)? else { return Ok(Exit::Files) };
    let author = author.or_else(|| crate::git::identity(&config.environment));
    let author = author.context("git does not know who you are: set user.name and user.email, or use --author")?;
    let found = runner::find(&folder, &source, runner::Need::Commit, (config, printer)).await?;
    let loaded = match runner::load(found, printer) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let Some(upstream) = loaded.source.upstream.clone() else {
        bail!("there is no remote to commit the approval to: use --repo URL, or a clone with a remote `origin`");
    };
    let environment = one_environment(environment, &loaded.settings)?;
    if !loaded.settings.approvers.contains_key(&approver) {
        let known: Vec<&str> = loaded.settings.approvers.keys().map(ApproverName::as_str).collect();
        bail!(
            "{approver} is not in [approvers] of privlink.toml: {}",
            crate::diagnostic::did_you_mean(approver.as_str(), known)
        );
    }
    plan::say_whom_we_believe(&loaded, printer);
    let planned = match planning::plan(&loaded, &environment, config).await {
        Ok(planned) => planned,
        Err(error) => return Ok(runner::failed(&environment, &error, &loaded, printer)),
    };
    plan::print(&loaded, &planned, Format::Text, printer);
    if !planned.plan.has_changes() && planned.plan.is_whole() {
        printer.line(Label::Plain, "there is nothing to approve");
        return Ok(Exit::Done);
    }
    if !planned.plan.may_run() {
        printer.line(Label::Error, "error: this plan cannot be applied, and so not approved: see above");
        return Ok(Exit::Incomplete);
    }
    if let Some(id) = looked_at.filter(|id| *id != planned.plan.id) {
        printer.line(Label::Error, format!("error: you looked at plan {id}, and the plan now is {}", planned.plan.id));
        return Ok(Exit::Approval);
    }
    let mut agrees = || printer.is_interactive() && printer.confirm(&format!("Approve this plan as {approver}?"));
    if !(yes || agrees()) {
        printer.line(Label::Error, "not approved");
        if !printer.is_interactive() {
            let help = format!("  help: nobody can be asked here: say --plan {} --yes", planned.plan.id);
            printer.line(Label::Hint, help);
        }
        return Ok(Exit::Approval);
    }
    let at = now_in_seconds();
    let expires_at = at.checked_add(jiff::SignedDuration::try_from(expires_in)?)?;
    let file = ApprovalFile::of(&planned.plan, Signing { approver, at, expires_at, reason });
    let key = signing_key.map(SigningKey::Ssh);
    let signing = match planned.plan.policy.approval.signatures_required {
        true => Some(key.or_else(|| SigningKey::configured(&config.environment)).context(NO_KEY)?),
        false => key,
    };
    let (branch, commit) = match signing {
        Some(key) => push_signed(&upstream, &file, (&author, &key), &planned.plan.policy).await?,
        None => (upstream.branch.clone(), push(&upstream, &file, &author).await?),
    };
    let branch = branch.as_str().trim_start_matches("refs/heads/").to_owned();
    printer.line(Label::Added, format!("approved until {expires_at}: commit {commit} on {branch}"));
    Ok(Exit::Done)
}

/// The time without a fraction: files for people.
fn now_in_seconds() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("a time that was a time stays one")
}

fn one_environment(
    named: Option<EnvironmentName>,
    settings: &crate::repo::settings::Settings,
) -> anyhow::Result<EnvironmentName> {
    match (named, settings.environments.len()) {
        (Some(name), _) => Ok(name),
        (None, 1) => Ok(settings.environments.keys().next().expect("there is one").clone()),
        (None, _) => bail!("there are several environments: name one with --environment"),
    }
}

/// What is said where a signature is needed and there is no key.
const NO_KEY: &str = "this environment takes signed approvals only, and git names no key of yours: set user.signingKey \
                      (and gpg.format = ssh for an SSH key), or use --signing-key";

/// The edit that an approval is, and its commit.
fn commit_text(file: &ApprovalFile, author: &Identity) -> anyhow::Result<(Vec<FileEdit>, CommitText)> {
    let text = format!("# One person's approval of one plan; written by `privlink approve`.\n{}", yaml::write(file));
    let message = format!("approve plan {} for {}", &file.plan.as_str()[..10], file.environment);
    let (author, committer) = (author.clone(), author.clone());
    let edits = vec![FileEdit::Put(file.path()?, text.into_bytes())];
    Ok((edits, CommitText { author, committer, message, time: Timestamp::now() }))
}

/// Commits the approval on the tip of the config branch, on a newer tip if somebody was faster.
async fn push(upstream: &Upstream, file: &ApprovalFile, author: &Identity) -> anyhow::Result<String> {
    let Upstream { remote, branch, tip } = upstream;
    let mut parent = tip.clone();
    for _ in 0..TRIES {
        let (edits, text) = commit_text(file, author)?;
        match settled(remote.commit_and_push(branch, Some(&parent), edits, text).await?, branch)? {
            Some(commit) => return Ok(commit),
            None => {
                let tips = remote.fetch(std::slice::from_ref(branch)).await?;
                parent = tips.get(branch).cloned().with_context(|| format!("{branch} is gone"))?;
            }
        }
    }
    bail!("{branch} moved {TRIES} times in a row: try again")
}

/// Signs the approval and commits it where signed ones may be pushed: to the approvals branch where signatures are
/// required, else to the config branch. Nothing is pushed that would not count as the approver's.
async fn push_signed(
    upstream: &Upstream,
    file: &ApprovalFile,
    (author, key): (&Identity, &SigningKey),
    policy: &Policy,
) -> anyhow::Result<(RefName, String)> {
    let remote = &upstream.remote;
    let branch = match policy.approval.signatures_required {
        true => approvals::branch(&policy.mark.environment),
        false => upstream.branch.clone(),
    };
    for _ in 0..TRIES {
        let parent = remote.fetch(std::slice::from_ref(&branch)).await?.get(&branch).cloned();
        let (policy, approver) = (policy.clone(), file.approver.clone());
        let accepts = move |signature: Option<&CommitSignature>| match signer(signature, &policy, Timestamp::now()) {
            Ok(Signer::Approver(name)) if name == approver => Ok(()),
            Ok(other) => Err(format!("the key is that of {other}, not of {approver}")),
            Err(why) => Err(format!("the approval {why}: it would not count as {approver}'s")),
        };
        let change = commit_text(file, author)?;
        let pushed = remote.sign_and_push(&branch, parent.as_ref(), change, (key.clone(), accepts)).await?;
        if let Some(commit) = settled(pushed, &branch)? {
            return Ok((branch, commit));
        }
    }
    bail!("{branch} moved {TRIES} times in a row: try again")
}

/// The commit, once it is pushed; `None` if somebody was faster.
fn settled(pushed: Option<(CommitId, Push)>, branch: &RefName) -> anyhow::Result<Option<String>> {
    match pushed {
        None => bail!("this approval is there already"),
        Some((commit, Push::Done)) => Ok(Some(commit.short().to_owned())),
        Some((_, Push::Refused { reason })) => bail!("{branch} refuses the approval: {reason}"),
        Some((_, Push::Moved)) => Ok(None),
    }
}
