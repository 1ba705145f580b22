//! The rules that need more than one value of a document, or more than one document.

use crate::diagnostic::Code;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: Code = Code::new($code);)+

        /// Every code of this stage that is not a rule's, with what it means, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, concat!($($doc),+).trim_ascii())),+];
    };
}

codes! {
    /// Two documents are one and the same resource.
    DUPLICATE = "DES001";
    /// A reference leads nowhere.
    NO_REFERENT = "DES002";
    /// A field and an annotation say different things.
    DISAGREE = "DES003";
    /// The document lies outside the environment's scope.
    OUT_OF_SCOPE = "DES004";
    /// The environment has no cluster.
    NO_CLUSTER = "DES005";
    /// Who is let in without asking cannot even see the service.
    NOT_VISIBLE = "DES006";
    /// An alias can only be asked for by hand.
    ALIAS_NEEDS_MANUAL = "DES007";
    /// The resource group does not go with who builds the service.
    RESOURCE_GROUP = "DES008";
    /// NAT addresses and their number do not go together.
    NAT_COUNT = "DES009";
    /// An annotation with which the cloud provider's sync fails for ever.
    ANNOTATION = "DES010";
    /// `[check] levels` of privlink.toml names a rule that is none, or whose level cannot be changed.
    LEVELS = "DES011";
    /// A Private Link Service cannot replace this one.
    REPLACES = "DES012";
    /// A suspension without a reason, or whose end is not a time.
    SUSPENSION = "DES013";
    /// A suspension whose end has passed: the document is followed again.
    SUSPENSION_OVER = "DES014";
    /// An exception beside a line without a rule, an owner, a reason or an end.
    ALLOW_FORM = "ALW001";
    /// An exception whose end has passed.
    ALLOW_OVER = "ALW002";
    /// An exception from a rule that is not broken there.
    ALLOW_UNNEEDED = "ALW003";
    /// An exception from an error that is part of the change under review: it counts once it is in the base.
    ALLOW_UNDER_REVIEW = "ALW004";
}

/// A Private Link Service on a load balancer that is not internal.
pub const NOT_INTERNAL: Code = Code::new("PLS001");
