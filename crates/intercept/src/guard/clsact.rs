//! The guard by a filter of a `clsact` queueing discipline, for kernels before 6.6. A filter cannot be
//! pinned, so its program is: the pin tells what has to be taken off again.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;

use aya::programs::ProgramInfo;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};

use super::{GuardProgram, PinKind, pin_in_place};
use crate::rtnetlink::{Reply, Rtnetlink, attribute};

/// Before the filters of others.
const PRIORITY: u32 = 1;
/// `LK`: two guards on one link would be one filter.
const HANDLE: TcHandle = TcHandle {
    major: 0,
    minor: 0x4c4b,
};
const NAME: &str = "latchkey_guard";
const KIND: &str = "bpf";

const ETH_P_ALL: u16 = 3;
const TC_HEADER_BYTES: usize = 20;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_ID: u16 = 11;

const INGRESS: TcHandle = parent(TcHandle::MIN_INGRESS);
const EGRESS: TcHandle = parent(TcHandle::MIN_EGRESS);

const fn parent(minor: u16) -> TcHandle {
    TcHandle {
        major: TcHandle::CLSACT.major,
        minor,
    }
}

/// Puts the program onto a network link, exchanges an earlier one at once, or leaves it there.
pub(super) fn attach(
    rtnetlink: &Rtnetlink,
    program: &GuardProgram,
    index: u32,
    pin_dir: &Path,
) -> io::Result<()> {
    let [own_qdisc, foreign_qdisc] =
        [PinKind::Qdisc, PinKind::Filter].map(|kind| kind.path(index, pin_dir));
    match program_of_filter(rtnetlink, index) {
        // Without a pin nobody would find the filter again to take it off.
        Ok(Some(id)) if id == program.id && (own_qdisc.exists() || foreign_qdisc.exists()) => {
            return Ok(());
        }
        Ok(Some(_)) => {
            let known = if own_qdisc.exists() {
                own_qdisc
            } else {
                foreign_qdisc
            };
            pin_in_place(program.descriptor.as_fd(), &known)?;
            return put_filter(rtnetlink, program, index, NLM_F_REPLACE);
        }
        Ok(None) => {}
        Err(error) => return Err(error),
    }
    let pin = match add_qdisc(rtnetlink, index) {
        Ok(()) => own_qdisc,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && own_qdisc.exists() => {
            own_qdisc
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => foreign_qdisc,
        Err(error) => return Err(error),
    };
    pin_in_place(program.descriptor.as_fd(), &pin)?;
    put_filter(rtnetlink, program, index, NLM_F_CREATE | NLM_F_EXCL)
}

/// Puts the program onto a network link that goes away with its network namespace, without a pin.
pub(super) fn attach_unpinned(
    rtnetlink: &Rtnetlink,
    program: &GuardProgram,
    index: u32,
) -> io::Result<()> {
    add_qdisc(rtnetlink, index)?;
    put_filter(rtnetlink, program, index, NLM_F_CREATE | NLM_F_EXCL)
}

/// Returns whether the guard's filter is on a network link and has the pinned program.
pub(super) fn is_on(rtnetlink: &Rtnetlink, index: u32, pin: &Path) -> io::Result<bool> {
    let pinned = ProgramInfo::from_pin(pin).map_err(io::Error::other)?;
    Ok(program_of_filter(rtnetlink, index)? == Some(pinned.id()))
}

/// Takes off the filter that has the pinned program, and the queueing discipline that was made for
/// it unless somebody else's filters need it.
pub(super) fn detach(
    rtnetlink: &Rtnetlink,
    kind: PinKind,
    index: u32,
    pin: &Path,
) -> io::Result<()> {
    match take_off(rtnetlink, kind, index, pin) {
        // The network link is gone.
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        outcome => outcome,
    }
}

fn take_off(rtnetlink: &Rtnetlink, kind: PinKind, index: u32, pin: &Path) -> io::Result<()> {
    let pinned = ProgramInfo::from_pin(pin).map_err(io::Error::other)?;
    if program_of_filter(rtnetlink, index)? != Some(pinned.id()) {
        return Ok(());
    }
    let mut filter = message(index, EGRESS);
    filter.header.handle = HANDLE;
    filter.header.info = filter_info();
    rtnetlink.request(RouteNetlinkMessage::DelTrafficFilter(filter), 0)?;
    let needed = |parent| Ok::<_, io::Error>(!filters(rtnetlink, index, parent)?.is_empty());
    if kind == PinKind::Filter || needed(INGRESS)? || needed(EGRESS)? {
        return Ok(());
    }
    let request = RouteNetlinkMessage::DelQueueDiscipline(qdisc(index));
    rtnetlink.request(request, 0).map(drop)
}

fn message(index: u32, parent: TcHandle) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    message.header.parent = parent;
    message
}

/// `tcm_info` of a filter for packets of all protocols.
fn filter_info() -> u32 {
    PRIORITY << 16 | u32::from(ETH_P_ALL.to_be())
}

fn qdisc(index: u32) -> TcMessage {
    let mut message = message(index, TcHandle::CLSACT);
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    message
        .attributes
        .push(TcAttribute::Kind("clsact".to_owned()));
    message
}

fn add_qdisc(rtnetlink: &Rtnetlink, index: u32) -> io::Result<()> {
    let request = RouteNetlinkMessage::NewQueueDiscipline(qdisc(index));
    rtnetlink
        .request(request, NLM_F_CREATE | NLM_F_EXCL)
        .map(drop)
}

fn put_filter(
    rtnetlink: &Rtnetlink,
    program: &GuardProgram,
    index: u32,
    flags: u16,
) -> io::Result<()> {
    let descriptor = program.descriptor.as_fd().as_raw_fd().cast_unsigned();
    let options = [
        TcFilterBpfOption::ProgFd(descriptor),
        TcFilterBpfOption::ProgName(NAME.to_owned()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    let mut filter = message(index, EGRESS);
    filter.header.handle = HANDLE;
    filter.header.info = filter_info();
    filter.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Options(options.map(TcOption::Bpf).into()),
    ];
    rtnetlink
        .request(RouteNetlinkMessage::NewTrafficFilter(filter), flags)
        .map(drop)
}

/// Returns the program of the guard's filter on a link, if the filter is there.
fn program_of_filter(rtnetlink: &Rtnetlink, index: u32) -> io::Result<Option<u32>> {
    for Reply(filter) in filters(rtnetlink, index, EGRESS)? {
        let header = TcHeader::parse(&filter).map_err(io::Error::other)?;
        if header.handle != HANDLE || header.info != filter_info() {
            continue;
        }
        let attributes = filter.get(TC_HEADER_BYTES..).unwrap_or_default();
        let options = attribute(attributes, TCA_OPTIONS)?.unwrap_or_default();
        let id = attribute(&options, TCA_BPF_ID)?;
        let id = id.as_deref().and_then(<[u8]>::first_chunk);
        return Ok(id.map(|id| u32::from_ne_bytes(*id)));
    }
    Ok(None)
}

/// Returns the filters under a parent; a link without the queueing discipline has none.
fn filters(rtnetlink: &Rtnetlink, index: u32, parent: TcHandle) -> io::Result<Vec<Reply>> {
    let request = RouteNetlinkMessage::GetTrafficFilter(message(index, parent));
    let mut filters = rtnetlink.request(request, NLM_F_DUMP)?;
    // Each priority is announced by a message without a handle.
    filters.retain(|Reply(filter)| {
        TcHeader::parse(filter).is_ok_and(|header| header.handle != TcHandle::UNSPEC)
    });
    Ok(filters)
}
