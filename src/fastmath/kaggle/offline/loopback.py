"""Bring up the loopback device of a new network namespace, which vLLM and Jupyter need, then execute another program.

`unshare --net python loopback.py PROGRAM ARGUMENTS…`
"""

import fcntl
import os
import socket
import struct
import sys

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1

if __name__ == "__main__":
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
    os.execv(sys.argv[1], sys.argv[1:])
