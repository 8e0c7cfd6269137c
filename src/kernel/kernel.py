# The kernel itself: streams, sockets inside the process, and the bridge to the wire.

# Nobody debugs here, and the debugger need not say so.
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import array
import codecs
import faulthandler
import fcntl
import functools
import signal
import site
import subprocess
import select
import termios
import threading
import time

import zmq
from IPython.core import interactiveshell
from ipykernel import kernelapp, kernelbase
from ipykernel.iostream import IOPubThread, OutStream
from jupyter_client.jsonutil import json_clean, json_default

DELIMITER = b"<IDS|MSG>"
PID = os.getpid()
# Text goes out in pieces of this size, and whoever prints more waits until a piece is taken.
PIECE = 128 << 10


class Publisher(IOPubThread):
    """The thread that publishes. A copy of the process publishes nothing, and no port is opened for it to do so."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "pipe": False})

    def _really_send(self, *args, **kwargs):
        if os.getpid() == PID:
            super()._really_send(*args, **kwargs)


class Stream(OutStream):
    """Standard output or error of cells. The descriptors themselves are watched by `Descriptors`."""

    latest = None

    def __init__(self, *args, **kwargs):
        kwargs["watchfd"] = False
        super().__init__(*args, **kwargs)
        self.unsent = 0

    def fileno(self):
        return 1 if self.name == "stdout" else 2

    def close(self):
        self.pub_thread = None

    def write(self, string):
        if not isinstance(string, str):
            raise TypeError(f"write() argument must be str, not {type(string)}")
        if os.getpid() != PID:
            # A copy of the process, as multiprocessing makes them: its words come through the descriptors.
            data = string.encode("utf-8", "replace")
            while data:
                data = data[os.write(self.fileno(), data) :]
            return len(string)
        descriptors.come_first()
        before, Stream.latest = Stream.latest, self
        if before not in (None, self) and before.pub_thread:
            # Each is sent in batches of its own: what was written first is to be sent first.
            before.settled()
        for start in range(0, len(string), PIECE):
            piece = string[start : start + PIECE]
            super().write(piece)
            self.unsent += len(piece)
            if self.unsent >= PIECE:
                self.settled()
        return len(string)

    def settled(self):
        if threading.current_thread() is not self.pub_thread.thread:
            self.unsent = 0
            self.flush()


class Descriptors:
    """What other programs and C code write to descriptors 1 and 2, brought into the streams of cells."""

    def __init__(self):
        self.pairs = []
        self.threads = set()
        for number, name in ((1, "stdout"), (2, "stderr")):
            ours, theirs = os.pipe()
            os.dup2(theirs, number)
            os.close(theirs)
            pair = {"fd": ours, "name": name, "busy": False, "taken": 0}
            self.pairs.append(pair)
            threading.Thread(target=self.watch, args=(pair,), daemon=True).start()

    def watch(self, pair):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        ready = select.poll()
        ready.register(pair["fd"], select.POLLIN)
        self.threads.add(threading.get_ident())
        while True:
            pair["busy"] = False
            ready.poll()
            # Said before anything is taken, so that whoever looks sees either this or what waits in the pipe.
            pair["busy"] = True
            some = os.read(pair["fd"], 64 << 10)
            if not some:
                return
            try:
                getattr(sys, pair["name"]).write(decoder.decode(some))
            except Exception:
                # The cell has put something of its own there.
                pass
            pair["taken"] += len(some)

    def come_first(self):
        """Lets what was written to the descriptors until now come before what the cell writes next."""
        if threading.get_ident() in self.threads:
            return
        until = None
        for pair in self.pairs:
            waits = array.array("i", [0])
            before = pair["taken"]
            fcntl.ioctl(pair["fd"], termios.FIONREAD, waits)
            awaited = before + max(waits[0], int(pair["busy"]))
            while pair["taken"] < awaited:
                until = until or time.monotonic() + 0.2
                if time.monotonic() > until:
                    return
                time.sleep(0.0005)

    def settle(self, *_):
        """Waits until what was written so far has been taken, so that it belongs to the cell that wrote it."""
        until = time.monotonic() + 0.5
        for pair in self.pairs:
            left = array.array("i", [1])
            while time.monotonic() < until:
                fcntl.ioctl(pair["fd"], termios.FIONREAD, left)
                if not left[0] and not pair["busy"]:
                    break
                time.sleep(0.001)


class App(kernelapp.IPKernelApp):
    """A kernel that listens inside its own process only and leaves no file."""

    bound = 0

    def _bind_socket(self, s, port):
        if s.socket_type in (zmq.PUB, zmq.XPUB):
            # What is not taken is waited for, and nothing is dropped.
            s.setsockopt(zmq.XPUB_NODROP, 1)
            s.setsockopt(zmq.SNDHWM, 8)
        App.bound += 1
        s.bind(f"inproc://okcvm-{App.bound}")
        return App.bound

    def init_connection_file(self):
        pass

    def write_connection_file(self, **kwargs):
        pass

    def cleanup_connection_file(self):
        pass

    def log_connection_info(self):
        pass

    def init_heartbeat(self):
        pass


class Bridge(threading.Thread):
    """Carries messages between the kernel's sockets and the wire."""

    def __init__(self, app):
        super().__init__(daemon=True, name="okcvm-bridge")
        self.sockets = {}
        for channel, kind, number in (
            (IOPUB, zmq.SUB, app.iopub_port),
            (SHELL, zmq.DEALER, app.shell_port),
            (CONTROL, zmq.DEALER, app.control_port),
        ):
            peer = app.context.socket(kind)
            peer.linger = 0
            if kind == zmq.SUB:
                peer.setsockopt(zmq.RCVHWM, 8)
                peer.setsockopt(zmq.SUBSCRIBE, b"")
            peer.connect(f"inproc://okcvm-{number}")
            self.sockets[channel] = peer

    def run(self):
        try:
            self.carry()
        except BaseException as error:
            # Without okcvm there is nobody to work for; what else can fail here leaves the kernel deaf.
            os.write(CRASH, f"the bridge ended: {error!r}\n".encode())
        os._exit(0)

    def carry(self):
        poller = zmq.Poller()
        poller.register(WIRE, zmq.POLLIN)
        for peer in self.sockets.values():
            poller.register(peer, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if WIRE.fileno() in ready or WIRE in ready:
                channel, *sizes = HEAD.unpack(self.read(HEAD.size))
                parts = [self.read(size) for size in sizes]
                # Without a key there is no signature; the wire is between these two alone.
                self.sockets[channel].send_multipart([DELIMITER, b"", *parts])
            for channel, peer in self.sockets.items():
                if peer in ready:
                    frames = peer.recv_multipart()
                    if DELIMITER in frames:
                        at = frames.index(DELIMITER) + 2
                        if len(frames) >= at + 4:
                            tell(channel, frames[at : at + 4])

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            some = WIRE.recv(size - len(data))
            if not some:
                raise EOFError
            data += some
        return bytes(data)


def no_input(*_):
    __tracebackhide__ = True
    raise RuntimeError("nobody can type here: give the value in the code instead of asking for it with input()")


def system(command):
    """`!command`: its output is shown as it comes; an interrupt ends it with all that it started."""
    __tracebackhide__ = True
    shell = app.shell
    # What is written as {name} or $name is a value of the cell.
    command = shell.var_expand(command, depth=1)
    process = subprocess.Popen(
        ["/bin/bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take():
        some = os.read(process.stdout.fileno(), 64 << 10)
        sys.stdout.write(decoder.decode(some))
        return len(some)

    def take_rest():
        # What nobody takes would stop whoever writes it.
        with process.stdout:
            try:
                while take():
                    pass
            except Exception:
                pass

    ready = select.poll()
    ready.register(process.stdout, select.POLLIN)
    after_end, rest = 0, None
    try:
        while True:
            ended = process.poll() is not None
            if ready.poll(100):
                some = take()
                if not some:
                    break
                after_end += some if ended else 0
            elif ended:
                after_end = PIECE
            if after_end >= PIECE:
                # The shell has ended, and what it left running in the background holds the pipe.
                rest = threading.Thread(target=take_rest, daemon=True)
                rest.start()
                break
        code = process.wait()
    except BaseException:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass
        process.wait()
        raise
    finally:
        if not rest:
            process.stdout.close()
    shell.user_ns["_exit_code"] = code


class Interrupts:
    """Sends an interrupt until the cell has heard it: one that comes just before `time.sleep` is seen only after it."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.heard = threading.Event()
        kernelbase.default_int_handler = self.hear
        # The name was misspelt once.
        for name in ("_send_interrupt_children", "_send_interupt_children"):
            send = getattr(kernel, name, None)
            if send:
                setattr(kernel, name, functools.partial(self.send, send))

    def hear(self, number, frame):
        self.heard.set()
        signal.default_int_handler(number, frame)

    def runs(self):
        # The kernel sets the handler for each cell, and takes it back after it.
        return signal.getsignal(signal.SIGINT) == self.hear

    def send(self, send):
        self.heard.clear()
        send()
        if self.runs():
            threading.Thread(target=self.insist, args=(send, self.kernel.execution_count), daemon=True).start()

    def insist(self, send, cell):
        for _ in range(10):
            if self.heard.wait(0.4) or not self.runs() or self.kernel.execution_count != cell:
                return
            send()


def pack(message):
    """A message as bytes that are UTF-8 whatever it holds: names of files may have halves of characters."""
    try:
        text = json.dumps(message, default=json_default, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(json_clean(message), default=str, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "okcvm")


def stay():
    print("The kernel goes on. Call the tool with restart: true for a fresh one.", file=sys.stderr)


def warn(message, *args, **options):
    """What IPython warns of; how to leave it at a terminal is no help here."""
    if str(message).startswith("To exit:"):
        stay()
    else:
        warn_as_before(message, *args, **{**options, "stacklevel": options.get("stacklevel", 1) + 1})


def with_home():
    """From now on what was installed into HOME is found, in the place that Python gives it."""
    here = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place not in ("", *sys.path)]
    sys.path[:0] = here
    if sys.prefix == sys.base_prefix:
        before, place = len(sys.path), site.getusersitepackages()
        try:
            # A folder that is missing now would be taken as missing for ever.
            os.makedirs(place, exist_ok=True)
        except OSError:
            pass
        site.ENABLE_USER_SITE = True
        site.addsitedir(place)
        added, sys.path[before:] = sys.path[before:], []
        shared = site.getsitepackages()
        at = next((at for at, known in enumerate(sys.path) if known in shared), before)
        sys.path[at:at] = added

if not os.environ.get("MPLBACKEND"):
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
sys.meta_path.insert(0, OnImport())
sys.argv[:] = ["ipython"]
# Where a crash is told: what okcvm itself reads, not the streams of cells.
CRASH = os.dup(2)
faulthandler.enable(file=CRASH)
descriptors = Descriptors()
warn_as_before, interactiveshell.warn = interactiveshell.warn, warn
with_home()
kernelapp.IOPubThread = Publisher
app = App.instance(outstream_class="__main__.Stream")
codecs.register_error("okcvm", lambda error: ("\ufffd".encode() * (error.end - error.start), error.end))
app.session.key = b""
app.session.pack = pack
app.config.HistoryManager.enabled = False
app.config.ZMQInteractiveShell.separate_in = ""
app.initialize([])
app.shell.system = system
app.kernel.raw_input = app.kernel.getpass = no_input
app.shell.ask_exit = stay
app.shell.events.register("post_execute", descriptors.settle)
interrupts = Interrupts(app.kernel)
bridge = Bridge(app)
hello({"ready": True})
bridge.start()
app.start()
