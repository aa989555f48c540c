"""A token server for docker-registry (distribution's docs/spec/auth): who asks for what is written down, and certificates
for servers and clients."""
import base64
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]


def openssl(*args, **kw):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **kw).stdout


def authority(top):
    """ca.crt and ca.key."""
    openssl("req", "-x509", *EC, "-subj", "/CN=authority", "-keyout", top / "ca.key", "-out", top / "ca.crt")
    return top / "ca.crt"


def issued(top, name, *extensions):
    """NAME.crt and NAME.key, signed by the authority in top."""
    openssl("req", *EC, "-subj", f"/CN={name}", "-keyout", top / f"{name}.key", "-out", top / f"{name}.csr")
    (top / f"{name}.ext").write_text("\n".join(extensions))
    openssl("x509", "-req", "-days", "2", "-in", top / f"{name}.csr", "-CA", top / "ca.crt", "-CAkey", top / "ca.key",
            "-CAcreateserial", "-extfile", top / f"{name}.ext", "-out", top / f"{name}.crt")
    return top / f"{name}.crt", top / f"{name}.key"


def b64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class TokenServer(http.server.ThreadingHTTPServer):
    """users: name → (password, actions allowed everywhere). Nobody may pull what is below public/."""
    issuer, service = "tokens of the tests", "registry of the tests"

    def __init__(self, top, users, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.users, self.asked, self.refresh, self.key, self.cert = users, [], {}, top / "token.key", top / "token.crt"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens", "-keyout", self.key, "-out", self.cert)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def configuration(self):
        """For docker-registry."""
        return {"auth": {"token": {"realm": f"{self.scheme}://127.0.0.1:{self.server_port}/token", "service": self.service,
                                   "issuer": self.issuer, "rootcertbundle": str(self.cert)}}}

    def scopes(self):
        """Each request's, as sets, and forgets them."""
        asked, self.asked = self.asked, []
        return [frozenset(a["scopes"]) for a in asked]

    def token(self, user, access):
        now = int(time.time())
        der = "".join(line for line in self.cert.read_text().splitlines() if "-----" not in line)
        claims = {"iss": self.issuer, "aud": self.service, "sub": user, "iat": now, "nbf": now - 10, "exp": now + 300,
                  "jti": uuid.uuid4().hex, "access": access}
        text = ".".join(b64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256", "x5c": [der]}, claims))
        return f"{text}.{b64(openssl('dgst', '-sha256', '-sign', self.key, input=text.encode()))}"

    def access(self, user, scopes):
        granted = []
        for scope in scopes:
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            allowed = self.users[user][1] if user else {"pull"} if name.startswith("public/") else set()
            granted.append({"type": kind, "name": name, "actions": sorted(allowed.intersection(actions.split(",")))})
        return granted


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def decide(self, user, good, grant, fields, offline):
        server, scopes = self.server, " ".join(fields.get("scope", [])).split()
        server.asked.append({"user": user, "grant": grant, "scopes": scopes})
        if not good or fields.get("service") != [server.service]:
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong"}], "error": "invalid_grant"})
        token = server.token(user, server.access(user, scopes))
        body = {"token": token, "access_token": token, "expires_in": 300}
        if offline:
            body["refresh_token"] = uuid.uuid4().hex
            server.refresh[body["refresh_token"]] = user
        return self.answer(200, body)

    def right(self, user, password):
        return user in self.server.users and self.server.users[user][0] == password

    def do_GET(self):
        fields = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(value).decode().partition(":")
        good = not kind or (kind == "Basic" and self.right(user, password))
        self.decide(user, good, "basic" if kind else "nobody", fields, fields.get("offline_token") == ["true"])

    def do_POST(self):
        fields = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        grant = fields["grant_type"][0]
        if grant == "refresh_token":
            user = self.server.refresh.get(fields["refresh_token"][0], "")
            return self.decide(user, user != "", grant, fields, False)
        user = fields["username"][0]
        return self.decide(user, self.right(user, fields["password"][0]), grant, fields, fields.get("access_type") == ["offline"])

    def log_message(self, *args):
        pass
