"""What the process that looks at a stranger's file can reach: the real one, on a probe that tries everything."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from alma_leads.resumes.sandbox import sandbox_process
from config import ROOT

PROBE = """
import fcntl, json, os, pathlib, resource, socket, sys, threading

def tried(what, *about):
    try:
        what(*about)
    except Exception as error:
        return type(error).__name__
    return "done"

def fork():
    if os.fork() == 0:
        os._exit(0)

def is_open(number):
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return False
    return True

def look(stream):
    folder = pathlib.Path(__file__).parents[3]
    return json.dumps({
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "descriptors": [number for number in range(64) if is_open(number)],
        "limits": {name: resource.getrlimit(getattr(resource, name))
                   for name in ("RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_NOFILE")},
        "socket": tried(socket.socket),
        "unix socket": tried(socket.socket, socket.AF_UNIX),
        "fork": tried(fork),
        "thread": tried(threading.Thread(target=print).start),
        "program": tried(os.execv, "/bin/true", ["true"]),
        "signal": tried(os.kill, os.getppid(), 0),
        "truncate": tried(os.truncate, folder / ".env", 0),
        "write": tried(lambda: open(folder / ".env", "w")),
        "unlink": tried(os.unlink, folder / ".env"),
        "read": tried((folder / ".env").read_text),
        "list": tried(os.listdir, folder),
        "standard library": tried((pathlib.Path(os.__file__)).read_text),
        "file": stream.read().decode(),
        "path": [repr(each) for each in sys.path if each in ("", ".")],
    }).encode()
"""


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what the probe has found, beside a copy of the package and an `.env` in the folder above it."""
    shutil.copytree(ROOT / "alma_leads", tmp_path / "alma_leads", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "alma_leads/resumes/sandbox/probe.py").write_text(PROBE)
    (tmp_path / ".env").write_text("SECRET_KEY=known to nobody")
    monkeypatch.setattr(sandbox_process, "_WORKER", tmp_path / "alma_leads/resumes/sandbox/sandbox_worker.py")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/database")
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    work = sandbox_process._Work("probe", "look", cpu_seconds=5, niceness=0)
    try:
        with TemporaryFile(buffering=0) as file:
            file.write(b"the file")
            answer = json.loads(sandbox_process._run(file, work, stop=None))
    finally:
        os.close(reading)
        os.close(writing)
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=known to nobody"
    return answer


def _has_landlock() -> bool:
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)) > 0


def test_the_process_that_looks_at_files_has_only_the_file(found: Any) -> None:
    assert set(found["environment"]) <= {"LC_ALL", "LD_LIBRARY_PATH"}
    assert (found["folder"], found["descriptors"], found["path"]) == ("/", [0, 1, 2], [])
    assert found["limits"] == {
        "RLIMIT_NPROC": [0, 0],
        "RLIMIT_FSIZE": [0, 0],
        "RLIMIT_CORE": [0, 0],
        "RLIMIT_NOFILE": [16, 16],
    }
    assert (found["file"], found["standard library"]) == ("the file", "done")
    if sys.platform != "linux":
        pytest.skip("the rest needs Landlock and seccomp")
    for deed in ("socket", "unix socket", "fork", "program", "signal", "truncate", "write", "unlink"):
        assert found[deed] == "PermissionError", deed
    assert found["thread"] == "RuntimeError"  # which is how Python says that it may not be started
    if not _has_landlock():
        pytest.skip("this kernel has no Landlock: SECURITY.md says what that means")
    assert (found["read"], found["list"]) == ("PermissionError", "PermissionError")
