//! `fake-s3`: the S3-compatible server in memory as a program.
//!
//! It prints its URL, and serves until it is killed. Each line on its standard input is a command:
//!
//! | command | answer |
//! |---|---|
//! | `fault RULE` | `fault N`, the number of the rule |
//! | `held N` | `held N`, once the rule holds a request |
//! | `release N`, `release-one N`, `remove N` | `ok` |
//! | `hits N` | `hits N COUNT`, the requests that the rule has struck |
//! | `clear` | `ok`: all rules are gone |
//! | `count OPERATION` | `count OPERATION COUNT`, the requests since the start |
//! | `objects` | `object KEY SIZE TAG` for each, `ok` |
//! | `uploads` | `upload KEY ID PARTS` for each, `ok` |
//!
//! A line that cannot be understood is answered with `error REASON`. The text form of a rule is
//! `OPERATION|* [key=PREFIX] [nth=N|first=N] FAULT`, where FAULT is one of `answer before|after
//! STATUS CODE [RETRY_AFTER_SECONDS]`, `lose before|after`, `delay before|after MILLISECONDS`,
//! `hold before|after`, `slow CHUNK_BYTES MILLISECONDS`, `truncate BYTES`, `corrupt AT`,
//! `slow-upload CHUNK_BYTES MILLISECONDS` and `cut-upload BYTES`.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;
use std::thread;

use ftx_fake_s3::{FakeS3, FaultHandle, Launch, Tags};

const USAGE: &str = "usage: fake-s3 [--port N] [--bucket NAME] [--counter-tags] [--anonymous]
               [--page-entries N] [--min-part-bytes N]
               [--ignore-conditions] [--ignore-complete-conditions]";

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let launch = parse(std::env::args().skip(1)).map_err(|error| format!("{error}\n{USAGE}"))?;
    let server = FakeS3::launch(launch)?;
    say(&server.endpoint())?;
    let mut rules = Vec::new();
    for line in io::stdin().lock().lines() {
        let answer = obey(&server, &mut rules, &line?);
        say(&answer.unwrap_or_else(|error| format!("error {error}")))?;
    }
    // The end of the input is not the end of the server, which scripts start in the background.
    loop {
        thread::park();
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Launch, Failure> {
    let mut launch = Launch::default();
    let settings = &mut launch.settings;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--port" => launch.address = (Ipv4Addr::LOCALHOST, value()?.parse()?).into(),
            "--bucket" => launch.bucket = value()?,
            "--counter-tags" => settings.tags = Tags::Counter,
            "--anonymous" => settings.allow_anonymous = true,
            "--page-entries" => settings.page_entries = value()?.parse()?,
            "--min-part-bytes" => settings.min_part_bytes = value()?.parse()?,
            "--ignore-conditions" => settings.ignore_conditions = true,
            "--ignore-complete-conditions" => settings.ignore_complete_conditions = true,
            _ => return Err(format!("no such option: {word}").into()),
        }
    }
    Ok(launch)
}

/// Obeys a command, and returns the answer.
fn obey(server: &FakeS3, rules: &mut Vec<FaultHandle>, line: &str) -> Result<String, Failure> {
    let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let rule = || -> Result<&FaultHandle, Failure> {
        let index = rest.trim().parse::<usize>()?.checked_sub(1);
        Ok(index.and_then(|index| rules.get(index)).ok_or("no such rule")?)
    };
    let ok = || "ok".to_owned();
    Ok(match command {
        "fault" => {
            rules.push(server.fault(rest.parse()?));
            format!("fault {}", rules.len())
        }
        "held" => {
            wait(rule()?)?;
            format!("held {rest}")
        }
        "release" => {
            rule()?.release();
            ok()
        }
        "release-one" => {
            rule()?.release_one();
            ok()
        }
        "remove" => {
            rule()?.remove();
            ok()
        }
        "hits" => format!("hits {rest} {}", rule()?.hits()),
        "clear" => {
            server.clear_faults();
            ok()
        }
        "count" => format!("count {rest} {}", server.count(rest.trim().parse()?)),
        "objects" => list_objects(server),
        "uploads" => list_uploads(server),
        _ => return Err(format!("no such command: {command}").into()),
    })
}

fn list_objects(server: &FakeS3) -> String {
    let objects = server.objects();
    let lines = objects
        .iter()
        .map(|object| format!("object {} {} {}\n", object.key, object.size(), object.tag));
    lines.chain(["ok".to_owned()]).collect()
}

fn list_uploads(server: &FakeS3) -> String {
    let uploads = server.pending_uploads();
    let lines = uploads
        .iter()
        .map(|upload| format!("upload {} {} {}\n", upload.key, upload.id, upload.parts.len()));
    lines.chain(["ok".to_owned()]).collect()
}

fn wait(rule: &FaultHandle) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(rule.held());
    Ok(())
}
