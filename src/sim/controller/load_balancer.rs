//! One pass over a load balancer: pools, frontends, probes, rules, and a write if anything differs.
//!
//! The order is the real controller's, because it decides what has been destroyed when something fails: the subnet, port
//! clashes and annotations are checked first; then a frontend that goes away loses its Private Link Service with all its
//! connections; only then is the load balancer written, and only there does Azure say whether the new address is free.

use serde_json::{Value, json};

use super::azure::CloudError;
use super::cloud::{Cloud, list, list_mut, text};
use super::event::{AZURE_PROVIDER, Report};
use super::frontend::{self, NewFrontend, Ownership, internal_frontend};
use super::name;
use super::rule::{self, Ends, Expected};
use super::service::{Family, Service};

/// How a pass ended.
#[derive(Debug)]
pub(crate) enum Pass {
    /// The load balancer is as it should be; `None` if there is none.
    Settled(Option<Value>),
    /// A Private Link Service was deleted on the way: everything has to be read again before the load balancer is written.
    LinkServiceDeleted,
}

impl Cloud {
    /// The load balancers of this cluster.
    async fn balancers(&self, service: &Service) -> Result<Vec<Value>, CloudError> {
        let all = self.azure.list(&self.balancers_path()).await;
        let mut all = all.inspect_err(|error| self.recorder.azure_failure(service, "ListLoadBalancers", error))?;
        let cluster = &self.config.cluster_name;
        let names = [cluster.clone(), format!("{cluster}-internal")];
        all.retain(|balancer| names.iter().any(|name| name.eq_ignore_ascii_case(text(balancer, "/name"))));
        Ok(all)
    }

    /// The load balancer that a Service is on or belongs to.
    pub(crate) async fn balancer_of(&self, service: &Service) -> Result<Option<Value>, CloudError> {
        Ok(self.pick(service, self.balancers(service).await?))
    }

    /// The same before a change, where an empty list is asked for once more.
    async fn balancer_to_change(&self, service: &Service) -> Result<Option<Value>, CloudError> {
        let mut all = self.balancers(service).await?;
        if all.is_empty() {
            all = self.balancers(service).await?;
        }
        Ok(self.pick(service, all))
    }

    fn pick(&self, service: &Service, all: Vec<Value>) -> Option<Value> {
        let wanted = name::load_balancer(&self.config.cluster_name, service);
        all.into_iter().find(|balancer| text(balancer, "/name").eq_ignore_ascii_case(&wanted))
    }

    /// Brings the load balancer to what the Service wants, or takes the Service off it.
    pub(crate) async fn pass(&self, service: &Service, is_wanted: bool) -> Result<Pass, CloudError> {
        let existing = self.balancer_to_change(service).await?;
        let before = match (existing, is_wanted) {
            (None, false) => return Ok(Pass::Settled(None)),
            (Some(existing), _) => existing,
            (None, true) => json!({
                "location": self.config.location, "sku": {"name": "Standard"}, "properties": {},
                "name": name::load_balancer(&self.config.cluster_name, service),
            }),
        };
        let mut draft = before.clone();
        let (removed, expected) = if is_wanted {
            self.add_pools(&mut draft, service);
            let removed = self.replace_frontends(&mut draft, service).await?;
            (removed, self.expected(&draft, service)?)
        } else {
            (self.drop_frontends(&mut draft, service), Expected::default())
        };
        set_parts(&mut draft, ("probes", service), expected.probes);
        set_parts(&mut draft, ("loadBalancingRules", service), expected.rules);
        if draft == before {
            return Ok(Pass::Settled(Some(before)));
        }
        if self.delete_link_services_of(service, &removed).await {
            return Ok(Pass::LinkServiceDeleted);
        }
        self.write_balancer(service, &before, draft).await.map(Pass::Settled)
    }

    /// Writes the load balancer, or deletes it with its last frontend, after the machines have left its pools.
    async fn write_balancer(
        &self,
        service: &Service,
        before: &Value,
        draft: Value,
    ) -> Result<Option<Value>, CloudError> {
        let path = self.balancer_path(service);
        if list(&draft, "frontendIPConfigurations").is_empty() {
            self.leave_pools(before).await?;
            let deleted = self.azure.delete(&path).await;
            self.caches.balancers.forget(&path);
            deleted.inspect_err(|error| self.recorder.azure_failure(service, "DeleteLoadBalancer", error))?;
            return Ok(None);
        }
        let etag = draft["etag"].as_str().map(str::to_owned);
        let written = self.azure.put(&path, draft, etag.as_deref()).await;
        // A refusal says nothing about what is there, unless somebody else has written meanwhile.
        if written.as_ref().map_or_else(|error| error.status == Some(412), |_| true) {
            self.caches.balancers.forget(&path);
        }
        written?;
        self.known_balancer(service).await
    }

    /// A load balancer as it was read last.
    pub(crate) async fn known_balancer(&self, service: &Service) -> Result<Option<Value>, CloudError> {
        let path = self.balancer_path(service);
        if let Some(known) = self.caches.balancers.get(&path) {
            return Ok(Some(known));
        }
        let found = self.azure.get(&path).await?;
        if let Some(found) = &found {
            self.caches.balancers.put(&path, found.clone());
        }
        Ok(found)
    }

    fn add_pools(&self, draft: &mut Value, service: &Service) {
        for family in &service.families {
            let name = name::backend_pool(&self.config.cluster_name, *family);
            let pools = list_mut(draft, "backendAddressPools");
            if !pools.iter().any(|pool| text(pool, "/name").eq_ignore_ascii_case(&name)) {
                pools.push(json!({"name": name, "properties": {}}));
            }
        }
    }

    /// Replaces what is outdated and adds what is missing; returns the frontends that go away.
    async fn replace_frontends(&self, draft: &mut Value, service: &Service) -> Result<Vec<Value>, CloudError> {
        let subnet = if service.is_internal() { Some(self.frontend_subnet(service).await?) } else { None };
        let addresses = |frontend: &&Value| text(frontend, "/properties/privateIPAddress").to_owned();
        let previous: Vec<String> = frontend::owned(draft, service).iter().map(addresses).collect();
        let wanted = self.pinned_public_addresses(draft, service).await?;
        let is_outdated = |own: &Value| {
            let is_owned = frontend::ownership(own, service) != Ownership::None;
            is_owned && (frontend::is_outdated(own, service, subnet.as_ref()) || frontend::is_repinned(own, &wanted))
        };
        let removed = take(list_mut(draft, "frontendIPConfigurations"), is_outdated);
        let region = if subnet.is_some() { self.zones().await? } else { Vec::new() };
        for family in &service.families {
            if frontend::owned_of_family(draft, service, *family).is_some() {
                continue;
            }
            let zones = removed.last().and_then(|removed: &Value| removed.get("zones").cloned());
            let zones = zones.unwrap_or_else(|| json!(region));
            let new = match &subnet {
                Some(subnet) => {
                    let balancer = &self.balancer_path(service);
                    let new = NewFrontend { balancer, family: *family, subnet, previous: &previous, zones };
                    internal_frontend(service, &new)
                }
                None => self.public_frontend(service, *family).await?,
            };
            list_mut(draft, "frontendIPConfigurations").push(new);
        }
        Ok(removed)
    }

    /// The ids of the addresses that a public Service pins, by the name of the frontend that has or gets them.
    async fn pinned_public_addresses(
        &self,
        draft: &Value,
        service: &Service,
    ) -> Result<Vec<(String, Value)>, CloudError> {
        let mut pinned = Vec::new();
        for family in
            service.families.iter().filter(|family| !service.is_internal() && !service.pinned(**family).is_empty())
        {
            if frontend::owned_of_family(draft, service, *family).is_some() {
                let address = self.public_address(service, *family).await?;
                pinned.push((name::frontend(service, *family), address["id"].clone()));
            }
        }
        Ok(pinned)
    }

    async fn frontend_subnet(&self, service: &Service) -> Result<Value, CloudError> {
        let subnet = service.annotations.frontend_subnet().unwrap_or(&self.config.subnet);
        self.azure.get(&self.subnet_path(subnet)).await?.ok_or_else(|| {
            let balancer = name::load_balancer(&self.config.cluster_name, service);
            let (key, network) = (service.key(), &self.config.network);
            CloudError::local(format!("ensure({key}): lb({balancer}) - failed to get subnet: {network}/{subnet}"))
        })
    }

    async fn public_frontend(&self, service: &Service, family: Family) -> Result<Value, CloudError> {
        let address = self.public_address(service, family).await?;
        let name = name::frontend(service, family);
        let id = format!("{}/frontendIPConfigurations/{name}", self.balancer_path(service));
        Ok(json!({"id": id, "name": name, "properties": {"publicIPAddress": {"id": address["id"]}}}))
    }

    /// Takes the Service's frontends off, except those that others use: these stay, and an event says so.
    fn drop_frontends(&self, draft: &mut Value, service: &Service) -> Vec<Value> {
        let whole = draft.clone();
        take(list_mut(draft, "frontendIPConfigurations"), |own| {
            if frontend::ownership(own, service) == Ownership::None {
                return false;
            }
            let is_used = frontend::is_used_by_others(&whole, own, service);
            if is_used {
                let message = format!(
                    "Frontend IP configuration {} is not deleted: load balancing rules of other services reference it",
                    text(own, "/id")
                );
                let reason = "DeletingFrontendIPConfiguration";
                let report = Report { component: AZURE_PROVIDER, is_warning: true, reason, message: &message };
                self.recorder.record(service, &report);
            }
            !is_used
        })
    }

    fn expected(&self, draft: &Value, service: &Service) -> Result<Expected, CloudError> {
        let balancer = self.balancer_path(service);
        let mut all = Expected::default();
        for family in &service.families {
            let Some(own) = frontend::owned_of_family(draft, service, *family) else { continue };
            check_port_clashes(draft, own, service)?;
            let pool = name::backend_pool(&self.config.cluster_name, *family);
            let pool = format!("{balancer}/backendAddressPools/{pool}");
            let ends = Ends { balancer: &balancer, frontend: text(own, "/id"), pool: &pool };
            let Expected { rules, probes } = rule::expected(service, *family, &ends)?;
            all.rules.extend(rules);
            all.probes.extend(probes);
        }
        Ok(all)
    }
}

/// Takes the matching elements out of a list.
fn take(items: &mut Vec<Value>, is_taken: impl FnMut(&Value) -> bool) -> Vec<Value> {
    let mut is_taken = is_taken;
    let (taken, kept) = std::mem::take(items).into_iter().partition(|item| is_taken(item));
    *items = kept;
    taken
}

/// Another Service's rule for the same port and protocol on a shared frontend is refused before anything is written, and
/// so is one that takes a port of a NAT rule or of a NAT pool.
pub(crate) fn check_port_clashes(balancer: &Value, own: &Value, service: &Service) -> Result<(), CloudError> {
    let id = text(own, "/id");
    let base = name::base(service).to_ascii_lowercase();
    let is_own = |rule: &Value| text(rule, "/name").to_ascii_lowercase().starts_with(&base);
    let here = |part: &&Value| text(part, "/properties/frontendIPConfiguration/id").eq_ignore_ascii_case(id);
    let of = |list_name: &str| list(balancer, list_name).iter().filter(here);
    let rules = of("loadBalancingRules").filter(|rule| !is_own(rule)).map(|rule| (rule, "loadBalancing rule"));
    let nat = of("inboundNatRules").map(|rule| (rule, "inbound NAT rule"));
    let pools = of("inboundNatPools").map(|pool| (pool, "inbound NAT pool"));
    for (part, kind) in rules.chain(nat).chain(pools) {
        let clash = service.ports.iter().find(|port| {
            takes(&part["properties"], port.port)
                && text(part, "/properties/protocol").eq_ignore_ascii_case(&port.protocol)
        });
        if let Some(port) = clash {
            return Err(CloudError::local(format!(
                "checkLoadBalancerResourcesConflicts: service port {} is trying to consume the port {} which is being \
                 referenced by an existing {kind} {} with the same protocol {} and frontend IP config with ID {id}",
                port.name,
                port.port,
                text(part, "/name"),
                text(part, "/properties/protocol"),
            )));
        }
    }
    Ok(())
}

/// True if a rule has this frontend port, or a pool has it in its range.
fn takes(properties: &Value, port: u16) -> bool {
    let number = |key: &str| properties[key].as_u64();
    let (first, last) = (number("frontendPortRangeStart"), number("frontendPortRangeEnd"));
    let is_in_range = first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&u64::from(port)));
    number("frontendPort") == Some(u64::from(port)) || is_in_range
}

/// Replaces the Service's parts of a list; those that agree already stay as they are, foreign ones are not touched.
fn set_parts(draft: &mut Value, (name, service): (&str, &Service), mut expected: Vec<Value>) {
    let base = name::base(service).to_ascii_lowercase();
    if expected.is_empty() && list(draft, name).is_empty() {
        return;
    }
    let parts = list_mut(draft, name);
    parts.retain(|part| {
        if !text(part, "/name").to_ascii_lowercase().starts_with(&base) {
            return true;
        }
        let twin = expected.iter().position(|wanted| wanted["name"] == part["name"] && agrees(wanted, part));
        twin.map(|index| expected.remove(index)).is_some()
    });
    parts.append(&mut expected);
}

/// True if an existing part has every property that is wanted, and no probe that is not. Azure adds fields and changes the
/// case of ids.
fn agrees(wanted: &Value, existing: &Value) -> bool {
    match (wanted, existing) {
        (Value::Object(wanted), _) if wanted.contains_key("frontendPort") && !wanted.contains_key("probe") => {
            existing["probe"].is_null() && wanted.iter().all(|(key, value)| agrees(value, &existing[key]))
        }
        (Value::Object(wanted), _) => wanted.iter().all(|(key, value)| agrees(value, &existing[key])),
        (Value::String(wanted), Value::String(existing)) => wanted.eq_ignore_ascii_case(existing),
        (Value::Bool(false), Value::Null) => true,
        _ => wanted == existing,
    }
}
