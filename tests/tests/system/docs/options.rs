//! Every table of options in `docs/cli.md` and `docs/server.md` has the flags, values and defaults that
//! `--help` prints, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use ftx_tests::bins;

/// The commands of `ftx-client`; each may have a section of this name in `docs/cli.md`.
const COMMANDS: [&str; 6] = ["upload", "download", "ls", "stat", "digest", "rm"];

/// The options of one program or command, by their flags, such as `-o, --output`.
type Options = BTreeMap<String, Opt>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Opt {
    takes_value: bool,
    default: Option<String>,
    /// The variable of the environment that sets it.
    variable: Option<String>,
    /// The only values it takes, if there are few.
    values: Vec<String>,
}

#[test]
fn the_server_has_the_options_of_its_table() {
    let documented = section("docs/server.md", "Options");
    assert_same("ftx-server", &documented, &help(Command::new(bins::server()).arg("--help")));
}

#[test]
fn every_client_command_has_the_options_of_its_tables() {
    let common = section("docs/cli.md", "Every command");
    let mut top = common.clone();
    top.extend(section("docs/cli.md", "Without a command"));
    assert_same("ftx-client", &top, &help(Command::new(bins::client()).arg("--help")));
    for command in COMMANDS {
        let mut documented = common.clone();
        documented.extend(section("docs/cli.md", command));
        let printed = help(Command::new(bins::client()).args([command, "--help"]));
        assert_same(command, &documented, &printed);
    }
}

#[test]
fn the_client_has_no_further_commands() {
    let text = output(Command::new(bins::client()).arg("--help"));
    let commands = text.split("Commands:").nth(1).expect("a list of commands");
    let names = commands.lines().skip(1).take_while(|line| !line.is_empty());
    let names = names.filter_map(|line| line.strip_prefix("  ").filter(|l| !l.starts_with(' ')));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, [&COMMANDS[..], &["help"]].concat());
}

#[test]
fn help_is_read_in_both_forms_of_clap() {
    let short = "Options:\n  -o, --output <FILE>  The file,\n                       for one [default:\n  \
                                        ./x]\n      --quiet          Nothing\n\nExit codes:\n  -1  none\n";
    let long = "Options:\n  -o, --output <FILE>\n          The file\n\n          [default: ./x]\n\n      \
                --quiet\n          Nothing\n";
    let expected = Options::from([
        (
            "-o, --output".to_owned(),
            Opt { takes_value: true, default: Some("./x".to_owned()), ..Opt::default() },
        ),
        ("--quiet".to_owned(), Opt::default()),
    ]);
    assert_eq!(parse_help(short), expected);
    assert_eq!(parse_help(long), expected);
}

/// Compares the two in both directions, and names the first option that differs.
fn assert_same(program: &str, documented: &Options, printed: &Options) {
    let missing: Vec<_> = printed.keys().filter(|key| !documented.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{program}: the document lacks {missing:?}");
    let surplus: Vec<_> = documented.keys().filter(|key| !printed.contains_key(*key)).collect();
    assert!(surplus.is_empty(), "{program}: --help lacks {surplus:?}");
    for (flags, printed) in printed {
        let row = &documented[flags];
        let same = (row.takes_value, &row.default, &row.variable)
            == (printed.takes_value, &printed.default, &printed.variable);
        assert!(same, "{program} {flags}: documented {row:?}, printed {printed:?}");
        let unnamed: Vec<_> = printed.values.iter().filter(|v| !row.values.contains(v)).collect();
        assert!(unnamed.is_empty(), "{program} {flags}: the document lacks the values {unnamed:?}");
    }
}

fn output(command: &mut Command) -> String {
    let output = command.env_remove("RUST_LOG").output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn help(command: &mut Command) -> Options {
    let options = parse_help(&output(command));
    assert!(options.contains_key("-h, --help"), "{command:?}: {options:?}");
    options
}

/// The options in a text that clap printed, whichever of its two forms it chose.
fn parse_help(text: &str) -> Options {
    let mut entries: Vec<(String, String)> = Vec::new();
    let lines = text.lines().skip_while(|line| *line != "Options:").skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let line = line.trim();
        if line.starts_with('-') && !line.starts_with("- ") {
            let (spec, about) = line.split_once("  ").unwrap_or((line, ""));
            entries.push((spec.to_owned(), about.trim().to_owned()));
        } else if let Some((_, about)) = entries.last_mut() {
            about.push(' ');
            about.push_str(line);
        }
    }
    entries.iter().map(|(spec, about)| parse_entry(spec, about)).collect()
}

/// An entry such as `-o, --output <FILE>` and its description.
fn parse_entry(spec: &str, about: &str) -> (String, Opt) {
    let note = |name: &str| {
        let (_, rest) = about.split_once(&format!("[{name}:"))?;
        Some(rest.split_once(']')?.0.trim().to_owned())
    };
    let values = note("possible values").map_or_else(
        || listed_values(about),
        |values| values.split(',').map(|value| value.trim().to_owned()).collect(),
    );
    let flags = spec.split_whitespace().filter(|word| word.starts_with('-'));
    let option = Opt {
        takes_value: spec.contains('<'),
        default: note("default"),
        variable: note("env").map(|variable| variable.trim_end_matches('=').to_owned()),
        values,
    };
    (flags.collect::<Vec<_>>().join(" "), option)
}

/// The values that clap's long form lists in lines such as `- full: Loss of power`.
fn listed_values(about: &str) -> Vec<String> {
    let Some((_, list)) = about.split_once("Possible values:") else { return Vec::new() };
    let items = list.split(" - ").skip(1);
    items.filter_map(|item| Some(item.split([':', ' ']).next()?.to_owned())).collect()
}

/// The options in the table below the heading `title`; none where there is no such heading.
fn section(document: &str, title: &str) -> Options {
    let text = fs::read_to_string(bins::workspace().join(document)).unwrap();
    let is_title =
        |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == title;
    let lines = text.lines().skip_while(|line| !is_title(line)).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('#'));
    lines.filter(|line| line.starts_with("| `-")).map(parse_row).collect()
}

/// A row such as `` | `-o`, `--output FILE` | `default` | meaning | ``.
fn parse_row(row: &str) -> (String, Opt) {
    let row = row.replace("\\|", "\u{0}");
    let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [spec, default, meaning] = cells[..] else { panic!("not three cells: {row}") };
    let spec = code_spans(spec).join(", ");
    let (flags, values): (Vec<_>, Vec<_>) =
        spec.split_whitespace().partition(|word| word.starts_with('-'));
    let named = meaning.split_once("ariable ").map(|(_, name)| code_spans(name));
    let variable = named.and_then(|spans| spans.into_iter().next());
    let mut named = code_spans(meaning);
    named.extend(values.iter().flat_map(|value| value.split('\u{0}')).map(str::to_owned));
    let option = Opt {
        takes_value: !values.is_empty(),
        default: code_spans(default).into_iter().next(),
        variable,
        values: named,
    };
    (flags.join(" "), option)
}

/// The texts between backticks.
fn code_spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
