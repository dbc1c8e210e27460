"""Starting and stopping the real server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest

ROOT = Path(__file__).resolve().parents[3]


def binary() -> Path:
    """``MPREG_SERVER``, or the newest build."""
    named = os.environ.get("MPREG_SERVER")
    if named:
        return Path(named).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in (target / "release/mpreg", target / "debug/mpreg") if path.exists()]
    if not built:
        pytest.fail("no server: run `cargo build`, or name one in MPREG_SERVER")
    return max(built, key=lambda path: path.stat().st_mtime)


class Server:
    """A running ``mpreg serve``."""

    def __init__(self, path: Path, data: Path, extra: Optional[List[str]] = None) -> None:
        self._path = path
        self._data = data
        self._extra = extra or []
        self.port = 0
        self._process: Optional[subprocess.Popen[str]] = None
        self.start()

    def url(self, scheme: str) -> str:
        """Where it listens."""
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on the port it had before, and waits until it is ready."""
        listen = f"127.0.0.1:{self.port}"
        command = [str(self._path), "serve", "--listen", listen, "--data", str(self._data), *self._extra]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._process = process
        assert process.stdout is not None
        banner = []
        for line in process.stdout:
            banner.append(line)
            if line.startswith("MPREG_URL="):
                self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])
            if line.strip() == "ready":
                # A full pipe would stop it.
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return
        raise RuntimeError(f"the server did not start: {''.join(banner)}")

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it finishes what it does."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It is there and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        """The end of :meth:`pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: Any) -> None:
        self.kill()


async def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    """Waits until something holds; fails when it does not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not holds():
        assert loop.time() < deadline, "it never came true"
        await asyncio.sleep(0.01)
