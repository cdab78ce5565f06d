"""A small web server for tests of requests: web.py PID prints its port and runs until the process PID is gone."""

import base64
import html
import http.server
import json
import sys
import time
import urllib.parse

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
        elif path == "mirror":
            # What came, in every form in which a server may say it again, some of them at the edges of 16 and 64 KiB.
            text = body.decode()
            forms = [
                text, json.dumps(text), json.dumps(text, ensure_ascii=False), urllib.parse.quote(text, safe=""),
                urllib.parse.quote_plus(text), html.escape(text), base64.b64encode(body).decode(),
                base64.b64encode(b"x" + body).decode(), base64.encodebytes(b"xy" + body).decode(),
                repr(text), "\n".join(f"> {line}" for line in text.split("\n")),
            ]
            self.mirror(int(rest), forms[0] + "\n" + "\n".join(forms), urllib.parse.quote(text, safe=""))
        elif path == "mirror-far":
            text = body.decode()
            edges = ["x" * (edge - cut - 1) + text + "\n" for edge in (1 << 14, 1 << 16) for cut in (0, 3, len(body) - 3)]
            self.mirror(int(rest), edges[0] + "".join(edges), urllib.parse.quote(text, safe=""))
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

    def mirror(self, status, text, quoted):
        data = text.encode()
        self.send_response(status, quoted)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Location", f"http://127.0.0.1:1/{quoted}")
        self.send_header("ETag", quoted)
        self.end_headers()
        self.wfile.write(data)

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
