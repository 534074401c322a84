//! The process of a server: the socket that a service manager passes, and the messages to the manager.
//!
//! All of it is for Linux. On other systems no socket is passed and no message is sent.

mod activation;
mod service_manager;

pub use self::activation::{ActivationError, passed_listener};
pub use self::service_manager::ServiceManager;
