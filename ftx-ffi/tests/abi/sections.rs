//! The sections of the header, in which a reader meets each thing before it is needed.

/// A part of the header.
pub(crate) struct Section {
    title: &'static str,
    intro: &'static str,
    /// The names of its items in their order. `FTX_X_*` stands for all that begin so, in the order of the
    /// sources, and `STATUSES` for the constants below 0.
    items: &'static [&'static str],
}

const STATUSES: &str = "STATUSES";

const SECTIONS: &[Section] = &[
    Section {
        title: "Clients",
        intro: "A client stands for a server. `ftx_config_new` below makes settings for it.",
        items: &[
            "ftx_client",
            "ftx_config",
            "ftx_client_new",
            "ftx_client_new_at",
            "ftx_client_free",
            "ftx_client_cancel",
        ],
    },
    Section {
        title: "Transfers",
        intro: "These calls return when the transfer has ended. They report events to a callback.",
        items: &[
            "FTX_EVENT_*",
            "FTX_WHOLE_JOB",
            "ftx_event",
            "ftx_progress_fn",
            "ftx_client_upload",
            "ftx_client_download",
            "ftx_client_upload_files",
            "ftx_client_download_files",
        ],
    },
    Section {
        title: "Jobs",
        intro: "A job runs beside its caller: make it, add files, start it, and take its events from a \
                queue, whose descriptor an event loop can poll. examples/main_loop.c is a program of it.",
        items: &[
            "ftx_job",
            "FTX_JOB_UPLOAD",
            "FTX_JOB_DOWNLOAD",
            "FTX_JOB_LIST",
            "FTX_JOB_STAT",
            "FTX_JOB_DIGEST",
            "FTX_JOB_REMOVE",
            "FTX_JOB_DIALECT",
            "ftx_job_new",
            "ftx_job_free",
            "ftx_job_add",
            "ftx_job_add_bytes",
            "ftx_job_set_size",
            "FTX_JOB_OPTION_*",
            "ftx_job_set_u64",
            "ftx_job_set_bytes",
            "ftx_job_set_user_data",
            "ftx_job_id",
            "ftx_job_start",
            "ftx_job_pause",
            "ftx_job_resume",
            "ftx_job_cancel",
            "ftx_job_abort",
            "ftx_job_wait",
            "ftx_client_event_fd",
            "ftx_client_next_event",
            "FTX_STATE_*",
            "ftx_job_state",
            "ftx_totals",
            "ftx_job_totals",
            "ftx_file",
            "ftx_job_file_count",
            "ftx_job_file",
        ],
    },
    Section {
        title: "Names on the server",
        intro: "Lists, sizes, digests and removals, as calls and as results of jobs.",
        items: &[
            "FTX_NAME_BYTES",
            "FTX_ENTRY_*",
            "FTX_OBSTACLE_*",
            "ftx_entry",
            "ftx_entry_fn",
            "ftx_client_list",
            "ftx_client_stat",
            "FTX_DIGEST_BYTES",
            "ftx_client_digest",
            "ftx_client_remove",
            "ftx_client_dialect",
            "ftx_job_next_entry",
            "ftx_job_digest",
            "ftx_job_dialect",
        ],
    },
    Section {
        title: "Errors",
        intro: "",
        items: &[
            "FTX_OK",
            STATUSES,
            "FTX_CATEGORY_*",
            "FTX_SIDE_*",
            "FTX_MESSAGE_BYTES",
            "ftx_error",
            "ftx_last_error",
            "ftx_job_error",
            "ftx_strerror",
            "ftx_status_name",
            "ftx_status_category",
            "ftx_original_status",
        ],
    },
    Section {
        title: "Settings",
        intro: "",
        items: &[
            "ftx_config_new",
            "ftx_config_free",
            "FTX_MAX_STREAMS",
            "FTX_MIN_LIMIT_RATE",
            "FTX_OPTION_*",
            "FTX_DIALECT_*",
            "FTX_TLS_*",
            "FTX_COMPRESS_*",
            "FTX_DURABILITY_*",
            "FTX_OVERWRITE_*",
            "ftx_config_set_u64",
            "ftx_config_set_bytes",
            "ftx_config_get_u64",
        ],
    },
    Section {
        title: "Log",
        intro: "",
        items: &["FTX_LOG_*", "ftx_log_fn", "ftx_set_log_callback"],
    },
    Section {
        title: "Version",
        intro: "",
        items: &[
            "FTX_VERSION",
            "FTX_VERSION_NUM",
            "FTX_ABI_VERSION",
            "ftx_version",
            "ftx_abi_version",
        ],
    },
];

/// A declaration with its documentation.
struct Item {
    name: String,
    text: String,
    is_status: bool,
}

impl Item {
    /// The item of a text that begins with its documentation.
    fn parse(text: &str) -> Self {
        let (_, code) = text.split_once("*/\n").unwrap();
        let words: Vec<&str> = code.split_whitespace().collect();
        let name = match words[0] {
            "#define" => words[1],
            // A type for a function has its name in brackets, each other one at its end.
            "typedef" => match code.split_once("(*") {
                Some((_, rest)) => rest.split(')').next().unwrap(),
                None => words.last().unwrap().trim_end_matches(';'),
            },
            _ => code.split('(').next().unwrap().rsplit([' ', '*']).next().unwrap(),
        };
        let is_status = words[0] == "#define" && words[2].starts_with('-');
        Self { name: name.to_owned(), text: text.trim_end().to_owned(), is_status }
    }

    fn is_of(&self, pattern: &str) -> bool {
        match pattern.strip_suffix('*') {
            Some(begin) => self.name.starts_with(begin),
            None if pattern == STATUSES => self.is_status,
            None => self.name == pattern,
        }
    }
}

/// The header with its items in sections.
pub(crate) fn in_sections(header: &str) -> String {
    const BEGIN: &str = "#ifdef __cplusplus\nextern \"C\" {\n#endif // __cplusplus\n";
    const END: &str = "#ifdef __cplusplus\n}  // extern \"C\"";
    let header = header.replacen(BEGIN, "", 1);
    let (head, rest) = header.split_once("\n/**\n").unwrap();
    let (items, end) = rest.split_once(END).unwrap();
    let mut items: Vec<_> =
        items.split("\n/**\n").map(|item| Item::parse(&format!("/**\n{item}"))).collect();
    let mut text = format!("{}\n\n{BEGIN}", head.trim_end());
    for section in SECTIONS {
        let line = "-".repeat(section.title.len());
        text += &format!("\n/*\n * {}\n * {line}\n", section.title);
        if !section.intro.is_empty() {
            text += &format!(" * {}\n", section.intro);
        }
        text += " */\n";
        for pattern in section.items {
            let (taken, left): (Vec<_>, Vec<_>) =
                items.into_iter().partition(|item| item.is_of(pattern));
            assert!(!taken.is_empty(), "the section {} has no {pattern}", section.title);
            items = left;
            for item in taken {
                text += &format!("\n{}\n", item.text);
            }
        }
    }
    let left: Vec<_> = items.iter().map(|item| &item.name).collect();
    assert!(left.is_empty(), "name the section of {left:?} in tests/abi/sections.rs");
    format!("{text}\n{END}{end}")
}
