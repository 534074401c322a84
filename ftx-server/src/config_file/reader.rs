//! The values of a table, checked for their type.

use std::num::NonZeroU64;
use std::ops::{Deref, Range};

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::Findings;
use super::nearest::advice;

/// A table, and where the errors about it go.
pub(super) struct TableReader<'a> {
    /// As an error names it: `[[grant]]`; `None` for the file as a whole.
    name: Option<&'static str>,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    pub(super) findings: &'a Findings<'a>,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<'a> TableReader<'a> {
    pub(super) fn root(
        table: &'a DeTable<'a>,
        span: Range<usize>,
        findings: &'a Findings<'a>,
    ) -> Self {
        Self { name: None, table, span, findings }
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<Located<&'a DeValue<'a>>> {
        self.table.get(key).map(located)
    }

    /// The table of a key, which an error calls `name`.
    pub(super) fn table(&self, key: &str, name: &'static str) -> Option<TableReader<'a>> {
        let value = self.value(key)?;
        match value.value {
            DeValue::Table(table) => Some(self.inner(table, value.span, name)),
            _ => {
                self.findings.add(&value.span, format!("write it as a table: {name}"));
                None
            }
        }
    }

    /// The tables of a key, which an error calls `name`.
    pub(super) fn tables(&self, key: &str, name: &'static str) -> Vec<TableReader<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let refused = |span: &Range<usize>| {
            self.findings.add(span, format!("there can be several of these: write {name}"));
        };
        let DeValue::Array(array) = value.value else {
            refused(&value.span);
            return Vec::new();
        };
        let tables = array.iter().map(located).filter_map(|item| match item.value {
            DeValue::Table(table) => Some(self.inner(table, item.span, name)),
            _ => {
                refused(&item.span);
                None
            }
        });
        tables.collect()
    }

    fn inner(
        &self,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        name: &'static str,
    ) -> TableReader<'a> {
        TableReader { name: Some(name), table, span, findings: self.findings }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<Located<&'a str>> {
        let value = self.value(key)?;
        match value.value {
            DeValue::String(text) => Some(Located { value: text, span: value.span }),
            other => {
                self.wrong_type(key, other, "a string", &value.span);
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Option<Located<Vec<Located<&'a str>>>> {
        let value = self.value(key)?;
        let DeValue::Array(array) = value.value else {
            self.wrong_type(key, value.value, "an array of strings", &value.span);
            return None;
        };
        let texts = array.iter().map(located).filter_map(|item| match item.value {
            DeValue::String(text) => Some(Located { value: &**text, span: item.span }),
            other => {
                self.wrong_type(key, other, "strings", &item.span);
                None
            }
        });
        Some(Located { value: texts.collect(), span: value.span })
    }

    /// A number of bytes, with or without a unit.
    pub(super) fn size(&self, key: &str) -> Option<u64> {
        let value = self.value(key)?;
        let text = match value.value {
            DeValue::String(text) => text.trim(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            other => {
                self.wrong_type(key, other, "a size such as \"10 GB\"", &value.span);
                return None;
            }
        };
        match text.parse::<ByteSize>() {
            Ok(size) => Some(size.as_u64()),
            Err(_) => {
                let message = format!(
                    "{key}: {text:?} is not a size; write a number and a unit, such as \"10 GB\" or \"512 MiB\""
                );
                self.findings.add(&value.span, message);
                None
            }
        }
    }

    /// A number of bytes a second, with or without a unit.
    pub(super) fn rate(&self, key: &str) -> Option<NonZeroU64> {
        let rate = self.size(key)?;
        if rate == 0
            && let Some(value) = self.value(key)
        {
            let message = format!(
                "{key}: nothing could move; write a size for each second, or remove the key"
            );
            self.findings.add(&value.span, message);
        }
        NonZeroU64::new(rate)
    }

    /// Adds an error if a key is missing.
    pub(super) fn require(&self, key: &str) {
        if self.value(key).is_none() {
            let place = self.name.unwrap_or("the file");
            self.findings.add(&self.span, format!("{place} needs the key {key:?}"));
        }
    }

    /// Adds an error for each key that is none of these. `elsewhere` may know where it belongs.
    pub(super) fn reject_others<'k>(
        &self,
        known: impl IntoIterator<Item = &'k str>,
        elsewhere: &dyn Fn(&str) -> Option<String>,
    ) {
        let known: Vec<_> = known.into_iter().collect();
        let place = self.name.map(|name| format!(" in {name}")).unwrap_or_default();
        for key in self.table.keys() {
            let name = key.get_ref();
            if !known.contains(&&**name) {
                let advice = elsewhere(name).unwrap_or_else(|| advice(name, known.iter().copied()));
                self.findings.add(&key.span(), format!("unknown key {name:?}{place}{advice}"));
            }
        }
    }

    pub(super) fn wrong_type(
        &self,
        key: &str,
        found: &DeValue<'_>,
        expected: &str,
        span: &Range<usize>,
    ) {
        let found = found.type_str();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        self.findings.add(span, format!("{key}: expected {expected}, found {article} {found}"));
    }
}

fn located<'a>(value: &'a Spanned<DeValue<'a>>) -> Located<&'a DeValue<'a>> {
    Located { value: value.get_ref(), span: value.span() }
}
