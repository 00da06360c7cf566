"""Takes away what a process does not need to look at a file. Linux does most of it; elsewhere the limits remain.

PDFium and qpdf are large programs in C++ that read a stranger's file. Should one of them have a hole, whoever uses it
finds no secret in the environment, no network, no other process and no file that could be changed.

The numbers are the kernel's own interface, which does not change: system calls, `prctl(2)`, `seccomp(2)`,
`landlock(7)`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 1, 4, 22, 38
_FILTER_MODE = 2

# Sockets (io_uring can make them too), processes and programs, signals and memory of others, namespaces and mounts,
# keys, and whatever changes a file by its name.
_DENIED_X86_64: Final = (
    *(41, 53, 425),  # socket, socketpair, io_uring_setup
    *(56, 57, 58, 435, 59, 322),  # clone, fork, vfork, clone3, execve, execveat
    *(62, 200, 234, 129, 297, 424),  # kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
    *(101, 310, 311, 434, 438),  # ptrace, process_vm_readv, process_vm_writev, pidfd_open, pidfd_getfd
    *(272, 308, 165, 321, 298, 323),  # unshare, setns, mount, bpf, perf_event_open, userfaultfd
    *(248, 249, 250),  # add_key, request_key, keyctl
    *(85, 437, 76, 77, 87, 263, 84),  # creat, openat2, truncate, ftruncate, unlink, unlinkat, rmdir
    *(82, 264, 316, 86, 265, 88, 266),  # rename, renameat, renameat2, link, linkat, symlink, symlinkat
    *(83, 258, 133, 259),  # mkdir, mkdirat, mknod, mknodat
    *(90, 91, 268, 452, 92, 93, 94, 260),  # chmod, fchmod, fchmodat, fchmodat2, chown, fchown, lchown, fchownat
)
_DENIED_AARCH64: Final = (
    *(198, 199, 425),
    *(220, 435, 221, 281),
    *(129, 130, 131, 138, 240, 424),
    *(117, 270, 271, 434, 438),
    *(97, 268, 40, 280, 241, 282),
    *(217, 218, 219),
    *(437, 45, 46, 35),
    *(38, 276, 37, 36),
    *(34, 33),
    *(52, 53, 452, 55, 54),
)


class _Machine(NamedTuple):
    """A processor's name in the audit system, the calls it may not make, and (call, argument) of those that open."""

    audit_arch: int
    denied: Sequence[int]
    opening: Sequence[tuple[int, int]]


_MACHINES: Final = {
    "x86_64": _Machine(0xC000003E, _DENIED_X86_64, ((2, 1), (257, 2))),  # open, openat
    "aarch64": _Machine(0xC00000B7, _DENIED_AARCH64, ((56, 2),)),  # openat
}
# Of classic BPF (`linux/filter.h`): load a word, jump if equal, if greater or equal, if any bit is set, return.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # in `struct seccomp_data`; arguments have 8 bytes, low word first
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # _REFUSE: errno 1, EPERM
_X32 = 0x40000000  # the third set of calls that x86_64 has
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
# How many rights over files each version of Landlock knows; TCP since 4, signals and abstract sockets since 6.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_LATEST_FILE_RIGHTS, _TCP_SINCE, _SCOPES_SINCE = 16, 4, 6
# What loading libraries and drawing with fonts that the file does not bring may read, beside Python's own folders.
_READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/fonts", "/usr/local/share/fonts")
_RANDOMNESS = "/dev/urandom"  # qpdf opens it when it reads a file with AES-256


def limit(*, cpu_seconds: int, memory_bytes: int) -> None:
    """Set hard limits: time, memory, and no files written, no core, few descriptors, no further processes."""
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (most, most))


def confine(package: Path) -> list[str]:
    """Confine this process for good, and return the names of the protections that this platform does not have.

    Args:
        package: the folder with the code that may still be loaded.
    """
    if sys.platform != "linux":
        return ["no-new-privileges", "landlock", "seccomp"]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    missing = []
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        missing.append("no-new-privileges")
    # Only what was installed: a package under development may put the folder with `.env` on the path.
    installed = [name for name in sys.path if name.startswith((f"{sys.prefix}/", f"{sys.base_prefix}/"))]
    if not _restrict_files(libc, [*_READABLE, *installed, str(package), _RANDOMNESS]):
        missing.append("landlock")
    if not _restrict_calls(libc):
        missing.append("seccomp")
    return missing


def _restrict_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    """Allow nothing but reading what is named, or in it. False where the kernel has no Landlock, or it is off."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, _LATEST_FILE_RIGHTS)) - 1
    attributes = struct.pack("=Q", rights)
    attributes += struct.pack("=Q", 0b11) if version >= _TCP_SINCE else b""
    attributes += struct.pack("=Q", 0b11) if version >= _SCOPES_SINCE else b""
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    for name in dict.fromkeys(readable):
        if os.path.exists(name):  # noqa: PTH110 -- sys.path holds text
            place = os.open(name, os.O_PATH)
            allowed = _READ_FILE | _READ_FOLDER if os.path.isdir(name) else _READ_FILE  # noqa: PTH112
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, place), 0)
            os.close(place)
    restricted = bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    os.close(ruleset)
    return restricted


def _restrict_calls(libc: ctypes.CDLL) -> bool:
    """Refuse the system calls above, and opening files to write. False where there is no seccomp for this machine."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.maxsize < 2**32:  # a 32-bit Python makes other calls
        return False
    code = b"".join(struct.pack("=HBBI", *step) for step in _program(machine))
    steps = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(steps))
    return bool(libc.prctl(_SET_SECCOMP, _FILTER_MODE, program, 0, 0) == 0)


def _program(machine: _Machine) -> list[tuple[int, int, int, int]]:
    """Return the filter as (operation, steps to skip if true, steps to skip if false, operand)."""
    program = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_IF_EQUAL, 1, 0, machine.audit_arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for call in machine.denied:
        program += [(_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, _REFUSE)]
    for call, argument in machine.opening:
        program += [
            (_IF_EQUAL, 0, 4, call),
            (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
            (_IF_ANY_BIT, 0, 1, _WRITING),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    return [*program, (_RETURN, 0, 0, _ALLOW)]
