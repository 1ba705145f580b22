//! `privlink check` and `privlink explain`, as people run them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use privlink::cli::Exit;
use privlink::desired::check::rules;

use super::docs;
use crate::runner::Ran;
use crate::runner::Scratch;
use crate::runner::run;
use crate::runner::worlds;
use crate::runner::worlds::PROVIDER;

/// A folder with settings and one Service, checked.
fn check(settings: &str, manifest: &str, arguments: &[&str]) -> Ran {
    let home = Scratch::new();
    write(home.path(), "privlink.toml", settings);
    write(home.path(), "environments/prod/web.yaml", manifest);
    let folder = home.path().to_str().unwrap().to_owned();
    let all: Vec<&str> = [&["check", &folder], arguments].concat();
    run(&all, &BTreeMap::new())
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn explain(arguments: &[&str]) -> Ran {
    run(&[&["explain"], arguments].concat(), &BTreeMap::new())
}

#[test]
fn a_page_says_what_happens_and_how_to_avoid_it() {
    insta::assert_snapshot!(explain(&["ann003"]).ends(Exit::Done).out, @r#"
    ANN003 (error): the internal flag is spelled so that the load balancer is public

    What happens
      Only `true`, byte for byte, makes a load balancer internal. `True`, `yes` or `true ` gives a
      public load balancer with a public IP address, while other parts of the cloud provider take the
      Service for an internal one.

    How to avoid it
      Write service.beta.kubernetes.io/azure-load-balancer-internal: "true".

    How we know
      It is read in the cloud provider's source.

    When it is told
      Always, unless `[check] levels` of privlink.toml says ANN003 = "off".
    "#);
    insta::assert_snapshot!(explain(&["RUL001"]).ends(Exit::Done).out, @r#"
    RUL001 (error): the idle timeout is not a number of minutes from 4 to 100

    What happens
      The rules of the load balancer cannot be built: the Service keeps EXTERNAL-IP <pending>.

    How to avoid it
      Write whole minutes from 4 to 100.

    How we know
      It is read in the cloud provider's source.

    Versions of the cloud provider
      Before 1.25.17, 1.26.13 and 1.27.7 the limit is 30.

    When it is told
      Always, unless `[check] levels` of privlink.toml says RUL001 = "off".
    "#);
    insta::assert_snapshot!(explain(&["REPO006"]).ends(Exit::Done).out, @"
    REPO006
      A key is written twice.
    ");
}

#[test]
fn every_rule_has_a_page_and_a_line_in_the_list() {
    let list = explain(&[]).ends(Exit::Done).out;
    for rule in rules() {
        let page = explain(&[rule.code.as_str()]).ends(Exit::Done).out;
        assert!(page.contains(rule.title) && page.contains("What happens"), "{page}");
        assert!(list.contains(&format!("  {} ", rule.code)), "{} is not in the list", rule.code);
    }
    for code in ["REPO004", "CONF003", "DES001", "CCM000"] {
        assert!(list.contains(code), "{code} is not in the list");
    }
}

#[test]
fn what_a_plan_foresees_is_explained_by_the_name_that_the_plan_gives_it() {
    let list = explain(&[]).ends(Exit::Done).out;
    for rule in privlink::cloud_provider::rule::ALL {
        let page = explain(&[rule.id]).ends(Exit::Done).out;
        assert!(page.contains(rule.title) && page.contains("How to avoid it"), "{page}");
        assert!(list.contains(&format!("  {} ", rule.id)), "{} is not in the list", rule.id);
    }
    insta::assert_snapshot!(explain(&["ccm-pls-public"]).ends(Exit::Done).out, @"
    CCM-PLS-PUBLIC: A Private Link Service on a public Service is refused

    What happens
      The public load balancer is made first, then the sync fails at every try; what was internal
      before stays.

    Why
      With floating IP on, the frontend has to be internal.

    How to avoid it
      Make the Service internal.

    How we know
      It is read in the cloud provider's source.

    Versions of the cloud provider
      1.24.0 and later (1.0.19, 1.1.15, 1.23.12 of the older lines).

    When it is told
      In a plan, beside the change that it follows from.

    What it is also asked for as
      DIF005.
    ");
    assert!(explain(&["CCM000"]).ends(Exit::Done).out.contains("could not be read"));
}

/// Words that look like the name of a rule, of a family that there is.
fn names_of_rules(text: &str, families: &BTreeSet<String>) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '-'));
    let is_name = |word: &&str| {
        let (family, rest) =
            word.split_at(word.find(|letter: char| !letter.is_ascii_uppercase()).unwrap_or(word.len()));
        let is_number = rest.len() == 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
        let is_dashed = rest.starts_with('-') && rest.len() > 1 && !rest.ends_with('-');
        families.contains(family) && (is_number || is_dashed)
    };
    words.filter(is_name).map(ToOwned::to_owned).collect()
}

fn texts_below(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("src/sim") {
            texts_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs" || end == "txt" || end == "md") {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_name_of_a_rule_that_any_output_shows_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let codes: BTreeSet<String> = privlink::render::explain::codes().map(ToOwned::to_owned).collect();
    assert_eq!(privlink::render::explain::codes().count(), codes.len(), "a name has two pages");
    let family = |code: &String| code.chars().take_while(char::is_ascii_uppercase).collect::<String>();
    let families: BTreeSet<String> = codes.iter().map(family).chain(["ENV".to_owned()]).collect();
    let mut texts = vec![(root.join("README.md"), std::fs::read_to_string(root.join("README.md")).unwrap())];
    for folder in ["src", "tests/rows", "tests/cli", "tests/cases", "examples"] {
        texts_below(&root.join(folder), &mut texts);
    }
    let mut seen = 0;
    for (path, text) in texts {
        let shown = names_of_rules(&text, &families);
        seen += shown.len();
        // Names that stand for one that is not there.
        let missing: Vec<_> = shown.difference(&codes).filter(|name| *name != "ANN999").collect();
        assert!(missing.is_empty(), "{} names {missing:?}, and nobody can look them up", path.display());
    }
    assert!(seen > 300, "only {seen} names were found");
    for name in ["ENV001", "env002", "PLS014"] {
        explain(&[name]).ends(Exit::Done).says("PRE-CLUSTER-RIGHT");
    }
}

#[test]
fn an_unknown_rule_is_told_with_the_nearest_one() {
    explain(&["ANN03"]).ends(Exit::Failed).says("there is no rule ANN03: did you mean ANN003?");
}

#[test]
fn remarks_are_made_to_who_asks() {
    let manifest = docs::service("web", &[("azure-pls-create", "true")]);
    let ran = check(&worlds::settings(), &manifest, &[]).ends(Exit::Done);
    assert!(!ran.err.contains("PLS033"), "{}", ran.err);
    check(&worlds::settings(), &manifest, &["--remarks"]).ends(Exit::Done).says("info[PLS033]");
}

#[test]
fn warnings_can_be_as_bad_as_errors() {
    let manifest = docs::service("web", &[("azure-pls-create", "true"), ("azure-pls-visibility", "*")]);
    check(&worlds::settings(), &manifest, &[]).ends(Exit::Done).says("warning[PLS023]");
    check(&worlds::settings(), &manifest, &["--deny", "warnings"]).ends(Exit::Files).says("warning[PLS023]");
}

#[test]
fn the_rules_that_were_broken_are_explained_on_demand() {
    let manifest = docs::service("web", &[("azure-load-balancer-tcp-idle-timeout", "0")]);
    let ran = check(&worlds::settings(), &manifest, &["--explain"]).ends(Exit::Files);
    assert!(ran.out.starts_with("RUL001 (error): ") && ran.out.contains("How to avoid it"), "{}", ran.out);
}

#[test]
fn settings_decide_how_bad_a_rule_is() {
    let with = |levels: &str| format!("{}\n[check]\nlevels = {{ {levels} }}\n", worlds::settings());
    let manifest = docs::service("web", &[("azure-pls-create", "true"), ("azure-pls-visibility", "*")]);
    let ran = check(&with("PLS023 = \"off\""), &manifest, &[]).ends(Exit::Done);
    assert!(!ran.err.contains("PLS023"), "{}", ran.err);
    check(&with("PLS023 = \"error\""), &manifest, &[]).ends(Exit::Files).says("error[PLS023]");
    check(&with("PLS033 = \"warning\""), &manifest, &[]).ends(Exit::Done).says("warning[PLS033]");
    check(&with("PLS23 = \"off\""), &manifest, &[]).ends(Exit::Files).says("did you mean `PLS023`?");
    for rule in ["PLS001", "PLS005"] {
        let says = format!("the level of {rule} cannot be changed");
        check(&with(&format!("{rule} = \"off\"")), &manifest, &[]).ends(Exit::Files).says(&says);
    }
}

fn exposed(comment: &str, end: &str) -> String {
    let manifest = docs::service("web", &[("azure-pls-create", "true"), ("azure-pls-visibility", "*")]);
    let line = "    service.beta.kubernetes.io/azure-pls-visibility: \"*\"";
    assert!(manifest.contains(line));
    manifest.replace(line, &format!("{comment}{line}{end}"))
}

#[test]
fn an_exception_beside_a_line_silences_its_rule_until_it_ends() {
    let allow = |until: &str| format!("# privlink: allow(PLS023) alice: partners join daily, until {until}");
    for manifest in
        [exposed(&format!("    {}\n", allow("2999-01-31")), ""), exposed("", &format!("  {}", allow("2999-01-31")))]
    {
        let ran = check(&worlds::settings(), &manifest, &["--deny", "warnings"]).ends(Exit::Done);
        assert!(!ran.err.contains("warning"), "{}", ran.err);
    }
    let over = exposed(&format!("    {}\n", allow("2020-01-31")), "");
    let ran = check(&worlds::settings(), &over, &[]).ends(Exit::Done).says("warning[PLS023]");
    assert!(ran.err.contains("warning[ALW002]: the exception from PLS023 ended on 2020-01-31"), "{}", ran.err);
}

#[test]
fn an_exception_that_is_not_needed_or_not_whole_is_told() {
    let unneeded = exposed("    # privlink: allow(PLS022) alice: partners join daily, until 2999-01-31\n", "");
    check(&worlds::settings(), &unneeded, &[]).ends(Exit::Done).says("warning[ALW003]: nothing has to be allowed here");
    let ownerless = exposed("    # privlink: allow(PLS023)\n", "");
    check(&worlds::settings(), &ownerless, &[]).ends(Exit::Files).says("error[ALW001]: this exception is not granted");
}

#[test]
fn two_clusters_do_not_share_a_private_link_service() {
    let second = |cluster: &str| {
        let id = format!(
            "/subscriptions/{PROVIDER}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{cluster}"
        );
        format!(
            "\n[environments.zone]\npath = \"environments/zone\"\nsubscription = \"{PROVIDER}\"\ncluster = {{ aks = \"{id}\" }}\nscope = {{ namespaces = [\"default\"] }}\n"
        )
    };
    let named = |name: &str| {
        docs::service(
            "web",
            &[("azure-pls-create", "true"), ("azure-pls-name", name), ("azure-pls-resource-group", "rg-pls")],
        )
    };
    let checked = |name: &str| {
        let home = Scratch::new();
        write(home.path(), "privlink.toml", &format!("{}{}", worlds::settings(), second("other")));
        write(home.path(), "environments/prod/web.yaml", &named("shop"));
        write(home.path(), "environments/zone/web.yaml", &named(name));
        run(&["check", home.path().to_str().unwrap()], &BTreeMap::new())
    };
    let ran =
        checked("SHOP").ends(Exit::Files).says("error[XS019]: shop is the Private Link Service of environment prod");
    assert!(
        ran.err.contains("environments/zone/web.yaml:8") && ran.err.contains("environments/prod/web.yaml:8"),
        "{}",
        ran.err
    );
    checked("zone-shop").ends(Exit::Done);
}

#[test]
fn programs_get_the_findings_with_their_places() {
    let manifest = docs::service("web", &[("azure-load-balancer-ipv4", "10.240.0.25")]);
    let two = format!("{manifest}---\n{}", manifest.replace("web", "app"));
    let read = |format: &str| check(&worlds::settings(), &two, &["--format", format]).ends(Exit::Files).out;
    insta::assert_snapshot!(read("json"), @r#"
    {
      "apiVersion": "privlink.dev/v1alpha1",
      "kind": "Findings",
      "errors": 1,
      "warnings": 0,
      "remarks": 0,
      "findings": [
        {
          "rule": "XS001",
          "severity": "error",
          "message": "default/web and default/app both want port 80 of 10.240.0.25",
          "help": "use another port or another address",
          "places": [
            {
              "file": "environments/prod/web.yaml",
              "path": "spec.ports[0].port",
              "line": 25,
              "column": 11,
              "endColumn": 13,
              "label": "taken"
            },
            {
              "file": "environments/prod/web.yaml",
              "path": "spec.ports[0].port",
              "line": 11,
              "column": 11,
              "endColumn": 13,
              "label": "by this one"
            }
          ]
        }
      ]
    }
    "#);
    insta::assert_snapshot!(read("github"), @"::error file=environments/prod/web.yaml,line=25,col=11,endColumn=13,title=XS001::default/web and default/app both want port 80 of 10.240.0.25%0Ause another port or another address");
    let sarif: serde_json::Value = serde_json::from_str(&read("sarif")).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "XS001");
    let result = &run["results"][0];
    assert_eq!((result["ruleId"].as_str(), result["ruleIndex"].as_u64()), (Some("XS001"), Some(0)));
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert!(region["startLine"].as_u64() > Some(0) && region["endColumn"].as_u64() > region["startColumn"].as_u64());
    assert_eq!(result["relatedLocations"].as_array().map(Vec::len), Some(1));
    let clean = check(&worlds::settings(), &manifest, &["--format", "sarif"]).ends(Exit::Done).out;
    let clean: serde_json::Value = serde_json::from_str(&clean).unwrap();
    assert_eq!(clean["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn an_exception_holds_for_the_plan_as_well() {
    let stage = crate::runner::Stage::new();
    let key = "service.beta.kubernetes.io/azure-allowed-ip-ranges";
    let wrong = docs::service("web", &[("azure-allowed-ip-ranges", "10.0.0.5/16")]);
    let excepted = wrong.replace(
        &format!("    {key}"),
        &format!("    # privlink: allow(ACL002) alice: the range goes today, until 2999-01-31\n    {key}"),
    );
    assert_ne!(excepted, wrong);
    let files = |web: &str| {
        stage.repo.commit(&[("privlink.toml", &worlds::settings()), ("environments/prod/web.yaml", web)]);
    };
    files(&wrong);
    stage.plan().ends(Exit::Files).says("error[ACL002]");
    files(&excepted);
    let ran = stage.plan().ends(Exit::Changes);
    assert!(!ran.err.contains("ACL002"), "{}", ran.err);
}
