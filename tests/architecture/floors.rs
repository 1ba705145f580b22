//! Who may import whom. A room is a folder or file directly below `src`; its own modules are always allowed.

/// A room and the rooms it may import, whole (`domain`) or single modules of them (`domain::azure`).
type Row = (&'static str, &'static [&'static str]);

/// The floors, from the words up. A room that is not here may not exist.
pub(super) const FLOORS: &[Row] = &[
    // Floor 0: words. Resources in normal form are made of values, values name keys: the two know each other.
    ("domain", &["value"]),
    ("value", &["domain"]),
    ("diagnostic", &["domain"]),
    // Floor 1: stages, pure functions of values.
    ("repo", &["domain", "diagnostic"]),
    ("desired", &["repo", "domain", "diagnostic"]),
    ("observed", &["domain"]),
    ("cloud_provider", &["observed", "domain"]),
    ("plan", &["desired", "observed", "cloud_provider", "domain", "value", "diagnostic"]),
    ("approval", &["plan", "domain"]),
    ("review", &["plan", "approval", "domain", "diagnostic"]),
    ("import", &["desired", "observed", "domain"]),
    // Floor 2: doing.
    ("apply", &["plan", "approval", "domain"]),
    ("status", &["plan", "apply", "observed", "domain"]),
    ("review", &["plan", "approval", "domain", "diagnostic"]),
    // Beside floor 2: adapters.
    ("azure", &["domain"]),
    ("kubernetes", &["domain"]),
    ("git", &["domain"]),
    ("forge", &["domain"]),
    // Floor 3: showing. Every stage, no adapter.
    (
        "render",
        &[
            "domain",
            "value",
            "diagnostic",
            "repo",
            "desired",
            "observed",
            "cloud_provider",
            "plan",
            "approval",
            "apply",
            "status",
            "review",
        ],
    ),
    // Floor 4: running.
    (
        "reconcile",
        &[
            "domain",
            "value",
            "diagnostic",
            "repo",
            "desired",
            "observed",
            "cloud_provider",
            "plan",
            "approval",
            "import",
            "apply",
            "status",
            "review",
            "azure",
            "kubernetes",
            "git",
            "forge",
        ],
    ),
    ("agent", &["reconcile", "render", "review", "status", "config", "domain", "value", "diagnostic"]),
    (
        "cli",
        &[
            "domain",
            "value",
            "diagnostic",
            "repo",
            "desired",
            "observed",
            "cloud_provider",
            "plan",
            "approval",
            "import",
            "apply",
            "status",
            "review",
            "azure",
            "kubernetes",
            "git",
            "forge",
            "render",
            "reconcile",
            "agent",
            "config",
            "telemetry",
            "sim",
        ],
    ),
    ("config", &["domain"]),
    ("telemetry", &["domain"]),
    // The thin entry names the library by its name, not by `crate::`.
    ("main", &[]),
    ("lib", &[]),
    // Beside the tower. Identifiers only: with our codecs or rules it would agree with our mistakes.
    ("sim", &["domain::azure", "domain::kubernetes", "domain::cidr", "domain::name"]),
];

/// A room, what it may import beyond the floors, and why.
type Exception = (&'static str, &'static str, &'static str);

/// What the floors would forbid and is granted all the same. One that nobody uses any more has to be struck.
pub(super) const EXCEPTIONS: &[Exception] = &[
    ("reconcile", "render", "a pass writes status files, and only render knows their bytes"),
    ("status", "desired", "conditions say what was asked for beside what is there"),
    ("kubernetes", "value", "ownership tells the fields of a resource, which are values"),
    ("config", "azure::cloud", "the runner alone defines the endpoints of a cloud"),
    ("config", "azure::traffic", "all ways to Azure of one run share what Azure counts together"),
    ("config", "git::Access", "the runner alone brings the credentials of a remote"),
    ("config", "desired::policy", "the name of a cloud is looked up among the runner's"),
    ("review", "desired::policy", "what an approval lacks is told by the consent that the policy asks for"),
    ("approval", "desired::policy", "consent by risk is a word of the policy that a plan carries"),
    ("apply", "value", "the engine keeps the outputs of steps, by the words of the values that wait for them"),
    ("reconcile", "config", "ways to the world are opened with what the runner brought"),
];
