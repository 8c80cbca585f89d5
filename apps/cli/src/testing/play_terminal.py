"""Runs a command on a terminal of its own and plays a person: waits for texts and types others.

usage: play_terminal.py STEPS COMMAND...
STEPS is JSON, a list of {"expect": text} and {"send": text}. Prints one JSON object: the exit code,
everything that appeared on the terminal, and the step that timed out, if any.
"""
import json
import os
import pty
import select
import signal
import sys
import time

TIMEOUT_SECONDS = 20


def main():
    steps = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[2], sys.argv[2:])

    seen = b""
    looked_at = 0
    failed = None

    def read_some(seconds):
        nonlocal seen
        ready, _, _ = select.select([terminal], [], [], seconds)
        if not ready:
            return True
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is gone
            return False
        seen += chunk
        return bool(chunk)

    for number, step in enumerate(steps):
        if "send" in step:
            os.write(terminal, step["send"].encode())
            continue
        wanted = step["expect"].encode()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        alive = True
        while wanted not in seen[looked_at:] and alive and time.monotonic() < deadline:
            alive = read_some(0.1)
        if wanted not in seen[looked_at:]:
            failed = number
            break
        looked_at = seen.index(wanted, looked_at) + len(wanted)

    if failed is not None:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while read_some(0.1) and time.monotonic() < deadline:
        pass
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended == 0:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "output": seen.decode("utf8", "replace"), "failed": failed}))


main()
