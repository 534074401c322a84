//! The process of a server: the user as which it runs, its sandbox, the socket that a service manager passes,
//! and the messages to the manager.
//!
//! All of it is for Linux. On other systems no socket is passed, no message is sent, no user is changed, and
//! there is no sandbox.

mod activation;
mod file_access;
mod owned_dir;
mod sandbox;
mod service_manager;
mod system_user;
mod user_spec;

pub use self::activation::{ActivationError, passed_listener};
pub use self::file_access::{FileAccessError, FileUsage, NeededFile};
pub use self::owned_dir::create_dirs_for;
pub use self::sandbox::{Sandbox, SandboxError, SandboxMode, SandboxRules, SandboxStatus};
pub use self::service_manager::ServiceManager;
pub use self::system_user::{SystemUser, SystemUserError};
pub use self::user_spec::{UserSpec, UserSpecError};
