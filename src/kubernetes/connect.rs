//! How a cluster is reached: a context of a kubeconfig, or the pod's own service account.

use std::path::Path;
use std::time::Duration;

use kube::Client;
use kube::Config;
use kube::config::AuthInfo;
use kube::config::KubeConfigOptions;
use kube::config::Kubeconfig;

use crate::kubernetes::error::ClusterError;

/// How long a connection, and the wait for an answer, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A client, and the words for it in messages.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) place: String,
}

/// Builds the client for a context.
pub(crate) async fn from_kubeconfig(text: &str, context: Option<&str>) -> Result<Connection, ClusterError> {
    let unusable = |reason: String, source: kube::config::KubeconfigError| ClusterError::Kubeconfig {
        reason,
        source: Some(Box::new(source)),
    };
    let kubeconfig = Kubeconfig::from_yaml(text).map_err(|error| unusable("it is not a kubeconfig".into(), error))?;
    let context = choose(&kubeconfig, context)?;
    refuse_proxy(&kubeconfig, &context)?;
    refuse_relative_paths(&kubeconfig)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| unusable(format!("the context {context} is not complete"), error))?;
    let place = format!("{} (context {context})", server(&config));
    connect(config, place)
}

/// Builds the client for a managed cluster by the kubeconfig that Azure gives out; true if its API server wants tokens of
/// Entra. Whoever has an account in it uses that; a program that it names is never run.
pub(crate) async fn from_azure(text: &str) -> Result<(Connection, bool), ClusterError> {
    let unusable =
        |reason: &str, source| ClusterError::Kubeconfig { reason: format!("Azure's: {reason}"), source: Some(source) };
    let mut kubeconfig =
        Kubeconfig::from_yaml(text).map_err(|error| unusable("it is not a kubeconfig", Box::new(error)))?;
    let users = kubeconfig.auth_infos.iter_mut().filter_map(|user| user.auth_info.as_mut());
    let mut wants_tokens = false;
    for user in users {
        if user.exec.is_some() || user.auth_provider.is_some() {
            *user = AuthInfo::default();
            wants_tokens = true;
        }
    }
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| unusable("it is not complete", Box::new(error)))?;
    let place = format!("{} (credentials from Azure)", server(&config));
    Ok((connect(config, place)?, wants_tokens))
}

/// True for the address of a private cluster, which is a name in a zone for private endpoints.
pub(crate) fn is_private(place: &str) -> bool {
    place.contains(".privatelink.") || place.contains(".private.")
}

/// Builds the client for the pod this runs in.
pub(crate) fn from_pod() -> Result<Connection, ClusterError> {
    let config = Config::incluster().map_err(|error| ClusterError::NotInCluster { source: Box::new(error) })?;
    let place = format!("{} (this pod's cluster)", server(&config));
    connect(config, place)
}

/// Scheme, host and port of the server, without anything that could be secret.
fn server(config: &Config) -> String {
    let uri = &config.cluster_url;
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", uri.scheme_str().unwrap_or("https"))
}

fn connect(mut config: Config, place: String) -> Result<Connection, ClusterError> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let failed = |reason: &str| ClusterError::Kubeconfig { reason: format!("{place}: {reason}"), source: None };
    let host = config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    if config.cluster_url.scheme_str() != Some("https") {
        if !is_loopback {
            return Err(failed("it would send the credentials over plain http; use the https address of the server"));
        }
        // Plain http needs no certificate authorities, and a machine without any must not fail for lack of them.
        config.root_cert.get_or_insert_default();
    }
    // HTTPS_PROXY without a reading of NO_PROXY would catch clusters that are meant to be reached directly.
    config.proxy_url = None;
    // The client's own retries can hold a call for a quarter of an hour; the caller decides by the error's class.
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.write_timeout = Some(READ_TIMEOUT);
    // Else the time a kept connection was idle counts against the next answer.
    config.reset_reader_on_write = true;
    let client = Client::try_from(config).map_err(|error| ClusterError::Kubeconfig {
        reason: format!("no client can be built for {place}; check its certificates and credentials"),
        source: Some(Box::new(error)),
    })?;
    Ok(Connection { client, place })
}

/// The context asked for, or the current one, with the others as a suggestion.
fn choose(kubeconfig: &Kubeconfig, context: Option<&str>) -> Result<String, ClusterError> {
    let names: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    let wanted = context.or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty());
    let unusable = |reason: String| ClusterError::Kubeconfig { reason, source: None };
    let Some(wanted) = wanted else {
        return Err(unusable(format!("it has no current context; name one ({known})")));
    };
    if !names.contains(&wanted) {
        return Err(unusable(format!("it has no context named {wanted:?} ({known})")));
    }
    Ok(wanted.to_owned())
}

/// A proxy that the kubeconfig demands must not be passed by silently.
fn refuse_proxy(kubeconfig: &Kubeconfig, context: &str) -> Result<(), ClusterError> {
    let context =
        kubeconfig.contexts.iter().find(|named| named.name == context).and_then(|named| named.context.as_ref());
    let cluster = kubeconfig.clusters.iter().find(|named| context.is_some_and(|context| context.cluster == named.name));
    let proxy = cluster.and_then(|named| named.cluster.as_ref()?.proxy_url.as_deref()).unwrap_or_default();
    if proxy.is_empty() {
        return Ok(());
    }
    let reason =
        "its cluster is behind a proxy-url, which privlink does not support; use a context that connects directly";
    Err(ClusterError::Kubeconfig { reason: reason.to_owned(), source: None })
}

/// Only the text is known here, not the folder that relative paths start from.
fn refuse_relative_paths(kubeconfig: &Kubeconfig) -> Result<(), ClusterError> {
    let clusters = kubeconfig.clusters.iter().filter_map(|cluster| cluster.cluster.as_ref());
    let users = kubeconfig.auth_infos.iter().filter_map(|user| user.auth_info.as_ref());
    let paths = clusters.filter_map(|cluster| cluster.certificate_authority.as_ref()).chain(users.flat_map(|user| {
        [&user.client_certificate, &user.client_key, &user.token_file].into_iter().filter_map(Option::as_ref)
    }));
    for path in paths {
        if !path.is_empty() && !Path::new(path).is_absolute() {
            let reason =
                format!("it names the file {path:?} by a relative path; write an absolute one, or embed the file");
            return Err(ClusterError::Kubeconfig { reason, source: None });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(server: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: prod\n\
             clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\n\
             users: [{{name: u, user: {{token: hunter2}}}}]\n\
             contexts: [{{name: prod, context: {{cluster: c, user: u}}}}]\n"
        )
    }

    async fn refused(text: &str, context: Option<&str>) -> String {
        from_kubeconfig(text, context).await.err().expect("it is refused").to_string()
    }

    #[tokio::test]
    async fn every_unusable_kubeconfig_is_a_sentence() {
        assert!(refused("{", None).await.contains("not a kubeconfig"));
        assert!(refused("apiVersion: v1\nkind: Config\n", None).await.contains("no current context"));
        let good = kubeconfig("http://127.0.0.1:1");
        assert!(refused(&good, Some("dev")).await.contains("no context named \"dev\" (it has prod)"));
        assert!(refused(&kubeconfig("http://10.0.0.1:1"), None).await.contains("plain http"));
        let relative = good.replace("server:", "certificate-authority: ca.crt, server:");
        assert!(refused(&relative, None).await.contains("relative path"));
        let proxied = good.replace("server:", "proxy-url: \"http://127.0.0.1:3128\", server:");
        assert!(refused(&proxied, None).await.contains("proxy-url"));
    }

    #[tokio::test]
    async fn a_program_that_azure_names_is_a_wish_for_tokens_and_an_account_is_used() {
        let user =
            |user: &str| kubeconfig("https://c.privatelink.eastus2.azmk8s.io:443").replace("{token: hunter2}", user);
        let exec = user("{exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin}}");
        let (connection, wants_tokens) = from_azure(&exec).await.unwrap();
        assert!(wants_tokens && is_private(&connection.place), "{}", connection.place);
        let older = user("{auth-provider: {name: azure, config: {config-mode: \"1\"}}}");
        assert!(from_azure(&older).await.unwrap().1);
        let (connection, wants_tokens) = from_azure(&kubeconfig("https://c.eastus2.azmk8s.io")).await.unwrap();
        assert!(!wants_tokens && !is_private(&connection.place));
        assert_eq!(
            from_azure("{").await.err().unwrap().to_string(),
            "the kubeconfig cannot be used: Azure's: it is not a kubeconfig"
        );
    }

    #[tokio::test]
    async fn loopback_may_be_plain() {
        let connection = from_kubeconfig(&kubeconfig("http://127.0.0.1:1"), None).await.unwrap();
        assert_eq!(connection.place, "http://127.0.0.1:1 (context prod)");
    }
}
