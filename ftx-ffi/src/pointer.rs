//! Conversion of arguments between C and Rust.

use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::ptr::NonNull;
use std::slice;

use ftx_client::Reason;
use ftx_core::escaped;

use crate::failure::Failure;
use crate::process::OwnerPid;
use crate::status::AbiStatus;

/// A value behind a pointer that C holds.
pub(crate) trait Handle {
    /// Its name in error messages.
    const NAME: &'static str;

    fn owner(&self) -> OwnerPid;
}

/// The value behind a handle.
///
/// # Safety
/// `handle` is NULL, or came from this library and is not freed while the value is used.
pub(crate) unsafe fn handle<'a, T: Handle>(handle: *const T) -> Result<&'a T, Failure> {
    // SAFETY: as the caller promises.
    let value = unsafe { handle.as_ref() }.ok_or_else(|| null(T::NAME))?;
    value.owner().check()?;
    Ok(value)
}

/// Takes ownership of a handle from C, to drop it. Returns `None` for NULL, and in a child of the
/// process that made the handle: its locks may stay locked for ever there, so the value leaks.
///
/// # Safety
/// As for [`handle`], and C no longer uses it.
pub(crate) unsafe fn retrieve<T: Handle>(handle: *mut T) -> Option<Box<T>> {
    // SAFETY: as the caller promises.
    let value = unsafe { handle.as_ref() }?;
    // SAFETY: it came from `Box::into_raw` in this library, and nothing else uses it.
    value.owner().is_this().then(|| unsafe { Box::from_raw(handle) })
}

/// The target of a result, possibly uninitialised.
pub(crate) struct OutParam<T>(NonNull<T>);

impl<T> OutParam<T> {
    /// # Safety
    /// `out` is NULL, or stays writable until the result is written.
    pub(crate) unsafe fn new(out: *mut T, what: &str) -> Result<Self, Failure> {
        NonNull::new(out).map(Self).ok_or_else(|| null(what))
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: the caller of `new` has promised that it can be written.
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
        let message = format!("the length of {what} is {len}, which is impossible");
        return Err(Failure::reason(Reason::InvalidArgument, message));
    }
    // SAFETY: as the caller promises; the length was checked against the address space.
    Ok(unsafe { slice::from_raw_parts(items, len) })
}

/// A local path of any bytes.
#[cfg(unix)]
pub(crate) fn path(bytes: &[u8]) -> Result<PathBuf, Failure> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    if bytes.contains(&0) {
        let message = "the path contains a NUL";
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
/// Its first field is the `u32` that C calls `struct_size`, and all its fields are numbers,
/// pointers and arrays of them.
pub(crate) unsafe trait Versioned: Copy {
    /// Its name in error messages.
    const NAME: &'static str;
}

/// Larger than any future version of a struct; a larger size was left uninitialised.
const MAX_STRUCT_BYTES: usize = 64 * 1024;

/// Fills the caller's struct with the fields that both sides know, and zeroes those that only the
/// caller knows.
///
/// # Safety
/// `out` is NULL or points to its own `struct_size`, which is right if it is plausible.
pub(crate) unsafe fn fill<T: Versioned>(out: *mut T, value: &T) -> Result<(), Failure> {
    // SAFETY: as the caller promises.
    let size = unsafe { size_of_struct(out) }?;
    let known = size.min(size_of::<T>());
    let head = size_of::<u32>();
    let (to, from) = (out.cast::<u8>(), std::ptr::from_ref(value).cast::<u8>());
    // SAFETY: the caller's struct has `size` bytes, both structs have at least `known` bytes, and
    // both begin with the size, which the caller has set.
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
    if (2 * size_of::<u32>()..=MAX_STRUCT_BYTES).contains(&size) {
        return Ok(size);
    }
    let message = format!("struct_size of {} is {size}; set it to its sizeof", T::NAME);
    Err(Failure::abi(AbiStatus::StructSize, message))
}

/// A text for C: an array that ends with a NUL, and the number of bytes before it. Every length
/// that C receives comes from here, so it never exceeds the copied bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<const N: usize> {
    pub(crate) bytes: [c_char; N],
    pub(crate) length: u32,
}

impl<const N: usize> Text<N> {
    /// Converts a whole text; `None` if it is too long or contains a NUL, so that C would see
    /// another text.
    pub(crate) fn whole(text: &str) -> Option<Self> {
        Self::fits(text).then(|| Self::filled(text.bytes()))
    }

    /// Whether C can see the whole of a text.
    pub(crate) fn fits(text: &str) -> bool {
        text.len() < N && !text.contains('\0')
    }

    /// A text for people. Control characters are escaped. A text that is too long loses its middle,
    /// since its beginning names the operation and its end the cause.
    pub(crate) fn message(text: &str) -> Self {
        const LEFT_OUT: &str = " [...] ";
        let text = escaped(text).to_string();
        if text.len() < N {
            return Self::filled(text.bytes());
        }
        let room = N.saturating_sub(1 + LEFT_OUT.len());
        let begin = text.floor_char_boundary(room / 2);
        let end = text.ceil_char_boundary(text.len().saturating_sub(room - room / 2));
        let (begin, end) = (text.get(..begin), text.get(end..));
        let parts = [begin.unwrap_or_default(), LEFT_OUT, end.unwrap_or_default()];
        Self::filled(parts.into_iter().flat_map(str::bytes))
    }

    /// Copies as many bytes as fit before the last NUL.
    fn filled(text: impl Iterator<Item = u8>) -> Self {
        let (mut bytes, mut length) = ([0; N], 0);
        for (place, byte) in bytes.iter_mut().take(N.saturating_sub(1)).zip(text) {
            *place = c_char::from_ne_bytes([byte]);
            length += 1;
        }
        Self { bytes, length }
    }
}

fn null(what: &str) -> Failure {
    Failure::abi(AbiStatus::NullPointer, format!("{what} is NULL"))
}

fn not_utf8(what: &str, error: &std::str::Utf8Error) -> Failure {
    let message = format!("{what} is not UTF-8 at its byte {}", error.valid_up_to());
    Failure::abi(AbiStatus::InvalidUtf8, message)
}

#[cfg(test)]
mod tests {
    use std::ffi::c_char;

    use super::Text;

    fn copied<const N: usize>(text: &Text<N>) -> String {
        let length = usize::try_from(text.length).unwrap();
        assert!(text.bytes[length..].iter().all(|byte| *byte == 0) && length < N);
        let bytes = text.bytes[..length].iter().copied().map(c_char::cast_unsigned);
        String::from_utf8(bytes.collect()).unwrap()
    }

    #[test]
    fn a_text_is_complete_with_the_length_of_its_copied_bytes_or_absent() {
        for text in ["", "abc", "1234567", "ää1ä"] {
            assert_eq!(copied(&Text::<8>::whole(text).unwrap()), text);
        }
        for text in ["12345678", "ääää", "a\0b", &"x".repeat(300_000)] {
            assert!(Text::<8>::whole(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_message_keeps_its_begin_and_its_end() {
        assert_eq!(copied(&Text::<40>::message("a\0b\u{1b}c\n")), r"a\u{0}b\u{1b}c\n");
        for middle in ["x", "ä", "報", "😀"] {
            let text = format!("cannot open {}: too long", middle.repeat(5000));
            let copied = copied(&Text::<64>::message(&text));
            assert!(copied.len() > 56, "{copied}");
            assert!(copied.starts_with("cannot open "), "{copied}");
            assert!(copied.contains(" [...] ") && copied.ends_with(": too long"), "{copied}");
        }
    }
}
