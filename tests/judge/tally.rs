//! How often each rule and each effect occurred.

use std::collections::BTreeMap;

use privlink::cloud_provider::Prediction;
use privlink::cloud_provider::effect::What;
use privlink::cloud_provider::rule;

/// Every effect by name.
const EFFECTS: [&str; 26] = [
    "FrontendCreated",
    "FrontendReaddressed",
    "FrontendRenamed",
    "FrontendRemoved",
    "FrontendKept",
    "FrontendJoined",
    "FrontendLeft",
    "MadePublic",
    "PublicAddressReleased",
    "RulesAdded",
    "RulesRemoved",
    "RulesChanged",
    "NeighboursMoved",
    "ConnectionCut",
    "LinkDeleted",
    "AliasLost",
    "LinkBuilt",
    "LinkRebuilt",
    "NatAdded",
    "NatReplaced",
    "ProxySwitched",
    "LinkTuned",
    "LinkTakenOver",
    "LinkUnproven",
    "PolicySwitchedOff",
    "OwnerGone",
];

/// The name of an effect. A new one does not compile until it is in the list too.
fn name(what: &What) -> &'static str {
    match what {
        What::FrontendCreated { .. } => EFFECTS[0],
        What::FrontendReaddressed { .. } => EFFECTS[1],
        What::FrontendRenamed { .. } => EFFECTS[2],
        What::FrontendRemoved { .. } => EFFECTS[3],
        What::FrontendKept { .. } => EFFECTS[4],
        What::FrontendJoined { .. } => EFFECTS[5],
        What::FrontendLeft { .. } => EFFECTS[6],
        What::MadePublic => EFFECTS[7],
        What::PublicAddressReleased => EFFECTS[8],
        What::RulesAdded(_) => EFFECTS[9],
        What::RulesRemoved(_) => EFFECTS[10],
        What::RulesChanged(_) => EFFECTS[11],
        What::NeighboursMoved { .. } => EFFECTS[12],
        What::ConnectionCut { .. } => EFFECTS[13],
        What::LinkDeleted { .. } => EFFECTS[14],
        What::AliasLost { .. } => EFFECTS[15],
        What::LinkBuilt { .. } => EFFECTS[16],
        What::LinkRebuilt { .. } => EFFECTS[17],
        What::NatAdded { .. } => EFFECTS[18],
        What::NatReplaced { .. } => EFFECTS[19],
        What::ProxySwitched { .. } => EFFECTS[20],
        What::LinkTuned { .. } => EFFECTS[21],
        What::LinkTakenOver { .. } => EFFECTS[22],
        What::LinkUnproven { .. } => EFFECTS[23],
        What::PolicySwitchedOff { .. } => EFFECTS[24],
        What::OwnerGone { .. } => EFFECTS[25],
        What::Nothing => "Nothing",
    }
}

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    rules: BTreeMap<&'static str, usize>,
    effects: BTreeMap<&'static str, usize>,
    /// Edits that were tried.
    pub(crate) edits: usize,
    /// Edits that the API server refused.
    pub(crate) refused: usize,
    /// Edits that nobody lost anything by.
    pub(crate) harmless: usize,
    /// What each risk was called how often.
    pub(crate) risks: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts each rule and each effect of a prediction once.
    pub(crate) fn count(&mut self, prediction: &Prediction) {
        let failed = prediction.failure.iter().map(|failure| failure.rule.id);
        let rules: std::collections::BTreeSet<&str> =
            prediction.effects.iter().map(|effect| effect.rule.id).chain(failed).collect();
        rules.into_iter().for_each(|rule| self.count_rule(rule));
        let effects: std::collections::BTreeSet<&str> =
            prediction.effects.iter().map(|effect| name(&effect.what)).collect();
        for effect in effects {
            *self.effects.entry(effect).or_default() += 1;
        }
    }

    pub(crate) fn count_rule(&mut self, rule: &'static str) {
        *self.rules.entry(rule).or_default() += 1;
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        let Self { rules, effects, edits, refused, harmless, risks } = other;
        rules.iter().for_each(|(rule, count)| *self.rules.entry(rule).or_default() += count);
        effects.iter().for_each(|(effect, count)| *self.effects.entry(effect).or_default() += count);
        risks.iter().for_each(|(risk, count)| *self.risks.entry(risk.clone()).or_default() += count);
        self.edits += edits;
        self.refused += refused;
        self.harmless += harmless;
    }

    /// What was counted, as a table: rules and effects with how often they occurred.
    pub(crate) fn table(&self) -> String {
        let rows = self.all().into_iter().map(|(name, count)| format!("{count:>7}  {name}\n"));
        let risks = self.risks.iter().map(|(risk, count)| format!("{count:>7}  {risk}\n"));
        let Self { edits, refused, harmless, .. } = self;
        let summary = format!("{edits:>7}  edits\n{refused:>7}  refused by the API server\n{harmless:>7}  harmless\n");
        rows.chain(["  called:\n".to_owned()]).chain(risks).chain([summary]).collect()
    }

    /// Every rule and effect with how often it occurred.
    pub(crate) fn all(&self) -> Vec<(&'static str, usize)> {
        let of = |counts: &BTreeMap<&'static str, usize>, id: &'static str| (id, counts.get(id).copied().unwrap_or(0));
        let rules = rule::ALL.iter().map(|rule| of(&self.rules, rule.id));
        let effects = EFFECTS.into_iter().chain(["Nothing"]).map(|effect| of(&self.effects, effect));
        rules.chain(effects).collect()
    }
}
