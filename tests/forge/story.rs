//! The whole way: `privlink review` asks a forge for a pull request, plans it, and writes into it.

use privlink::cli::Exit;
use privlink::domain::pull_request::ForgeKind;

use super::fake::Fake;
use super::fake::Pull;
use super::stage::ANN;
use super::stage::ME;
use super::stage::TOKEN;
use super::stage::dialect;
use super::stage::world;
use crate::cli::docs;
use crate::cli::pull_request::published;
use crate::runner::Ran;
use crate::runner::Stage;

const SERVICE: &str = "environments/prod/web.yaml";

/// A converged world with a published and consumed Service, and a forge that serves its repository.
struct Scene {
    kind: ForgeKind,
    stage: Stage,
    fake: Fake,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new(kind: ForgeKind) -> Self {
        let stage = published();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = runtime.block_on(Fake::start(dialect(kind), world()));
        fake.world().pulls.clear();
        Self { kind, stage, fake, _runtime: runtime }
    }

    /// Pushes a change to a pull request, which is opened if it is not there.
    fn push(&self, number: u64, path: &str, text: &str) {
        let commit = self.stage.repo.edit("main", &format!("change-{number}"), &[(path, Some(text))]);
        let repository = self.stage.repo.open();
        let heads = match self.kind {
            ForgeKind::GitHub => format!("refs/pull/{number}/head"),
            ForgeKind::GitLab => format!("refs/merge-requests/{number}/head"),
            ForgeKind::AzureDevOps => "refs/heads/change".to_owned(),
        };
        repository.reference(&heads, commit.parse().unwrap(), true, "push").unwrap();
        let mut world = self.fake.world();
        match world.pulls.iter_mut().find(|pull| pull.number == number) {
            Some(pull) => pull.heads.push(commit),
            None => world.pulls.push(Pull {
                number,
                author: ANN,
                base: "main".to_owned(),
                state: "open",
                is_fork: false,
                heads: vec![commit],
            }),
        }
    }

    /// Pushes the edit that cuts the consumer of `web`.
    fn push_move(&self, number: u64, address: &str) {
        self.push(number, SERVICE, &docs::service("web", &[("azure-load-balancer-ipv4", address)]));
    }

    fn review(&self, number: u64) -> Ran {
        self.review_with(number, (&[], &[]))
    }

    /// The same with more flags and variables.
    fn review_with(&self, number: u64, (flags, more): (&[&str], &[(&str, &str)])) -> Ran {
        let url = self.stage.repo.url();
        let number = number.to_string();
        let (forge, address) = match self.kind {
            ForgeKind::GitHub => ("github", self.fake.address.clone()),
            ForgeKind::GitLab => ("gitlab", format!("{}/api/v4", self.fake.address)),
            ForgeKind::AzureDevOps => ("azure-devops", format!("{}/acme/", self.fake.address)),
        };
        let repository = if self.kind == ForgeKind::AzureDevOps { "net work/config" } else { "acme/config" };
        let token = if self.kind == ForgeKind::AzureDevOps { "SYSTEM_ACCESSTOKEN" } else { "PRIVLINK_FORGE_TOKEN" };
        let variables =
            [("PRIVLINK_FORGE_URL", address.as_str()), ("PRIVLINK_FORGE_REPOSITORY", repository), (token, TOKEN)];
        let arguments = ["review", "--repo", &url, "--pull-request", &number, "--forge", forge];
        self.stage.run_with(&[&arguments[..], flags].concat(), &[&variables[..], more].concat())
    }

    /// Deletes the branch of a pull request, and whatever serves its head.
    fn take_away(&self, number: u64) {
        let repository = self.stage.repo.open();
        for name in [
            format!("refs/heads/change-{number}"),
            "refs/heads/change".to_owned(),
            format!("refs/pull/{number}/head"),
            format!("refs/merge-requests/{number}/head"),
        ] {
            if let Ok(mut found) = repository.find_reference(&name) {
                found.delete().unwrap();
            }
        }
    }

    /// Our comments on a pull request.
    fn comments(&self, number: u64) -> Vec<String> {
        let world = self.fake.world();
        world
            .notes
            .iter()
            .filter(|note| (note.pull, note.author) == (number, ME))
            .map(|note| note.body.clone())
            .collect()
    }

    /// The last state of each status, by context.
    fn statuses(&self) -> Vec<String> {
        let world = self.fake.world();
        let mut last: Vec<(String, String)> = Vec::new();
        for status in &world.statuses {
            last.retain(|(context, _)| *context != status.context);
            last.push((status.context.clone(), status.state.clone()));
        }
        last.sort();
        last.into_iter().map(|(context, state)| format!("{context} {state}")).collect()
    }
}

#[test]
fn a_pull_request_is_told_once_what_it_would_do_and_how_it_ended() {
    for kind in super::stage::KINDS {
        let scene = Scene::new(kind);
        scene.push_move(7, "10.224.0.91");
        scene.review(7).ends(Exit::Done).says("prod: comment created").says("status privlink/approved/prod set");
        let first = scene.comments(7);
        assert_eq!(first.len(), 1, "{kind}");
        assert!(first[0].contains("Who is affected") && first[0].contains("SEVERING"), "{kind}: {}", first[0]);
        let statuses = scene.statuses().join("\n");
        assert!(
            statuses.contains("plan/prod succe") && statuses.contains("approved/prod pending"),
            "{kind}: {statuses}"
        );

        // Nothing moved: nothing is written.
        scene.fake.world().log.clear();
        scene.review(7).ends(Exit::Done).says("prod: comment left as it is");
        assert_eq!(scene.fake.world().writes(), Vec::<String>::new(), "{kind}");

        // The edit is taken back to where nobody is hurt.
        scene.push(7, SERVICE, &docs::service("web", &[("azure-load-balancer-ipv4", "10.224.0.90")]));
        scene.review(7).ends(Exit::Done).says("prod: comment edited");
        let second = scene.comments(7);
        assert!(second.len() == 1 && second[0].contains("nothing to do"), "{kind}: {second:?}");
        assert!(second[0].contains("History: 1 earlier plan"), "{kind}: {}", second[0]);

        // Its branch is gone with it, and is not asked for.
        scene.fake.world().pull_mut(7).state = "merged";
        scene.take_away(7);
        let ended = scene.review(7).ends(Exit::Done).says("prod: comment edited");
        assert!(
            ended.out.is_empty() && ended.err.contains("7 was merged: it is not planned any more"),
            "{}",
            ended.err
        );
        assert!(scene.comments(7)[0].contains("Merged"), "{kind}: {}", scene.comments(7)[0]);
        scene.fake.world().log.clear();
        scene.review(7).ends(Exit::Done).says("prod: comment left as it is");
        assert_eq!((scene.fake.world().writes(), scene.stage.writes()), (Vec::new(), scene.stage.writes()), "{kind}");
    }
}

#[test]
fn a_push_with_the_same_plan_leaves_the_comment_and_what_somebody_made_of_it_is_put_right() {
    for kind in super::stage::KINDS {
        let scene = Scene::new(kind);
        scene.push_move(7, "10.224.0.91");
        scene.review(7).ends(Exit::Done).says("prod: comment created");
        let first = scene.comments(7);
        let moved = docs::service("web", &[("azure-load-balancer-ipv4", "10.224.0.91")]);
        scene.push(7, SERVICE, &format!("{}\n# the old one is taken\n", moved.trim_end()));
        // The statuses are of the new head; the foot of the comment still names the old one.
        scene.review(7).ends(Exit::Done).says("prod: comment left as it is").says("status privlink/plan/prod set");
        assert_eq!(scene.comments(7), first, "{kind}");

        let told = first[0].replace("SEVERING", "safe");
        assert_ne!(told, first[0]);
        scene.fake.world().notes[0].body = told;
        scene.review(7).ends(Exit::Done).says("prod: comment edited").says("status privlink/plan/prod left as it is");
        let head = scene.fake.world().pull(7).unwrap().head()[..10].to_owned();
        let own = scene.comments(7)[0].clone();
        assert!(own.contains("SEVERING") && own.contains(&head), "{kind}: {own}");
        assert!(!own.contains("History"), "{kind}: that is no new plan: {own}");
    }
}

#[test]
fn a_fork_on_azure_devops_is_reviewed_by_the_merge_that_is_served_of_it() {
    let scene = Scene::new(ForgeKind::AzureDevOps);
    scene.push_move(7, "10.224.0.91");
    let repository = scene.stage.repo.open();
    let head = scene.fake.world().pull(7).unwrap().head().to_owned();
    let (main, head) = (scene.stage.repo.tip("main").unwrap(), repository.find_commit(head.parse().unwrap()).unwrap());
    let main = repository.find_commit(main.parse().unwrap()).unwrap();
    let forge = git2::Signature::new("forge", "forge@example.com", &git2::Time::new(1_767_100_000, 0)).unwrap();
    let served = repository.commit(None, &forge, &forge, "merge", &head.tree().unwrap(), &[&main, &head]).unwrap();
    repository.reference("refs/pull/7/merge", served, true, "served").unwrap();
    // The base serves nothing else of it.
    repository.find_reference("refs/heads/change").unwrap().delete().unwrap();
    repository.find_reference("refs/heads/change-7").unwrap().delete().unwrap();
    scene.fake.world().pull_mut(7).is_fork = true;
    scene.review(7).ends(Exit::Done).says("prod: comment created");
    assert!(scene.comments(7)[0].contains("SEVERING"), "{}", scene.comments(7)[0]);
}

#[test]
fn a_fork_on_azure_devops_whose_head_is_not_served_is_told_what_to_do() {
    let scene = Scene::new(ForgeKind::AzureDevOps);
    scene.push_move(7, "10.224.0.91");
    let head = scene.fake.world().pull(7).unwrap().head().to_owned();
    scene.take_away(7);
    scene.fake.world().pull_mut(7).is_fork = true;
    let why = |scene: &Scene| {
        let err = scene.review(7).ends(Exit::Failed).err;
        err.replace(&scene.stage.repo.url(), "https://forge.example/config").replace(&head[..10], "0123456789")
    };
    let never = why(&scene);
    insta::assert_snapshot!(never, @"error: https://forge.example/config does not serve the head 0123456789 of the fork: Azure DevOps serves only the merge that it makes of it, refs/pull/7/merge, and there is none of this head; if it was pushed a moment ago, run this again; else it conflicts with main: merge main into the fork's branch, or let a member push that branch to this repository");
    // The merge of an earlier head is served, and the last one conflicts: its commit never came here.
    let main = scene.stage.repo.tip("main").unwrap();
    scene.stage.repo.open().reference("refs/pull/7/merge", main.parse().unwrap(), true, "served").unwrap();
    scene.fake.world().pull_mut(7).heads.push("f".repeat(40));
    assert_eq!(why(&scene).replace("ffffffffff", "0123456789"), never);
    assert_eq!(scene.comments(7), Vec::<String>::new());
}

#[test]
fn open_pull_requests_that_want_the_same_address_name_each_other() {
    for kind in [ForgeKind::GitHub, ForgeKind::GitLab] {
        let scene = Scene::new(kind);
        scene.push_move(7, "10.224.0.91");
        scene.review(7).ends(Exit::Done).says("prod: comment created");
        let sign = if kind == ForgeKind::GitLab { "!" } else { "#" };
        let names = |number: u64, other: u64| {
            // The sign stands apart from the number, so that nothing is linked.
            let comment = scene.comments(number)[0].replace('\u{200b}', "");
            comment.contains(&format!("{sign}{other}")) && comment.contains("10.224.0.91")
        };
        scene.push(
            8,
            "environments/prod/new.yaml",
            &docs::service("new", &[("azure-load-balancer-ipv4", "10.224.0.91")]),
        );
        scene.review(8).ends(Exit::Done).says("prod: comment created");
        assert!(names(8, 7), "{kind}: {}", scene.comments(8)[0]);
        scene.review(7).ends(Exit::Done).says("prod: comment edited");
        assert!(names(7, 8), "{kind}: {}", scene.comments(7)[0]);
        // Once the other one is closed, nothing is said of it any more.
        scene.fake.world().pull_mut(8).state = "closed";
        scene.review(7).ends(Exit::Done).says("prod: comment edited");
        let body = scene.comments(7)[0].clone();
        let shown = body.split("<summary>History").next().unwrap().replace('\u{200b}', "");
        assert!(!shown.contains(&format!("{sign}8")), "{kind}: {shown}");
    }
}

#[test]
fn a_pull_request_for_another_branch_than_is_demanded_is_refused_before_anything_is_read_or_written() {
    for kind in super::stage::KINDS {
        let scene = Scene::new(kind);
        scene.push_move(7, "10.224.0.91");
        // Whoever opens it chooses the branch.
        scene.fake.world().pull_mut(7).base = "unprotected".to_owned();
        let ran = scene.review_with(7, (&["--base", "main"], &[])).ends(Exit::Failed);
        if kind == ForgeKind::GitHub {
            insta::assert_snapshot!(ran.err, @"error: pull request #7 is for the branch unprotected, and --base demands main: nothing of it was fetched and nothing was written, because whoever opens it would choose whose privlink.toml is believed; make it one for main, or say --base unprotected if only those may write there who decide about endpoints, identities and approvers");
        }
        assert!(ran.out.is_empty() && scene.fake.world().writes().is_empty(), "{kind}: {}", ran.out);
        scene.fake.world().pull_mut(7).state = "merged";
        scene.review_with(7, (&["--base", "main"], &[])).ends(Exit::Failed);
        // The one that it is for may be demanded, by either name.
        let mut world = scene.fake.world();
        (world.pull_mut(7).base, world.pull_mut(7).state) = ("main".to_owned(), "open");
        drop(world);
        for base in ["main", "refs/heads/main"] {
            scene.review_with(7, (&["--base", base], &[])).ends(Exit::Done).says("prod: comment");
        }
    }
}

#[test]
fn a_pull_request_that_ended_without_a_comment_of_ours_gets_none() {
    let scene = Scene::new(ForgeKind::GitHub);
    scene.push_move(7, "10.224.0.91");
    scene.fake.world().pull_mut(7).state = "closed";
    let ran = scene.review(7).ends(Exit::Done);
    insta::assert_snapshot!(ran.err, @"pull request #7 was closed without merging: it is not planned any more, and no comment of privlink is in it");
    assert!(ran.out.is_empty() && scene.fake.world().writes().is_empty(), "{}", ran.out);
}

#[test]
fn remarks_at_lines_are_printed_for_github_actions_only_where_they_are_not_written() {
    let scene = Scene::new(ForgeKind::GitHub);
    scene.push_move(7, "10.224.0.91");
    let job: (&[&str], &[(&str, &str)]) = (&[], &[("GITHUB_ACTIONS", "true")]);
    let is_printed = |ran: &Ran| ran.err.lines().any(|line| line.starts_with("::"));
    assert!(!is_printed(&scene.review_with(7, job).ends(Exit::Done).says("remarks at lines written")));
    assert!(!is_printed(&scene.review_with(7, job).ends(Exit::Done).says("prod: comment left as it is")));
    scene.fake.world().users[0].rights.remove("checks");
    scene.push_move(7, "10.224.0.92");
    assert!(is_printed(&scene.review_with(7, job).ends(Exit::Done).says("no remarks at lines")));
}

#[test]
fn a_number_of_no_pull_request_and_a_token_that_is_missing_are_said() {
    let scene = Scene::new(ForgeKind::GitHub);
    let ran = scene.review(9).ends(Exit::Failed);
    insta::assert_snapshot!(ran.err.replace(&scene.fake.address, "http://forge"), @"error: GitHub refused to read pull request 9: HTTP status 404, Not Found; it is not there, or the token may not see it: check the repository, and that the token has the permission pull-requests: read");
    let url = scene.stage.repo.url();
    let arguments = ["review", "--repo", &url, "--pull-request", "7", "--forge", "github"];
    let ran = scene.stage.run_with(&arguments, &[("GITHUB_REPOSITORY", "acme/config")]).ends(Exit::Failed);
    insta::assert_snapshot!(ran.err, @"error: there is no token for GitHub: give the step env: GITHUB_TOKEN: ${{ github.token }}, or set PRIVLINK_FORGE_TOKEN, or PRIVLINK_GITHUB_APP_ID and PRIVLINK_GITHUB_APP_KEY_FILE");
}
