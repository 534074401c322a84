//! What principals are told instead of what is there.

use bytesize::{ByteSize, Display};
use ftx_core::RemoteName;
use ftx_core::native::Reason;

use crate::limits::Limit;
use crate::store::Refusal;

/// The principal sees the name, or may store nothing there whatever it stands for.
pub(super) fn forbidden(verb: &str, name: &RemoteName) -> Refusal {
    let message = format!("you may not {verb} {name:?}; ask the server's administrator");
    Refusal::new(Reason::Forbidden, message)
}

/// The name does not exist, at least for the principal.
pub(super) fn not_found(name: &RemoteName) -> Refusal {
    let message = format!("there is no {name:?} on the server; check the name");
    Refusal::new(Reason::NotFound, message)
}

/// The name is that of a directory.
pub(super) fn is_a_directory(name: &RemoteName) -> Refusal {
    Refusal::new(Reason::NotAFile, format!("{name:?} is a directory; name a file"))
}

/// The file exists, and the principal may only create files.
pub(super) fn is_there_already(name: &RemoteName) -> Refusal {
    let message = format!("{name:?} is there already, and you may not replace it; rename the file");
    Refusal::new(Reason::AlreadyExists, message)
}

/// Other rights are in force than at the beginning of an upload.
pub(super) fn rights_have_changed(name: &RemoteName) -> Refusal {
    let message = format!("your rights on {name:?} have changed meanwhile; send the file again");
    Refusal::new(Reason::Forbidden, message)
}

/// Something is in the way of a file, and the principal may not know about it.
pub(super) fn cannot_be_stored(name: &RemoteName) -> Refusal {
    let message = format!("no file can be stored as {name:?}; choose another name");
    Refusal::new(Reason::Forbidden, message)
}

/// The file is larger than the principal may store.
pub(super) fn too_large(name: &RemoteName, size: u64, most: u64) -> Refusal {
    let (size, most) = (size_text(size), size_text(most));
    let message = format!("{name:?} has {size}, and your largest file may have {most}; split it");
    Refusal::new(Reason::TooLarge, message)
}

/// The file is larger than the server takes.
pub(super) fn too_large_for_all(name: &RemoteName, size: u64, most: u64) -> Refusal {
    let (size, most) = (size_text(size), size_text(most));
    let message =
        format!("{name:?} has {size}, and the server takes at most {most} (max_file); split it");
    Refusal::of_limit(Limit::FileSize, Reason::TooLarge, message)
}

/// The name has more parts or bytes than the server takes.
pub(super) fn name_too_long(name: &RemoteName, limit: Limit, most: usize, unit: &str) -> Refusal {
    let message = format!(
        "{name:?} is too long: the server takes names of at most {most} {unit} ({}); choose a shorter one",
        limit.key()
    );
    Refusal::of_limit(limit, Reason::NameRefused, message)
}

/// A number of bytes for people, as the configuration writes it.
pub(super) fn size_text(bytes: u64) -> Display {
    ByteSize::b(bytes).display().si()
}
