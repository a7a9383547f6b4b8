"""Logs in, logs out, and resets the password to what it is, with urllib. MAILS is the output of our server."""
import http.cookiejar
import json
import os
import re
import urllib.request

BASE_URL, EMAIL, PASSWORD = (os.environ[name] for name in ("BASE_URL", "KALSHI_EMAIL", "KALSHI_PASSWORD"))
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))


def call(method, path, want, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE_URL + path, data, {"Content-Type": "application/json"}, method=method)
    with opener.open(request, timeout=10) as answer:
        assert answer.status == want, (method, path, answer.status)


call("POST", "/log_in", 200, {"email": EMAIL, "password": PASSWORD})
call("POST", "/log_out", 204)
call("POST", "/passwords/reset", 202, {"email": EMAIL})
with open(os.environ["MAILS"], encoding="utf-8") as mails:
    code, user_id = re.findall(r"code (\S+) user_id (\S+)", mails.read())[-1]
call("PUT", f"/passwords/reset/{code}/confirm", 204, {"user_id": user_id, "password": PASSWORD})
