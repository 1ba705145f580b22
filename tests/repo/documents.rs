//! Documents: every mistake is told at its place, nothing is lost, nothing panics.

use std::collections::BTreeMap;

use privlink::diagnostic::Severity;
use privlink::domain::commit::{File, Snapshot};
use privlink::repo::document::{Body, Document, DocumentKind};
use privlink::repo::settings::{self, Settings};
use privlink::repo::{Reading, read};

const SETTINGS: &str = r#"
version = 1
owner = "6f1c0000-0000-4000-8000-000000000001"
[environments.prod]
path = "environments/prod"
subscription = "00000000-0000-0000-0000-000000000001"
"#;

fn settings(extra: &str) -> Settings {
    let path = "privlink.toml".parse().unwrap();
    let (settings, diagnostics) = settings::parse(&path, &format!("{SETTINGS}{extra}"));
    settings.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

fn read_files(files: &[(&str, File)], extra: &str) -> Reading {
    let files = files.iter().map(|(path, file)| (format!("environments/prod/{path}").parse().unwrap(), file.clone()));
    read(&Snapshot { files: files.collect::<BTreeMap<_, _>>(), ..Snapshot::default() }, &settings(extra))
}

pub(super) fn read_text(text: &str) -> Reading {
    read_files(&[("a.yaml", File::Bytes(text.as_bytes().to_vec()))], "")
}

fn shown(reading: &Reading) -> String {
    render(reading).replace("environments/prod/", "")
}

// The renderer is a floor above; tests look at what people see.
fn render(reading: &Reading) -> String {
    privlink::render::diagnostic::render(&reading.diagnostics, &reading.sources, false)
}

/// `SERVICE` with one line replaced or added below `metadata` or `spec`.
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\nspec:\n  ports:\n  - port: 80\n";

#[track_caller]
fn only(text: &str, code: &str, line: usize, column: usize) {
    let reading = read_text(text);
    let all: Vec<_> = reading.diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert_eq!(all.len(), 1, "{}", shown(&reading));
    let at = all[0].place().and_then(|place| reading.sources.line_column(place));
    assert_eq!((all[0].code.as_str(), at), (code, Some((line, column))), "{}", shown(&reading));
}

#[track_caller]
fn accepted(text: &str) -> Document {
    let mut reading = read_text(text);
    assert!(reading.diagnostics.is_empty(), "{}", shown(&reading));
    assert_eq!(reading.documents.len(), 1);
    reading.documents.remove(0)
}

#[test]
fn every_bad_input_is_one_error_at_its_place() {
    only("a: [1\n", "REPO004", 1, 4);
    only("a: 'x\nb: 1\n", "REPO004", 1, 4);
    only("\ta: 1\n\tb: 2\n", "REPO004", 1, 1);
    only("a:\n\tb: 1\n", "REPO004", 2, 1);
    only("a: b: c\n", "REPO004", 1, 5);
    only("a: 1\n b: 2\n", "REPO004", 2, 3);
    only("a: @x\n", "REPO004", 1, 4);
    only("a\nb: 1\n", "REPO004", 2, 2);
    only("a: \"\\q\"\n", "REPO004", 1, 4);
    only(&format!("%YAML 1.2\n---\n{SERVICE}"), "REPO005", 1, 1);
    only("? [a]\n: 1\n", "REPO005", 1, 3);
    only("a: 1\na: 2\n", "REPO006", 2, 1);
    only("a: 123456789012345678901234567890\n", "REPO008", 1, 4);
    only("a: .inf\n", "REPO008", 1, 4);
    only("- a\n", "REPO013", 1, 1);
    only("text\n", "REPO013", 1, 1);
    only("{}\n", "REPO012", 1, 1);
    only("kind: Service\n", "REPO012", 1, 1);
    only("apiVersion: 1\nkind: Service\n", "REPO013", 1, 13);
    only("apiVersion: v1\nkind: Sevice\n", "REPO010", 2, 7);
    only("apiVersion: v2\nkind: Service\n", "REPO010", 1, 13);
    only("apiVersion: apps/v1\nkind: Deployment\n", "REPO010", 2, 7);
}

#[test]
fn anchors_aliases_merge_keys_and_tags_are_refused() {
    only("a: &x 1\n", "REPO005", 1, 4);
    only("a: *x\n", "REPO005", 1, 4);
    only("a: !!str 1\n", "REPO005", 1, 4);
    only("a: !foo {b: 1}\n", "REPO005", 1, 4);
    only("<<: {a: 1}\n", "REPO005", 1, 1);
    let bomb = "a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
    assert_eq!(read_text(bomb).diagnostics.len(), 6);
}

#[test]
fn hostile_sizes_end_quickly() {
    only(&"[".repeat(20_000), "REPO007", 1, 33);
    only(&format!("a: {}1{}", "{b: ".repeat(20_000), "}".repeat(20_000)), "REPO007", 1, 128);
    let nested: String = (0..20_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 900))).collect();
    assert!(read_files(&[("a.yaml", File::Bytes(nested.into_bytes()))], "").diagnostics.has_errors());
    let scalar = File::Bytes(format!("a: {}\n", "x".repeat(50_000_000)).into_bytes());
    for file in [scalar, File::TooLarge { size: 50_000_004 }] {
        let reading = read_files(&[("a.yaml", file)], "");
        insta::allow_duplicates! { insta::assert_snapshot!(shown(&reading), @r#"
error[REPO002]: a.yaml has 50000004 bytes, and at most 1048576 are read
--> a.yaml
 = help: split it: one document is about 1 KiB

1 error in 1 file
"#); }
    }
    only(&format!("a: [{}]", "1,".repeat(30_000)), "REPO007", 1, 40_001);
}

#[test]
fn hostile_files_are_refused_with_few_words() {
    let wide: String = (0..19_000).map(|number| format!("a{number}: 1,")).collect();
    let files = [
        "- &a x\n".repeat(140_000),
        "a\n---\n".repeat(170_000),
        format!("[{}]", "&a x,".repeat(200_000)),
        "a: 1\n".repeat(200_000),
        format!("a: \"{}\nb: [", "x".repeat(1_000_000)),
        "? ".repeat(500_000),
        "- ".repeat(500_000),
        ": ".repeat(500_000),
        "\"".repeat(1_000_000),
        "*a\n".repeat(300_000),
        "apiVersion: v1\nkind: Servce\n---\n".repeat(30_000),
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a, annotations: {{{wide}}}}}\nspec: {{}}"),
    ];
    for text in files {
        let reading = read_text(&text);
        assert!(reading.diagnostics.has_errors() && reading.diagnostics.len() <= 101);
        assert!(render(&reading).len() < 40_000);
    }
}

#[test]
fn a_service_with_a_mistake_is_one_error_at_its_place() {
    let with = |line: &str| format!("{SERVICE}{line}\n");
    only(&SERVICE.replace("ports:", "prots:"), "REPO011", 6, 3);
    only(&SERVICE.replace("80", "'80'"), "REPO013", 7, 11);
    only(&SERVICE.replace("80", "70000"), "REPO013", 7, 11);
    only(&SERVICE.replace("80", "80.5"), "REPO013", 7, 11);
    only(&SERVICE.replace("name: app", "name: App"), "REPO014", 4, 9);
    only(&SERVICE.replace("name: app", "namespace: x"), "REPO012", 3, 1);
    only(&SERVICE.replace("name: app", "name: 5"), "REPO013", 4, 9);
    only(&SERVICE.replace("name: app", "name: app\n  uid: x"), "REPO015", 5, 3);
    only(&SERVICE.replace("name: app", "generateName: app-"), "REPO015", 4, 3);
    only(&SERVICE.replace("name: app", "name: app\n  annotations: { a: true }"), "REPO013", 5, 21);
    only(&SERVICE.replace("name: app", "name: app\n  annotations: { a: }"), "REPO013", 5, 18);
    only(&SERVICE.replace("name: app", "name: app\n  labels: { a: b c }"), "REPO017", 5, 16);
    only(&with("  type: LoadBalancr"), "REPO014", 8, 9);
    only(&with("  type: 1"), "REPO013", 8, 9);
    only(&with("status: { loadBalancer: {} }"), "REPO015", 8, 1);
    only(&with("  loadBalancerSourceRanges: [10.0.0.0/8]"), "REPO017", 8, 3);
    only(&with("  - port: 81\n    name: b"), "REPO017", 7, 5);
    only(&with("    targetPort: HTTP"), "REPO013", 8, 17);
    only("apiVersion: v1\nkind: Service\nmetadata: { name: app }\nspec: {}\n", "REPO017", 4, 1);
    only("apiVersion: v1\nkind: Service\nmetadata: { name: app }\n", "REPO012", 1, 1);
    only(&SERVICE.replace("  - port: 80", "  - [80]"), "REPO013", 7, 5);
    only(&with("  sessionAffinity: true"), "REPO013", 8, 20);
}

#[test]
fn words_that_yaml_versions_read_differently_are_pinned() {
    const WARNED: Option<Severity> = Some(Severity::Warning);
    const REFUSED: Option<Severity> = Some(Severity::Error);
    #[track_caller]
    fn case(written: &str, expected: Option<&str>, told: Option<Severity>) {
        let text = SERVICE.replace("name: app", &format!("name: app\n  annotations:\n    a: {written}"));
        let reading = read_text(&text);
        let found = reading.documents.first().map(|document| match &document.body {
            Body::Service(service) => service.annotations["a"].clone(),
            Body::PrivateLinkService(_) | Body::PrivateEndpoint(_) => unreachable!("it is a Service"),
        });
        assert_eq!(found.as_deref(), expected, "{written}");
        let severities: Vec<Severity> = reading.diagnostics.iter().map(|it| it.severity).collect();
        assert_eq!(severities, Vec::from_iter(told), "{written}");
    }
    case("NO", Some("NO"), WARNED);
    case("on", Some("on"), WARNED);
    case("yes", Some("yes"), WARNED);
    case("'yes'", Some("yes"), None);
    case("017", Some("017"), WARNED);
    case("1_000", Some("1_000"), WARNED);
    case("1_0.5", Some("1_0.5"), WARNED);
    case("0x_1F", Some("0x_1F"), WARNED);
    case("1_a", Some("1_a"), None);
    case("_1", Some("_1"), None);
    case("y", Some("y"), WARNED);
    case("n", Some("n"), WARNED);
    case("Off", Some("Off"), WARNED);
    case("tRue", Some("tRue"), None);
    case("12:30", Some("12:30"), None);
    case("12:30:45", Some("12:30:45"), None);
    case("2026-01-01", Some("2026-01-01"), None);
    case("10.240.0.25", Some("10.240.0.25"), None);
    case("1.20", Some("1.20"), REFUSED);
    case("8", Some("8"), REFUSED);
    case("1e3", Some("1e3"), REFUSED);
    case("0x1F", Some("0x1F"), REFUSED);
    case("true", Some("true"), REFUSED);
    case("True", Some("True"), REFUSED);
    case("0b11", Some("0b11"), REFUSED);
    case("0o17", Some("0o17"), REFUSED);
    case("null", None, REFUSED);
    case("~", None, REFUSED);
    case("", None, REFUSED);
}

#[test]
fn documents_of_the_documentation_are_accepted() {
    const PREFIX: &str = "service.beta.kubernetes.io/azure-";
    let manifest = |annotations: &[&str], address: &str| {
        let annotations: String = annotations.iter().map(|line| format!("    {PREFIX}{line}\n")).collect();
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: internal-app\n  annotations:\n{annotations}spec:\n  type: \
             LoadBalancer\n{address}  ports:\n  - port: 80\n  selector:\n    app: internal-app\n"
        )
    };
    let internal = "load-balancer-internal: \"true\"";
    let address = accepted(&manifest(&[internal], "  loadBalancerIP: 10.240.0.25\n"));
    assert_eq!((address.kind(), address.name()), (DocumentKind::Service, "default/internal-app".to_owned()));
    accepted(&manifest(&[internal], ""));
    accepted(&manifest(&["load-balancer-ipv4: 10.240.0.25", internal], ""));
    accepted(&manifest(&[internal, "load-balancer-internal-subnet: \"apps-subnet\""], ""));
    accepted(&manifest(&[internal, "pls-create: \"true\""], ""));
    let json = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"n"},"spec":{"ports":[{"port":80,"targetPort":"http"}]}}"#;
    assert_eq!(accepted(json).name(), "n/a");
    accepted(&SERVICE.replace('\n', "\r\n"));
    accepted(&format!("# before\n---\n{SERVICE}...\n# after\n"));
    accepted(&SERVICE.replace("name: app", "name: app\n  creationTimestamp: null"));
}

const DESIGN: &str = r#"
apiVersion: privlink.dev/v1alpha1
kind: PrivateLinkService
metadata: { name: orders }
spec:
  service: { namespace: shop, name: orders }
  managedBy: cluster
  name: pls-orders
  resourceGroup: rg-pls
  visibility: { mode: subscriptions, subscriptions: ["00000000-0000-0000-0000-000000000002"] }
  autoApproval: { subscriptions: ["00000000-0000-0000-0000-000000000002"] }
  nat: { subnet: pls-subnet, count: 2, addresses: ["10.225.1.8", "10.225.1.9"] }
  fqdns: [orders.example.com]
  proxyProtocol: false
  connections:
    approve: [{ subscription: "00000000-0000-0000-0000-000000000002" }, { endpoint: "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/x" }]
    reject: []
    otherwise: leave-pending
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: { name: my-aks-service-pe }
spec:
  subscription: "00000000-0000-0000-0000-000000000003"
  resourceGroup: myOtherResourceGroup
  location: eastus2
  name: myAKSServicePE
  subnet: { virtualNetwork: myOtherVNET, name: pe-subnet }
  target: { privateLinkService: orders }
  connection: { name: connectToMyK8sService, request: automatic, message: "hello" }
  ipAddress: 10.50.1.20
  networkInterfaceName: nic-pe
  applicationSecurityGroups: []
  tags: {}
  dns:
  - { subscription: "00000000-0000-0000-0000-000000000003", resourceGroup: rg-dns, zone: orders.internal, record: api, ttl: 300, links: [] }
"#;

#[test]
fn the_two_kinds_are_accepted_as_the_design_shows_them() {
    let reading = read_text(DESIGN);
    assert!(reading.diagnostics.is_empty(), "{}", shown(&reading));
    let names: Vec<String> = reading.documents.iter().map(|it| format!("{} {}", it.kind(), it.name())).collect();
    assert_eq!(names, ["PrivateLinkService orders", "PrivateEndpoint my-aks-service-pe"]);
    let count = reading.documents[0].path_of("spec.nat.count");
    assert_eq!(reading.sources.line_column(&count), Some((12, 37)));
}

#[test]
fn a_mistake_in_one_of_our_kinds_is_one_error_at_its_place() {
    #[track_caller]
    fn case(from: &str, to: &str, code: &str, line: usize, column: usize) {
        assert!(DESIGN.contains(from), "{from}");
        only(&DESIGN.replacen(from, to, 1), code, line, column);
    }
    case("mode: subscriptions", "mode: private", "REPO014", 10, 23);
    case("mode: subscriptions", "mode: role-based", "REPO014", 10, 3);
    case("visibility:", "visiblity:", "REPO011", 10, 3);
    case("count: 2", "count: 9", "REPO013", 12, 37);
    case("10.225.1.9", "10.225.1", "REPO014", 12, 66);
    case("managedBy: cluster", "managedBy:", "REPO013", 7, 3);
    case("{ subscription: \"0", "{ subscription: \"z", "REPO014", 16, 31);
    case("privateEndpoints/x", "privateLinkServices/x", "REPO014", 16, 85);
    case("resourceGroup: rg-dns,", "", "REPO012", 36, 5);
    case("location: eastus2", "location: [eastus2]", "REPO013", 26, 3);
    case(
        "{ privateLinkService: orders }",
        "{ privateLinkService: orders, alias: a.b.c.azure.privatelinkservice }",
        "REPO014",
        29,
        3,
    );
    case("{ privateLinkService: orders }", "{}", "REPO014", 29, 3);
    case("{ privateLinkService: orders }", "{ service: { name: x, namspace: y } }", "REPO011", 29, 33);
    case("{ privateLinkService: orders }", "{ id: /subscriptions/x }", "REPO014", 29, 17);
    case("name: pe-subnet }", "}", "REPO014", 28, 3);
    case("tags: {}", "tags: { privlink-owner: x }", "REPO014", 34, 11);
    case("10.50.1.20", "10.50.1.20/32", "REPO014", 31, 14);
    case("v1alpha1", "v1beta1", "REPO010", 2, 13);
}

#[test]
fn files_that_are_not_text_are_told_apart() {
    let bytes = |bytes: &[u8]| File::Bytes(bytes.to_vec());
    let reading = read_files(
        &[
            ("a.yaml", bytes(b"a: 1\nb: \xff\n")),
            ("b.yaml", bytes(b"\xff\xfea\0:\0")),
            ("c.yml", File::Symlink),
            ("d", File::Symlink),
            ("e", File::Submodule),
            ("f.yaml", bytes(format!("\u{feff}{SERVICE}").as_bytes())),
            ("g.yaml", bytes("# \u{202e}\n".as_bytes())),
            ("h.YAML", bytes(b"a: 1\x1b\n")),
            ("i.txt", bytes(b"\xff")),
            ("j.md", File::Symlink),
            ("k.bin", File::TooLarge { size: 9_999_999 }),
            ("l.yaml", bytes(b"")),
            ("m.yaml", bytes(b"# only a comment\n---\n---\n~\n")),
        ],
        "",
    );
    assert_eq!(reading.documents.len(), 1);
    insta::assert_snapshot!(shown(&reading), @r#"
error[REPO003]: a.yaml is not UTF-8 text (line 2, byte 8)
--> a.yaml
 = help: save it as UTF-8

error[REPO003]: b.yaml is not UTF-8 text (line 1, byte 0)
--> b.yaml
 = help: it looks like UTF-16: save it as UTF-8

error[REPO001]: c.yml is a symbolic link, and links are not followed
--> c.yml
 = help: put the file itself here, or move the link out of the environment's folder

error[REPO001]: d is a symbolic link, and links are not followed
--> d
 = help: put the file itself here, or move the link out of the environment's folder

warning[REPO001]: e is a submodule: nothing in it is read
--> e
 = help: put the files themselves here, or move the submodule out of the environment's folder

warning[REPO003]: f.yaml starts with a byte order mark
 --> f.yaml:1:1
  |
1 | apiVersion: v1
  | ^
  |
  = help: save it as UTF-8 without a byte order mark; some tools stumble over it

error[REPO003]: g.yaml holds the invisible character U+202E in line 1
--> g.yaml
 = help: remove it: what a reviewer sees must be what is applied; in double quotes an escape such as \u202e works

error[REPO003]: h.YAML holds the invisible character U+001B in line 1
--> h.YAML
 = help: remove it: what a reviewer sees must be what is applied; in double quotes an escape such as \u202e works

6 errors, 2 warnings in 8 files
"#);
}

#[test]
fn files_outside_of_every_environment_are_not_read() {
    let files = [
        ("other/a.yaml".parse().unwrap(), File::Bytes(b"[".to_vec())),
        ("environments/production.yaml".parse().unwrap(), File::Symlink),
    ];
    let reading = read(&Snapshot { files: files.into(), ..Snapshot::default() }, &settings(""));
    assert!(reading.documents.is_empty() && reading.diagnostics.is_empty());
    assert!(read(&Snapshot::default(), &settings("")).diagnostics.is_empty());
}

#[test]
fn many_warnings_are_shortened_but_stay_warnings() {
    let annotations: String = (0..150).map(|number| format!("    a{number}: yes\n")).collect();
    let reading = read_text(&SERVICE.replace("name: app\n", &format!("name: app\n  annotations:\n{annotations}")));
    assert_eq!((reading.diagnostics.len(), reading.diagnostics.has_errors(), reading.documents.len()), (101, false, 1));
}

#[test]
fn an_environment_behind_a_link_is_an_error() {
    let files = [("environments".parse().unwrap(), File::Symlink)];
    let reading = read(&Snapshot { files: files.into(), ..Snapshot::default() }, &settings(""));
    assert_eq!(reading.diagnostics.iter().map(|it| it.code.as_str()).collect::<Vec<_>>(), ["REPO001"]);
}

#[test]
fn a_broken_document_does_not_lose_the_others() {
    let reading = read_text(&format!("a: [\n---\n{SERVICE}---\n{}", SERVICE.replace("app", "App")));
    assert_eq!(
        reading.documents.iter().map(|it| (it.number, it.name())).collect::<Vec<_>>(),
        [(1, "default/app".to_owned())]
    );
    insta::assert_snapshot!(shown(&reading), @r#"
error[REPO004]: a bracket is opened and never closed
 --> a.yaml:1:4
  |
1 | a: [
  |    ^ still open here
  |
  = help: close every [ with ] and every { with }

error[REPO014]: `metadata.name`: "App" is not a Service name
  --> a.yaml:14:9
   |
14 |   name: App
   |         ^^^
   |
   = help: use at most 63 lower-case letters, digits and '-', starting with a letter and ending with a letter or digit

2 errors in 1 file
"#);
}

#[test]
fn everything_wrong_with_a_document_is_told_at_once() {
    let reading = read_text(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: Internal_App\n  annotations:\n    \
         service.beta.kubernetes.io/azure-load-balancer-internal: true\n    version: 1.20\n  lables: {}\nspec:\n  type: \
         loadBalancer\n  prots:\n  - port: 80\n  ports:\n  - prot: 80\n  - port: 70000\n    protocol: tcp\n",
    );
    insta::assert_snapshot!(shown(&reading), @r#"
    error[REPO014]: `metadata.name`: "Internal_App" is not a Service name
     --> a.yaml:4:9
      |
    4 |   name: Internal_App
      |         ^^^^^^^^^^^^
      |
      = help: use at most 63 lower-case letters, digits and '-', starting with a letter and ending with a letter or digit

    error[ANN001]: `metadata.annotations["service.beta.kubernetes.io/azure-load-balancer-internal"]` is true and must be text
     --> a.yaml:6:62
      |
    6 |     service.beta.kubernetes.io/azure-load-balancer-internal: true
      |                                                              ^^^^ not text
      |
      = help: put it in quotes, so that it is text

    error[REPO013]: `metadata.annotations.version` is a number with a fraction and must be text
     --> a.yaml:7:14
      |
    7 |     version: 1.20
      |              ^^^^ not text
      |
      = help: put it in quotes, so that it is text

    error[REPO011]: unknown key `lables` in `metadata`
     --> a.yaml:8:3
      |
    8 |   lables: {}
      |   ^^^^^^ nothing reads this
      |
      = help: did you mean `labels`?

    error[REPO014]: `spec.type` cannot be "loadBalancer"
      --> a.yaml:10:9
       |
    10 |   type: loadBalancer
       |         ^^^^^^^^^^^^ not one of the words known here
       |
       = help: did you mean `LoadBalancer`?

    error[REPO011]: unknown key `prots` in `spec`
      --> a.yaml:11:3
       |
    11 |   prots:
       |   ^^^^^ nothing reads this
       |
       = help: did you mean `ports`?

    error[REPO011]: unknown key `prot` in `spec.ports[0]`
      --> a.yaml:14:5
       |
    14 |   - prot: 80
       |     ^^^^ nothing reads this
       |
       = help: did you mean `port`?

    error[REPO013]: `spec.ports[1].port` is the number 70000 and must be a port number from 1 to 65535
      --> a.yaml:15:11
       |
    15 |   - port: 70000
       |           ^^^^^ not a port number from 1 to 65535

    error[REPO014]: `spec.ports[1].protocol` cannot be "tcp"
      --> a.yaml:16:15
       |
    16 |     protocol: tcp
       |               ^^^ not one of the words known here
       |
       = help: did you mean `TCP`?

    9 errors in 1 file; 7 fixable with `privlink check --fix`
    "#);
}

#[test]
fn quotes_that_are_missing_hide_nothing_else() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n  annotations:\n    \
                service.beta.kubernetes.io/azure-load-balancer-internal: true\n  labels: { version: 2 }\nspec:\n  type: \
                LoadBalancer\n  ports: [{ port: 10250 }]\n";
    let reading = read_text(text);
    let told: Vec<&str> = reading.diagnostics.iter().map(|it| it.code.as_str()).collect();
    assert_eq!((told.as_slice(), reading.documents.len()), (["ANN001", "REPO013", "REPO017"].as_slice(), 1));
    let reading = read_text(&text.replace("10250", "80"));
    let Body::Service(service) = &reading.documents[0].body else { panic!("it is a Service") };
    assert_eq!((service.labels["version"].as_str(), reading.diagnostics.has_errors()), ("2", true));
}

#[test]
fn our_own_kinds_say_what_is_wrong() {
    let reading = read_text(
        &DESIGN
            .replace("mode: subscriptions,", "mode: subscription,")
            .replace("count: 2", "count: two")
            .replace("proxyProtocol: false", "proxyProtocl: false")
            .replace("{ privateLinkService: orders }", "{ privateLinkService: orders, id: x }"),
    );
    insta::assert_snapshot!(shown(&reading), @r#"
    error[REPO014]: `spec.visibility.mode` cannot be "subscription"
      --> a.yaml:10:23
       |
    10 |   visibility: { mode: subscription, subscriptions: ["00000000-0000-0000-0000-000000000002"] }
       |                       ^^^^^^^^^^^^ not one of the words known here
       |
       = help: did you mean `subscriptions`?

    error[REPO013]: `spec.nat.count` is the text "two" and must be a whole number from 1 to 8
      --> a.yaml:12:37
       |
    12 |   nat: { subnet: pls-subnet, count: two, addresses: ["10.225.1.8", "10.225.1.9"] }
       |                                     ^^^ not a whole number from 1 to 8

    error[REPO011]: unknown key `proxyProtocl` in `spec`
      --> a.yaml:14:3
       |
    14 |   proxyProtocl: false
       |   ^^^^^^^^^^^^ nothing reads this
       |
       = help: did you mean `proxyProtocol`?

    error[REPO014]: `spec.target.id`: "x" is not an Azure resource id
      --> a.yaml:29:45
       |
    29 |   target: { privateLinkService: orders, id: x }
       |                                             ^
       |
       = help: an id looks like /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.Network/<type>/<name>

    4 errors in 1 file; 1 fixable with `privlink check --fix`
    "#);
}

#[test]
fn other_kinds_can_be_passed_over_but_not_slips_of_the_finger() {
    let ignore = "[check]\nother-kinds = \"ignore\"\n";
    let text = "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: ConfigMap\n---\napiVersion: v1\nkind: \
                Servce\n---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateLink\n";
    let reading = read_files(&[("a.yaml", File::Bytes(text.as_bytes().to_vec()))], ignore);
    let lines: Vec<_> = reading.diagnostics.iter().map(|it| reading.sources.line_column(it.place().unwrap())).collect();
    assert_eq!(lines, [Some((8, 7)), Some((11, 7))]);
}

#[test]
fn the_manifest_is_kept_as_it_is_but_for_empty_keys() {
    let text = SERVICE
        .replace("name: app", "name: app\n  creationTimestamp: null\n  annotations:\n    big: \"9007199254740993\"");
    let Body::Service(service) = accepted(&text).body else { panic!("it is a Service") };
    assert_eq!(
        service.manifest.value(),
        serde_json::json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "app", "annotations": { "big": "9007199254740993" } },
            "spec": { "ports": [{ "port": 80 }] }
        })
    );
}

proptest::proptest! {
    #[test]
    fn a_document_cut_and_patched_anywhere_never_panics(
        at in 0..DESIGN.len(), length in 0..40_usize, patch in "[-:{}\\[\\]&*!|>'\"# \n~0a]{0,3}",
    ) {
        let end = (at + length).min(DESIGN.len());
        let reading = read_text(&format!("{}{patch}{}", &DESIGN[..at], &DESIGN[end..]));
        for diagnostic in &reading.diagnostics {
            let place = diagnostic.place().unwrap();
            proptest::prop_assert!(reading.sources.line_column(place).is_some(), "{:?}", diagnostic);
        }
        render(&reading);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let reading = read_files(&[("a.yaml", File::Bytes(bytes))], "");
        render(&reading);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "([-?:,{}\\[\\]&*!|>'\"%@` \t\r\n#a1~.<é]{0,8}(---|\\.\\.\\.|\n|: |- |kind: Service\n|apiVersion: v1\n){0,2}){0,12}") {
        render(&read_text(&text));
    }
}
