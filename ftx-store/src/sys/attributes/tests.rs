use ftx_core::native::wire::{Meta, Readers};

use super::acl::AccessList;
use super::acl::tests::bytes;
use super::{AclState, Attributes};

fn old(mode: u32) -> Attributes {
    Attributes { owner: Some(1), group: 2, mode, list: AclState::None, is_replaced: true }
}

#[test]
fn without_its_group_a_file_is_open_to_nobody_to_whom_it_was_closed() {
    for (before, after) in [
        (0o644, 0o644),
        (0o640, 0o600),
        (0o664, 0o644),
        (0o660, 0o600),
        (0o646, 0o644),
        (0o604, 0o600),
        (0o755, 0o755),
        (0o750, 0o700),
    ] {
        let mut file = old(before);
        file.lose_group();
        assert_eq!(file.mode, after, "{before:o}: {:o}", file.mode);
    }
}

#[test]
fn without_its_group_the_list_of_a_file_keeps_its_users() {
    let list = |group, others| AccessList::parse(&bytes(6, (6, 77), group, 6, others)).unwrap();
    let mut file = Attributes { list: AclState::Some(list(6, 4)), ..old(0o664) };
    file.lose_group();
    assert_eq!(file, Attributes { list: AclState::Some(list(4, 4)), ..old(0o664) });
    let mut file = Attributes { list: AclState::Some(list(6, 0)), ..old(0o660) };
    file.lose_group();
    assert_eq!(file, Attributes { list: AclState::Some(list(0, 0)), ..old(0o660) });
}

#[test]
fn execute_bits_follow_the_transfer_where_it_says_something() {
    let with = |mode, executable: Option<bool>| {
        let meta = executable.map(|executable| Meta {
            executable,
            readers: Readers::Owner,
            ..Meta::default()
        });
        old(mode).with(meta.as_ref()).mode
    };
    for (mode, plain, executable) in [(0o600, 0o600, 0o700), (0o711, 0o600, 0o700)] {
        assert_eq!(with(mode, Some(false)), plain);
        assert_eq!(with(mode, Some(true)), executable);
        assert_eq!(with(mode, None), mode);
    }
    // The source decides about readers of new files only.
    assert_eq!(with(0o644, Some(true)), 0o755);
    let new = Attributes { is_replaced: false, ..old(0o644) };
    let meta = Meta { readers: Readers::Owner, ..Meta::default() };
    assert_eq!(new.with(Some(&meta)).mode, 0o600);
}
