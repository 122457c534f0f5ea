"""Runs a program in a pseudo-terminal of 24 lines of 100 characters, connected to this script's input and output.

Passes SIGTERM on, and ends with the program's exit code.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])

signal.signal(signal.SIGTERM, lambda number, _frame: os.kill(pid, number))
sources = [terminal, 0]
while True:
    ready, _, _ = select.select(sources, [], [])
    if terminal in ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 65536)
        if data:
            os.write(terminal, data)
        else:
            sources.remove(0)

sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
