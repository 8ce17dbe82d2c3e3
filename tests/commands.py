"""The commands of the guide "Beyond one machine", for tests to start."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess

GUIDE = pathlib.Path(__file__).parent.parent / "keras_mixup" / "guides" / "machines.md"


def in_guide(*words):
    """Its command lines that hold any of these words, on ports that are free."""
    blocks = re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if any(word in line for word in words)]
    ports = sorted({port for line in lines for port in re.findall(r"\b50\d\d\b", line)})
    with contextlib.ExitStack() as stack:
        free = {port: stack.enter_context(socket.socket()) for port in ports}
        for sock in free.values():
            sock.bind(("localhost", 0))
        free = {port: str(sock.getsockname()[1]) for port, sock in free.items()}
    return [re.sub(r"\b50\d\d\b", lambda port: free[port[0]], line) for line in lines]


@contextlib.contextmanager
def started(lines):
    """Processes of these command lines, each the head of a group; whatever is left of them is killed in the end."""
    processes = [
        subprocess.Popen(
            line,
            shell=True,
            start_new_session=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in lines
    ]
    try:
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
