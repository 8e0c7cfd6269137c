"""Runs inside the sandbox: an IPython kernel whose messages go through standard input, a socket. okcvm sends this text
over it first; `modules.py` and `kernel.py` are the rest of it.

Why not ports or sockets with paths: nothing has to listen, so it works behind every wall; no path of the session's own
folders has to be trusted; and okcvm alone decides how much of a message it takes.

Standard input carries frames both ways: a byte for the channel, four lengths, then header, parent, metadata, content.

It is started without what HOME holds of Python: until the first words are said, nothing that a cell or a package has put
there can speak on the wire.
"""

import sys

# The workspace must not stand in for the standard library while the kernel starts; IPython adds it again later.
sys.path[:] = [place for place in sys.path if place]

import json
import os
import socket
import struct

WIRE = socket.socket(fileno=os.dup(0))
WIRE.setblocking(True)
os.set_inheritable(WIRE.fileno(), False)
_nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(_nothing, 0)
os.close(_nothing)

HEAD = struct.Struct(">BQQQQ")
SHELL, CONTROL, IOPUB, HELLO = 0, 1, 2, 3


def tell(channel, parts):
    WIRE.sendall(HEAD.pack(channel, *map(len, parts)))
    for part in parts:
        if len(part):
            WIRE.sendall(part)


def hello(words):
    tell(HELLO, [b"", b"", b"", json.dumps(words).encode()])


hello({"python": ".".join(map(str, sys.version_info[:3]))})
