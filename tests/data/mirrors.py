"""HTTP servers on this machine, for tests of downloading."""

from __future__ import annotations

import http.server
import threading


class Mirror:
    """An HTTP server on 127.0.0.1 with files that a test can damage."""

    def __init__(self):
        self.files = {}
        self.requests = []
        # Names of files whose second half is not sent, where it has so many bytes.
        self.cut = set()
        self.cut_above = 0
        self.transport_gzip = False
        # Byte ranges that were asked for, where the server knows of them.
        self.ranges = []
        self.knows_ranges = False
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                name = self.path.rsplit("/", 1)[-1]
                mirror.requests.append(name)
                content = mirror.files.get(name)
                if content is None:
                    self.send_error(404)
                    return
                status = 200
                wanted = self.headers.get("Range")
                if wanted and mirror.knows_ranges:
                    mirror.ranges.append(wanted)
                    content = content[int(wanted[len("bytes=") : -1]) :]
                    if not content:
                        self.send_error(416)
                        return
                    status = 206
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if mirror.transport_gzip:
                    self.send_header("Content-Encoding", "gzip")
                self.end_headers()
                cut = None
                if name in mirror.cut and len(content) > mirror.cut_above:
                    cut = len(content) // 2
                self.wfile.write(content[:cut])
                if cut is not None:
                    self.close_connection = True

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist/"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
