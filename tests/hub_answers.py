"""What all stand-ins for the Hugging Face hub have in common: how they answer."""

import json
from http.server import BaseHTTPRequestHandler


class HubAnswers(BaseHTTPRequestHandler):
    """Answers with JSON or bytes, and writes nothing to the tests' output."""

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
