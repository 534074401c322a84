//! `ftx-client` and `ftx-server` as they are shipped, in either dialect.
//!
//! | file | its subject |
//! | --- | --- |
//! | `beyond` | servers on other machines, in a network namespace |
//! | `causes` | the cause of each error, for people and for programs |
//! | `certificates` | client certificates, and the users that they stand for |
//! | `client_cli` | the client at a shell |
//! | `config` | the configuration file of the server |
//! | `credentials` | the client's token and its settings for a server |
//! | `cuts` | connections cut at every place |
//! | `docs` | examples, links and tables of options in the documents |
//! | `escapes` | control characters in names and messages |
//! | `ftxlib` | the protocol as `tests/ftxlib.py` speaks it |
//! | `full_disk` | disks that are full |
//! | `hostile` | hostile clients |
//! | `kill` | SIGKILL on either side |
//! | `limits` | a client that a limit keeps out |
//! | `load` | many, greedy and slow clients at once |
//! | `sandbox` | the sandbox of a server, and reloads in it |
//! | `server` | start, reports, end and fairness of the server |
//! | `service` | a socket that is passed, messages to the service manager, and the units of systemd |
//! | `stays_up` | a server without its parent, its root or its limits |
//! | `takeover` | a client that is back before the server misses it |
//! | `terminal` | the progress and the summary |
//! | `tokens` | the commands that manage tokens, and a server that follows them |
//! | `run_as` | a server that drops its privileges |
//! | `tls` | TLS, and whom each side trusts |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod beyond;
mod causes;
mod certificates;
mod client_cli;
mod config;
mod credentials;
mod cuts;
mod docs;
mod escapes;
mod ftxlib;
mod full_disk;
mod hostile;
mod kill;
mod limits;
mod load;
mod run_as;
mod sandbox;
mod server;
mod service;
mod stays_up;
mod takeover;
mod terminal;
mod tls;
mod tokens;
