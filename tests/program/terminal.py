"""A program on a pseudo-terminal of its own, and the screen a person would see (pyte)."""
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte


class Terminal:
    def __init__(self, argv, env, columns=80, rows=24, cwd=None, **more):
        self.screen = pyte.HistoryScreen(columns, rows, history=5000, ratio=1)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.status = None
        env = {**env, "TERM": "xterm-256color", **more}
        for name in ("NO_COLOR", "XTERM_VERSION"):
            if name not in more:
                env.pop(name, None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd or ".")
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(argv[0], [str(a) for a in argv], env)
        self.size(columns, rows)

    def size(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def read(self, wait):
        """What comes within the time; False at the end."""
        if not select.select([self.fd], [], [], wait)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def until(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        while not wanted(self):
            assert time.monotonic() < end and self.read(0.1), "never came:\n" + "\n".join(self.lines())

    def finish(self, seconds=20):
        end = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < end, "does not end:\n" + "\n".join(self.lines())
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def shown(self):
        return [line.rstrip() for line in self.screen.display]

    def lines(self):
        """The scrollback and the screen."""
        gone = ["".join(row[x].data for x in range(self.screen.columns)).rstrip() for row in self.screen.history.top]
        return gone + self.shown()

    def has(self, text):
        return any(text in line for line in self.shown())

    def count(self, text):
        return sum(text in line for line in self.lines())

    def close(self):
        if self.status is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        os.close(self.fd)
