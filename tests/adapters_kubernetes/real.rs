//! The cases against a real kube-apiserver, by envtest's convention: `KUBEBUILDER_ASSETS` is a folder with `kube-apiserver`
//! and `etcd`.
//!
//! Both run on loopback for as long as the test does, with certificates, keys, tokens and data in a folder of their own.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use privlink::sim::tls::Certificate;
use rcgen::KeyPair;
use serde_json::Value as Json;
use serde_json::json;

use super::cases;
use super::cases::ADMIN;
use super::cases::LIMITED;
use super::cases::Server;

/// How long the two may take to get ready.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often another program is asked whether it is ready: it has no way to say so by itself.
const POLL: Duration = Duration::from_millis(100);

/// A program that ends with its owner, whatever ends that one.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(program: &Path, arguments: &[String], log: PathBuf) -> Self {
        let file = std::fs::File::create(&log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Stops the test if the program has ended, with the last that it said.
    fn assert_runs(&mut self) {
        let ended = self.child.try_wait().unwrap().map(|status| {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let lines: Vec<&str> = log.lines().collect();
            format!("{status}:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"))
        });
        assert!(ended.is_none(), "it ended with {}", ended.unwrap_or_default());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A control plane: etcd and the API server. The API server is stopped first, the folder goes last.
struct ControlPlane {
    api_server: Running,
    etcd: Running,
    address: String,
    ca: String,
    _folder: Folder,
}

/// A folder of the test's own.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A port that nobody listens on at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl ControlPlane {
    fn start(assets: &Path) -> Self {
        let path = std::env::temp_dir().join(format!("privlink-control-plane-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        let write = |name: &str, text: &str| {
            let path = folder.0.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (client, peer, secure) = (free_port(), free_port(), free_port());
        let etcd_url = format!("http://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let etcd = Running::start(
            &assets.join("etcd"),
            &[
                format!("--data-dir={}", folder.0.join("data").display()),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=default={peer_url}"),
            ],
            folder.0.join("etcd.log"),
        );
        let certificate = Certificate::generate().unwrap();
        let accounts = KeyPair::generate().unwrap();
        let tokens = format!("{ADMIN},{ADMIN},1,system:masters\n{LIMITED},{LIMITED},2\n");
        let api_server = Running::start(
            &assets.join("kube-apiserver"),
            &[
                format!("--etcd-servers={etcd_url}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                format!("--secure-port={secure}"),
                format!("--cert-dir={}", folder.0.join("certificates").display()),
                format!("--tls-cert-file={}", write("server.pem", &certificate.chain)),
                format!("--tls-private-key-file={}", write("server-key.pem", &certificate.key)),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--service-account-issuer=https://127.0.0.1".to_owned(),
                format!("--service-account-key-file={}", write("accounts.pem", &accounts.public_key_pem())),
                format!("--service-account-signing-key-file={}", write("accounts-key.pem", &accounts.serialize_pem())),
                // Nobody makes the default service account that it would wait for.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                format!("--token-auth-file={}", write("tokens.csv", &tokens)),
            ],
            folder.0.join("kube-apiserver.log"),
        );
        let address = format!("https://127.0.0.1:{secure}");
        Self { api_server, etcd, address, ca: certificate.ca, _folder: folder }
    }

    /// Waits until the API server says that it is ready.
    async fn ready(&mut self) {
        let ca = reqwest::Certificate::from_pem(self.ca.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap();
        let (url, started) = (format!("{}/readyz", self.address), Instant::now());
        loop {
            self.etcd.assert_runs();
            self.api_server.assert_runs();
            let answer = client.get(&url).bearer_auth(ADMIN).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{url} is not ready: {answer:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    fn kubeconfig(&self) -> Json {
        use base64::Engine as _;
        let authority = base64::engine::general_purpose::STANDARD.encode(&self.ca);
        cases::kubeconfig(&json!({"server": self.address, "certificate-authority-data": authority}))
    }
}

/// Gives the limited user its role, and waits until that counts: the authorizer reads roles by a watch.
async fn bind_limited_role(server: &Server) {
    let roles = "/apis/rbac.authorization.k8s.io/v1";
    server.does("POST", &format!("{roles}/clusterroles"), ("application/json", &cases::limited_role())).await;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": LIMITED},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": LIMITED},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": LIMITED}]});
    server.does("POST", &format!("{roles}/clusterrolebindings"), ("application/json", &binding)).await;
    let started = Instant::now();
    while !server.limited_may_list().await {
        assert!(started.elapsed() < DEADLINE, "the role of the limited user does not come to count");
        tokio::time::sleep(POLL).await;
    }
}

/// Tells something even of a test that passes: what is printed there is kept back.
fn tell(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

#[tokio::test]
async fn every_case_holds_on_a_real_api_server_if_kubebuilder_assets_names_one() {
    let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|assets| !assets.is_empty()) else {
        return tell(
            "skipped: KUBEBUILDER_ASSETS is unset, so the Kubernetes cases did not run on a real kube-apiserver",
        );
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut plane = ControlPlane::start(Path::new(&assets));
    plane.ready().await;
    let kubeconfig = plane.kubeconfig();
    bind_limited_role(&Server::connect(&kubeconfig, "setup").await).await;
    let mut number = 0;
    macro_rules! run {
        ($($name:ident)*) => {
            $(
                number += 1;
                let server = Server::connect(&kubeconfig, &format!("case-{number}")).await;
                cases::$name(&server).await;
                tell(&format!("on a real kube-apiserver: {} ... ok", stringify!($name)));
            )*
        };
    }
    cases::for_each_case!(run);
    run!(a_trial_is_refused_by_a_quota_in_the_words_of_the_server);
}
