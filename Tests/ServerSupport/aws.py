"""S3 and SNS as moto plays them, behind a check of every signature by botocore: moto itself takes any.

aws.py PID ACCESS_KEY SECRET_KEY TOKEN prints its port and runs until the process PID is gone; TOKEN may be empty. Requests whose
signature is another than botocore's are refused with status 403 and the code SignatureDoesNotMatch, as AWS does. Besides, GET
/messages gives the messages that all topics have got, as a JSON list of [subject, message].
"""

import hashlib
import hmac
import io
import json
import re
import sys

import daemon
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.sns.models import sns_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

FORM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$")


def fault(environ, body, key, secret, token):
    """What is wrong with the signature of a request; None where it is right."""
    found = FORM.match(environ.get("HTTP_AUTHORIZATION", ""))
    if not found:
        return "there is no signature"
    given, _, region, service, names, signature = found.groups()
    if given != key:
        return f"unknown key {given}"
    headers = {}
    for name in names.split(";"):
        wsgi = name.upper().replace("-", "_")
        headers[name] = environ.get(wsgi if wsgi in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + wsgi, "")
    needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} if token else set())
    needed |= {"x-amz-content-sha256"} if service == "s3" else set()
    if not needed <= set(headers):
        return f"not signed: {needed - set(headers)}"
    if token and headers["x-amz-security-token"] != token:
        return "another token"
    if headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest()) != hashlib.sha256(body).hexdigest():
        return "the body is another than the one signed"
    url = f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers=headers, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    kind = S3SigV4Auth if service == "s3" else SigV4Auth
    signer = kind(Credentials(key, secret, token or None), service, region)
    own = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return None if hmac.compare_digest(own, signature) else "the signature is another than botocore's"


def messages():
    regions = [region for account in sns_backends.values() for region in account.values()]
    topics = [topic for region in regions for topic in region.topics.values()]
    return [[subject, message] for topic in topics for _, message, subject, *_ in topic.sent_notifications]


class Checked:
    def __init__(self, application, *credentials):
        self.application, self.credentials = application, credentials

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"] == "/messages":
            text = json.dumps(messages()).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
            return [text]
        wrong = fault(environ, body, *self.credentials)
        if wrong is None:
            return self.application(environ, start_response)
        text = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{wrong}</Message></Error>".encode()
        start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
        return [text]


if __name__ == "__main__":
    key, secret, token = sys.argv[2:5]
    socket = daemon.listen()
    application = Checked(DomainDispatcherApplication(create_backend_app), key, secret, token)
    daemon.leave(socket, int(sys.argv[1]))
    make_server("127.0.0.1", 0, application, threaded=True, fd=socket.fileno()).serve_forever()
