//! Who made a Private Link Service, and what that means where an edit changes the frontend under it.
//!
//! The cloud provider deletes its own with the frontend and builds another one. One of privlink's stands where the cloud
//! provider does not look: then Azure has to say whether the frontend may change, and not everything is known of that.

use std::fmt;

use crate::cloud_provider::Prediction;
use crate::cloud_provider::effect::Failure;
use crate::cloud_provider::effect::Stage;
use crate::cloud_provider::effect::What;
use crate::cloud_provider::rule;
use crate::cloud_provider::rule::Evidence;
use crate::cloud_provider::rule::Rule;
use crate::domain::azure::ResourceId;
use crate::domain::key::PublisherKey;
use crate::domain::key::ResourceKey;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::resource::private_link_service::LivePrivateLinkService;
use crate::plan::action::Action;
use crate::plan::consequence::Foreseen;
use crate::plan::draft::Draft;

/// Who made a Private Link Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// The cluster's cloud provider, as annotations of a Service ask.
    CloudProvider,
    /// privlink, in a resource group of its own.
    Privlink,
    /// Nobody whom this repository or the cluster knows.
    Others,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudProvider => "the cloud provider",
            Self::Privlink => "privlink",
            Self::Others => "somebody else",
        })
    }
}

/// How a Private Link Service was made, and what that means for a change of its frontend in this plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Which one.
    pub link: ResourceId,
    /// Who made it.
    pub maker: Maker,
    /// What happens to it, as a sentence without its end.
    pub meaning: &'static str,
    /// The rule that says so.
    pub rule: &'static Rule,
}

impl Mode {
    /// How its meaning is known.
    pub fn evidence(&self) -> Evidence {
        self.rule.evidence
    }
}

/// What becomes of a Private Link Service whose frontend changes.
enum Fate {
    /// It is deleted first, and another one stands there in the end or not.
    Deleted { rule: &'static Rule, comes_back: bool },
    /// It is deleted, and the frontend stays as it is.
    DeletedForNothing(&'static Rule),
    /// Nobody has recorded what comes of it.
    Unproven,
    /// It is not deleted, so the frontend cannot go.
    InTheWay,
}

/// Says of every Private Link Service whose frontend an edit changes how it was made and what that means.
pub(super) fn tell(draft: &mut Draft<'_>, foreseen: &Foreseen) {
    let mut modes: Vec<Mode> = Vec::new();
    for (service, prediction) in foreseen {
        let Ok(prediction) = prediction else { continue };
        for (link, fate) in fates(draft, service, prediction) {
            let Some(live) = draft.observed.private_link_services.get(&link) else { continue };
            let mode = mode(draft, live, &fate);
            // That what the cloud provider made goes with a deleted Service is all there is to say of that.
            let is_plain =
                is_deleted(draft, service) && mode.maker == Maker::CloudProvider && prediction.failure.is_none();
            if !is_plain && !modes.contains(&mode) {
                modes.push(mode);
            }
        }
    }
    draft.modes = modes;
}

fn is_deleted(draft: &Draft<'_>, service: &ObjectKey) -> bool {
    let change = draft.changes.get(&ResourceKey::Service(service.clone()));
    change.is_some_and(|change| change.action == Action::Delete)
}

fn fates(draft: &Draft<'_>, service: &ObjectKey, prediction: &Prediction) -> Vec<(ResourceId, Fate)> {
    let told = prediction.effects.iter().filter_map(|effect| match &effect.what {
        What::LinkDeleted { link } if prediction.failure.is_some() => {
            Some((link.clone(), Fate::DeletedForNothing(effect.rule)))
        }
        What::LinkDeleted { link } => {
            Some((link.clone(), Fate::Deleted { rule: effect.rule, comes_back: comes_back(draft, prediction, link) }))
        }
        What::LinkUnproven { link, .. } => Some((link.clone(), Fate::Unproven)),
        _ => None,
    });
    let in_the_way = |failure: &&Failure| failure.rule == &rule::LINK_ELSEWHERE && failure.stage == Stage::LoadBalancer;
    let hidden =
        prediction.failure.as_ref().filter(in_the_way).and_then(|_| draft.observed.link_on_frontend_of(service));
    told.chain(hidden.map(|live| (live.service.id.clone(), Fate::InTheWay))).collect()
}

fn comes_back(draft: &Draft<'_>, prediction: &Prediction, link: &ResourceId) -> bool {
    let own = ResourceKey::PrivateLinkService(PublisherKey::Own(link.clone()));
    let is_rebuilt = |what: &What| matches!(what, What::LinkRebuilt { old, .. } if old == link);
    draft.changes.get(&own).is_some_and(|change| change.removed_by.is_some())
        || prediction.effects.iter().any(|effect| is_rebuilt(&effect.what))
}

fn maker(draft: &Draft<'_>, live: &LivePrivateLinkService) -> Maker {
    if live.cluster_owner().is_some() {
        Maker::CloudProvider
    } else if live.mark.as_ref() == Some(&draft.desired.policy.mark) {
        Maker::Privlink
    } else {
        Maker::Others
    }
}

fn mode(draft: &Draft<'_>, live: &LivePrivateLinkService, fate: &Fate) -> Mode {
    let maker = maker(draft, live);
    let (rule, meaning) = match (fate, maker) {
        (Fate::Deleted { rule, comes_back: true }, Maker::Privlink) => (
            *rule,
            "the cloud provider finds it where the Service sends it, and deletes it with its frontend; privlink puts it again",
        ),
        (Fate::Deleted { rule, comes_back: true }, _) => (*rule, "it goes with its frontend, and another one is built"),
        (Fate::Deleted { rule, comes_back: false }, Maker::CloudProvider) => {
            (*rule, "it goes with its frontend, and nobody asks for another one")
        }
        (Fate::Deleted { rule, comes_back: false }, _) => (
            *rule,
            "the cloud provider deletes whatever it finds on a frontend that goes, and builds none in its place",
        ),
        (Fate::DeletedForNothing(rule), _) => {
            (*rule, "it is deleted first, and only then is it known that the frontend cannot change")
        }
        (Fate::Unproven, _) => (
            &rule::LINK_UNDER_MOVE,
            "the cloud provider does not look where it is; that it survives another address of its frontend is not proven",
        ),
        (Fate::InTheWay, Maker::CloudProvider) => (
            &rule::LINK_ELSEWHERE,
            "the Service looks for it elsewhere, so it stays, and Azure, as far as is known, lets no frontend go that is in use",
        ),
        (Fate::InTheWay, _) => (
            &rule::LINK_ELSEWHERE,
            "the cloud provider does not look where it is, so it stays, and Azure, as far as is known, lets no frontend go that is in use",
        ),
    };
    Mode { link: live.service.id.clone(), maker, meaning, rule }
}
