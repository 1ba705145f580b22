//! What happens, one step at a time, and how it can end badly.

use std::fmt;

use crate::cloud_provider::rule::Rule;
use crate::domain::azure::Alias;
use crate::domain::azure::ResourceId;
use crate::domain::resource::connection::LiveConnection;

/// One thing that happens, and the rule by which it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Why.
    pub rule: &'static Rule,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A frontend is made.
    FrontendCreated {
        /// Its address, if it is known before.
        address: Option<String>,
    },
    /// A frontend keeps its name and gets another address.
    FrontendReaddressed {
        /// The address it has.
        from: String,
        /// The address it gets, if it is known before.
        to: Option<String>,
    },
    /// A frontend is replaced by one of another name, with the same address or another.
    FrontendRenamed {
        /// The address it has.
        from: String,
        /// The address of the new one, if it is known before.
        to: Option<String>,
    },
    /// A frontend goes.
    FrontendRemoved {
        /// Its address; `None` for a public one.
        address: Option<String>,
    },
    /// A frontend stays although its Service goes, because others use it.
    FrontendKept {
        /// Its address.
        address: String,
        /// Who uses it.
        others: Vec<String>,
    },
    /// The Service takes part in a frontend that others have.
    FrontendJoined {
        /// Its address.
        address: String,
        /// Who uses it.
        others: Vec<String>,
    },
    /// The Service leaves a frontend that others go on using.
    FrontendLeft {
        /// Its address.
        address: String,
        /// Who uses it.
        others: Vec<String>,
    },
    /// The Service gets a public address.
    MadePublic,
    /// The Service loses its public address.
    PublicAddressReleased,
    /// Ports get rules that had none.
    RulesAdded(Vec<String>),
    /// Ports lose their rules.
    RulesRemoved(Vec<String>),
    /// Rules or probes are written anew, because what they say is different.
    RulesChanged(Vec<String>),
    /// Others on the frontend move to its new address without having asked.
    NeighboursMoved {
        /// Who.
        others: Vec<String>,
        /// Where to, if it is known before.
        to: Option<String>,
    },
    /// A connection to a Private Link Service is deleted.
    ConnectionCut {
        /// The Private Link Service.
        link: ResourceId,
        /// The connection.
        connection: Box<LiveConnection>,
    },
    /// A Private Link Service is deleted.
    LinkDeleted {
        /// Which.
        link: ResourceId,
    },
    /// An alias goes for ever: a new Private Link Service gets another one.
    AliasLost {
        /// Which.
        alias: Alias,
    },
    /// A Private Link Service is made.
    LinkBuilt {
        /// Its name, if it does not depend on a uid that is not there yet.
        name: Option<String>,
    },
    /// A Private Link Service is made in place of one that the same sync deleted.
    LinkRebuilt {
        /// The one that was deleted.
        old: ResourceId,
        /// The name of the new one.
        name: String,
    },
    /// NAT addresses are added to a Private Link Service.
    NatAdded {
        /// Which.
        link: ResourceId,
    },
    /// The NAT addresses of a Private Link Service are written anew, and some go.
    NatReplaced {
        /// Which.
        link: ResourceId,
    },
    /// PROXY protocol is switched on or off.
    ProxySwitched {
        /// Which.
        link: ResourceId,
        /// True for on.
        on: bool,
    },
    /// Names, visibility or auto-approval of a Private Link Service change in place.
    LinkTuned {
        /// Which.
        link: ResourceId,
        /// What changes.
        fields: Vec<&'static str>,
    },
    /// A Private Link Service is pointed at another frontend: its consumers reach another Service from then on.
    LinkTakenOver {
        /// Which.
        link: ResourceId,
        /// Whose it was.
        owner: String,
        /// Who is connected.
        connections: Vec<LiveConnection>,
    },
    /// A Private Link Service that the cloud provider does not look at stands on a frontend that moves.
    LinkUnproven {
        /// Which.
        link: ResourceId,
        /// Who is connected.
        connections: Vec<LiveConnection>,
    },
    /// A subnet stops enforcing its policy on Private Link Services.
    PolicySwitchedOff {
        /// Which.
        subnet: ResourceId,
    },
    /// A Private Link Service keeps the tag of an owner that is gone: nobody can tune it from then on.
    OwnerGone {
        /// Which.
        link: ResourceId,
    },
    /// Nothing happens, although the edit looks as if something would.
    Nothing,
}

fn listed(items: &[String]) -> String {
    items.join(", ")
}

fn known(address: Option<&String>) -> &str {
    address.map_or("an address that Azure picks", String::as_str)
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrontendCreated { address } => write!(f, "a frontend is made at {}", known(address.as_ref())),
            Self::FrontendReaddressed { from, to } => {
                write!(f, "the frontend moves from {from} to {}", known(to.as_ref()))
            }
            Self::FrontendRenamed { from, to } if to.as_ref() == Some(from) => {
                write!(f, "the frontend is replaced and keeps {from}")
            }
            Self::FrontendRenamed { from, to } => {
                write!(f, "the frontend at {from} is replaced by one at {}", known(to.as_ref()))
            }
            Self::FrontendRemoved { address: Some(address) } => write!(f, "the frontend at {address} goes"),
            Self::FrontendRemoved { address: None } => f.write_str("the public frontend goes"),
            Self::FrontendKept { address, others } => {
                write!(f, "the frontend at {address} stays for {}", listed(others))
            }
            Self::FrontendJoined { address, others } => write!(f, "it shares {address} with {}", listed(others)),
            Self::FrontendLeft { address, others } => write!(f, "it leaves {address} to {}", listed(others)),
            Self::MadePublic => f.write_str("the Service gets a public address: the internet reaches it"),
            Self::PublicAddressReleased => f.write_str("the public address is released"),
            Self::RulesAdded(ports) => write!(f, "{} opens", listed(ports)),
            Self::RulesRemoved(ports) => write!(f, "{} closes", listed(ports)),
            Self::RulesChanged(ports) => write!(f, "rule or probe of {} is written anew", listed(ports)),
            Self::NeighboursMoved { others, to } => {
                write!(f, "{} moves along to {} without having asked", listed(others), known(to.as_ref()))
            }
            other => other.fmt_link(f),
        }
    }
}

impl What {
    fn fmt_link(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionCut { link, connection } => {
                let who = connection.endpoint.as_ref().unwrap_or(&connection.id);
                write!(f, "the connection of {} to {} is cut", who.name(), link.name())
            }
            Self::LinkDeleted { link } => write!(f, "{} is deleted", link.name()),
            Self::AliasLost { alias } => write!(f, "the alias {alias} is lost for ever"),
            Self::LinkBuilt { name: Some(name) } => write!(f, "{name} is built"),
            Self::LinkBuilt { name: None } => f.write_str("a Private Link Service is built"),
            Self::LinkRebuilt { old, name } if old.name().eq_ignore_ascii_case(name) => {
                write!(f, "{name} is built anew, with another alias and without connections")
            }
            Self::LinkRebuilt { old, name } => {
                write!(f, "{name} is built in place of {}, with another alias and without connections", old.name())
            }
            Self::NatAdded { link } => write!(f, "{} gets more NAT addresses", link.name()),
            Self::NatReplaced { link } => {
                write!(
                    f,
                    "the NAT addresses of {} are written anew: connections through one that goes break",
                    link.name()
                )
            }
            Self::ProxySwitched { link, on } => {
                let word = if *on { "begins" } else { "ceases" };
                write!(f, "{} {word} to send PROXY protocol headers: backends and probes must follow", link.name())
            }
            Self::LinkTuned { link, fields } => write!(f, "{} of {} change in place", fields.join(", "), link.name()),
            Self::LinkTakenOver { link, owner, .. } => {
                write!(f, "{} is taken from {owner}: its consumers reach this Service instead", link.name())
            }
            Self::LinkUnproven { link, .. } => {
                write!(
                    f,
                    "{} stands on the frontend that moves: it is not proven that its connections survive",
                    link.name()
                )
            }
            Self::PolicySwitchedOff { subnet } => {
                write!(f, "the policy for Private Link Services of {} is switched off, for good", subnet.name())
            }
            Self::OwnerGone { link } => write!(f, "{} stays with the name of an owner that is gone", link.name()),
            _ => f.write_str("nothing happens"),
        }
    }
}

/// The part of a sync that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Checks on what is asked for, before anything is written.
    Checks,
    /// The write of the load balancer.
    LoadBalancer,
    /// The rules about who may reach the Service, after the load balancer is done and before the Private Link Service.
    Access,
    /// The work on the Private Link Service, after the load balancer is done.
    PrivateLink,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checks => "before anything is written",
            Self::LoadBalancer => "when the load balancer is written",
            Self::Access => "when clients are let in, after the load balancer is done",
            Self::PrivateLink => "at the Private Link Service, after the load balancer is done",
        })
    }
}

/// A sync that fails for ever: the same edit is tried again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Why.
    pub rule: &'static Rule,
    /// Where.
    pub stage: Stage,
    /// Azure's error code, or the words by which the cloud provider's event is known; empty where neither is.
    pub code: &'static str,
    /// What is wrong, as a sentence.
    pub problem: String,
}
