//! What C passes, made into what Rust works with; and back.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::slice;

use ftx_client::Reason;

use crate::failure::Failure;
use crate::process::Maker;
use crate::status::Own;

/// What is behind a pointer that C holds.
pub(crate) trait Handle {
    /// What it is called in messages.
    const NAME: &'static str;

    fn maker(&self) -> Maker;
}

/// The value behind a handle.
///
/// # Safety
/// `handle` is NULL, or came from this library and is not freed while the value is used.
pub(crate) unsafe fn handle<'a, T: Handle>(handle: *const T) -> Result<&'a T, Failure> {
    // SAFETY: as the caller promises.
    let value = unsafe { handle.as_ref() }.ok_or_else(|| null(T::NAME))?;
    value.maker().check()?;
    Ok(value)
}

/// Takes a handle back, to be dropped. `None` for NULL, and in a child of the process that made it:
/// there its locks may be held for good, so it is left as it is.
///
/// # Safety
/// As for [`handle`]; it is not used any more.
pub(crate) unsafe fn retrieve<T: Handle>(handle: *mut T) -> Option<Box<T>> {
    // SAFETY: as the caller promises.
    let value = unsafe { handle.as_ref() }?;
    // SAFETY: it came from `Box::into_raw` in this library, and nobody else uses it.
    value.maker().is_this().then(|| unsafe { Box::from_raw(handle) })
}

/// Where a result goes, which may be uninitialised.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `out` is NULL, or can be written until this is used.
    pub(crate) unsafe fn new(out: *mut T, what: &str) -> Result<Self, Failure> {
        NonNull::new(out).map(Self).ok_or_else(|| null(what))
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: whoever made this has promised that it can be written.
        unsafe { self.0.write(value) }
    }
}

/// A text.
///
/// # Safety
/// `text` is NULL, or ends with a NUL and does not change while it is used.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { CStr::from_ptr(text) };
    bytes.to_str().map_err(|error| not_utf8(what, &error))
}

/// A text of a given length.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn text_of<'a>(
    text: *const c_char,
    len: usize,
    what: &str,
) -> Result<&'a str, Failure> {
    // SAFETY: as the caller promises.
    let bytes = unsafe { bytes(text.cast::<u8>(), len, what) }?;
    str::from_utf8(bytes).map_err(|error| not_utf8(what, &error))
}

/// Some bytes.
///
/// # Safety
/// `bytes` is NULL, or has `len` bytes that do not change while they are used.
pub(crate) unsafe fn bytes<'a>(
    bytes: *const u8,
    len: usize,
    what: &str,
) -> Result<&'a [u8], Failure> {
    // SAFETY: as the caller promises.
    unsafe { array(bytes, len, what) }
}

/// An array. Its pointer may be NULL if it is empty.
///
/// # Safety
/// `items` is NULL, or has `len` items that do not change while they are used.
pub(crate) unsafe fn array<'a, T>(
    items: *const T,
    len: usize,
    what: &str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(null(what));
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        let message = format!("the length of {what} is {len}, which cannot be");
        return Err(Failure::reason(Reason::InvalidArgument, message));
    }
    // SAFETY: as the caller promises, and not longer than memory can be.
    Ok(unsafe { slice::from_raw_parts(items, len) })
}

/// A local path of any bytes.
#[cfg(unix)]
pub(crate) fn path(bytes: &[u8]) -> Result<PathBuf, Failure> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    if bytes.contains(&0) {
        let message = "the path contains a NUL, which no path can";
        return Err(Failure::reason(Reason::InvalidArgument, message));
    }
    Ok(PathBuf::from(OsStr::from_bytes(bytes)))
}

/// A local path, in UTF-8 on this system.
#[cfg(not(unix))]
pub(crate) fn path(bytes: &[u8]) -> Result<PathBuf, Failure> {
    let text = str::from_utf8(bytes).map_err(|error| not_utf8("the path", &error))?;
    Ok(PathBuf::from(text))
}

/// A struct of the ABI, which begins with its size.
///
/// # Safety
/// Its first field is the `u32` that C calls `struct_size`, and all its fields are numbers, pointers
/// and arrays of them.
pub(crate) unsafe trait Versioned: Copy {
    /// What it is called in messages.
    const NAME: &'static str;
}

/// Longer than any version of a struct will be; more means that nobody has set the size.
const LARGEST_STRUCT: usize = 64 * 1024;

/// Fills a struct of the caller's, as much of it as both sides know; what only the caller knows is
/// set to zero.
///
/// # Safety
/// `out` is NULL or points to its own `struct_size`, which is right if it is plausible.
pub(crate) unsafe fn fill<T: Versioned>(out: *mut T, value: &T) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let size = unsafe { size_of_struct(out) }?;
    let known = size.min(size_of::<T>());
    let head = size_of::<u32>();
    let (to, from) = (out.cast::<u8>(), std::ptr::from_ref(value).cast::<u8>());
    // SAFETY: `size` bytes are the caller's, `known` of them are ours as well, and both begin with
    // the size, which is the caller's to say.
    unsafe {
        std::ptr::copy_nonoverlapping(from.add(head), to.add(head), known - head);
        std::ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

/// The size that the caller has set.
///
/// # Safety
/// As for [`fill`].
pub(crate) unsafe fn size_of_struct<T: Versioned>(out: *const T) -> Result<usize, Failure> {
    if out.is_null() {
        return Err(null(T::NAME));
    }
    // SAFETY: every such struct begins with its size.
    let size = unsafe { out.cast::<u32>().read() } as usize;
    if (2 * size_of::<u32>()..=LARGEST_STRUCT).contains(&size) {
        return Ok(size);
    }
    let message = format!("struct_size of {} is {size}; set it to its sizeof", T::NAME);
    Err(Failure::own(Own::StructSize, message))
}

/// A text for C in an array: ends with a NUL, and is cut at the end of a character if it is too
/// long.
pub(crate) fn fill_text<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let mut end = text.len().min(N.saturating_sub(1));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = text.bytes().take(end).take_while(|byte| *byte != 0);
    for (place, byte) in array.iter_mut().zip(bytes) {
        *place = c_char::from_ne_bytes([byte]);
    }
    array
}

fn null(what: &str) -> Failure {
    Failure::own(Own::NullPointer, format!("{what} is NULL"))
}

fn not_utf8(what: &str, error: &std::str::Utf8Error) -> Failure {
    let message = format!("{what} is not UTF-8 at its byte {}", error.valid_up_to());
    Failure::own(Own::InvalidUtf8, message)
}
