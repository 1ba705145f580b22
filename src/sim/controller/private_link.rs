//! The Private Link Service of a frontend: whose it is, what it should be, and its end.

use serde_json::{Value, json};

use super::annotation::{FLOATING_IP_OFF, PLS_AUTO_APPROVAL, PLS_FQDNS, PLS_NAME, PLS_PROXY};
use super::azure::CloudError;
use super::cloud::{Cloud, list, text};
use super::frontend;
use super::name;
use super::nat;
use super::service::{Family, Service};

/// The tag that names the cluster.
const CLUSTER_TAG: &str = "k8s-azure-cluster-name";
/// The tag that names the Service that made it.
const OWNER_TAG: &str = "k8s-azure-owner-service";

impl Cloud {
    /// The Private Link Service that uses a frontend, in the group that the Service names.
    pub(crate) async fn attached(&self, service: &Service, frontend: &Value) -> Result<Option<Value>, CloudError> {
        let (path, id) = (self.link_services_path(service), text(frontend, "/id"));
        let key = link_service_key(&path, id);
        if let Some(known) = self.caches.link_services.get(&key) {
            return Ok(known);
        }
        let all = self.azure.list(&path).await;
        let uses = |own: &Value| {
            let frontends = list(own, "loadBalancerFrontendIpConfigurations").iter();
            frontends.into_iter().any(|own| text(own, "/id").eq_ignore_ascii_case(id))
        };
        let found = all.map_err(|error| error.while_doing("get PLS"))?.into_iter().find(uses);
        self.caches.link_services.put(&key, found.clone());
        Ok(found)
    }

    /// Deletes whatever is attached to frontends that go away, tagged or not. Failures are only logged: the write of the
    /// load balancer that follows fails on the frontend in use, and that is what people see.
    pub(crate) async fn delete_link_services_of(&self, service: &Service, frontends: &[Value]) -> bool {
        let mut is_any_deleted = false;
        for own in frontends.iter().filter(|own| frontend::family(own, service) == Family::V4) {
            match self.delete_link_service_of(service, own).await {
                Ok(is_deleted) => is_any_deleted |= is_deleted,
                Err(error) => tracing::warn!(service = service.key(), %error, "a Private Link Service was not deleted"),
            }
        }
        is_any_deleted
    }

    async fn delete_link_service_of(&self, service: &Service, frontend: &Value) -> Result<bool, CloudError> {
        let Some(attached) = self.attached(service, frontend).await? else { return Ok(false) };
        let path = format!("{}/{}", self.link_services_path(service), text(&attached, "/name"));
        for connection in list(&attached, "privateEndpointConnections") {
            self.azure.delete(&format!("{path}/privateEndpointConnections/{}", text(connection, "/name"))).await?;
        }
        self.azure.delete(&path).await?;
        self.forget_link_service(service, frontend);
        Ok(true)
    }

    /// Makes or tunes the Private Link Service of one frontend.
    pub(crate) async fn ensure_link_service(&self, service: &Service, frontend: &Value) -> Result<(), CloudError> {
        let is_wanted = service.annotations.wants_link_service();
        if frontend::family(frontend, service) == Family::V6 {
            return match is_wanted && !service.is_dual_stack() {
                true => Err(CloudError::local("IPv6 is not supported for private link service")),
                false => Ok(()),
            };
        }
        // What is there stays when it is not wanted any more: it lives and dies with its frontend.
        if !is_wanted {
            return Ok(());
        }
        let floats = !service.annotations.is_true_in_any_case(FLOATING_IP_OFF);
        if !service.is_internal() && floats {
            let key = service.key();
            return Err(CloudError::local(format!(
                "reconcilePrivateLinkService for service({key}): service requiring private link service must be internal or disable floating ip"
            )));
        }
        let attached = self.attached(service, frontend).await?;
        if let Some(attached) = &attached {
            self.check_cluster(attached)?;
            if !is_owner(attached, service) {
                return share(attached, service);
            }
        }
        self.write_link_service(service, frontend, attached).await
    }

    fn check_cluster(&self, attached: &Value) -> Result<(), CloudError> {
        if is_managed(attached, &self.config.cluster_name) {
            return Ok(());
        }
        let id = text(attached, "/id");
        Err(CloudError::local(format!("LB frontend already has unmanaged private link service({id})")))
    }

    async fn write_link_service(
        &self,
        service: &Service,
        frontend: &Value,
        attached: Option<Value>,
    ) -> Result<(), CloudError> {
        let name = link_service_name(service, frontend, attached.as_ref())?;
        let subnet = self.nat_subnet(service).await?;
        let wanted = nat::wanted(service, &subnet, &name).map_err(CloudError::local)?;
        let mut draft = match &attached {
            Some(attached) => attached.clone(),
            None => self.new_link_service(service, &name, frontend),
        };
        if nat::differs(list(&draft, "ipConfigurations"), &wanted) {
            draft["properties"]["ipConfigurations"] = json!(wanted);
        }
        tune(&mut draft["properties"], service);
        let is_failed = text(&draft, "/properties/provisioningState") == "Failed";
        if attached.as_ref() == Some(&draft) && !is_failed {
            return Ok(());
        }
        if attached.is_none() && self.config.rejects_foreign_names {
            self.check_name_is_free(service, &name).await?;
        }
        self.switch_off_policy(&subnet).await?;
        // The client has no precondition for this type, and it empties the etag: the last writer wins.
        draft["etag"] = json!("");
        let path = format!("{}/{name}", self.link_services_path(service));
        let written = self.azure.put(&path, draft, None).await;
        written.map_err(|error| error.while_doing("create or update PLS"))?;
        self.forget_link_service(service, frontend);
        Ok(())
    }

    /// What was read of a frontend is forgotten once its Private Link Service was written or deleted, and only then.
    fn forget_link_service(&self, service: &Service, frontend: &Value) {
        let key = link_service_key(&self.link_services_path(service), text(frontend, "/id"));
        self.caches.link_services.forget(&key);
    }

    fn new_link_service(&self, service: &Service, name: &str, frontend: &Value) -> Value {
        json!({
            "name": name,
            "location": self.config.location,
            "tags": {CLUSTER_TAG: self.config.cluster_name, OWNER_TAG: service.key()},
            "properties": {"loadBalancerFrontendIpConfigurations": [{"id": text(frontend, "/id")}]},
        })
    }

    /// A name that is in use on another frontend would be taken over, and its Service would lose it.
    async fn check_name_is_free(&self, service: &Service, name: &str) -> Result<(), CloudError> {
        let Some(other) = self.azure.get(&format!("{}/{name}", self.link_services_path(service))).await? else {
            return Ok(());
        };
        if is_owner(&other, service) {
            return Ok(());
        }
        let (id, owner) = (text(&other, "/id"), owner(&other));
        Err(CloudError::local(format!(
            "private link service({id}) already exists on another frontend and is owned by service({owner})"
        )))
    }

    async fn nat_subnet(&self, service: &Service) -> Result<Value, CloudError> {
        let subnet = service.annotations.nat_subnet().unwrap_or(&self.config.subnet);
        let missing = || CloudError::local(format!("failed to get private link service subnet({subnet})"));
        self.azure.get(&self.subnet_path(subnet)).await?.ok_or_else(missing)
    }

    /// NAT addresses need the subnet's policy off. The whole subnet is written, without a precondition, and never reset.
    async fn switch_off_policy(&self, subnet: &Value) -> Result<(), CloudError> {
        let path = self.subnet_path(text(subnet, "/name"));
        let Some(mut fresh) = self.azure.get(&path).await? else { return Ok(()) };
        if text(&fresh, "/properties/privateLinkServiceNetworkPolicies") == "Disabled" {
            return Ok(());
        }
        fresh["properties"]["privateLinkServiceNetworkPolicies"] = json!("Disabled");
        self.azure.put(&path, fresh, None).await.map(drop)
    }
}

/// Entries are per group, whose case counts, and frontend, whose case does not.
fn link_service_key(path: &str, frontend: &str) -> String {
    format!("{path} {}", frontend.to_ascii_lowercase())
}

fn tag<'a>(resource: &'a Value, name: &str) -> &'a str {
    resource["tags"][name].as_str().unwrap_or_default()
}

/// True if a cluster's cloud provider made it, which the name of the cluster has to tell.
pub(crate) fn is_managed(attached: &Value, cluster: &str) -> bool {
    let tagged = tag(attached, CLUSTER_TAG).trim();
    !tagged.is_empty() && tagged.eq_ignore_ascii_case(cluster)
}

/// The Service that made it, as namespace and name; empty if nobody says so.
pub(crate) fn owner(attached: &Value) -> &str {
    tag(attached, OWNER_TAG)
}

fn is_owner(attached: &Value, service: &Service) -> bool {
    owner(attached).eq_ignore_ascii_case(&service.key())
}

/// Somebody else's Private Link Service is shared in silence, unless this Service wants to tune it.
fn share(attached: &Value, service: &Service) -> Result<(), CloudError> {
    if !service.annotations.tunes_link_service() {
        return Ok(());
    }
    let (id, owner) = (text(attached, "/id"), owner(attached));
    Err(CloudError::local(format!(
        "LB frontend already has existing private link service({id}) owned by service({owner})"
    )))
}

pub(crate) fn link_service_name(
    service: &Service,
    frontend: &Value,
    attached: Option<&Value>,
) -> Result<String, CloudError> {
    let wanted = service.annotations.raw(PLS_NAME).map(str::trim);
    match (attached.map(|own| text(own, "/name")), wanted) {
        (Some(existing), Some(wanted)) if !existing.eq_ignore_ascii_case(wanted) => {
            Err(CloudError::local(format!("cannot change existing private link service name({existing}) to {wanted}")))
        }
        (Some(existing), _) => Ok(existing.to_owned()),
        (None, Some("")) => Err(CloudError::local("parameter serviceName cannot be empty")),
        (None, Some(wanted)) => Ok(wanted.to_owned()),
        (None, None) => Ok(name::link_service(text(frontend, "/name"))),
    }
}

/// Sets the other properties where they differ; lists compare as multisets, an absent one is an empty one.
pub(crate) fn tune(properties: &mut Value, service: &Service) {
    let annotations = &service.annotations;
    let wants_proxy = annotations.is_true_trimmed(PLS_PROXY);
    if properties["enableProxyProtocol"].as_bool().unwrap_or_default() != wants_proxy {
        properties["enableProxyProtocol"] = json!(wants_proxy);
    }
    let fqdns = annotations.words(PLS_FQDNS);
    if sorted(&properties["fqdns"]) != sorted(&json!(fqdns)) {
        properties["fqdns"] = json!(fqdns);
    }
    let (visible, approved) = (annotations.visibility(), annotations.words(PLS_AUTO_APPROVAL));
    let is_same = |name: &str, wanted: &[String]| sorted(&properties[name]["subscriptions"]) == sorted(&json!(wanted));
    if !is_same("visibility", &visible) || !is_same("autoApproval", &approved) {
        properties["visibility"] = json!({"subscriptions": visible});
        properties["autoApproval"] = json!({"subscriptions": approved});
    }
}

fn sorted(list: &Value) -> Vec<&str> {
    let mut words: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(annotations: &[(&str, &str)]) -> Service {
        let mut service = Service::of(&json!({"metadata": {"namespace": "default", "name": "service"}}));
        for (key, value) in annotations {
            service.annotations.set(key, Some(value));
        }
        service
    }

    fn tuned(annotations: &[(&str, &str)], existing: Value) -> Value {
        let mut properties = existing;
        tune(&mut properties, &service(annotations));
        properties
    }

    #[test]
    fn only_differences_are_written() {
        let one = "azure-pls-proxy-protocol";
        assert_eq!(tuned(&[(one, "False")], json!({})), json!({}));
        assert_eq!(tuned(&[(one, "True")], json!({"enableProxyProtocol": true})), json!({"enableProxyProtocol": true}));
        assert_eq!(tuned(&[(one, "no")], json!({"enableProxyProtocol": true})), json!({"enableProxyProtocol": false}));
        let names = json!({"fqdns": ["b", "c", "a"]});
        assert_eq!(tuned(&[("azure-pls-fqdns", "a b c")], names.clone()), names);
        assert_eq!(tuned(&[("azure-pls-fqdns", "")], names), json!({"fqdns": []}));
    }

    #[test]
    fn visibility_and_approval_are_written_together() {
        let lists = |visible: &[&str], approved: &[&str]| json!({"visibility": {"subscriptions": visible}, "autoApproval": {"subscriptions": approved}});
        let visible = "azure-pls-visibility";
        assert_eq!(tuned(&[(visible, "s1 s2")], json!({})), lists(&["s1", "s2"], &[]));
        assert_eq!(tuned(&[(visible, "s1 s2")], lists(&["*"], &["s1"])), lists(&["s1", "s2"], &[]));
        let same = json!({"visibility": {"subscriptions": ["s2", "s1"]}});
        assert_eq!(tuned(&[(visible, "s1 s2")], same.clone()), same);
    }

    #[test]
    fn a_name_is_for_ever() {
        let frontend = json!({"name": "fipname"});
        let existing = json!({"name": "testpls"});
        let named = service(&[(PLS_NAME, "testpls1")]);
        let error = link_service_name(&named, &frontend, Some(&existing)).unwrap_err();
        assert!(error.to_string().contains("cannot change existing private link service name"));
        assert_eq!(
            link_service_name(&service(&[(PLS_NAME, " TestPls ")]), &frontend, Some(&existing)).unwrap(),
            "testpls"
        );
        assert_eq!(link_service_name(&service(&[]), &frontend, None).unwrap(), "pls-fipname");
        assert!(link_service_name(&service(&[(PLS_NAME, " ")]), &frontend, None).is_err());
    }
}
