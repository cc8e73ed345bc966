"""A private vmnode host for tests, benchmarks and the demonstration: one directory, the real programs, a real QEMU."""

import atexit
import contextlib
import functools
import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid as uuidlib

TOP = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("VMNODE_BIN", TOP / "build" / "bin"))
WAIT = int(os.environ.get("VMNODE_WAIT", "120"))  # seconds: the longest a test waits for an event on a slow machine


def unix_connect(path):
    """Connect to a Unix socket whose path may be longer than 107 bytes."""
    fd = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        s = socket.socket(socket.AF_UNIX)
        s.connect(f"/proc/self/fd/{fd}/{os.path.basename(path)}")
        return s
    finally:
        os.close(fd)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT)
        self.path = path

    def connect(self):
        self.sock = unix_connect(self.path)
        self.sock.settimeout(WAIT)


class Events:
    """The event stream, line by line. `seen` keeps everything after `ready`."""

    def __init__(self, sock, path="/events"):
        self.sock = sock
        self.sock.settimeout(WAIT)
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.raw = b""
        self.body = b""
        while b"\r\n\r\n" not in self.raw:
            self._recv()
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(head.split()[1])
        self.seen = []
        if self.status == 200:
            self.ready = self.next()

    def _recv(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise EOFError("event stream ended")
        self.raw += data

    def _chunk(self):
        while b"\r\n" not in self.raw:
            self._recv()
        size, rest = self.raw.split(b"\r\n", 1)
        n = int(size, 16)
        while len(rest) < n + 2:
            self._recv()
            rest = self.raw.split(b"\r\n", 1)[1]
        self.body += rest[:n]
        self.raw = rest[n + 2:]
        if n == 0:
            raise EOFError("event stream ended")

    def next(self, timeout=WAIT):
        self.sock.settimeout(timeout)
        while b"\n" not in self.body:
            self._chunk()
        line, self.body = self.body.split(b"\n", 1)
        event = json.loads(line)
        event["_at"] = time.monotonic()
        self.seen.append(event)
        return event

    def wait(self, wanted, timeout=WAIT):
        """The first event, from now on, for which wanted(event) is true."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("event did not come; last: %r" % [
                    (e["type"], [c["prettyPath"] for c in e.get("changes", [])]) for e in self.seen[-8:]])
            event = self.next(left)
            if wanted(event):
                return event

    def wait_change(self, uuid, path, new=None, timeout=WAIT):
        def wanted(e):
            return e["type"] == "modify" and e["uuid"] == uuid and any(
                c["prettyPath"] == path and (new is None or c.get("newValue") == new) for c in e["changes"])
        return self.wait(wanted, timeout)

    def close(self):
        self.sock.close()


@functools.cache
def public_copy(bin):
    """The programs where every user may run them: a clone in root's home directory is closed to others."""
    copy = pathlib.Path(tempfile.mkdtemp(prefix="vmnode-bin."))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    copy.chmod(0o755)
    for name in ("vminfod", "vminfo", "vmadm", "vm-monitor"):
        shutil.copy(pathlib.Path(bin) / name, copy)
    return copy


class Host:
    def __init__(self, root, bin=BIN, env=None, uid=None):
        """uid: the programs run as this user and its group of the same number, in no other group."""
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.bin = pathlib.Path(bin) if uid is None else public_copy(bin)
        self.user = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        if uid is not None:
            os.chown(self.root, uid, uid)
        self.env = dict(os.environ, VMNODE_ROOT=str(self.root), **(env or {}))
        self.daemon = None
        self.log = None

    # --- programs ---

    def run(self, program, *args, input=None, check=True, timeout=WAIT * 2, **kw):
        p = subprocess.run([str(self.bin / program), *map(str, args)], input=input, env=self.env, text=True,
                           capture_output=True, timeout=timeout, **{**self.user, **kw})
        if check and p.returncode != 0:
            raise AssertionError(f"{program} {' '.join(map(str, args))}: exit {p.returncode}\n{p.stdout}\n{p.stderr}")
        return p

    def popen(self, program, *args, **kw):
        kw.setdefault("env", self.env)
        return subprocess.Popen([str(self.bin / program), *map(str, args)], text=True, **{**self.user, **kw})

    def vmadm(self, *args, **kw):
        return self.run("vmadm", *args, **kw)

    def create(self, payload, **kw):
        payload = dict(payload)
        payload.setdefault("uuid", str(uuidlib.uuid4()))
        self.vmadm("create", input=json.dumps(payload), **kw)
        return payload["uuid"]

    def vm(self, uuid):
        return json.loads(self.vmadm("get", uuid).stdout)

    # --- vminfod ---

    def start(self, *args):
        """Start vminfod and wait until it says that it is ready."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = "\0vmnode-" + uuidlib.uuid4().hex
        notify.bind(name)
        notify.settimeout(WAIT)
        self.log = open(self.root / "vminfod.log", "ab")
        self.daemon = subprocess.Popen([str(self.bin / "vminfod"), "--port", "0", *args], stderr=self.log,
                                       stdin=subprocess.DEVNULL, stdout=self.log,
                                       env=dict(self.env, NOTIFY_SOCKET="@" + name[1:]), **self.user)
        pidfd = os.pidfd_open(self.daemon.pid)
        try:
            while True:
                r, _, _ = select.select([notify, pidfd], [], [], WAIT)
                if notify in r:
                    if b"READY=1" in notify.recv(4096):
                        break
                elif pidfd in r:
                    raise AssertionError("vminfod ended: " + (self.root / "vminfod.log").read_text()[-2000:])
                else:
                    raise TimeoutError("vminfod is not ready")
        finally:
            os.close(pidfd)
            notify.close()
        return self

    @property
    def port(self):
        return int((self.root / "run/vmnode/vminfod.port").read_text())

    def stop(self, sig=signal.SIGTERM):
        if self.daemon:
            self.daemon.send_signal(sig)
            code = self.daemon.wait(WAIT)
            self.daemon = None
            self.log.close()
            return code
        return None

    def http(self, path, method="GET", headers=None):
        c = UnixHTTP(str(self.root / "run/vmnode/vminfod.sock"))
        c.request(method, path, headers=headers or {})
        r = c.getresponse()
        body = r.read()
        c.close()
        return r.status, body, r.headers

    def get(self, path):
        status, body, _ = self.http(path)
        assert status == 200, (status, body)
        return json.loads(body)

    def events(self, path="/events"):
        return Events(unix_connect(str(self.root / "run/vmnode/vminfod.sock")), path)

    # --- files and processes ---

    def path(self, logical):
        return self.root / logical.lstrip("/")

    def state(self, uuid):
        try:
            return json.loads(self.path(f"/run/vmnode/zones/{uuid}.state").read_text())
        except FileNotFoundError:
            return None

    def console(self, uuid):
        s = unix_connect(str(self.path(f"/zones/{uuid}/root/tmp/vm.console")))
        s.settimeout(WAIT)
        return s

    def wait_console(self, uuid, text, timeout=WAIT):
        """Read the serial console (replay included) until `text` appears; returns what was read."""
        s = self.console(uuid)
        s.settimeout(timeout)
        seen = b""
        with contextlib.closing(s):
            while text.encode() not in seen:
                data = s.recv(65536)
                if not data:
                    raise EOFError("console ended: " + seen.decode(errors="replace")[-2000:])
                seen += data
        return seen.decode(errors="replace")

    def replace(self, logical, text):
        """Move a new file into place, as an administrator's script would."""
        path = self.path(logical)
        new = path.with_name(path.name + ".admin")
        new.write_text(text)
        os.replace(new, path)

    def kill(self, uuid, who, sig=signal.SIGKILL):
        """kill -9 of "hypervisor" or "monitor"; waits until the process is gone. Returns the moment of the signal."""
        pid = self.state(uuid)[who]["pid"]
        fd = os.pidfd_open(pid)
        at = time.monotonic()
        os.kill(pid, sig)
        assert select.select([fd], [], [], WAIT)[0], "process did not end"
        os.close(fd)
        return at

    def reap(self):
        """End everything that was started below the root, and remove the root. VMs are deleted, so that their uids and
        control groups are given back; what that cannot end is killed."""
        self.stop(signal.SIGKILL)
        uuids = [p.stem for p in self.root.glob("etc/zones/*-*-*-*-*.xml")]
        for uuid in uuids if len(uuids) <= 100 else []:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("vmadm", "delete", uuid, check=False, timeout=60)
        for f in self.root.glob("run/vmnode/zones/*.state"):
            with contextlib.suppress(ValueError, OSError, AttributeError):
                st = json.loads(f.read_text())
                for who in ("monitor", "hypervisor"):
                    self.kill_own(st.get(who, {}).get("pid"))
        shutil.rmtree(self.root, ignore_errors=True)

    def kill_own(self, pid):
        """kill -9 of a process that works below the root or was started for it."""
        with contextlib.suppress(OSError, TypeError):
            ours = str(self.root).encode()
            if os.readlink(f"/proc/{pid}/cwd").startswith(str(self.root)) or ours in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)


def guest(cache=None):
    """Build (once) the tiny guest; returns the directory with vmlinuz and initrd.gz."""
    out = pathlib.Path(cache or os.environ.get("VMNODE_GUEST", "/var/tmp/vmnode-guest"))
    subprocess.run([str(TOP / "tests/guests/build"), str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


def guest_payload(out, **more):
    """A VM with kernel, initrd, one 1 GiB disk and one NIC."""
    return {"brand": "kvm", "alias": "guest", "ram": 128, "vcpus": 1, "kernel_image": str(out / "vmlinuz"),
            "initrd_image": str(out / "initrd.gz"), "kernel_args": "console=ttyS0 quiet",
            "disks": [{"size": 1024, "model": "virtio", "boot": True}],
            "nics": [{"nic_tag": "user", "model": "virtio", "ips": ["dhcp"]}], **more}


def quick_payload(**more):
    """A VM whose raw disk takes the boot sector; not started by create."""
    return {"brand": "kvm", "ram": 64, "autoboot": False, "disks": [{"size": 1, "model": "virtio", "boot": True, "format": "raw"}],
            "nics": [{"nic_tag": "user", "model": "virtio"}], **more}


def create_quick(host, bootsector, **more):
    """Create a VM that boots the boot sector (up in 0.2 s, obeys the power button). Returns its uuid; not running yet."""
    uuid = host.create(quick_payload(**more))
    volume = host.path(host.vm(uuid)["disks"][0]["path"])
    with open(volume, "r+b") as f:
        f.write(pathlib.Path(bootsector).read_bytes()[:512])
    return uuid
