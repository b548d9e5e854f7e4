# Runs a command on a terminal of its own, which is closed when stdin ends; then prints how the command ended: its exit code, or minus
# the number of the signal. With `hangup` the terminal is the one of the command's session, so that the kernel tells it by SIGHUP when
# it closes; with `silent` writes to it fail, and that is all.
import os
import pty
import select
import subprocess
import sys

how, *words = sys.argv[1:]
if how == "hangup":
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(words[0], words)
else:
    terminal, far = pty.openpty()
    pid = subprocess.Popen(words, stdin=far, stdout=far, stderr=far, start_new_session=True).pid
    os.close(far)

open_ends = [0, terminal]
while 0 in open_ends:
    for end in select.select(open_ends, [], [])[0]:
        try:
            data = os.read(end, 65536)
        except OSError:  # The command has ended.
            data = b""
        if not data:
            open_ends.remove(end)
os.close(terminal)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
