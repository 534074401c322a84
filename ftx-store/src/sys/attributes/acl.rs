//! POSIX access control lists in the kernel's format.

/// The version number at the start of a list.
const VERSION: u32 = 2;
const ENTRY_BYTES: usize = 8;

/// Tags of entries.
const TAG_OWNER: u16 = 0x01;
const TAG_GROUP: u16 = 0x04;
const TAG_MASK: u16 = 0x10;
const TAG_OTHERS: u16 = 0x20;

/// A well-formed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccessList(Vec<AclEntry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AclEntry {
    tag: u16,
    /// As the three bits of a mode.
    permissions: u16,
    id: u32,
}

impl AccessList {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk()?;
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if u32::from_le_bytes(*version) != VERSION || !rest.is_empty() {
            return None;
        }
        let entry = |&[t0, t1, p0, p1, id @ ..]: &[u8; ENTRY_BYTES]| AclEntry {
            tag: u16::from_le_bytes([t0, t1]),
            permissions: u16::from_le_bytes([p0, p1]),
            id: u32::from_le_bytes(id),
        };
        Some(Self(entries.iter().map(entry).collect()))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for AclEntry { tag, permissions, id } in &self.0 {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&permissions.to_le_bytes());
            bytes.extend_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    /// Gives the group no more rights than all other users, and these no more than the group had:
    /// the file has another group now, and members of the intended group count as other users.
    /// Returns the rights of the other users.
    pub(super) fn lose_group(&mut self) -> u16 {
        let mask = self.permissions(TAG_MASK).unwrap_or(7);
        let group = self.permissions(TAG_GROUP).unwrap_or(0) & mask;
        let both = group & self.permissions(TAG_OTHERS).unwrap_or(0);
        self.set(TAG_GROUP, both);
        self.set(TAG_OTHERS, both);
        both
    }

    /// Turns this default list of a directory into that of a file created in it with `mode`, and
    /// returns the file's resulting mode.
    pub(super) fn inherit(&mut self, mode: u32) -> u32 {
        let class = |shift: u32| u16::try_from(mode >> shift & 7).unwrap_or(0);
        // If there is a mask, the mode's group bits are the mask.
        let middle = if self.permissions(TAG_MASK).is_some() { TAG_MASK } else { TAG_GROUP };
        let mut made = 0;
        for (tag, shift) in [(TAG_OWNER, 6), (middle, 3), (TAG_OTHERS, 0)] {
            let permissions = self.permissions(tag).unwrap_or(0) & class(shift);
            self.set(tag, permissions);
            made |= u32::from(permissions) << shift;
        }
        made
    }

    fn permissions(&self, tag: u16) -> Option<u16> {
        self.0.iter().find(|entry| entry.tag == tag).map(|entry| entry.permissions)
    }

    fn set(&mut self, tag: u16, permissions: u16) {
        for entry in self.0.iter_mut().filter(|entry| entry.tag == tag) {
            entry.permissions = permissions;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{AccessList, AclEntry, TAG_GROUP, TAG_MASK, TAG_OTHERS, TAG_OWNER};

    const USER: u16 = 0x02;

    /// A list for the owner, another user, the group, the mask and all other users.
    pub(crate) fn bytes(
        owner: u16,
        (user, id): (u16, u32),
        group: u16,
        mask: u16,
        others: u16,
    ) -> Vec<u8> {
        let entry = |tag, permissions, id| AclEntry { tag, permissions, id };
        AccessList(vec![
            entry(TAG_OWNER, owner, u32::MAX),
            entry(USER, user, id),
            entry(TAG_GROUP, group, u32::MAX),
            entry(TAG_MASK, mask, u32::MAX),
            entry(TAG_OTHERS, others, u32::MAX),
        ])
        .to_bytes()
    }

    #[test]
    fn a_list_is_read_and_written() {
        let list = bytes(6, (4, 77), 4, 4, 0);
        assert_eq!(list.len(), 4 + 5 * 8);
        assert_eq!(list[..12], [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255]);
        assert_eq!(AccessList::parse(&list).unwrap().to_bytes(), list);
        for bad in [&list[..3], &list[..7], &[1; 12]] {
            assert_eq!(AccessList::parse(bad), None);
        }
    }

    #[test]
    fn a_list_without_its_group_grants_it_the_rights_of_others() {
        for (group, mask, others, both) in
            [(6, 6, 4, 4), (6, 4, 6, 4), (6, 6, 0, 0), (0, 6, 4, 0), (7, 0, 5, 0)]
        {
            let mut list = AccessList::parse(&bytes(6, (6, 77), group, mask, others)).unwrap();
            assert_eq!(list.lose_group(), both);
            assert_eq!(list.to_bytes(), bytes(6, (6, 77), both, mask, both));
        }
    }

    #[test]
    fn a_default_list_becomes_that_of_a_file() {
        let mut list = AccessList::parse(&bytes(7, (7, 77), 5, 7, 5)).unwrap();
        assert_eq!(list.inherit(0o666), 0o664);
        assert_eq!(list.to_bytes(), bytes(6, (7, 77), 5, 6, 4));
    }
}
