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
# Of each registry by its name: the texts in the order of their ids, and the ids of each subject.
registries = {}
# Of each model by its name: how often each key of a request came.
models = {}


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
        elif path == "ml":
            self.model(*rest.split("/"), body)
        elif path == "ml-seen":
            self.reply(200, json.dumps(models.get(rest, {})))
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
        elif path == "registry":
            self.registry(*rest.split("?")[0].split("/", 2), body)
        else:
            self.reply(404, "nothing here")

    def registry(self, mood, name, path, body):
        """A registry of schemas in memory, which may be in a mood."""
        key = (mood, name, path)
        seen[key] = seen.get(key, 0) + 1
        authorization = self.headers.get("Authorization")
        if mood == "flaky" and seen[key] < 3:
            return self.reply(503, '{"error_code":50303,"message":"the store is not ready"}')
        if mood == "busy":
            return self.reply(int(name), '{"error_code":50001,"message":"the store is broken"}')
        if mood == "garbage":
            return self.reply(200, "<html>hello</html>")
        if mood == "stranger":
            return self.reply(404, "<html>nothing here</html>")
        if mood == "long":
            return self.reply(200, json.dumps({"schema": "x" * (9 << 20)}))
        if mood == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"schema":"')
            self.close_connection = True
            return None
        if mood == "silent":
            return time.sleep(600)
        if mood == "elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/secret?hush")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if mood == "basic" and authorization != "Basic " + base64.b64encode(b"me:hush").decode():
            return self.reply(401, '{"error_code":40101,"message":"who are you"}')
        if mood == "bearer" and authorization != "Bearer hush":
            return self.reply(401, "")
        return self.answer_as_registry(registries.setdefault(name, ([], {})), path.split("/"), body)

    def answer_as_registry(self, registry, words, body):
        texts, subjects = registry
        text = json.loads(body)["schema"] if body else None

        def found(subject, ids, number):
            return self.reply(200, json.dumps(
                {"subject": subject, "version": ids.index(number) + 1, "id": number, "schema": texts[number - 1]}))

        match words:
            case ["associations", *_]:
                self.reply(200, "[]")
            case ["schemas", "ids", number] if 0 < int(number) <= len(texts):
                self.reply(200, json.dumps({"schema": texts[int(number) - 1]}))
            case ["schemas", "ids", _]:
                self.reply(404, '{"error_code":40403,"message":"Schema not found"}')
            case ["subjects", subject, "versions"]:
                subject = urllib.parse.unquote(subject)
                if "refuse" in subject:
                    return self.reply(409, '{"error_code":409,"message":"it does not fit"}')
                if text not in texts:
                    texts.append(text)
                number = texts.index(text) + 1
                ids = subjects.setdefault(subject, [])
                if number not in ids:
                    ids.append(number)
                self.reply(200, json.dumps({"id": number}))
            case ["subjects", subject, "versions", "latest"]:
                subject = urllib.parse.unquote(subject)
                ids = subjects.get(subject)
                if not ids:
                    return self.reply(404, '{"error_code":40401,"message":"Subject not found"}')
                found(subject, ids, ids[-1])
            case ["subjects", subject]:
                subject = urllib.parse.unquote(subject)
                number = texts.index(text) + 1 if text in texts else 0
                if number not in subjects.get(subject, []):
                    return self.reply(404, '{"error_code":40403,"message":"Schema not found"}')
                found(subject, subjects[subject], number)
            case ["compatibility", "subjects", subject, "versions"]:
                why = ["the first reason", "the second"] if "refuse" in subject else []
                self.reply(200, json.dumps({"is_compatible": not why, "messages": why}))
            case _:
                self.reply(404, '{"error_code":404,"message":"HTTP 404 Not Found"}')
        return None

    def model(self, mood, count, name, body):
        """A model that doubles x of each row; its first COUNT requests are answered as its mood is, and -1 means all. `poison` is a mood
        of one row: of the request that holds x = COUNT."""
        keys = models.setdefault(name, {})
        asked = sum(keys.values())
        key = self.headers.get("Idempotency-Key")
        keys[key] = keys.get(key, 0) + 1
        request = json.loads(body)
        rows = request.get("rows", [])
        answer = {"results": [{"y": 2 * row["x"]} for row in rows]}
        if "inputs" in request:
            data = request["inputs"][0]["data"]
            answer = {"model_name": name, "id": request["id"], "outputs": [
                {"name": "y", "datatype": "FP64", "shape": [len(data), 1], "data": [[2.0 * x] for x in data]}]}
        text = json.dumps(answer)
        if mood == "poison":
            is_bad = any(row["x"] == int(count) for row in rows)
            return self.reply(500, "boom") if is_bad else self.reply(200, text)
        if int(count) >= 0 and asked >= int(count):
            return self.reply(200, text)
        match mood:
            case "slow":
                time.sleep(600)
            case "drop":
                self.close_connection = True
                self.connection.close()
            case "half":
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text[:len(text) // 2].encode())
                self.close_connection = True
            case "garbage":
                self.reply(200, "<html>hello</html>")
            case "few":
                self.reply(200, json.dumps({"results": answer["results"][:-1]}))
            case "many":
                self.reply(200, json.dumps({"results": answer["results"] + [{"y": 1}]}))
            case "nan":
                self.reply(200, json.dumps({"results": [{"y": float("nan")} for _ in rows]}))
            case "huge":
                self.reply(200, text.replace('"y": ', '"y": 9e999'))
            case "text":
                self.reply(200, json.dumps({"results": [{"y": "many"} for _ in rows]}))
            case "other":
                self.reply(200, json.dumps({"results": [{"z": 1} for _ in rows]}))
            case "redirect":
                self.send_response(302)
                self.send_header("Location", "/ml/fine/0/" + name + "-elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "busy":
                self.send_response(503)
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case _:
                self.reply(int(mood), "no")
        return None

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
