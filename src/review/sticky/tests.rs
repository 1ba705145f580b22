//! Laws of the one comment.

use proptest::prelude::*;

use super::*;
use crate::review::foot::foot;

fn account(id: &str) -> Account {
    Account { id: id.to_owned(), name: format!("the {id}"), is_bot: true }
}

fn environment() -> EnvironmentName {
    "prod".parse().unwrap()
}

fn told(key: &str, headline: &str, body: &str) -> Told {
    Told {
        environment: environment(),
        key: key.to_owned(),
        headline: headline.to_owned(),
        body: format!("{}\n{body}", marker(&environment(), key)),
        statuses: Vec::new(),
        annotations: Vec::new(),
    }
}

/// A body with what the push of this number moves.
fn with_foot(body: &str, push: usize) -> String {
    let commit = |number: usize| format!("{number:040x}").parse().unwrap();
    format!("{body}\n\nplan - {}\n", foot(&commit(1), &commit(push), Some(push)))
}

/// A pull request on which acts are carried out.
struct Wall(Vec<Comment>);

impl Wall {
    fn with(comments: &[(&str, &str, &str)]) -> Self {
        let comment = |(id, author, body): &(&str, &str, &str)| Comment {
            id: (*id).to_owned(),
            body: (*body).to_owned(),
            author: account(author),
            url: String::new(),
        };
        Self(comments.iter().map(comment).collect())
    }

    fn perform(&mut self, sticky: Sticky) -> Act {
        match sticky.act.clone() {
            Act::Create { body } => {
                let id = format!("new-{}", self.0.len());
                self.0.push(Comment { id, body, author: account("me"), url: String::new() });
            }
            Act::Edit { id, body } => self.0.iter_mut().find(|own| own.id == id).unwrap().body = body,
            Act::Leave => {}
        }
        sticky.act
    }

    fn tell(&mut self, told: &Told) -> Act {
        self.perform(next(ForgeKind::GitHub, &self.0, &account("me"), told))
    }

    fn end(&mut self, end: &End) -> Act {
        self.perform(closed(ForgeKind::GitHub, &self.0, &account("me"), (&environment(), end)))
    }

    fn last(&self) -> &str {
        &self.0.last().unwrap().body
    }

    /// What people see: without the record.
    fn shown(&self) -> String {
        let (text, record) = self.last().trim_end().rsplit_once('\n').unwrap();
        assert!(record.starts_with(RECORD), "{record}");
        text.to_owned()
    }
}

fn merged() -> End {
    End::Merged { commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap() }
}

#[test]
fn another_plan_is_one_edit_and_leaves_the_old_headline_in_the_history() {
    let mut wall = Wall(Vec::new());
    wall.tell(&told("a1", "1 create, safe", &with_foot("### one", 0)));
    assert_eq!(wall.tell(&told("a1", "1 create, safe", &with_foot("### one", 7))), Act::Leave, "only the head moved");
    wall.tell(&told("b2", "1 replace, **severing**", "### two"));
    wall.tell(&told("c3", "nothing to do", "### three"));
    assert_eq!(wall.0.len(), 1);
    insta::assert_snapshot!(wall.shown(), @"
    <!-- privlink:v1 environment=prod key=c3 -->
    ### three

    <details><summary>History: 2 earlier plans</summary>

    - (2) 1 replace, **severing**
    - (1) 1 create, safe

    </details>
    ");
}

#[test]
fn the_end_is_told_once_and_taken_back_when_it_goes_on() {
    let mut wall = Wall(Vec::new());
    assert_eq!(wall.end(&End::Closed), Act::Leave, "nothing was said, so nothing has to be finished");
    wall.tell(&told("a1", "1 create", "### one"));
    wall.tell(&told("b2", "2 create", "### two"));
    let open = wall.last().to_owned();
    assert_ne!(wall.end(&End::Closed), Act::Leave);
    insta::assert_snapshot!(wall.shown(), @"
    <!-- privlink:v1 environment=prod key=b2 -->
    > **Closed without merging**: nothing of this was applied.

    ### two

    <details><summary>History: 1 earlier plan</summary>

    - (1) 1 create

    </details>
    ");
    assert_eq!(wall.end(&End::Closed), Act::Leave);
    assert_ne!(wall.tell(&told("b2", "2 create", "### two")), Act::Leave);
    assert_eq!(wall.last(), open, "opened again it is as before, and that is no new plan");
    wall.end(&End::Closed);
    wall.end(&merged());
    assert_eq!(wall.end(&merged()), Act::Leave);
    let second = wall.last().lines().nth(1).unwrap();
    insta::assert_snapshot!(second, @"> **Merged** as `0123456789`; what is applied is on the status branch of the environment.");
    assert!(!wall.last().contains("Closed"), "{}", wall.last());
}

#[test]
fn a_marker_that_another_planted_is_ignored_and_of_two_of_ours_the_oldest_stays() {
    let planted = format!("{}\nall is well", marker(&environment(), "a1"));
    let mut wall = Wall::with(&[("1", "mallory", &planted), ("2", "me", "hello")]);
    assert!(matches!(wall.tell(&told("a1", "h", "b")), Act::Create { .. }));

    let other = "<!-- privlink:v1 environment=prod-eu key=a1 -->\nb";
    let mut wall = Wall::with(&[("1", "me", other), ("2", "me", &planted), ("3", "me", &planted)]);
    let sticky = next(ForgeKind::GitHub, &wall.0, &account("me"), &told("b2", "h", "b"));
    assert_eq!(sticky.doubles, ["3"]);
    assert!(matches!(wall.perform(sticky), Act::Edit { id, .. } if id == "2"));
    assert_eq!((wall.0[0].body.as_str(), &wall.0[2].body), (other, &planted));
}

#[test]
fn what_the_forge_or_a_person_did_to_our_comment_does_no_harm() {
    let mut wall = Wall(Vec::new());
    wall.tell(&told("a1", "first", "### one"));
    wall.0[0].body = wall.0[0].body.replace('\n', "\r\n").trim_end().to_owned();
    assert_eq!(wall.tell(&told("a1", "first", "### one")), Act::Leave);
    wall.tell(&told("b2", "second", "### two"));
    assert!(wall.last().contains("- (1) first"), "{}", wall.last());
    // Somebody who may edit it made it say something else: it is written again, and that is no new plan.
    let own = wall.last().to_owned();
    for (from, to) in
        [("### two", "### nothing"), ("- (1) first", "- (1) last"), ("### two\n", "### two\n\nLooks good.\n")]
    {
        wall.0[0].body = own.replacen(from, to, 1);
        assert_ne!(wall.last(), own);
        assert_ne!(wall.tell(&told("b2", "second", "### two")), Act::Leave, "{from}");
        assert_eq!(wall.last(), own);
    }
    // Somebody took the record away: the history is lost, and nothing else.
    wall.0[0].body = marker(&environment(), "b2");
    wall.tell(&told("c3", "third", "### three"));
    assert!(wall.last().contains("### three") && !wall.last().contains("History"), "{}", wall.last());
}

#[test]
fn the_environments_with_a_comment_of_ours_are_found_by_marker_and_author() {
    let of = |name: &str| format!("{}\nb", marker(&name.parse().unwrap(), "a1"));
    let (prod, test, dev) = (of("prod"), of("test"), of("dev"));
    let cut = "<!-- privlink:v1 environment=stage";
    let all = [("1", "me", &*prod), ("2", "mallory", &dev), ("3", "me", &test), ("4", "me", &prod), ("5", "me", cut)];
    let found = environments(&Wall::with(&all).0, &account("me"));
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["prod", "test"]);
}

#[test]
fn a_body_that_this_forge_counts_longer_gives_way_to_its_headline() {
    let mut wall = Wall(Vec::new());
    // As many characters as the budget allows, of two units each.
    wall.tell(&told("a1", "1 create", &"𝔸".repeat(61_000)));
    assert!(wall.last().contains("1 create\n\nThe plan is longer than a comment of GitHub may be."), "{}", wall.last());
}

/// Whatever stands in it, the visible part keeps its shape: the frame's lines are ours, and no row begins a block.
#[track_caller]
fn has_its_shape(comment: &str, body: &str) {
    let (frame, record) = comment.trim_end().rsplit_once('\n').unwrap();
    assert!(read_record(record).is_some(), "{record}");
    let folded = frame.rsplit_once("<details><summary>History: ");
    for row in folded.map(|(_, rows)| rows.lines().skip(2)).into_iter().flatten() {
        let is_row = row.starts_with("- ") && !row.contains('<');
        assert!(is_row || row.is_empty() || row == "</details>", "{row:?} of {body:?}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "-->",
        "<!--",
        "```",
        "</details>",
        "<details>",
        "\n",
        "\r\n",
        "\u{2028}",
        "@all",
        "#1",
        "<!-- privlink:record e30= -->",
        "<!-- privlink:v1 environment=prod key=x -->",
        "> **Merged**",
        "plan",
        " ",
        "- ",
        "𝔸",
        "&lt;",
        "`",
        "|",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn twenty_pushes_make_one_comment(
        plans in prop::collection::vec((hostile(), hostile()), 6),
        pushes in prop::collection::vec(0_usize..6, 20),
    ) {
        let mut wall = Wall::with(&[("1", "mallory", "<!-- privlink:v1 environment=prod key=k0 -->")]);
        let mut shown = None;
        let mut changes = 0;
        for (push, plan) in pushes.iter().enumerate() {
            let (headline, body) = &plans[*plan];
            let key = format!("k{plan}");
            // An unchanged plan is no edit, whatever was pushed.
            let act = wall.tell(&told(&key, headline, &with_foot(body, push)));
            prop_assert_eq!(act == Act::Leave, shown == Some(plan));
            changes += usize::from(shown != Some(plan));
            shown = Some(plan);
            has_its_shape(wall.last(), body);
            // What was written is left alone, as it is and as a forge gives it back.
            prop_assert_eq!(wall.tell(&told(&key, headline, &with_foot(body, push))), Act::Leave);
            let written = wall.last().to_owned();
            wall.0[1].body = written.replace('\n', "\r\n").trim().to_owned();
            prop_assert_eq!(wall.tell(&told(&key, headline, &with_foot(body, push + 1))), Act::Leave);
            wall.0[1].body = written;
        }
        prop_assert_eq!(wall.0.len(), 2);
        let record = take_apart(wall.last()).record;
        let named = record.history.len() + record.dropped;
        // A headline of nothing is not kept.
        prop_assert!(named < changes && record.history.len() <= KEPT);
    }

    #[test]
    fn whatever_somebody_makes_of_our_comment_is_put_right(
        (headline, body) in (hostile(), hostile()),
        // No digits: in the foot these are what may move.
        (at, inserted) in (any::<prop::sample::Index>(), "[ -/:-~]{1,3}"),
    ) {
        let mut wall = Wall(Vec::new());
        wall.tell(&told("a", "before", "x"));
        let now = told("b", &headline, &with_foot(&body, 2));
        wall.tell(&now);
        let own = wall.last().to_owned();
        // Anywhere that people see, but in the first line, by which it is found.
        let (first, last) = (own.find('\n').unwrap() + 1, own.trim_end().rfind('\n').unwrap());
        let at = first + at.index(last - first);
        let at = (first..=at).rev().find(|at| own.is_char_boundary(*at)).unwrap();
        wall.0[0].body = format!("{}{inserted}{}", &own[..at], &own[at..]);
        prop_assert_ne!(wall.tell(&now), Act::Leave);
        prop_assert_eq!(wall.last(), own);
    }

    #[test]
    fn the_end_is_idempotent_whatever_stands_in_the_comment(headline in hostile(), body in hostile(), is_merged: bool) {
        let mut wall = Wall(Vec::new());
        wall.tell(&told("a", "before", "x"));
        wall.tell(&told("b", &headline, &body));
        let before = wall.last().to_owned();
        let end = if is_merged { merged() } else { End::Closed };
        prop_assert_ne!(wall.end(&end), Act::Leave);
        prop_assert_eq!(wall.end(&end), Act::Leave);
        wall.tell(&told("b", &headline, &body));
        prop_assert_eq!(wall.last(), before);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_comment_is_longer_than_the_forge_takes(
        // The budget of a body.
        length in 60_000_usize..=65_536 - 4096,
        letter in prop::sample::select(vec!['x', 'é', '𝔸']),
        pushes in 1_usize..30,
        headline in 0_usize..700,
    ) {
        let mut wall = Wall(Vec::new());
        for push in 0..pushes {
            let key = format!("{push}");
            wall.tell(&told(&key, &"h".repeat(headline), &letter.to_string().repeat(length - 60)));
            prop_assert!(units(wall.last()) <= ForgeKind::GitHub.comment_limit() - RESERVE);
        }
        wall.end(&merged());
        prop_assert!(units(wall.last()) <= ForgeKind::GitHub.comment_limit());
        let record = take_apart(wall.last()).record;
        if headline > 0 {
            prop_assert_eq!(record.history.len() + record.dropped, pushes - 1);
        }
    }
}

#[test]
fn a_key_of_any_kind_makes_one_marker() {
    let mut wall = Wall(Vec::new());
    let mut told = told("sha256:ab-c.1", "h", "### one");
    told.body = format!("<!-- privlink:v1 environment=prod key=x-->y -->\n{}", "### one");
    wall.tell(&told);
    assert!(
        wall.last().starts_with("<!-- privlink:v1 environment=prod key=sha256:ab-c.1 -->\n### one\n"),
        "{}",
        wall.last()
    );
    assert_eq!(marker(&environment(), "a-->b c"), "<!-- privlink:v1 environment=prod key=a--_b_c -->");
}
