//! Git, on libgit2 and without a checkout: mirrors of remotes, files of a commit, commits, compare-and-swap pushes.
//!
//! ```text
//! Mirror ── list, fetch, push ──▶ local   file://   packs copied between two object databases
//!    │                         └▶ smart   https://  our subtransport on reqwest
//!    └─ Repository ─ objects             ssh://    our subtransport on the `ssh` program
//! ```
//!
//! Everything here blocks: call it from `spawn_blocking`, never on an async worker, because `reqwest::blocking` panics
//! there. What moves a ref takes the value it expects, so that two writers can never overwrite each other.

mod access;
mod advertisement;
mod cache;
mod commit;
mod credential;
mod error;
mod folder;
mod history;
mod http;
mod identity;
mod local;
mod merge;
mod mirror;
mod push;
mod repository;
mod session;
mod signature;
mod smart;
mod snapshot;
mod ssh;
mod transport;
mod url;

pub use access::Access;
pub use commit::CommitText;
pub use commit::Signing;
pub use error::GitError;
pub use history::History;
pub use identity::identity;
pub use merge::Merged;
pub use mirror::Mirror;
pub use push::Push;
pub use repository::Repository;
pub use signature::SigningKey;
pub use snapshot::Limits;
pub use url::InvalidUrl;
pub use url::RemoteUrl;
