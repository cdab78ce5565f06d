"""A small web server for tests of requests: web.py PID prints its port and runs until the process PID is gone."""

import http.server
import json
import sys
import time

import daemon

seen = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, rest = self.path[1:].partition("/")
        if path == "status":
            self.reply(int(rest), f"status {rest}\nsecond line")
        elif path == "flaky":
            # Two refusals, and then an answer; each name counts for itself.
            seen[rest] = seen.get(rest, 0) + 1
            self.reply(200 if seen[rest] > 2 else 503, f"attempt {seen[rest]}")
        elif path == "echo":
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.reply(200, json.dumps(
                {"method": self.command, "path": self.path, "headers": headers, "body": body.decode()}))
        elif path == "predict":
            request = json.loads(body)
            results = [dict(row, model=request["model"], demand=2 * row["trips"]) for row in request["rows"]]
            self.reply(200, json.dumps({"results": results}))
        elif path == "big":
            self.reply(200, "x" * int(rest))
        elif path == "redirect":
            self.send_response(302)
            self.send_header("Location", "/echo")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "bearer":
            # Whether the secret came, without saying it again.
            self.reply(200 if self.headers.get("Authorization") == f"Bearer {rest}" else 401, "seen")
        elif path == "drip":
            # A body that never ends, a byte at a time.
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            while True:
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        elif path == "never":
            time.sleep(600)
        else:
            self.reply(404, "nothing here")

    def reply(self, status, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Kind", "  test ")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    socket = daemon.listen()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket
    server.server_address = socket.getsockname()
    daemon.leave(socket, int(sys.argv[1]))
    server.serve_forever()
