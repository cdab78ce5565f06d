#!/usr/bin/env python3
"""Serves the model of train.py over HTTP, as ml.yaml asks it: POST /demand.

serve.py [PORT] [MODEL.joblib]

A request that comes again with the same Idempotency-Key gets the same answer, which is kept for the last hundred.
"""

import collections
import http.server
import json
import os
import sys
import threading

import joblib
import numpy

COLUMNS = ["area", "hour_of_day", "weekday", "week_ago", "day_ago"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None
    answers = collections.OrderedDict()
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/demand":
            return self.reply(404, {"error": f"there is nothing at {self.path}"})
        key = self.headers.get("Idempotency-Key")
        with self.lock:
            known = self.answers.get(key) if key else None
        if known is not None:
            return self.reply(200, known)
        try:
            rows = json.loads(body)["rows"]
            values = numpy.array([[float(row[column]) for column in COLUMNS] for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            return self.reply(422, {"error": f"a row has to have the numbers {', '.join(COLUMNS)}: {error!r}"})
        forecasts = self.model.predict(values) if rows else []
        answer = {"results": [{"forecast": round(float(forecast), 3)} for forecast in forecasts]}
        with self.lock:
            if key:
                self.answers[key] = answer
                while len(self.answers) > 100:
                    self.answers.popitem(last=False)
        return self.reply(200, answer)

    def reply(self, status, answer):
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    folder = os.path.dirname(os.path.abspath(__file__))
    Handler.model = joblib.load(sys.argv[2] if len(sys.argv) > 2 else f"{folder}/demand.joblib")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/demand", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
