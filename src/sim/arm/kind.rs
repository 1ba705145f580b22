//! The resource types the simulator knows, with Azure's spelling of each path segment.

/// A resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    VirtualNetwork,
    Subnet,
    LoadBalancer,
    FrontendIpConfiguration,
    BackendAddressPool,
    /// Rules, probes and NAT rules of a load balancer: read through it, written with it.
    LoadBalancerPart,
    PrivateLinkService,
    PrivateEndpointConnection,
    PrivateEndpoint,
    PrivateDnsZoneGroup,
    NetworkInterface,
    PrivateDnsZone,
    RecordSet,
    VirtualNetworkLink,
    ManagedCluster,
    PublicIpAddress,
    ScaleSet,
    ScaleSetVm,
    /// A template and what became of it.
    Deployment,
    /// Kept as sent, without rules: network security groups, route tables, NAT gateways.
    Opaque,
}

/// Where a resource lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// An entry of the store.
    Own,
    /// An element of the list of its parent that is named as its last type segment.
    InParent,
}

const TYPES: &[(&str, Kind)] = &[
    ("Microsoft.Network/virtualNetworks", Kind::VirtualNetwork),
    ("Microsoft.Network/virtualNetworks/subnets", Kind::Subnet),
    ("Microsoft.Network/loadBalancers", Kind::LoadBalancer),
    ("Microsoft.Network/loadBalancers/frontendIPConfigurations", Kind::FrontendIpConfiguration),
    ("Microsoft.Network/loadBalancers/backendAddressPools", Kind::BackendAddressPool),
    ("Microsoft.Network/loadBalancers/loadBalancingRules", Kind::LoadBalancerPart),
    ("Microsoft.Network/loadBalancers/probes", Kind::LoadBalancerPart),
    ("Microsoft.Network/loadBalancers/inboundNatRules", Kind::LoadBalancerPart),
    ("Microsoft.Network/loadBalancers/outboundRules", Kind::LoadBalancerPart),
    ("Microsoft.Network/privateLinkServices", Kind::PrivateLinkService),
    ("Microsoft.Network/privateLinkServices/privateEndpointConnections", Kind::PrivateEndpointConnection),
    ("Microsoft.Network/privateEndpoints", Kind::PrivateEndpoint),
    ("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", Kind::PrivateDnsZoneGroup),
    ("Microsoft.Network/networkInterfaces", Kind::NetworkInterface),
    ("Microsoft.Network/publicIPAddresses", Kind::PublicIpAddress),
    ("Microsoft.Network/networkSecurityGroups", Kind::Opaque),
    ("Microsoft.Network/routeTables", Kind::Opaque),
    ("Microsoft.Network/natGateways", Kind::Opaque),
    ("Microsoft.Network/privateDnsZones", Kind::PrivateDnsZone),
    ("Microsoft.Network/privateDnsZones/A", Kind::RecordSet),
    ("Microsoft.Network/privateDnsZones/AAAA", Kind::RecordSet),
    ("Microsoft.Network/privateDnsZones/CNAME", Kind::RecordSet),
    ("Microsoft.Network/privateDnsZones/TXT", Kind::RecordSet),
    ("Microsoft.Network/privateDnsZones/SOA", Kind::RecordSet),
    ("Microsoft.Network/privateDnsZones/virtualNetworkLinks", Kind::VirtualNetworkLink),
    ("Microsoft.Resources/deployments", Kind::Deployment),
    ("Microsoft.ContainerService/managedClusters", Kind::ManagedCluster),
    ("Microsoft.Compute/virtualMachineScaleSets", Kind::ScaleSet),
    ("Microsoft.Compute/virtualMachineScaleSets/virtualMachines", Kind::ScaleSetVm),
];

impl Kind {
    /// The type in Azure's spelling, from any spelling.
    pub(crate) fn find(resource_type: &str) -> Option<(&'static str, Self)> {
        TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(resource_type)).copied()
    }

    /// Every type, in Azure's spelling.
    pub(crate) fn types() -> impl Iterator<Item = &'static str> {
        TYPES.iter().map(|(name, _)| *name)
    }

    pub(crate) fn home(self) -> Home {
        match self {
            Self::Subnet
            | Self::FrontendIpConfiguration
            | Self::BackendAddressPool
            | Self::LoadBalancerPart
            | Self::PrivateEndpointConnection => Home::InParent,
            Self::VirtualNetwork
            | Self::LoadBalancer
            | Self::PrivateLinkService
            | Self::PrivateEndpoint
            | Self::PrivateDnsZoneGroup
            | Self::NetworkInterface
            | Self::PrivateDnsZone
            | Self::RecordSet
            | Self::VirtualNetworkLink
            | Self::ManagedCluster
            | Self::PublicIpAddress
            | Self::ScaleSet
            | Self::ScaleSetVm
            | Self::Deployment
            | Self::Opaque => Home::Own,
        }
    }

    /// True if a write answers at once. Record sets are the only synchronous writes of the types we manage.
    pub(crate) fn is_synchronous(self) -> bool {
        matches!(self, Self::RecordSet | Self::Opaque)
    }

    /// The names of the lists that this type keeps its children in.
    pub(crate) fn child_lists(self) -> &'static [&'static str] {
        match self {
            Self::VirtualNetwork => &["subnets"],
            Self::LoadBalancer => &[
                "frontendIPConfigurations",
                "backendAddressPools",
                "loadBalancingRules",
                "probes",
                "inboundNatRules",
                "outboundRules",
            ],
            Self::PrivateLinkService => &["ipConfigurations", "privateEndpointConnections"],
            Self::PrivateEndpoint => &["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"],
            Self::NetworkInterface => &["ipConfigurations"],
            _ => &[],
        }
    }

    /// Private DNS uses bare etags and operation URLs of its own.
    pub(crate) fn is_private_dns(self) -> bool {
        matches!(self, Self::PrivateDnsZone | Self::RecordSet | Self::VirtualNetworkLink)
    }
}
