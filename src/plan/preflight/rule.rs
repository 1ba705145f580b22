//! The rules of preflight: one row each, of the same form as the rules of the cloud provider.

use crate::cloud_provider::catalogue::Entry;
use crate::cloud_provider::catalogue::entry;
use crate::cloud_provider::rule::rules;

const AZURE: &str = "Azure";
const KUBERNETES: &str = "Kubernetes";
const EVERY: &str = "every version";

/// What people know under other names: entries of the catalogue whose rules are here.
pub static ENTRIES: &[Entry] = &[
    entry("ENV001", "The cluster's identity may not join a subnet", &[&CLUSTER_RIGHT]),
    entry("ENV002", "The cluster's identity may not write Private Link Services in their group", &[&CLUSTER_RIGHT]),
    entry("ENV008", "A Basic load balancer", &[&BASIC_BALANCER]),
    entry("PLS014", "A NAT subnet whose policy is on, and nobody may switch it off", &[&CLUSTER_RIGHT, &RIGHT_LACKING]),
    entry(
        "PLS028",
        "A resource group of the Private Link Service that is not there, or no rights in it",
        &[&GROUP_MISSING, &CLUSTER_RIGHT, &RIGHT_LACKING],
    ),
    entry("PLS029", "Load balancers that carry no Private Link Service", &[&BASIC_BALANCER, &POOL_BY_ADDRESS]),
    entry("PLS034", "A cluster that is too old for the annotations", &[&CLUSTER_VERSION]),
];

rules! {
    CLUSTER_VERSION = "PRE-CLUSTER-VERSION", "The cluster is too old for Private Link Services", Documented, "before Kubernetes 1.22";
        "Nothing: the annotations are not read, so no Private Link Service comes.";
        "The cloud provider of such a cluster does not know the annotations azure-pls-*.";
        "Upgrade the cluster, or take a PrivateLinkService document with managedBy: privlink.";
    BASIC_BALANCER = "PRE-LB-BASIC", "A Basic load balancer carries no Private Link Service", Documented, AZURE;
        "Azure refuses the Private Link Service, at every try.";
        "A Private Link Service needs a load balancer of SKU Standard.";
        "Move the cluster to Standard load balancers first.";
    POOL_BY_ADDRESS = "PRE-POOL-NODE-IP", "A backend pool of addresses carries no Private Link Service", Documented, AZURE;
        "Azure refuses the Private Link Service, at every try.";
        "A Private Link Service reaches backends by their network interfaces. With backendPoolType nodeIP the cluster lists \
         the addresses of its nodes instead.";
        "Switch the cluster with: az aks update --load-balancer-backend-pool-type nodeIPConfiguration.";
    LINK_NINTH = "PRE-PLS-NINTH", "A load balancer carries eight Private Link Services", Documented, AZURE;
        "Azure refuses the ninth.";
        "It is a limit of a Standard load balancer, and all internal Services of a cluster are on one.";
        "Let Services share an address, or publish from a second cluster.";
    GROUP_MISSING = "PRE-GROUP-MISSING", "The resource group is not there", Documented, AZURE;
        "Azure makes nothing in it: ResourceGroupNotFound. A Service that names it for its Private Link Service keeps its \
         load balancer, and every sync fails after that.";
        "A write does not make its resource group, and the cloud provider lists the group at every sync.";
        "Create the group first, or correct its name or subscription.";
    NAMESPACE_MISSING = "PRE-NAMESPACE-MISSING", "The namespace is not there", Documented, KUBERNETES;
        "The API server refuses what is made in it: NotFound, or Forbidden while it is being deleted.";
        "A write does not make its namespace, and privlink makes one only if the settings say so: a namespace has an owner, with \
         quotas and policies. In one that is being deleted nothing is made.";
        "Create the namespace first, let privlink create it with create-namespace = true, or correct its name.";
    SUBNET_MISSING = "PRE-SUBNET-MISSING", "The subnet is not there", Documented, AZURE;
        "Azure refuses what refers to it.";
        "A reference to what does not exist is checked first.";
        "Create the subnet first, or correct its name or the network that it is looked for in.";
    SUBNET_FULL = "PRE-SUBNET-FULL", "The subnet has no free address left", Documented, AZURE;
        "Azure refuses the write.";
        "Each endpoint and each NAT address takes an address of its subnet, and Azure keeps five for itself.";
        "Free addresses, or take another subnet.";
    ADDRESS_OUTSIDE = "PRE-IP-OUTSIDE", "A static address is outside its subnet", Documented, AZURE;
        "Azure refuses the write.";
        "A static address has to be one of the subnet's.";
        "Take an address of the subnet, or name the subnet that has it.";
    ADDRESS_RESERVED = "PRE-IP-RESERVED", "Azure keeps the address for itself", Documented, AZURE;
        "Azure refuses the write.";
        "The first four addresses of a subnet and the last one are Azure's.";
        "Take another address.";
    ADDRESS_TAKEN = "PRE-IP-TAKEN", "Somebody has the address", Documented, AZURE;
        "Azure refuses the write.";
        "An address of a network belongs to one interface or frontend.";
        "Take a free address, or free this one in a commit of its own.";
    FOREIGN = "PRE-FOREIGN", "Something of this name is there, and it is not ours", Documented, AZURE;
        "A write would change or replace what belongs to somebody else, so privlink does not make it.";
        "In Azure and in Kubernetes a name stands for one thing, and a write under it does not ask whose that is. Ours is what \
         carries the mark of this repository and environment.";
        "Choose another name, or adopt it with the annotation that the plan names.";
    SERVER_REFUSES = "PRE-SERVER-REFUSES", "The API server refuses the Service", Observed, KUBERNETES;
        "The API server refuses the write, in the words that the plan quotes.";
        "It was asked to try the write and to store nothing: validation, a quota, an admission policy or a webhook of the \
         cluster says no.";
        "Correct the manifest, or have the policy changed by whoever the cluster's policies belong to.";
    STORED_OTHERWISE = "PRE-STORED-OTHERWISE", "The API server stores something else", Observed, KUBERNETES;
        "The write succeeds and something else is stored. Where nothing of a change would be stored, the change is left out, \
         because it would be planned again for ever.";
        "It was asked to try the write and to store nothing: a default, an admission policy or a webhook of the cluster \
         changes the object on its way.";
        "Ask for what the API server stores, or have the policy changed by whoever the cluster's policies belong to.";
    FIELD_HELD = "PRE-FIELD-HELD", "Somebody else holds a field of the Service", Documented, KUBERNETES;
        "The API server refuses the write: Conflict, with the manager and the field.";
        "Every field of an object has managers, and an apply does not change what another one holds unless it is forced. \
         privlink forces only what a document adopts, and never a Service that somebody else deploys.";
        "Leave the field to its manager, or adopt the Service with the annotation that the plan names.";
    RIGHT_LACKING = "PRE-RIGHT-LACKING", "The identity that applies may not do it", Documented, AZURE;
        "Azure refuses the write: AuthorizationFailed, or LinkedAuthorizationFailed for something that it refers to.";
        "No role of the identity gives the action at the scope or above it. A write needs rights on what it refers to as \
         well: a subnet and a frontend to join, a connection to approve. That a right is held proves less: deny \
         assignments, locks and policies are not looked at.";
        "Give the identity the role that the plan names, at the scope that it names; it counts after a minute or two.";
    ACCESS_LACKING = "PRE-ACCESS-LACKING", "The user that applies may not do it in the cluster", Documented, KUBERNETES;
        "The API server refuses the call: Forbidden.";
        "No role that is bound to the user gives the verb on the resource in the namespace. A write reads the object before it \
         and the events of the cloud provider after it; to apply what is not there yet takes create beside patch. That all is \
         allowed proves less: admission may still refuse.";
        "Give the user the role that the plan names, or the one that `privlink rbac --for kubernetes` prints.";
    CLUSTER_RIGHT = "PRE-CLUSTER-RIGHT", "The cluster's identity may not do it", Documented, EVERY;
        "Azure refuses what the cloud provider writes, at every try: a subnet that it may not join gives no frontend and no \
         NAT address, and one whose policy it may not switch off carries no Private Link Service.";
        "The cloud provider acts as the cluster's identity. AKS gives that one its rights in the group of the nodes; in a \
         network or a group of one's own, somebody else has to.";
        "Give the cluster's identity the role that the plan names, at the scope that it names; or switch the policy of the \
         NAT subnet off yourself, so that joining it is enough.";
    DRIFT_REPORTED = "PRE-DRIFT-REPORTED", "Drift that is only reported", Documented, EVERY;
        "Nothing: what changed outside Git stays as it is.";
        "The settings of the environment say `report` for drift of this risk, or of something that putting this back would \
         bring about.";
        "Put it back by hand, make the document say what is there, or say \"propose\" in the environment's drift settings.";
    DRIFT_CONTESTED = "PRE-DRIFT-CONTESTED", "Somebody else changes back what is healed", Documented, EVERY;
        "Nothing: privlink puts it back no more, and leaves it as the other writer wants it.";
        "A field was put back three times within an hour, without asking anybody, and was changed again each time. Two programs \
         that each know better would go on for ever.";
        "Find out who writes it, and have one of the two stop. Healing begins again once the resource is as the document says, \
         or the document says something else of it.";
    SUSPENDED = "PRE-SUSPENDED", "The document is suspended", Documented, EVERY;
        "Nothing: what the document asks for stays as it is, and what needs a change of it waits.";
        "The document has the annotation privlink.dev/suspend, and the time of privlink.dev/suspend-until has not come.";
        "Remove privlink.dev/suspend from the document, or wait for its end.";
    CONNECTION_REJECTED = "PRE-CONNECTION-REJECTED", "A rejected connection may stay rejected", Inferred, AZURE;
        "Azure may refuse to approve it, or leave it as it is. A plan tries, and only warns.";
        "Microsoft documents that a request is approved or rejected; that a rejected one was approved later is reported by \
         some and denied by others.";
        "Have the consumer make the endpoint anew: its new request can be approved.";
    ALIAS_HIDDEN = "PRE-ALIAS-HIDDEN", "An alias may not be visible to the consumer", Documented, AZURE;
        "Azure may refuse the endpoint as if there were no such alias. A plan only warns: a role on the service makes it \
         visible too, and roles are not read.";
        "A Private Link Service is visible to the subscriptions that it lists, and to whom has a role on it.";
        "Add the endpoint's subscription to the visibility of the service.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_provider::rule as provider;

    #[test]
    fn every_rule_has_a_name_that_no_other_has_and_says_everything() {
        let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for rule in ALL {
            assert!(provider::find(rule.id).is_none() && rule.id.starts_with("PRE-"), "{}", rule.id);
            for text in [rule.happens, rule.why, rule.avoid] {
                assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", rule.id);
            }
        }
    }
}
