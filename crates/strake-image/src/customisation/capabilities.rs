//! File capabilities.
//!
//! Formats: the text is that of `cap_from_text(3)`, which `setcap` takes; the attribute's value is `struct
//! vfs_cap_data` of revision 2, see `capabilities(7)`, "File capability extended attribute versioning".

/// All capabilities, by their numbers in `linux/capability.h`.
const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// `VFS_CAP_REVISION_2`.
const REVISION: u32 = 0x0200_0000;

/// `VFS_CAP_FLAGS_EFFECTIVE`.
const EFFECTIVE: u32 = 1;

/// Why a text does not stand for capabilities of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilitiesError {
    /// There is none.
    #[error("it names none")]
    Empty,
    /// No capability has this name.
    #[error("there is no capability {0:?}")]
    Name(String),
    /// A clause is not `NAMES`, one of `=`, `+` and `-`, and flags.
    #[error("{0:?} must be names, one of '=', '+' and '-', and flags out of e, i and p")]
    Clause(String),
    /// A file has one effective bit for all of its capabilities.
    #[error("'e' must be given to all or none of a file's capabilities")]
    Effective,
}

/// The value of the attribute `security.capability` for capabilities written as `cap_from_text(3)` says.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, CapabilitiesError> {
    let [mut effective, mut inheritable, mut permitted] = [0_u64; 3];
    for clause in text.split_ascii_whitespace() {
        let wrong = || CapabilitiesError::Clause(clause.to_owned());
        let start = clause.find(['=', '+', '-']).ok_or_else(wrong)?;
        let (names, mut actions) = clause.split_at(start);
        let names = names.split(',').map(bits).collect::<Result<Vec<_>, _>>()?;
        let bits = names.into_iter().fold(0, |all, bits| all | bits);
        while let Some(action) = actions.chars().next() {
            let rest = &actions[1..];
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            for (flag, set) in [('e', &mut effective), ('i', &mut inheritable), ('p', &mut permitted)] {
                let given = rest[..end].contains(flag);
                if given && action != '-' {
                    *set |= bits;
                } else if given || action == '=' {
                    *set &= !bits;
                }
            }
            let known = rest[..end].chars().all(|flag| "eip".contains(flag));
            if !known || (action != '=' && end == 0) {
                return Err(wrong());
            }
            actions = &rest[end..];
        }
    }
    let held = inheritable | permitted;
    if held == 0 {
        return Err(CapabilitiesError::Empty);
    }
    if effective != 0 && effective != held {
        return Err(CapabilitiesError::Effective);
    }
    let magic = if effective == 0 { REVISION } else { REVISION | EFFECTIVE };
    let words = [magic, low(permitted), low(inheritable), low(permitted >> 32), low(inheritable >> 32)];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn low(bits: u64) -> u32 {
    bits as u32
}

fn bits(name: &str) -> Result<u64, CapabilitiesError> {
    if name.is_empty() || name.eq_ignore_ascii_case("all") {
        return Ok((1 << NAMES.len()) - 1);
    }
    let number = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
    number.map(|number| 1 << number).ok_or_else(|| CapabilitiesError::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{CapabilitiesError, parse};

    fn check(text: &str, words: [u32; 5]) {
        let value = parse(text).unwrap();
        let found: Vec<u32> = value.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        assert_eq!(found, words, "{text}");
    }

    /// Values as `setcap` writes them.
    #[test]
    fn texts() {
        check("cap_net_bind_service=ep", [0x0200_0001, 1 << 10, 0, 0, 0]);
        check("cap_net_bind_service=+ep", [0x0200_0001, 1 << 10, 0, 0, 0]);
        check("CAP_NET_RAW,cap_net_admin+p", [0x0200_0000, 1 << 13 | 1 << 12, 0, 0, 0]);
        check("cap_chown=i cap_bpf+eip cap_chown+e", [0x0200_0001, 0, 1, 1 << 7, 1 << 7]);
        check("all=p", [0x0200_0000, u32::MAX, 0, 0x1ff, 0]);
        check("cap_chown+eip-i", [0x0200_0001, 1, 0, 0, 0]);
    }

    #[test]
    fn refused() {
        use CapabilitiesError::{Clause, Effective, Empty, Name};
        for (text, error) in [
            ("", Empty),
            ("cap_chown=", Empty),
            ("cap_chown", Clause("cap_chown".into())),
            ("cap_chown+", Clause("cap_chown+".into())),
            ("cap_chown=x", Clause("cap_chown=x".into())),
            ("cap_chow=p", Name("cap_chow".into())),
            ("cap_chown=ep cap_kill=p", Effective),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}
