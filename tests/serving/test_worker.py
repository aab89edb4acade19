"""A worker whose supervisor is killed does not outlive it."""

import signal
import subprocess
import sys

CHILD = """
import time
from serving.http.worker import end_with_parent

end_with_parent()
print("up", flush=True)
time.sleep(30)
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], start_new_session=True)"


def test_a_worker_in_a_session_of_its_own_ends_with_the_process_that_started_it():
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None and supervisor.stdout.readline() == "up\n"
        supervisor.send_signal(signal.SIGKILL)
        # the pipe ends only when the last who holds it does: the worker
        supervisor.communicate(timeout=10)
