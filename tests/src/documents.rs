//! The documents: the paths, types, threads and tests that they name exist, and they stay short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders at the root of the repository; a name in backticks that begins with one is a path.
const ROOTS: [&str; 10] = [
    ".ci",
    "bench",
    "cmake",
    "docs",
    "examples",
    "fuzz",
    "include",
    "packaging",
    "scripts",
    "tests",
];

/// Folders without text that names anything.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// Words in the form of a type that are none of ours: a class of the original, a unit.
const FOREIGN: [&str; 2] = ["FileClient", "MiB"];

const MAX_MAP_LINES: usize = 200;
const MAX_README_LINES: usize = 150;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files beneath `path` with this extension, `path` itself included.
fn files(path: &Path, extension: &str) -> Vec<PathBuf> {
    if path.is_file() {
        return (path.extension().is_some_and(|found| found == extension))
            .then(|| path.to_owned())
            .into_iter()
            .collect();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let inside =
        entries.filter(|entry| !SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()));
    let mut found: Vec<_> = inside.flat_map(|entry| files(&entry.path(), extension)).collect();
    found.sort();
    found
}

/// The documents whose names are checked, with their texts.
fn documents() -> Vec<(PathBuf, String)> {
    let tops = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "docs", "examples"];
    let paths = tops.iter().flat_map(|top| files(&root().join(top), "md"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Those of them that are about the inside.
fn designs() -> Vec<(PathBuf, String)> {
    let is_design = |path: &Path| {
        path.ends_with("ARCHITECTURE.md") || path.starts_with(root().join("docs/design"))
    };
    documents().into_iter().filter(|(path, _)| is_design(path)).collect()
}

/// The sources of the workspace, with their texts; without those of these tests.
fn sources() -> Vec<(PathBuf, String)> {
    let found = files(&root(), "rs").into_iter();
    let others = found.filter(|path| !path.ends_with(file!()));
    others.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The words in backticks, each with the number of its line; those in blocks of code are none.
fn marked(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with("    ") {
            found.extend(line.split('`').skip(1).step_by(2).map(|word| (number, word)));
        }
    }
    found
}

/// The words in blocks of code that can only be names of types, since they have a capital inside.
fn pictured(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            let is_name = |word: &&str| {
                let after_small = word.chars().zip(word.chars().skip(1));
                let mut pairs = after_small.map(|(a, b)| a.is_lowercase() && b.is_uppercase());
                is_type_name(word) && pairs.any(|is_inner| is_inner)
            };
            found.extend(words.filter(is_name).map(|word| (number, word)));
        }
    }
    found
}

/// Whether a word in backticks names a file or folder of this repository.
fn is_path(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let Some((first, _)) = word.split_once('/') else {
        return word.ends_with(".md") && word.chars().all(is_plain);
    };
    word.chars().all(is_plain) && (ROOTS.contains(&first) || first.starts_with("ftx-"))
}

/// The targets of a line's links that lie in this repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.map(|target| target.split('#').next().unwrap_or_default());
    // The brackets of a C++ lambda in backticks look like a link.
    let is_path = |path: &&str| !path.is_empty() && !path.contains([' ', ':']);
    paths.filter(is_path)
}

/// Whether `word` occurs in `text` as a word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

fn is_type_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.contains(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_constant_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_function_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The names of types that a source defines.
fn types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        // `pub`, `pub(crate)`, `pub(in a::b)`.
        let is_visibility = |word: &&str| word.starts_with("pub") || word.ends_with(')');
        let mut words = line.split_whitespace().skip_while(is_visibility);
        let is_type = ["struct", "enum", "trait", "type", "union"].contains(&words.next()?);
        let name = words.next().filter(|_| is_type)?;
        let name = name.split(|c: char| !c.is_alphanumeric()).next()?;
        is_type_name(name).then_some(name)
    })
}

/// The names that stand alone on a line or in front of fields, as those of variants do.
fn variants(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let end = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let has_end = [",", " {", "("].iter().any(|end| rest.starts_with(end)) || rest.is_empty();
        (has_end && is_type_name(name)).then_some(name)
    })
}

/// Rows of the table below the heading that begins so, as their cells.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let below = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let section = below.take_while(|line| !line.starts_with("## "));
    let table = section.filter(|line| line.starts_with('|')).skip(2);
    let rows: Vec<_> = table.map(|row| row.trim_matches('|').split('|').collect()).collect();
    assert!(!rows.is_empty(), "no table below {heading:?}");
    rows
}

fn map() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

#[test]
fn paths_exist() {
    let mut missing = Vec::new();
    for (document, text) in documents() {
        let beside = document.parent().unwrap();
        let exists = |path: &str| root().join(path).exists() || beside.join(path).exists();
        for (line, word) in marked(&text) {
            if is_path(word) && !exists(word) {
                missing.push(format!("{}:{line}: {word}", document.display()));
            }
        }
        for (number, line) in (1..).zip(text.lines()) {
            let dead = links(line).filter(|target| !beside.join(target).exists());
            missing.extend(dead.map(|it| format!("{}:{number}: {it}", document.display())));
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
}

#[test]
fn each_example_is_listed() {
    let examples = root().join("examples");
    let text = fs::read_to_string(examples.join("README.md")).unwrap();
    let listed: BTreeSet<_> = text.lines().flat_map(links).collect();
    for entry in fs::read_dir(examples).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let is_example = entry.path().is_dir() || name.ends_with(".c") || name.ends_with(".cpp");
        assert!(!is_example || listed.contains(&*name), "{name} is not in examples/README.md");
    }
}

#[test]
fn types_exist() {
    let sources = sources();
    let is_message = |path: &Path| path.starts_with(root().join("ftx-core/src/native/wire"));
    let types: BTreeSet<_> = sources.iter().flat_map(|(_, text)| types(text)).collect();
    let wire = sources.iter().filter(|(path, _)| is_message(path));
    let messages: BTreeSet<_> = wire.flat_map(|(_, text)| variants(text)).collect();
    let variants: BTreeSet<_> = sources.iter().flat_map(|(_, text)| variants(text)).collect();
    let is_known = |parts: &[&str], at: usize| {
        let part = parts[at];
        let is_of_type = at > 0 && is_type_name(parts[at - 1]);
        let function = format!("fn {part}");
        match (is_of_type, is_type_name(part)) {
            (true, true) => variants.contains(part),
            (true, false) => sources.iter().any(|(_, text)| has_word(text, &function)),
            (false, true) => {
                types.contains(part) || messages.contains(part) || FOREIGN.contains(&part)
            }
            (false, false) => true,
        }
    };
    let mut missing = Vec::new();
    for (document, text) in designs() {
        for (line, word) in marked(&text).into_iter().chain(pictured(&text)) {
            let parts: Vec<&str> = word.split("::").collect();
            if !(0..parts.len()).all(|at| is_known(&parts, at)) {
                missing.push(format!("{}:{line}: {word}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such types or functions:\n{}", missing.join("\n"));
}

/// "`Type` in `path`" says where a type is defined, or a constant.
#[test]
fn types_and_constants_are_in_the_named_files() {
    let mut wrong = Vec::new();
    for (document, text) in designs() {
        for (number, line) in (1..).zip(text.lines()) {
            let words: Vec<_> = line.split('`').collect();
            for part in words.windows(3).filter(|part| part[1] == " in " && is_path(part[2])) {
                let source = fs::read_to_string(root().join(part[2])).unwrap_or_default();
                let is_there = if is_type_name(part[0]) {
                    types(&source).any(|name| name == part[0])
                } else {
                    !is_constant_name(part[0]) || has_word(&source, &format!("const {}", part[0]))
                };
                if !is_there {
                    let place = document.display();
                    wrong.push(format!("{place}:{number}: {} in {}", part[0], part[2]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not in these files:\n{}", wrong.join("\n"));
}

#[test]
fn c_functions_exist() {
    let header = fs::read_to_string(root().join("include/ftx.h")).unwrap();
    let is_function = |word: &str| {
        let is_ours = ["ftx_client_", "ftx_job_"].iter().any(|of| word.starts_with(of));
        is_ours && is_function_name(word)
    };
    let mut missing = Vec::new();
    for (document, text) in designs() {
        let functions = marked(&text).into_iter().filter(|(_, word)| is_function(word));
        let unknown = functions.filter(|(_, word)| !has_word(&header, word));
        missing.extend(unknown.map(|(line, it)| format!("{}:{line}: {it}", document.display())));
    }
    assert!(missing.is_empty(), "no such functions of C:\n{}", missing.join("\n"));
}

#[test]
fn each_invariant_is_held_by_a_test_that_exists() {
    let text = map();
    let mut missing = Vec::new();
    for row in rows(&text, "## Invariants") {
        let [invariant, tests, places] = row[..] else { panic!("a row of other cells: {row:?}") };
        let places: Vec<_> = marked(places).into_iter().map(|(_, place)| place).collect();
        let tests: Vec<_> = marked(tests).into_iter().map(|(_, test)| test).collect();
        let texts: Vec<_> =
            places.iter().flat_map(|place| files(&root().join(place), "rs")).collect();
        let texts: Vec<_> = texts.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let is_held = !tests.is_empty() || texts.is_empty() && !places.is_empty();
        let is_there = |test: &&str| {
            let function = format!("fn {test}");
            is_function_name(test) && texts.iter().any(|text| has_word(text, &function))
        };
        if !is_held || !tests.iter().all(is_there) {
            missing.push(format!("{}: {tests:?} in {places:?}", invariant.trim()));
        }
    }
    assert!(missing.is_empty(), "held by no such test:\n{}", missing.join("\n"));
}

/// The table of threads has every thread that is given a name, and no other.
#[test]
fn threads_are_those_of_the_sources() {
    let is_source = |path: &Path| {
        let path = path.strip_prefix(root()).unwrap().to_string_lossy();
        path.starts_with("ftx-") && path.contains("/src/") && !path.contains("tests")
    };
    let mut named = BTreeSet::new();
    for (_, text) in sources().iter().filter(|(path, _)| is_source(path)) {
        let text = text.replace("{THREAD_PREFIX}", "ftx-");
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let gives_name = ["name(", "Output::start("].iter().any(|call| line.contains(call));
            let literal = line.split('"').nth(1).filter(|name| name.starts_with("ftx-"));
            if let Some(name) = literal.filter(|_| gives_name) {
                named.insert(name.split('{').next().unwrap_or(name).to_owned());
            }
        }
    }
    let text = map();
    let rows = rows(&text, "## Threads");
    let listed = rows.iter().flat_map(|row| marked(row[0])).map(|(_, name)| name);
    let listed: BTreeSet<_> = listed.map(|name| name.trim_end_matches('N').to_owned()).collect();
    assert!(named.len() > 5, "{named:?}");
    // The pools of server and library differ by a number only.
    let plain = |names: &BTreeSet<String>| -> BTreeSet<String> {
        names.iter().map(|name| name.trim_end_matches('-').to_owned()).collect()
    };
    assert_eq!(plain(&named), plain(&listed));
}

#[test]
fn the_first_documents_stay_short() {
    assert!(map().lines().count() <= MAX_MAP_LINES);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= MAX_README_LINES);
}

#[test]
fn words_in_backticks_are_distinguished() {
    let text = "`a` and `b/c`\n```\n`code`\n```\n    `code`\n| `ftx-io/x.rs` |";
    assert_eq!(marked(text), [(1, "a"), (1, "b/c"), (6, "ftx-io/x.rs")]);
    assert_eq!(pictured("`AbC`\n```text\nAb ─▶ AbC, ABC\n```"), [(3, "AbC")]);
    assert!(is_path("ftx-io/src/lib.rs") && is_path("docs/design/") && is_path("README.md"));
    assert!(!is_path("a/b") && !is_path("native::wire") && !is_path("ftx-client"));
    assert_eq!(links("[a](b.md#c) [d](https://e)").collect::<Vec<_>>(), ["b.md"]);
    let source =
        "pub(crate) struct A1b<T> {\n    Variant,\n    Other { x: u8 },\n    let Bad = 1;\n";
    assert_eq!(types(source).collect::<Vec<_>>(), ["A1b"]);
    assert_eq!(types("pub(in a::b) struct A1b;").collect::<Vec<_>>(), ["A1b"]);
    assert_eq!(variants(source).collect::<Vec<_>>(), ["Variant", "Other"]);
}
