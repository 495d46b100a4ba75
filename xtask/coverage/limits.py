"""Runs what may take too long or too much memory in a process of its own."""

import os
import resource
import signal
import subprocess
import sys
import time
import traceback


def limit(gib):
    size = int(gib * 2**30)
    # Of data rather than addresses: libraries for cards reserve many addresses that they do not
    # use.
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def forked(function, seconds, gib):
    """Calls `function` in a fork, which has the imports already. Returns how it ended, or None where all is well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            limit(gib)
            function()
            code = 0
        except MemoryError:
            code = 3
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _wait(child, seconds)


def _wait(child, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code == 0 else "out of memory" if code in (3, -signal.SIGKILL) else f"exit code {code}"
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def command(arguments, folder, seconds, gib):
    """Exit code, or None after the time limit, and what was written to stderr."""
    try:
        done = subprocess.run(
            arguments, cwd=folder, timeout=seconds, preexec_fn=lambda: limit(gib),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stderr
