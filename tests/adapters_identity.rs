//! Every way to sign in to Azure, against the simulator's Entra, its managed-identity endpoints, and stand-ins for the tools.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use privlink::azure::Azure;
use privlink::azure::Settings;
use privlink::azure::cloud::Cloud;
use privlink::azure::identity::NotHere;
use privlink::azure::identity::Outcome;
use privlink::azure::identity::SignIn;
use privlink::azure::traffic::Traffic;
use privlink::domain::calls::CallLog;
use privlink::domain::secret::Secret;
use privlink::sim::Options;
use privlink::sim::Simulator;
use privlink::sim::fault::Fault;
use privlink::sim::world::FederatedCredential;
use privlink::sim::world::World;
use serde_json::Value;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;

use crate::runner::Scratch;

const PLANNER: &str = "00000000-0000-0000-0000-0000000000a1";
const APPLIER: &str = "00000000-0000-0000-0000-0000000000a2";
const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/certificate.pem");

struct Stage {
    simulator: Simulator,
    folder: Scratch,
}

impl Stage {
    async fn new() -> Self {
        Self::in_world(World::parse(include_str!("../examples/world.yaml")).unwrap()).await
    }

    async fn in_world(world: World) -> Self {
        let simulator = Simulator::start(&world, Options::default()).await.unwrap();
        Self { simulator, folder: Scratch::new() }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A program on the PATH that prints something and ends with a code.
    fn tool(&self, name: &str, (out, err, code): (&str, &str, u8)) {
        let text = format!("#!/bin/sh\n/bin/cat <<'END'\n{out}\nEND\n/bin/cat >&2 <<'END'\n{err}\nEND\nexit {code}\n");
        let path = self.file(name, &text);
        std::fs::set_permissions(Path::new(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A way to Azure for whom the settings name, with these variables and nothing of this machine.
    fn azure(&self, client: Option<&str>, variables: &[(&str, &str)]) -> Azure {
        let endpoints = self.simulator.endpoints();
        self.azure_in(&format!("{},{}", endpoints.resource_manager, endpoints.authority), client, variables)
    }

    /// The same, in a cloud that the runner defines like this.
    fn azure_in(&self, cloud: &str, client: Option<&str>, variables: &[(&str, &str)]) -> Azure {
        let mut environment: BTreeMap<String, String> = BTreeMap::from([
            ("AZURE_TENANT_ID".to_owned(), TENANT.to_owned()),
            ("PATH".to_owned(), self.folder.path().display().to_string()),
            // Nobody is there: the machine that tests run on may have an identity.
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:1".to_owned()),
        ]);
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let endpoints = self.simulator.endpoints();
        Azure::new(Settings {
            cloud: Cloud::custom(cloud).unwrap(),
            sign_in: SignIn {
                tenant: None,
                client: client.map(|id| id.parse().unwrap()),
                prefix: "PRIVLINK_PLAN_",
                environment: Secret::new(environment),
            },
            ca_certificates: vec![endpoints.ca_pem.clone().into_bytes()],
            poll_floor: Duration::from_millis(5),
            timeout: Duration::from_secs(10),
            user_agent: "privlink-test".to_owned(),
            traffic: Traffic::default(),
            calls: CallLog::default(),
        })
        .unwrap()
    }

    /// What became of the links, without those of which nothing is there.
    async fn told(&self, client: Option<&str>, variables: &[(&str, &str)]) -> String {
        let azure = self.azure(client, variables);
        let lines = azure.try_links().await.into_iter().filter_map(|tried| {
            let outcome = match tried.outcome {
                Outcome::SignedIn(holder) => format!("signed in as {}", holder.application.unwrap()),
                Outcome::Refused { reason } => format!("refused: {reason}"),
                Outcome::NotHere(NotHere { reason, next, is_near: true }) => format!("not here: {reason}; {next}"),
                Outcome::NotHere(_) | Outcome::NotAsked => return None,
            };
            Some(format!("{}: {outcome}", tried.link))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A token of the machine's identity, as tools print it.
    async fn token(&self) -> (String, i64) {
        let base = &self.simulator.endpoints().resource_manager_http;
        let url = format!("{base}/msi/token?api-version=2019-08-01&resource=https://management.azure.com");
        let answer = reqwest::Client::new().get(url).header("x-identity-header", "x").send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (text("access_token"), text("expires_on").parse().unwrap())
    }

    /// Signs in and reads something.
    async fn reads(&self, azure: &Azure) {
        azure.private_link_services(&SUBSCRIPTION.parse().unwrap()).await.unwrap();
    }
}

/// Answers one request with this JSON; yields the head of the request.
async fn issuer(answer: Value) -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/token?x=1", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let body = answer.to_string();
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (address, served)
}

/// An assertion of an issuer, as Entra reads it.
fn assertion(issuer: &str, subject: &str) -> String {
    use base64::Engine as _;
    let claims = json!({"iss": issuer, "sub": subject, "aud": "api://AzureADTokenExchange"});
    let part = |json: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.x", part(&json!({"alg": "RS256"})), part(&claims))
}

#[tokio::test]
async fn a_directory_that_stumbles_is_asked_again_and_one_that_refuses_is_not() {
    let stage = Stage::new().await;
    let asked = || {
        let requests = stage.simulator.requests();
        requests.iter().filter(|request| request.path.ends_with("/oauth2/v2.0/token")).count()
    };
    let secret = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "plan-secret")];
    let fault = |fault: Fault| Fault { path: "/oauth2/v2.0/token".to_owned(), ..fault };
    for stumble in [
        Fault { status: 503, times: Some(2), ..Fault::default() },
        Fault { status: 429, retry_after_seconds: Some(0), times: Some(2), ..Fault::default() },
        Fault { drop_connection: true, times: Some(2), ..Fault::default() },
    ] {
        let before = asked();
        stage.simulator.add_fault(fault(stumble));
        stage.reads(&stage.azure(None, &secret)).await;
        assert_eq!(asked() - before, 3);
    }
    let before = asked();
    let wrong = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "wr0ng")];
    assert!(stage.told(None, &wrong).await.contains("Invalid client secret"));
    assert_eq!(asked() - before, 1);
    stage.simulator.add_fault(fault(Fault { status: 500, ..Fault::default() }));
    let before = asked();
    assert!(stage.told(None, &secret).await.contains("it answered with status 500"));
    assert_eq!(asked() - before, 5);
}

#[tokio::test]
async fn a_cloud_of_which_only_the_resource_manager_is_known_tells_who_gives_tokens() {
    let stage = Stage::new().await;
    let secret = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "plan-secret")];
    let whole = stage.simulator.endpoints().resource_manager.clone();
    stage.reads(&stage.azure_in(&whole, None, &secret)).await;
    let nobody = stage.azure_in("https://127.0.0.1:1", None, &secret);
    let refused = nobody.private_link_services(&SUBSCRIPTION.parse().unwrap()).await.unwrap_err().to_string();
    assert!(refused.contains("the description of the cloud https://127.0.0.1:1 could not be read"), "{refused}");
}

#[tokio::test]
async fn variables_sign_in_an_application() {
    let stage = Stage::new().await;
    let secret = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "plan-secret")];
    insta::assert_snapshot!(stage.told(None, &secret).await, @"client secret: signed in as 00000000-0000-0000-0000-0000000000a1");
    let own =
        [("PRIVLINK_PLAN_CLIENT_SECRET", "plan-secret"), ("AZURE_CLIENT_ID", APPLIER), ("AZURE_CLIENT_SECRET", "x")];
    insta::assert_snapshot!(stage.told(Some(PLANNER), &own).await, @"client secret: signed in as 00000000-0000-0000-0000-0000000000a1");
    let certificate = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_CERTIFICATE_PATH", CERTIFICATE)];
    insta::assert_snapshot!(stage.told(None, &certificate).await, @"client certificate: signed in as 00000000-0000-0000-0000-0000000000a1");
    stage.reads(&stage.azure(None, &certificate)).await;
    stage.simulator.stop().await;
}

#[tokio::test]
async fn what_a_cluster_or_a_ci_system_issues_signs_in_whom_it_is_trusted_for() {
    let mut world = World::parse(include_str!("../examples/world.yaml")).unwrap();
    let trusts = |issuer: &str| FederatedCredential { issuer: issuer.to_owned(), subject: "us".to_owned() };
    world.identities[0].federated = ["https://aks", "https://github", "https://devops"].map(trusts).to_vec();
    let stage = Stage::in_world(world).await;
    let file = stage.file("token", &assertion("https://aks", "us"));
    let pod = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_FEDERATED_TOKEN_FILE", file.as_str())];
    insta::assert_snapshot!(stage.told(None, &pod).await, @"workload identity: signed in as 00000000-0000-0000-0000-0000000000a1");
    let own = [("PRIVLINK_PLAN_FEDERATED_TOKEN_FILE", file.as_str())];
    insta::assert_snapshot!(stage.told(Some(PLANNER), &own).await, @"federated token file: signed in as 00000000-0000-0000-0000-0000000000a1");

    let (url, asked) = issuer(json!({"value": assertion("https://github", "us")})).await;
    let job = [("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "j0b")];
    insta::assert_snapshot!(stage.told(Some(PLANNER), &job).await, @"GitHub Actions: signed in as 00000000-0000-0000-0000-0000000000a1");
    let head = asked.await.unwrap();
    assert!(head.starts_with("GET /token?x=1&audience=api%3A%2F%2FAzureADTokenExchange HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Bearer j0b"), "{head}");

    let (url, asked) = issuer(json!({"oidcToken": assertion("https://devops", "us")})).await;
    let job = [
        ("SYSTEM_OIDCREQUESTURI", url.as_str()),
        ("SYSTEM_ACCESSTOKEN", "j0b"),
        ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "c0nn"),
        ("AZURESUBSCRIPTION_CLIENT_ID", PLANNER),
    ];
    insta::assert_snapshot!(stage.told(None, &job).await, @"Azure Pipelines: signed in as 00000000-0000-0000-0000-0000000000a1");
    let head = asked.await.unwrap();
    assert!(head.starts_with("POST /token?x=1&api-version=7.1&serviceConnectionId=c0nn HTTP/1.1"), "{head}");
    assert!(head.contains("x-tfs-fedauthredirect: Suppress") && head.contains("content-length: 0"), "{head}");

    // An issuer that the application does not trust is an answer, and the end of the chain.
    let file = stage.file("token", &assertion("https://elsewhere", "us"));
    let pod = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_FEDERATED_TOKEN_FILE", file.as_str())];
    insta::assert_snapshot!(stage.told(None, &pod).await, @"workload identity: refused: AADSTS700213: No matching federated identity record found for presented assertion subject; give the application a federated credential with this issuer, subject and audience");
    stage.simulator.stop().await;
}

#[tokio::test]
async fn a_machine_signs_in_as_the_identity_that_it_has() {
    let stage = Stage::new().await;
    let host = stage.simulator.endpoints().resource_manager_http.clone();
    let service = [("IDENTITY_ENDPOINT", format!("{host}/msi/token")), ("IDENTITY_HEADER", "x".to_owned())];
    let service = service.each_ref().map(|(name, value)| (*name, value.as_str()));
    insta::assert_snapshot!(stage.told(None, &service).await, @"managed identity: signed in as 00000000-0000-0000-0000-0000000000a2");
    let machine = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", host.as_str())];
    insta::assert_snapshot!(stage.told(None, &machine).await, @"managed identity: signed in as 00000000-0000-0000-0000-0000000000a2");
    insta::assert_snapshot!(stage.told(Some(PLANNER), &machine).await, @"managed identity: signed in as 00000000-0000-0000-0000-0000000000a1");
    stage.reads(&stage.azure(Some(PLANNER), &machine)).await;
    // Not assigned is not here: the next one is asked.
    let stranger = "00000000-0000-0000-0000-0000000000ff";
    insta::assert_snapshot!(stage.told(Some(stranger), &machine).await, @"managed identity: not here: this machine has no identity 00000000-0000-0000-0000-0000000000ff (Identity not found); assign the identity to the machine, or name it by AZURE_CLIENT_ID or in privlink.toml");
    stage.simulator.stop().await;
}

#[tokio::test]
async fn a_tool_signs_in_whoever_is_signed_in_to_it_unless_the_settings_name_another() {
    let stage = Stage::new().await;
    let (token, expires) = stage.token().await;
    let printed = json!({"accessToken": token, "expires_on": expires, "tokenType": "Bearer"}).to_string();
    stage.tool("az", (&printed, "", 0));
    insta::assert_snapshot!(stage.told(None, &[]).await, @"Azure CLI: signed in as 00000000-0000-0000-0000-0000000000a2");
    insta::assert_snapshot!(stage.told(Some(APPLIER), &[]).await, @"Azure CLI: signed in as 00000000-0000-0000-0000-0000000000a2");
    insta::assert_snapshot!(stage.told(Some(PLANNER), &[]).await, @"Azure CLI: not here: it is signed in as 00000000-0000-0000-0000-0000000000a2, and privlink.toml names 00000000-0000-0000-0000-0000000000a1; sign in as that one, or leave the client id out of privlink.toml where everybody is to be themselves");
    stage.reads(&stage.azure(None, &[])).await;

    stage.tool("az", ("", "ERROR: Please run 'az login' to setup account.", 1));
    let until = jiff::Timestamp::from_second(expires).unwrap();
    let printed = json!({"token": token, "expiresOn": until.to_string()}).to_string();
    stage.tool("azd", (&printed, "", 0));
    insta::assert_snapshot!(stage.told(None, &[]).await, @"
    Azure CLI: not here: nobody is signed in to az; az login
    Azure Developer CLI: signed in as 00000000-0000-0000-0000-0000000000a2
    ");
    stage.tool("az", ("", "ERROR: AADSTS50076: you must use multi-factor authentication. Run: az login", 1));
    insta::assert_snapshot!(stage.told(None, &[]).await, @"Azure CLI: refused: ERROR: AADSTS50076: you must use multi-factor authentication. Run: az login");
    stage.simulator.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_ends_the_chain_though_others_would_answer() {
    let stage = Stage::new().await;
    let (token, expires) = stage.token().await;
    let printed = json!({"accessToken": token, "expires_on": expires, "tokenType": "Bearer"}).to_string();
    stage.tool("az", (&printed, "", 0));
    let wrong = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "hunter2")];
    insta::assert_snapshot!(stage.told(None, &wrong).await, @"client secret: refused: AADSTS7000215: Invalid client secret provided; the client secret must be the value of a secret of this application, not its id");
    let error = stage.azure(None, &wrong).private_link_services(&SUBSCRIPTION.parse().unwrap()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    stage.simulator.stop().await;
}

#[tokio::test]
async fn where_nothing_is_there_the_chain_ends_soon_and_says_what_was_nearly_there() {
    let stage = Stage::new().await;
    let began = Instant::now();
    let read = |azure: Azure| async move {
        let error = azure.private_link_services(&SUBSCRIPTION.parse().unwrap()).await.unwrap_err();
        format!("{error}")
    };
    insta::assert_snapshot!(read(stage.azure(None, &[])).await, @"nothing here signs in to Azure: there is no secret, certificate or token of an application, no managed identity, and nobody is signed in to az or azd (`privlink doctor auth` tells every way)");
    let others = [("AZURE_CLIENT_ID", APPLIER), ("AZURE_CLIENT_SECRET", "apply-secret")];
    insta::assert_snapshot!(read(stage.azure(Some(PLANNER), &others)).await, @"nothing here signs in to Azure as 00000000-0000-0000-0000-0000000000a1: client secret: AZURE_CLIENT_SECRET belongs to 00000000-0000-0000-0000-0000000000a2 (AZURE_CLIENT_ID), and privlink.toml names 00000000-0000-0000-0000-0000000000a1: set PRIVLINK_PLAN_CLIENT_SECRET to that of 00000000-0000-0000-0000-0000000000a1 (`privlink doctor auth` tells every way)");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    stage.simulator.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_by_one_that_proves_what_azure_asks_for() {
    let stage = Stage::new().await;
    let secret = [("AZURE_CLIENT_ID", PLANNER), ("AZURE_CLIENT_SECRET", "plan-secret")];
    let azure = stage.azure(None, &secret);
    stage.reads(&azure).await;
    stage.simulator.challenge(PLANNER);
    stage.reads(&azure).await;
    let tokens = stage.simulator.requests().into_iter().filter(|own| own.path.ends_with("/token") && !own.is_internal);
    assert_eq!(tokens.count(), 2, "one token, and one that proves it");
    // Whoever cannot prove it is told so, and does not ask for ever.
    let (token, expires) = stage.token().await;
    let printed = json!({"accessToken": token, "expires_on": expires, "tokenType": "Bearer"}).to_string();
    stage.tool("az", (&printed, "", 0));
    stage.simulator.challenge(APPLIER);
    let error = stage.azure(None, &[]).private_link_services(&SUBSCRIPTION.parse().unwrap()).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot sign in by the Azure CLI: it gives the token again that Azure just refused; sign in again");
    stage.simulator.stop().await;
}
