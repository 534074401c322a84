//! Every relative link in a Markdown file leads to a file of the tree, and every anchor to a heading.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use ftx_tests::bins;

#[test]
fn every_relative_link_leads_somewhere() {
    let mut documents = Vec::new();
    markdown_below(bins::workspace(), &mut documents);
    assert!(documents.contains(&bins::workspace().join("README.md")), "{documents:?}");
    let mut broken = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in links(&text) {
            if !is_valid(document, &text, &link) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn links_and_anchors_are_read_as_markdown_has_them() {
    let text = "# A `b`: c-d!\n[x](one.md) and `[y](no.md)`, [z](two.md#three)\n```\n[w](no.md)\n```\n    \
                [v](no.md)\n## Same\n## Same\n";
    assert_eq!(links(text), ["one.md", "two.md#three"]);
    let anchors = ["a-b-c-d", "same", "same-1"].map(str::to_owned);
    assert_eq!(anchors_of(text), BTreeSet::from(anchors));
}

/// Collects the Markdown files below `dir`, without build products and hidden directories.
fn markdown_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            let is_product = path.join("CACHEDIR.TAG").exists() || name == "target";
            if !is_product && !name.to_string_lossy().starts_with('.') {
                markdown_below(&path, found);
            }
        } else if path.extension() == Some(OsStr::new("md")) {
            found.push(path);
        }
    }
}

/// Whether `link`, found in `document` with `text`, is external or leads to something.
fn is_valid(document: &Path, text: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return anchors_of(text).contains(anchor);
    }
    let target = document.parent().unwrap().join(path);
    target.exists()
        && (anchor.is_empty()
            || fs::read_to_string(target).is_ok_and(|text| anchors_of(&text).contains(anchor)))
}

/// The targets of the links outside of code.
fn links(text: &str) -> Vec<String> {
    let prose: String =
        prose(text).flat_map(|line| [without_code(line), "\n".to_owned()]).collect();
    let targets = prose.split("](").skip(1);
    targets.filter_map(|rest| Some(rest.split_once(')')?.0.trim().to_owned())).collect()
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence && !line.starts_with("    ")
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The anchors that a forge makes of the headings.
fn anchors_of(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let headings = prose(text).filter(|line| line.starts_with('#'));
    for heading in headings.map(|line| line.trim_start_matches('#').trim().to_lowercase()) {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|n| format!("{anchor}-{n}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|a| !anchors.contains(a));
        anchors.extend(free);
    }
    anchors
}
