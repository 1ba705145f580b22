//! The rules that need more than one value of a document, or more than one document.

use crate::diagnostic::Code;

/// Two documents are one and the same resource.
pub const DUPLICATE: Code = Code::new("DES001");
/// A reference leads nowhere.
pub const NO_REFERENT: Code = Code::new("DES002");
/// A field and an annotation say different things.
pub const DISAGREE: Code = Code::new("DES003");
/// The document lies outside the environment's scope.
pub const OUT_OF_SCOPE: Code = Code::new("DES004");
/// The environment has no cluster.
pub const NO_CLUSTER: Code = Code::new("DES005");
/// Who is let in without asking cannot even see the service.
pub const NOT_VISIBLE: Code = Code::new("DES006");
/// An alias can only be asked for by hand.
pub const ALIAS_NEEDS_MANUAL: Code = Code::new("DES007");
/// The resource group does not go with who builds the service.
pub const RESOURCE_GROUP: Code = Code::new("DES008");
/// NAT addresses and their number do not go together.
pub const NAT_COUNT: Code = Code::new("DES009");
/// An annotation with which the cloud provider's sync fails for ever.
pub const ANNOTATION: Code = Code::new("DES010");
/// `spec.loadBalancerIP` is deprecated.
pub const LOAD_BALANCER_IP: Code = Code::new("IP008");
/// A Private Link Service on a load balancer that is not internal.
pub const NOT_INTERNAL: Code = Code::new("PLS001");
