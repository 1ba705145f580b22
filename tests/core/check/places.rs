//! Where a finding points: at the value, at the key, at one entry of a list inside a text, at both of two places.

use super::Case;
use super::manifest;

#[track_caller]
fn shown(manifests: &[(&str, (&str, &str))]) -> String {
    let case = manifests.iter().fold(Case::empty(), |case, (name, text)| case.with(name, &manifest(name, *text)));
    case.read().2
}

const PUBLISHED: &str = "azure-load-balancer-internal: \"true\"\nazure-pls-create: \"true\"\n";

#[test]
fn the_third_entry_of_a_list_is_pointed_at() {
    let list = "azure-pls-visibility: \"00000000-0000-0000-0000-000000000002  00000000-0000-0000-0000-000000000003 ☃\"";
    insta::assert_snapshot!(shown(&[("web", (&format!("{PUBLISHED}{list}"), ""))]), @r#"
    error[PLS021]: "☃" is not the id of a subscription
     --> environments/prod/web.yaml:8:130
      |
    8 |     service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000002  00000000-0000-0000-0000-000000000003 ☃"
      |                                                                                                                                  ^ not a GUID
      |
      = help: write a GUID such as 00000000-0000-0000-0000-000000000001

    1 error in 1 file
    "#);
}

#[test]
fn entries_of_a_list_are_pointed_at_beside_letters_that_run_from_right_to_left() {
    let list = "azure-pls-visibility: \"00000000-0000-0000-0000-000000000002 שלום 😀 me\"";
    insta::assert_snapshot!(shown(&[("web", (&format!("{PUBLISHED}{list}"), ""))]), @r#"
    error[PLS021]: "שלום" is not the id of a subscription
     --> environments/prod/web.yaml:8:92
      |
    8 |     service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000002 שלום 😀 me"
      |                                                                                            ^^^^ not a GUID
      |
      = help: write a GUID such as 00000000-0000-0000-0000-000000000001

    error[PLS021]: "😀" is not the id of a subscription
     --> environments/prod/web.yaml:8:97
      |
    8 |     service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000002 שלום 😀 me"
      |                                                                                                 ^^ not a GUID
      |
      = help: write a GUID such as 00000000-0000-0000-0000-000000000001

    error[PLS021]: "me" is not the id of a subscription
     --> environments/prod/web.yaml:8:99
      |
    8 |     service.beta.kubernetes.io/azure-pls-visibility: "00000000-0000-0000-0000-000000000002 שלום 😀 me"
      |                                                                                                    ^^ not a GUID
      |
      = help: write a GUID such as 00000000-0000-0000-0000-000000000001

    3 errors in 1 file
    "#);
}

#[test]
fn two_files_are_pointed_at() {
    let pinned = "azure-load-balancer-internal: \"true\"\nazure-load-balancer-ipv4: 10.224.0.25";
    insta::assert_snapshot!(shown(&[("orders", (pinned, "")), ("web", (pinned, ""))]), @r#"
    error[XS001]: default/orders and default/web both want port 80 of 10.224.0.25
      --> environments/prod/web.yaml:11:11
       |
    11 |   - port: 80
       |           ^^ taken
       |
      ::: environments/prod/orders.yaml:11:11
       |
    11 |   - port: 80
       |           -- by this one
       |
       = help: use another port or another address

    1 error in 1 file
    "#);
}

#[test]
fn a_misspelt_key_is_pointed_at_with_the_right_one() {
    insta::assert_snapshot!(shown(&[("web", ("azure-load-balancer-internl: \"true\"", ""))]), @r#"
    error[ANN002]: nothing reads the annotation service.beta.kubernetes.io/azure-load-balancer-internl
     --> environments/prod/web.yaml:6:5
      |
    6 |     service.beta.kubernetes.io/azure-load-balancer-internl: "true"
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not a key of the cloud provider
      |
      = help: did you mean `service.beta.kubernetes.io/azure-load-balancer-internal`?

    1 error in 1 file; 1 fixable with `privlink check --fix`
    "#);
}

#[test]
fn a_flag_that_exposes_is_told_with_the_right_text() {
    insta::assert_snapshot!(shown(&[("web", ("azure-load-balancer-internal: 'True'", ""))]), @r#"
    error[ANN003]: the load balancer of default/web is public
     --> environments/prod/web.yaml:6:62
      |
    6 |     service.beta.kubernetes.io/azure-load-balancer-internal: 'True'
      |                                                              ^^^^^^ not `true` to the cloud provider, and so public
      |
      = help: write service.beta.kubernetes.io/azure-load-balancer-internal: "true"

    1 error in 1 file; 1 fixable with `privlink check --fix`
    "#);
}

#[test]
fn what_the_api_server_refuses_hides_no_rule() {
    let wrong = "azure-load-balancer-internal: True\nazure-load-balancer-tcp-idle-timeout: 120";
    let case = Case::empty().with("web", &manifest("web", (wrong, "ports: [{ port: 10250 }]")));
    let (_, diagnostics, shown) = case.read();
    let codes: std::collections::BTreeSet<&str> = diagnostics.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(Vec::from_iter(codes), ["ANN001", "ANN003", "REPO017", "RUL001"], "{shown}");
}

#[test]
fn everything_is_told_at_once_in_the_order_of_the_file() {
    let wrong = "azure-load-balancer-internal: \"true\"\nazure-load-balancer-ipv4: 10.224.0.25/16\nazure-load-balancer-tcp-idle-timeout: \"120\"\nazure-pls-create: \"true\"\nazure-pls-ip-configuration-ip-address: 10.225.1.8,10.225.1.9";
    insta::assert_snapshot!(shown(&[("web", (wrong, "loadBalancerSourceRanges: [10.0.0.1/8]"))]), @r#"
    error[IP001]: "10.224.0.25/16" is not an address that Azure takes
     --> environments/prod/web.yaml:7:58
      |
    7 |     service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.224.0.25/16
      |                                                          ^^^^^^^^^^^^^^ sent to Azure as it is
      |
      = help: write one address: "10.224.0.25"

    error[RUL001]: "120" is not an idle timeout
     --> environments/prod/web.yaml:8:70
      |
    8 |     service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout: "120"
      |                                                                      ^^^^^ whole minutes from 4 to 100
      |
      = help: write for example "4"

    error[ANN008]: the entries of azure-pls-ip-configuration-ip-address are separated by blanks only
      --> environments/prod/web.yaml:10:71
       |
    10 |     service.beta.kubernetes.io/azure-pls-ip-configuration-ip-address: 10.225.1.8,10.225.1.9
       |                                                                       ^^^^^^^^^^^^^^^^^^^^^ one entry to the cloud provider
       |
       = help: write "10.225.1.8 10.225.1.9"

    error[ACL002]: "10.0.0.1/8" lets in nobody, and keeps everybody out
      --> environments/prod/web.yaml:15:30
       |
    15 |   loadBalancerSourceRanges: [10.0.0.1/8]
       |                              ^^^^^^^^^^ not a range
       |
       = help: write 10.0.0.0/8

    4 errors in 1 file; 2 fixable with `privlink check --fix`
    "#);
}
