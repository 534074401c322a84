//! The congestion control of connections to other machines.

use std::net::IpAddr;

use socket2::SockRef;

/// Cubic, the usual default, takes each loss for congestion: at 0.1 % of loss and 100 ms it leaves a
/// hundredth of a gigabit. BBR measures the line's rate instead.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CONGESTION_CONTROL: &[u8] = b"bbr";

/// Asks for BBR on a connection, or on a listener, whose connections inherit it. Without the right to
/// choose it, or where the system lacks it, the system's default stays. On this machine nothing is
/// lost, so nothing is asked for.
pub fn prefer_bbr<'s>(socket: impl Into<SockRef<'s>>, other_side: IpAddr) {
    if !other_side.to_canonical().is_loopback() {
        set_bbr(socket);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_bbr<'s>(socket: impl Into<SockRef<'s>>) {
    if let Err(error) = socket.into().set_tcp_congestion(CONGESTION_CONTROL) {
        tracing::debug!(%error, "the system's congestion control stays");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_bbr<'s>(_: impl Into<SockRef<'s>>) {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};

    use socket2::SockRef;

    use super::prefer_bbr;

    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn congestion_control(socket: &TcpStream) -> Vec<u8> {
        let mut name = SockRef::from(socket).tcp_congestion().unwrap();
        name.retain(|&byte| byte != 0);
        name
    }

    /// Whether the system lets a socket have it.
    fn is_allowed(listener: &TcpListener) -> bool {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        SockRef::from(&socket).set_tcp_congestion(b"bbr").is_ok()
    }

    #[test]
    fn connections_to_other_machines_have_bbr_where_that_is_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        SockRef::from(&socket).set_tcp_congestion(b"reno").unwrap();
        prefer_bbr(&socket, Ipv4Addr::LOCALHOST.into());
        assert_eq!(congestion_control(&socket), b"reno");
        prefer_bbr(&socket, ELSEWHERE);
        let expected: &[u8] = if is_allowed(&listener) { b"bbr" } else { b"reno" };
        assert_eq!(congestion_control(&socket), expected);
    }
}
