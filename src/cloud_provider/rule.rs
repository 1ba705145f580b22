//! The rules by which the cloud provider acts: one row each, with what is known about it and how.
//!
//! A rule that is only inferred never makes an edit look better than it may be.

pub use crate::domain::evidence::Evidence;

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for ever.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What happens.
    pub happens: &'static str,
    /// Why.
    pub why: &'static str,
    /// How that is known.
    pub evidence: Evidence,
    /// The cloud provider's versions that it holds for.
    pub versions: &'static str,
    /// How to get what one wants without it.
    pub avoid: &'static str,
}

/// The rule of this name; case does not matter.
pub fn find(id: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

const PLS: &str = "1.24.0 and later (1.0.19, 1.1.15, 1.23.12 of the older lines)";
const EVERY: &str = "every version";
const HIJACK: &str = "until the change #10943 of September 2026, which refuses instead; privlink assumes the older behaviour, \
                      because which release first has the change is not known";

const REFUSAL: &str = "from 1.36.6 on, as far as is known (change #10943 of September 2026)";

macro_rules! rules {
    ($($name:ident = $id:literal, $title:literal, $evidence:ident, $versions:expr;
       $happens:literal; $why:literal; $avoid:literal;)*) => {
        $(
            #[doc = $title]
            pub static $name: $crate::cloud_provider::rule::Rule = $crate::cloud_provider::rule::Rule {
                id: $id,
                title: $title,
                happens: $happens,
                why: $why,
                evidence: $crate::cloud_provider::rule::Evidence::$evidence,
                versions: $versions,
                avoid: $avoid,
            };
        )*
        /// Every rule, by subject.
        pub static ALL: &[&$crate::cloud_provider::rule::Rule] = &[$(&$name),*];
    };
}
// Other families of rules have the same form.
pub(crate) use rules;

rules! {
    NO_SYNC = "CCM-NO-SYNC", "What the cloud provider does not look at", Code, EVERY;
        "Nothing in Azure.";
        "Labels, the selector and target ports are no reason for a sync. Kubernetes itself acts on the selector.";
        "Nothing to avoid.";
    FRONTEND_MADE = "CCM-FIP-NEW", "A frontend is made", Observed, EVERY;
        "The load balancer gets a frontend with the pinned address, or one that the Service had before, or a free one.";
        "A Service of type LoadBalancer has a frontend for each of its address families.";
        "Pin the address if others depend on it.";
    FRONTEND_ADDRESS = "CCM-FIP-ADDRESS", "Another pinned address moves the frontend", Observed, EVERY;
        "Every connection to the Private Link Service on the frontend is deleted, then the service itself; then the \
         frontend gets the new address; then a new Private Link Service is built, with another alias.";
        "The frontend is replaced under its name, and Azure lets no frontend go that a Private Link Service stands on.";
        "Keep the address. To move, publish a second Service beside this one, let the consumers change over, and delete \
         the old one afterwards.";
    FRONTEND_SUBNET = "CCM-FIP-SUBNET", "Another subnet annotation replaces the frontend", Observed, EVERY;
        "As for another address, even if the address stays: the name of the frontend contains the subnet annotation.";
        "A frontend with another name than expected is replaced. The name of a Private Link Service without a name of \
         its own follows the frontend's.";
        "Leave the subnet annotation as it is, added, removed or changed alike.";
    PIN_DROPPED = "CCM-FIP-UNPINNED", "A pin that is taken away changes nothing", Code, EVERY;
        "The frontend keeps the address that it has.";
        "Without a wanted address, the one that is there is as good as any other.";
        "Nothing to avoid; but a Service that is made anew may get another address.";
    MADE_PUBLIC = "CCM-FIP-PUBLIC", "An internal Service becomes public", Code, EVERY;
        "A public address is made and the internet reaches the Service; the internal frontend goes, with the Private \
         Link Service on it and every connection. Its frontend may stay behind until the next sync.";
        "Only the word true, in lower case and without blanks, makes a Service internal.";
        "Keep azure-load-balancer-internal: \"true\".";
    MADE_INTERNAL = "CCM-FIP-INTERNAL", "A public Service becomes internal", Code, EVERY;
        "It gets a private address; the public one is released and may go to somebody else.";
        "The frontends of the other kind are cleaned up at the end of each sync.";
        "Announce the new address first.";
    PUBLIC_PIN = "CCM-FIP-PUBLIC-PIN", "A private address is pinned on a public Service", Code, EVERY;
        "The sync fails before anything is written.";
        "The address of a public Service is looked for among public addresses.";
        "Make the Service internal, or take the pin away.";
    TYPE_GONE = "CCM-FIP-TYPE", "A Service that is no LoadBalancer any more loses its frontend", Code, EVERY;
        "Connections, Private Link Service and frontend are deleted, in this order, as if the Service were.";
        "A type other than LoadBalancer, or a class of its own, hands the Service to nobody or to somebody else.";
        "Keep the type while anybody is connected.";
    SERVICE_GONE = "CCM-FIP-GONE", "A deleted Service takes its frontend along", Observed, EVERY;
        "Connections, Private Link Service and frontend are deleted, in this order. Whoever built the Private Link \
         Service does not matter.";
        "A Private Link Service lives and dies with the frontend it stands on.";
        "Delete the Service once nobody is connected any more.";
    SUBNET_MISSING = "CCM-FIP-NO-SUBNET", "The subnet of the frontend is not there", Code, EVERY;
        "The sync fails before anything is written.";
        "The annotation is the name of a subnet in the network of the nodes; another network cannot be named.";
        "Create the subnet first, or correct its name.";
    RULES_ADDED = "CCM-RULE-ADDED", "A port is opened", Code, EVERY;
        "A rule and its probe are added; the others stay.";
        "Rules are told apart by protocol and port.";
        "Nothing to avoid.";
    RULES_REMOVED = "CCM-RULE-REMOVED", "A port is closed", Code, EVERY;
        "Rule and probe go; connections through the port break.";
        "A port that the Service does not have gets no rule.";
        "Open the new port first, and close the old one in a later commit.";
    RULES_CHANGED = "CCM-RULE-CHANGED", "A rule or its probe says something else", Code, EVERY;
        "It is written anew under its name. While a new probe has not succeeded, backends get no traffic.";
        "Probes, timeouts and distribution are part of the rule.";
        "Make sure that the backends answer the new probe before the change.";
    RULE_REFUSED = "CCM-RULE-REFUSED", "An annotation about rules or probes is invalid", Code, EVERY;
        "The sync fails before anything is written.";
        "Numbers are checked when rules are built: idle timeout 4 to 100 minutes, probes from 5 seconds and 2 tries, \
         their product below 120.";
        "Correct the annotation.";
    ACCESS_REFUSED = "CCM-ACCESS-REFUSED", "An annotation about clients is invalid", Code, EVERY;
        "The sync fails after the load balancer is done and before the Private Link Service is looked at.";
        "Ranges may be given by spec.loadBalancerSourceRanges or by annotation, not by both; additional addresses are \
         separated by commas without blanks.";
        "Keep one of the two, and correct the addresses.";
    PORT_CLASH = "CCM-RULE-CLASH", "Another Service has the port on the shared address", Code, EVERY;
        "The sync fails before anything is written.";
        "A port of a frontend has one rule.";
        "Take another port, or another address.";
    SHARED_JOINED = "CCM-SHARE-JOIN", "A pinned address that another Service has is shared", Code, EVERY;
        "The Service's rules are put on the other Service's frontend.";
        "An internal Service owns every frontend whose address it pins.";
        "Pin an address that nobody has.";
    SHARED_LEFT = "CCM-SHARE-LEAVE", "A Service leaves a shared address", Code, EVERY;
        "Its rules move to a frontend of its own; the others stay, and the Private Link Service stays with them.";
        "A frontend that carries another Service's name is never replaced for this one.";
        "Nothing to avoid.";
    SHARED_MOVES = "CCM-SHARE-MOVE", "Others on a shared address move along", Code, EVERY;
        "The rules of the other Services are on the new address from then on; their status shows the old one.";
        "Nobody looks whether others use a frontend that is replaced under its name.";
        "Give the others addresses of their own first, or move the Service that joined last.";
    SHARED_DANGLES = "CCM-SHARE-DANGLE", "A renamed frontend leaves the rules of others dangling", Inferred, EVERY;
        "The Private Link Service is deleted with its connections; then Azure refuses the write of the load balancer.";
        "The rules of the other Services refer to a frontend of the old name, which is not in the body any more.";
        "Give the others addresses of their own first.";
    SHARED_STAYS = "CCM-SHARE-STAY", "A frontend that others use stays", Code, EVERY;
        "Only the rules of the Service go; frontend and Private Link Service stay.";
        "A frontend is not taken away under the rules of others.";
        "Nothing to avoid.";
    OWNER_GONE = "CCM-SHARE-OWNER", "A shared Private Link Service whose owner is gone cannot be tuned", Code, PLS;
        "It serves on with the settings that it has.";
        "Its tag names a Service that is not there any more, and only that Service may tune it.";
        "Write the name of a Service that stays into its tag k8s-azure-owner-service.";
    IP_SYNTAX = "CCM-IP-SYNTAX", "A pinned address is no address", Code, EVERY;
        "Azure refuses it, after the Private Link Service was deleted.";
        "The text is not checked before it is sent.";
        "Write one bare address.";
    IP_OUTSIDE = "CCM-IP-OUTSIDE", "A pinned address is outside its subnet", Observed, EVERY;
        "Every connection and the Private Link Service are deleted first; then Azure refuses the address, again and \
         again. The old address serves on in the network itself.";
        "Azure checks the address when the load balancer is written, which comes after the deletion.";
        "Take an address of the subnet, or name the subnet that has it.";
    IP_RESERVED = "CCM-IP-RESERVED", "Azure keeps the address for itself", Documented, EVERY;
        "As for an address outside the subnet.";
        "The first four addresses of a subnet and the last one are Azure's.";
        "Take another address.";
    IP_TAKEN = "CCM-IP-TAKEN", "Somebody has the address", Documented, EVERY;
        "As for an address outside the subnet.";
        "An address of a network belongs to one interface or frontend.";
        "Take a free address, or free this one in a commit of its own.";
    SUBNET_FULL = "CCM-IP-FULL", "A subnet has no free address left", Documented, EVERY;
        "Azure refuses the write, again and again. What stood on a frontend that moves was deleted before.";
        "An address is found when the load balancer or the Private Link Service is written.";
        "Free addresses, or take another subnet.";
    LINK_BUILT = "CCM-PLS-NEW", "A Private Link Service is built", Observed, PLS;
        "It is made on the frontend, with an alias that nobody can choose.";
        "azure-pls-create says true, and none stands on the frontend.";
        "Nothing to avoid.";
    LINK_STAYS = "CCM-PLS-STAYS", "A Private Link Service that is not asked for any more stays", Observed, PLS;
        "Nothing: it serves on, with every connection.";
        "Without azure-pls-create it is not looked at; it goes with its frontend only.";
        "To unpublish, delete the Private Link Service too: with prune on, privlink does.";
    LINK_TUNED = "CCM-PLS-TUNE", "Names, visibility and approval change in place", Code, PLS;
        "The Private Link Service is written over; connections stay as they are.";
        "Existing connections are not judged again.";
        "Nothing to avoid; reject a connection to end it.";
    NAT_ADDED = "CCM-PLS-NAT-ADD", "NAT addresses are added in place", Code, PLS;
        "The list of NAT configurations is written anew, with all that were there.";
        "Azure takes no NAT address away again.";
        "Nothing to avoid, but it cannot be undone.";
    NAT_FEWER = "CCM-PLS-NAT-FEWER", "A Private Link Service loses no NAT address", Documented, PLS;
        "Azure refuses the shorter list, at every try; the service stays as it is.";
        "NAT addresses can be added and not removed.";
        "Keep the count. To have fewer, publish a second Service and let the consumers change over.";
    NAT_REPLACED = "CCM-PLS-NAT", "NAT addresses are replaced", Inferred, PLS;
        "The list of NAT configurations is written anew; connections through an address that goes are taken to break.";
        "A connection is translated to the address it came in by.";
        "Add the new addresses first, and keep the old ones.";
    LINK_PROXY = "CCM-PLS-PROXY", "PROXY protocol is switched in place", Documented, PLS;
        "From then on (or no more) every connection and probe begins with a header. Other Private Link Services on the \
         same backends are concerned too.";
        "The platform sends the header for the whole load balancer.";
        "Switch backends and probes at the same moment, or publish a second Service.";
    LINK_NAME = "CCM-PLS-NAME", "A Private Link Service cannot be renamed", Code, PLS;
        "The sync fails at every try; the service stays as it is.";
        "The name is compared with that of the service on the frontend.";
        "Keep the name, or take the annotation away: that keeps the name too.";
    LINK_NAME_KEPT = "CCM-PLS-NAME-KEPT", "A Private Link Service keeps its name when the Service names none any more", Code, PLS;
        "Nothing: it serves on under its name.";
        "A name that is not asked for is not compared.";
        "Nothing to avoid; but one that is built anew is called after its frontend.";
    LINK_ELSEWHERE = "CCM-PLS-GROUP", "The Private Link Service is in another resource group", Inferred, PLS;
        "It is not found, so a second one is tried, or the frontend is to go under it: Azure refuses both.";
        "The resource group is read at every step, deletion included.";
        "Keep azure-pls-resource-group as it is, for every Service of a shared address alike.";
    LINK_UNDER_MOVE = "CCM-PLS-MOVED", "A frontend moves under a Private Link Service of privlink's own", Inferred, PLS;
        "Azure may refuse, or move it, or break its connections: nobody has recorded which.";
        "The cloud provider does not see a Private Link Service in another resource group.";
        "Keep the address, or move the consumers to a second Service first.";
    LINK_UNMANAGED = "CCM-PLS-UNMANAGED", "Somebody else's Private Link Service stands on the frontend", Code, PLS;
        "The sync fails at every try.";
        "Its tag k8s-azure-cluster-name does not name this cluster.";
        "Delete that one first, or do not ask for one on this Service.";
    LINK_NOT_OWNER = "CCM-PLS-OWNER", "A Service tunes a Private Link Service that another one owns", Code, PLS;
        "The sync fails at every try.";
        "Whoever published first on a shared address owns what stands there; others may share it and not tune it.";
        "Leave azure-pls-create alone on this Service, and tune it at the owner.";
    LINK_SHARED = "CCM-PLS-SHARED", "A Service shares the Private Link Service of its address", Code, PLS;
        "Nothing: the one that stands there serves both.";
        "A frontend carries one.";
        "Take an address of its own if it shall have one of its own.";
    LINK_TAKEN_OVER = "CCM-PLS-TAKEN", "A name that another Service's Private Link Service has takes it over", Code, HIJACK;
        "The other one's Private Link Service is pointed at this frontend: its consumers reach this Service, and the \
         other Service is published no more.";
        "It is written by name, and nobody looks whose it is.";
        "Give every Private Link Service of a resource group a name of its own.";
    LINK_NAME_TAKEN = "CCM-PLS-TAKEN-REFUSED", "A name that another Service's Private Link Service has is refused", Inferred, REFUSAL;
        "The sync fails at every try; the other one's Private Link Service stays as it is.";
        "Since the change, the owner of what exists under a name is looked at.";
        "Give every Private Link Service of a resource group a name of its own.";
    LINK_REPOINTED = "CCM-PLS-REPOINT", "A Private Link Service of its own is pointed at the new frontend", Code, PLS;
        "It is written over with the new frontend. Others on the old one are published no more.";
        "Its owner tag names this Service.";
        "Nothing to avoid, unless others share the old frontend: give them a Private Link Service of their own first.";
    LINK_BALANCER = "CCM-PLS-BALANCER", "A Private Link Service stays on its load balancer", Inferred, PLS;
        "Azure refuses the write, again and again; the service stays on the frontend that it has.";
        "A service under the wanted name stands on a frontend of another load balancer, and only frontends of one can be \
         exchanged.";
        "Take another name, or delete the old one first.";
    LINK_PUBLIC = "CCM-PLS-PUBLIC", "A Private Link Service on a public Service is refused", Code, PLS;
        "The public load balancer is made first, then the sync fails at every try; what was internal before stays.";
        "With floating IP on, the frontend has to be internal.";
        "Make the Service internal.";
    LINK_IPV6 = "CCM-PLS-IPV6", "A Private Link Service carries IPv4 alone", Documented, PLS;
        "The sync fails at every try, whether the Private Link Service or the IPv6 frontend comes second.";
        "Azure puts none on a load balancer with IPv6 frontends, whichever Service they are of; that it takes no IPv6 \
         frontend beside one either is inferred.";
        "Make every internal Service of the cluster single-stack IPv4.";
    LINK_NINTH = "CCM-PLS-NINTH", "A load balancer carries eight Private Link Services", Documented, PLS;
        "Azure refuses the ninth, again and again; the Service itself works.";
        "All internal Services of a cluster are on one load balancer.";
        "Let Services share an address, or publish from a second cluster.";
    LINK_REFUSED = "CCM-PLS-REFUSED", "An annotation about the Private Link Service is invalid", Code, PLS;
        "The sync fails at every try, after the load balancer is done.";
        "Counts, addresses and names are read when the Private Link Service is built.";
        "Correct the annotation.";
    LINK_APPROVAL = "CCM-PLS-APPROVAL", "Auto-approval names a subscription that cannot see the service", Documented, PLS;
        "The sync fails at every try, after the load balancer is done.";
        "Azure demands that auto-approval is a subset of visibility, and without visibility nobody but those with a role \
         sees the service.";
        "Name the subscription in azure-pls-visibility too.";
    NAT_SUBNET_MISSING = "CCM-PLS-NO-SUBNET", "The subnet of the NAT addresses is not there", Code, PLS;
        "The sync fails at every try, after the load balancer is done.";
        "The annotation is the name of a subnet in the network of the nodes.";
        "Create the subnet first, or correct its name.";
    POLICY_OFF = "CCM-PLS-POLICY", "The policy of the NAT subnet is switched off", Observed, PLS;
        "privateLinkServiceNetworkPolicies of the subnet becomes Disabled, and is never set back.";
        "Azure takes NAT addresses only from such a subnet.";
        "Declare it Disabled where the subnet is declared.";
    LINK_DELETED = "ARM-PLS-DELETED", "A Private Link Service that is deleted takes its alias along", Documented, "Azure";
        "Each connection is deleted, then the service. Endpoints become Disconnected and cannot be revived.";
        "An alias belongs to one Private Link Service for its life.";
        "Delete it once nobody is connected any more.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_says_everything() {
        let ids: std::collections::BTreeSet<&str> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for rule in ALL {
            for text in [rule.happens, rule.why, rule.avoid] {
                assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", rule.id);
            }
            assert_eq!(find(&rule.id.to_lowercase()), Some(*rule));
        }
    }
}
