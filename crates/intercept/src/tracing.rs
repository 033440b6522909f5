//! Programs on the kernel's tracepoints and their pinned links. They are optional: a kernel that
//! refuses one lacks a feature, and the rest works without.
//!
//! The kernel cannot exchange the program of such a link. The new link therefore comes before the
//! old one goes; for that moment both programs run, and write the same.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use aya::programs::{Program, ProgramError, ProgramFd};
use aya::{Btf, Ebpf};

use crate::error::InterceptError;
use crate::feature::{Feature, MissingFeature};
use crate::held::{HeldLink, Target};
use crate::hook::remove_if_present;
use crate::pinned::replacement;
use crate::sys;

/// A program of the object and the tracepoint that it belongs to.
#[derive(Clone, Copy, Debug)]
struct Tracer {
    program: &'static str,
    tracepoint: &'static str,
    /// Names its pin.
    name: &'static str,
}

/// In the order of attaching: what cleans up comes before what it cleans up after.
const SCRIPT_AT_EXEC: &[Tracer] = &[
    Tracer {
        program: "forget_exec",
        tracepoint: "sched_process_exit",
        name: "exit",
    },
    Tracer {
        program: "record_fork",
        tracepoint: "sched_process_fork",
        name: "fork",
    },
    Tracer {
        program: "record_exec",
        tracepoint: "sched_process_exec",
        name: "exec",
    },
];

/// In the order of attaching: children of whoever executes in between inherit the record.
const EXECUTABLE_AT_EXEC: &[Tracer] = &[
    Tracer {
        program: "inherit_executable",
        tracepoint: "sched_process_fork",
        name: "inherited",
    },
    Tracer {
        program: "record_executable",
        tracepoint: "sched_process_exec",
        name: "executed",
    },
];

/// The best first; one of them is attached.
const HANDOVER: [(Feature, Tracer); 2] = [
    (
        Feature::HandoverBeforeSend,
        Tracer {
            program: "watch_sending",
            tracepoint: "tcp_sendmsg_locked",
            name: "send",
        },
    ),
    (
        Feature::Handover,
        Tracer {
            program: "watch_sent",
            tracepoint: "sock_send_length",
            name: "send",
        },
    ),
];

const THREAD_ITERATOR: &str = "describe_thread";
const RUNNING_ITERATOR: &str = "record_running";
/// A process that is born while the others are visited may be missed, its parent next time is not.
const MAX_VISITS: u32 = 16;

/// The tracing programs that the kernel took.
#[derive(Debug, Default)]
pub(crate) struct Tracing {
    programs: Vec<(Tracer, ProgramFd)>,
    /// Records the executables of what runs already, if there are programs that record the others.
    running_iterator: Option<OwnedFd>,
    /// Describes one thread.
    pub(crate) thread_iterator: Option<OwnedFd>,
    pub(crate) missing: Vec<MissingFeature>,
}

impl Tracing {
    /// Offers the programs to the kernel; a feature of which one is refused is missing whole.
    pub(crate) fn load(object: &mut Ebpf, kernel_types: &Btf) -> Self {
        let mut tracing = Self::default();
        match load_all(SCRIPT_AT_EXEC, object, kernel_types) {
            Ok(programs) => tracing.programs.extend(programs),
            Err(error) => tracing.lack(Feature::ScriptAtExec, error),
        }
        let running = load_iterator(RUNNING_ITERATOR, object, kernel_types);
        let executables = running
            .and_then(|running| Ok((running, load_all(EXECUTABLE_AT_EXEC, object, kernel_types)?)));
        match executables {
            Ok((running, programs)) => {
                tracing.running_iterator = Some(running);
                tracing.programs.extend(programs);
            }
            Err(error) => tracing.lack(Feature::ExecutableAtExec, error),
        }
        for (feature, tracer) in HANDOVER {
            match tracer.load(object, kernel_types) {
                Ok(program) => {
                    tracing.programs.push((tracer, program));
                    break;
                }
                Err(error) => tracing.lack(feature, error),
            }
        }
        match load_iterator(THREAD_ITERATOR, object, kernel_types) {
            Ok(program) => tracing.thread_iterator = Some(program),
            Err(error) => tracing.lack(Feature::ThreadState, error),
        }
        tracing
    }

    fn lack(&mut self, feature: Feature, error: InterceptError) {
        self.missing.push(MissingFeature { feature, error });
    }

    /// Attaches what was loaded, each by a pinned link that takes the place of an older one.
    pub(crate) fn attach(&mut self, pin_dir: &Path) -> Result<Vec<HeldLink>, InterceptError> {
        let programs = self.programs.drain(..);
        let links = programs
            .map(|(tracer, program)| tracer.attach(program, pin_dir))
            .collect::<Result<_, _>>()?;
        self.record_running()?;
        Ok(links)
    }

    /// Returns whether the file that a process executed is recorded.
    pub(crate) fn knows_executed(&self) -> bool {
        self.running_iterator.is_some()
    }

    /// Takes what runs already at its word, once what it executes from now on is recorded.
    fn record_running(&self) -> Result<(), InterceptError> {
        let Some(iterator) = &self.running_iterator else {
            return Ok(());
        };
        for _ in 0..MAX_VISITS {
            let recorded = sys::tracing::visit_threads(iterator.as_fd())
                .map_err(InterceptError::file("run", RUNNING_ITERATOR))?;
            if recorded == 0 {
                break;
            }
        }
        Ok(())
    }
}

impl Tracer {
    fn load(self, object: &mut Ebpf, kernel_types: &Btf) -> Result<ProgramFd, InterceptError> {
        let loaded = match object.program_mut(self.program) {
            Some(Program::BtfTracePoint(program)) => program
                .load(self.tracepoint, kernel_types)
                .and_then(|()| program.fd()),
            _ => return Err(InterceptError::Missing { name: self.program }),
        };
        loaded
            .and_then(|descriptor| Ok(descriptor.try_clone()?))
            .map_err(refused(self.program))
    }

    fn attach(self, program: ProgramFd, pin_dir: &Path) -> Result<HeldLink, InterceptError> {
        let [pin, replacement] = self.pins(pin_dir);
        remove_if_present(&replacement)?;
        let link = Target::Tracepoint.attach(program.as_fd())?;
        sys::pin(link.as_fd(), &replacement)
            .map_err(InterceptError::file("pin a link at", &replacement))?;
        fs::rename(&replacement, &pin).map_err(InterceptError::file("replace", &pin))?;
        HeldLink::new(self.name, Target::Tracepoint, program, link)
    }

    /// Where its link is pinned, and where a new one waits to take that place.
    fn pins(self, pin_dir: &Path) -> [PathBuf; 2] {
        let pin = pin_dir.join(format!("link_{}", self.name));
        let replacement = replacement(&pin);
        [pin, replacement]
    }
}

/// Loads the programs of a feature that needs all of them.
fn load_all(
    tracers: &[Tracer],
    object: &mut Ebpf,
    kernel_types: &Btf,
) -> Result<Vec<(Tracer, ProgramFd)>, InterceptError> {
    tracers
        .iter()
        .map(|tracer| Ok((*tracer, tracer.load(object, kernel_types)?)))
        .collect()
}

fn load_iterator(
    name: &'static str,
    object: &mut Ebpf,
    kernel_types: &Btf,
) -> Result<OwnedFd, InterceptError> {
    let loaded = match object.program_mut(name) {
        Some(Program::Iter(program)) => program
            .load("task", kernel_types)
            .and_then(|()| program.fd()),
        _ => {
            return Err(InterceptError::Missing { name });
        }
    };
    loaded
        .and_then(|descriptor| Ok(descriptor.as_fd().try_clone_to_owned()?))
        .map_err(refused(name))
}

fn refused(program: &'static str) -> impl FnOnce(ProgramError) -> InterceptError {
    move |source| InterceptError::Program {
        program,
        source: Box::new(source),
    }
}

/// Ends all tracing: a link of this kind is detached when its last pin goes.
pub(crate) fn detach(pin_dir: &Path) -> Result<(), InterceptError> {
    // What cleans up goes last.
    let handover = HANDOVER.iter().map(|(_, tracer)| tracer);
    let executables = EXECUTABLE_AT_EXEC.iter().rev();
    for tracer in handover
        .chain(executables)
        .chain(SCRIPT_AT_EXEC.iter().rev())
    {
        for pin in tracer.pins(pin_dir) {
            remove_if_present(&pin)?;
        }
    }
    Ok(())
}
