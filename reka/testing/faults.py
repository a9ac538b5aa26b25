"""Scripts of servers that fail in ways which have no status."""

import socket
import struct

from reka.testing.connection import Connection


def reset(connection: Connection) -> None:
    """Reset the connection without an answer."""
    connection.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.connection.close()


def stop_inside_the_body(connection: Connection) -> None:
    """Send fewer bytes than the head announces."""
    connection.send_response(200)
    connection.send_header("Content-Type", "application/json")
    connection.send_header("Content-Length", "1000")
    connection.end_headers()
    connection.wfile.write(b'{"type": "model", "te')
    connection.wfile.flush()
    connection.connection.shutdown(socket.SHUT_RDWR)


def say_nothing(connection: Connection) -> None:
    """Hold the connection without an answer until the client gives up."""
    connection.wait_for_end()
