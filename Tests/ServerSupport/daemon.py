"""What the servers of the tests have in common: a port that was free, and a life that ends with the tests."""

import os
import socket
import threading
import time


def listen():
    """A socket on a free port of this machine."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(64)
    return server


def leave(server, watched):
    """Prints the port and goes on as nobody's child, until the process `watched` is gone.

    Nothing stays open but the socket: a pipe of a test would not end before its server does.
    """
    port = server.getsockname()[1]
    print(port, flush=True)
    if os.fork():
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != server.fileno():
            try:
                os.close(int(name))
            except OSError:
                pass

    def watch():
        while True:
            try:
                os.kill(watched, 0)
            except OSError:
                os._exit(0)
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()
    return port
