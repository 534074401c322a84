//! A client's side of a listing, page by page.
//!
//! Listed names become names of local files, so no entry may be used before [`Listing::page`] has
//! accepted its whole page.

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::string::ToString as _;

use crate::native::StepError;
use crate::native::wire::{Listed, Request};
use crate::raw_name::NameKey;
use crate::{RawName, RemoteName};

/// A listing of one directory, from its first page to its last.
#[derive(Clone, Debug)]
pub struct Listing {
    directory: Option<RemoteName>,
    recursive: bool,
    /// Entries of the next page.
    limit: u32,
    /// Entries of the largest page.
    max_limit: u32,
    /// The last listed name.
    last: Option<RawName>,
    ended: bool,
}

impl Listing {
    /// A listing of `directory`, `None` for the root, in pages of at most `limit` entries. With
    /// `recursive` it includes all subdirectories.
    #[must_use]
    pub const fn new(directory: Option<RemoteName>, recursive: bool, limit: u32) -> Self {
        Self { directory, recursive, limit, max_limit: limit, last: None, ended: false }
    }

    /// Doubles the entries of each page, up to `max_limit`: the first page comes soon, and the later ones are
    /// few.
    #[must_use]
    pub fn growing(self, max_limit: u32) -> Self {
        Self { max_limit, ..self }
    }

    /// Returns the request for the next page.
    #[must_use]
    pub fn request(&self) -> Request {
        let directory = self.directory.as_ref().map(RemoteName::as_str);
        Request::List {
            name: String::from(directory.unwrap_or_default()),
            recursive: self.recursive,
            after: self.last.as_ref().map(RawName::to_string),
            limit: self.limit,
        }
    }

    /// Takes a page: the `Entries` that answers the [`request`](Self::request).
    ///
    /// # Errors
    /// The page follows the last one, has more entries than requested, or none although `more` is set;
    /// or a name is outside the directory, or does not ascend.
    pub fn page(&mut self, entries: &[Listed], more: bool) -> Result<(), StepError> {
        if self.ended {
            return Err(out_of_step("a page behind the last page of a listing"));
        }
        if u32::try_from(entries.len()).map_or(true, |len| len > self.limit) {
            return Err(StepError::TooMuch);
        }
        let mut last = self.last.as_ref().map(RawName::place);
        for entry in entries {
            let place = entry.place();
            if !self.lists(place) {
                return Err(out_of_step("a listing with a name outside the directory"));
            }
            if last.is_some_and(|last| last >= place) {
                return Err(out_of_step("a listing whose names do not ascend"));
            }
            last = Some(place);
        }
        match entries.last() {
            Some(entry) => self.last = Some(entry.raw_name()),
            None if more => return Err(out_of_step("an empty page before the end of a listing")),
            None => {}
        }
        self.ended = !more;
        self.limit = self.limit.saturating_mul(2).min(self.max_limit);
        Ok(())
    }

    /// Whether the last page has arrived.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether the listing may contain this name.
    fn lists(&self, place: NameKey<'_>) -> bool {
        let Some(directory) = &self.directory else {
            return self.recursive || place.directory.is_none();
        };
        let below = place.directory.and_then(|name| name.strip_prefix(directory.as_str()));
        below.is_some_and(|below| below.is_empty() || (self.recursive && below.starts_with('/')))
    }
}

const fn out_of_step(what: &'static str) -> StepError {
    StepError::OutOfStep { what }
}
