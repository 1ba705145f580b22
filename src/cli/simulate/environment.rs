//! What clients need to reach a simulator: files in its folder, and variables that name them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::sim::Endpoints;
use crate::sim::world::World;

/// Writes what clients need into a folder, and answers the variables that point them there.
pub(in crate::cli) fn write_files(
    folder: &Path,
    world: &World,
    endpoints: &Endpoints,
) -> anyhow::Result<Vec<(String, String)>> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
    write_new(&folder.join("ca.pem"), &endpoints.ca_pem)?;
    write_new(&folder.join("kubeconfig"), &endpoints.kubeconfig())?;
    write_new(&folder.join("admin-url"), &endpoints.admin_url)?;
    write_new(&folder.join("admin-token"), &endpoints.admin_token)?;
    let mut variables = of_files(&folder);
    variables.extend(of_endpoints(endpoints));
    let mut variables: Vec<(String, String)> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    variables.extend(of_identities(world));
    // Whoever waits for the simulator waits for this file, so it comes last.
    write_new(&folder.join("env.sh"), &lines(&variables))?;
    Ok(variables)
}

fn of_files(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("PRIVLINK_SIMULATOR_DIR", folder.display().to_string()),
        ("KUBECONFIG", file("kubeconfig")),
        ("SSL_CERT_FILE", file("ca.pem")),
        ("REQUESTS_CA_BUNDLE", file("ca.pem")),
        ("CURL_CA_BUNDLE", file("ca.pem")),
        // The tokens of a person's own sign-in are left alone.
        ("AZURE_CONFIG_DIR", file("azure")),
    ]
}

fn of_endpoints(endpoints: &Endpoints) -> Vec<(&'static str, String)> {
    let Endpoints { resource_manager, resource_manager_http, authority, .. } = endpoints;
    let host = resource_manager.trim_start_matches("https://");
    vec![
        ("PRIVLINK_CLOUD_SIMULATOR", format!("{resource_manager},{authority}")),
        ("PRIVLINK_POLL_INTERVAL", "100ms".to_owned()),
        ("AZURE_AUTHORITY_HOST", authority.clone()),
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false".to_owned()),
        ("AZURE_CORE_COLLECT_TELEMETRY", "no".to_owned()),
        ("ARM_CLOUD_METADATA_URL", format!("{resource_manager}/metadata/endpoints?api-version=2019-05-01")),
        ("ARM_METADATA_HOSTNAME", host.to_owned()),
        ("ARM_USE_CLI", "false".to_owned()),
        ("ARM_RESOURCE_PROVIDER_REGISTRATIONS", "none".to_owned()),
        ("IDENTITY_ENDPOINT", format!("{resource_manager_http}/msi/token")),
        ("IDENTITY_HEADER", "simulator".to_owned()),
    ]
}

/// Who to sign in as. The convention of the example: the first identity reads, the last one writes and is who everybody is
/// by default.
fn of_identities(world: &World) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut both = |name: &str, value: String| {
        found.extend([(format!("AZURE_{name}"), value.clone()), (format!("ARM_{name}"), value)]);
    };
    both("TENANT_ID", world.tenant.to_string());
    if let Some(first) = world.subscriptions.first() {
        both("SUBSCRIPTION_ID", first.id.to_string());
    }
    if let Some(last) = world.identities.last() {
        both("CLIENT_ID", last.client_id.to_string());
        if let Some(secret) = &last.secret {
            both("CLIENT_SECRET", secret.clone());
        }
    }
    let planner = world.identities.first().and_then(|first| first.secret.clone());
    found.extend(planner.map(|secret| ("PRIVLINK_PLAN_CLIENT_SECRET".to_owned(), secret)));
    found
}

/// The variables as lines for a shell, with what else it takes as comments.
pub(super) fn lines(variables: &[(String, String)]) -> String {
    let exports: String = variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    format!(
        "{exports}unset SSL_CERT_DIR\n\
         # az: az login --service-principal -u \"$AZURE_CLIENT_ID\" -p \"$AZURE_CLIENT_SECRET\" --tenant \"$AZURE_TENANT_ID\"\n\
         # az, as a cloud with a name: az cloud register -n simulator --endpoint-resource-manager \"https://$ARM_METADATA_HOSTNAME\"\n\
         # Python: base_url=\"https://$ARM_METADATA_HOSTNAME\", credential_scopes=[\"https://management.azure.com/.default\"],\n\
         #   and disable_instance_discovery=True for the credential\n\
         # Terraform: provider \"azurerm\" {{ features {{}} }}\n"
    )
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Writes a file that only its user can read.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    // Whoever waits for a file finds it whole, and an old one does not keep its mode.
    let draft = path.with_added_extension("new");
    let _ = std::fs::remove_file(&draft);
    let mut file =
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(&draft).with_context(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).with_context(failed)?;
    std::fs::rename(&draft, path).with_context(failed)
}
