//! A network device whose other end is the probe itself: what leaves through it is read here, and
//! reaches nobody else.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send};

use super::packet;
use super::sys::{self, DeviceRequest};

const CLONE_DEVICE: &str = "/dev/net/tun";
/// What a sent frame may take to arrive; the kernel delivers it within the call.
const PATIENCE: Duration = Duration::from_millis(150);
const MAX_FRAME_BYTES: usize = 2048;

/// A device in the calling thread's network namespace; it goes away with its handle.
#[derive(Debug)]
pub(super) struct Tap {
    far_end: File,
    name: &'static str,
    index: u32,
    hardware: [u8; 6],
}

impl Tap {
    /// Makes a device and switches it on. It resolves no neighbours, so each frame is sent at once.
    pub(super) fn create(name: &'static str) -> io::Result<Self> {
        let far_end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(CLONE_DEVICE)?;
        let kind = u16::try_from(libc::IFF_TAP | libc::IFF_NO_PI).map_err(io::Error::other)?;
        let mut request = DeviceRequest::new(name, &kind.to_ne_bytes());
        sys::ask_device(far_end.as_fd(), libc::TUNSETIFF, &mut request)?;

        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let up = u16::try_from(libc::IFF_UP | libc::IFF_NOARP).map_err(io::Error::other)?;
        let mut request = DeviceRequest::new(name, &up.to_ne_bytes());
        sys::ask_device(socket.as_fd(), libc::SIOCSIFFLAGS, &mut request)?;
        let mut request = DeviceRequest::new(name, &[]);
        sys::ask_device(socket.as_fd(), libc::SIOCGIFHWADDR, &mut request)?;
        // A `struct sockaddr`: the family, then the address.
        let [_, _, a, b, c, d, e, f, ..] = request.value;
        Ok(Self {
            far_end,
            name,
            index: rustix::net::netdevice::name_to_index(&socket, name)?,
            hardware: [a, b, c, d, e, f],
        })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn hardware(&self) -> [u8; 6] {
        self.hardware
    }

    /// Makes an address the device's only neighbour: it takes the other one of that pair itself.
    pub(super) fn face(&self, neighbour: IpAddr) -> io::Result<()> {
        match neighbour {
            IpAddr::V4(neighbour) => {
                let own = (neighbour.to_bits() ^ 1).to_be_bytes();
                self.set_ipv4(libc::SIOCSIFADDR, own)?;
                self.set_ipv4(libc::SIOCSIFNETMASK, [255, 255, 255, 254])
            }
            IpAddr::V6(neighbour) => {
                let own = (neighbour.to_bits() ^ 1).to_be_bytes();
                self.add_ipv6(own)
            }
        }
    }

    /// Adds an IPv6 address by netlink, which unlike the ioctl can leave out the search for
    /// duplicates, so that it can be used at once (rtnetlink(7)).
    fn add_ipv6(&self, address: [u8; 16]) -> io::Result<()> {
        const NEW_ADDRESS: u16 = libc::RTM_NEWADDR;
        const PREFIX_BITS: u8 = 127;
        let no_search = u8::try_from(libc::IFA_F_NODAD).map_err(io::Error::other)?;
        let family = u8::try_from(libc::AF_INET6).map_err(io::Error::other)?;
        let request = libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE;
        let flags = u16::try_from(request).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(44);
        message.extend(44_u32.to_ne_bytes());
        message.extend(NEW_ADDRESS.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]); // sequence and port numbers
        message.extend([family, PREFIX_BITS, no_search, 0]);
        message.extend(self.index.to_ne_bytes());
        message.extend(20_u16.to_ne_bytes());
        message.extend(libc::IFA_LOCAL.to_ne_bytes());
        message.extend(address);
        let socket = rustix::net::socket(
            AddressFamily::NETLINK,
            SocketType::RAW,
            None, // NETLINK_ROUTE is number 0
        )?;
        send(&socket, &message, SendFlags::empty())?;
        let mut answer = [0; 64];
        recv(&socket, &mut answer, RecvFlags::empty())?;
        // A `struct nlmsghdr`, then a negative error number.
        let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
        match -error.map_or(-libc::EINVAL, i32::from_ne_bytes) {
            0 | libc::EEXIST => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn set_ipv4(&self, operation: libc::Ioctl, address: [u8; 4]) -> io::Result<()> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        // A `struct sockaddr_in`: family, port, address.
        let family = u16::try_from(libc::AF_INET).map_err(io::Error::other)?;
        let value = [family.to_ne_bytes().as_slice(), &[0; 2], &address].concat();
        let mut request = DeviceRequest::new(self.name, &value);
        sys::ask_device(socket.as_fd(), operation, &mut request)
    }

    /// Forgets what left through the device until now.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while self.next_frame()?.is_some() {}
        Ok(())
    }

    /// Returns whether a packet to this address and port leaves through the device.
    pub(super) fn lets_out(&mut self, destination: SocketAddr) -> io::Result<bool> {
        let start = Instant::now();
        loop {
            while let Some(frame) = self.next_frame()? {
                if packet::is_for(&frame, destination) {
                    return Ok(true);
                }
            }
            let left = PATIENCE.saturating_sub(start.elapsed());
            let limit = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut waiting = [PollFd::from_borrowed_fd(
                self.far_end.as_fd(),
                PollFlags::IN,
            )];
            if poll(&mut waiting, Some(&limit))? == 0 {
                return Ok(false);
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        match self.far_end.read(&mut frame) {
            Ok(bytes) => {
                frame.truncate(bytes);
                Ok(Some(frame))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets a frame arrive at the device, as if another machine had sent it.
    pub(super) fn receive(&mut self, frame: &[u8]) -> io::Result<()> {
        self.far_end.write_all(frame)
    }
}
